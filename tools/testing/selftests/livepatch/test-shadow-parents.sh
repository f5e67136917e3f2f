#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Parents that are freed before their variables: with check_parents each is reported.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

switch=/sys/module/klp_shadow/parameters/check_parents
module=test_klp_shadow_parents
lp=test_klp_shadow_lp1

# reported(id, n): whether there are n reports; if none is expected, after a while
# shellcheck disable=SC2317 # await calls it
reported()
{
	(($2)) || pause 1
	(($(log_since "$mark" | grep -c "shadow variable '.*' ($1) was freed before") == $2))
}

# frees(n): free a parent in way n; the log since then is in $log
frees()
{
	mark
	kmsg "expected WARNING begins"
	echo "$1" >/sys/module/$module/parameters/free
	# Reports come from a work item.
	await reported "$(printf '0x5d0e%04x' "$1")" "${2:-1}" >/dev/null
	kmsg "expected WARNING ends"
	log=$(log_since "$mark")
	bad=$(grep -v 'was freed before the variable' <<<"$log" | grep -m 1 -E -f "$BAD")
	[[ -z $bad ]] || report 1 "only reports are logged: $bad"
}

# is_reported(text, n, stack): in way n, with this in the stack
is_reported()
{
	frees "$2"
	grep -q "'-' ($(printf '0x5d0e%04x' "$2")) was freed" <<<"$log" &&
		grep -q "$3" <<<"$log"
	report $? "$1"
}

begin $module $lp test_klp_shadow_owner
[[ -e $switch ]] || skip "this kernel does not check parents"

insert_module $module
set_knob $switch 0
frees 1 0
[[ $log != *"was freed before"* ]]
report $? "nothing is reported while it is off"

set_knob $switch 1
is_reported "a parent freed by kfree()" 1 "$module\\]"
is_reported "a parent freed by kmem_cache_free()" 2 "$module\\]"
is_reported "a parent freed by kfree_rcu()" 3 "allocated anew by\|kfree_rcu_work"
is_reported "a parent freed by kfree_bulk(), when it is allocated anew" 12 "allocated anew by"
is_reported "a parent inside of what is freed" 4 "$module\\]"
is_reported "a parent of several pages" 5 "$module\\]"
is_reported "a page that is freed" 6 "$module\\]"
is_reported "a slab whose objects were freed in bulk" 8 kmem_cache_destroy
frees 7 0
[[ $log != *"was freed before"* ]]
report $? "a variable that is removed first is not reported"
frees 1 0
[[ $log != *"was freed before"* ]]
report $? "one report for each id"
frees 11 0
[[ $log != *"was freed before"* ]]
report $? "memory beside a parent is not taken for it"

insert_module test_klp_shadow_owner
insert_module $lp id=$((0x5d0e0009)) parent_module=test_klp_shadow_owner
await reads 0 /sys/kernel/livepatch/$lp/transition
frees 9
grep -q "shadow variable 'var' (0x5d0e0009) was freed" <<<"$log"
report $? "the report has the name of the type"

# The exit function of the parents' module may leave them to the store.
echo 0 >$switch
echo 1 >$switch
rmmod test_klp_shadow_owner
frees 9 0
[[ $log != *"was freed before"* ]]
report $? "a parent of a module that goes is not reported"
insmod "$modules/test_klp_shadow_owner.ko"
frees 9
grep -q "shadow variable 'var' (0x5d0e0009) was freed" <<<"$log"
report $? "but when the module is loaded again"

# While a livepatch is being disabled, tasks that run the original code free parents.
echo 0 >$switch
echo 1 >$switch
echo 1 >/sys/module/$lp/parameters/block
await reads Y /sys/module/$lp/parameters/blocked
echo 0 >/sys/kernel/livepatch/$lp/enabled
reads 1 /sys/kernel/livepatch/$lp/transition && frees 9 0 &&
	reads 1 /sys/kernel/livepatch/$lp/transition &&
	[[ $log != *"was freed before"* && $log != *"no variable"* ]]
report $? "nothing is reported while not all tasks run the livepatch"
remove $lp
insert_module $lp id=$((0x5d0e000a)) outlives_parent=1
await reads 0 /sys/kernel/livepatch/$lp/transition
frees 10 0
[[ $log != *"was freed before"* ]]
report $? "a type that outlives its parents is not reported"

finish
