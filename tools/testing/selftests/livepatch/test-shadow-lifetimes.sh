#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Variables live as long as livepatches that have their type: G14 ... G17.
# Usage: test-shadow-lifetimes.sh [many] [force]
#
# Livepatches 1, 2 and 3 have types that are set by their parameters, livepatch 0 has none.
# All of them patch test_klp_shadow_owner, and replace all others unless replace=0.
# With arguments, only these parts run: "many", a million variables; "force", a forced
# transition, after which livepatches can no longer be tested before a reboot.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

OWNER=test_klp_shadow_owner

lp_name()
{
	echo "test_klp_shadow_lp$1"
}

# is(text, actual, wanted): report whether both are equal
is()
{
	[[ $2 == "$3" ]] || echo "# $1: '$2', not '$3'"
	report "$([[ $2 == "$3" ]]; echo $?)" "$1"
}

# insert(n, parameter...): load livepatch n, without waiting for its transition
insert()
{
	insert_module "$(lp_name "$1")" "${@:2}"
}

# lp(n, parameter...): load livepatch n, and wait until its transition has completed
lp()
{
	if ! insert "$@" || ! await reads 0 "/sys/kernel/livepatch/$(lp_name "$1")/transition"; then
		report 1 "livepatch $1 is enabled"
	fi
}

# refused(text, message, n, parameter...): enabling livepatch n fails, and logs the message
refused()
{
	local log

	mark
	if insert "${@:3}" 2>/dev/null; then
		report 1 "$1: is refused"
		off "$3"
		unload "$3"
		return
	fi
	log=$(log_since "$mark")
	grep -qE "$2" <<<"$log" || echo "# $1: the log does not say '$2'"
	report "$(grep -qE "$2" <<<"$log"; echo $?)" "$1"
}

# logged_since(mark, message): the message was logged after the mark
logged_since()
{
	log_since "$1" | grep -qE "$2"
}

# logged(text, message): report whether the message was logged after the last mark
logged()
{
	logged_since "$mark" "$2"
	report $? "$1"
}

# off(n): disable livepatch n, and wait until it is unregistered
off()
{
	local dir

	dir=/sys/kernel/livepatch/$(lp_name "$1")
	echo 0 >"$dir/enabled"
	await gone "$dir" || report 1 "livepatch $1 is disabled"
}

# unload(n): unload a disabled or replaced livepatch; set result to the counts it logs
unload()
{
	local name

	name=$(lp_name "$1")
	result=
	if ! await gone "/sys/kernel/livepatch/$name" ||
	   ! await reads 0 "/sys/module/$name/refcnt" || ! mark || ! remove_module "$name"; then
		report 1 "livepatch $1 is unloaded"
		return
	fi
	result=$(log_since "$mark" | sed -n "s/^.*$name: \(ctors .*\)/\1/p")
}

# set_lp(n, parameter, value), get_lp(n, parameter)
set_lp()
{
	echo "$3" >"/sys/module/$(lp_name "$1")/parameters/$2"
}

get_lp()
{
	cat "/sys/module/$(lp_name "$1")/parameters/$2"
}

# block(n), unblock(n): a thread stays in a function of livepatch n, or leaves it
block()
{
	set_lp "$1" block 1
	await reads Y "/sys/module/$(lp_name "$1")/parameters/blocked" ||
		report 1 "livepatch $1 blocks"
}

unblock()
{
	set_lp "$1" block 0
}

# reverse(n): reverse the transition from livepatch 1, which is blocked, to livepatch n
reverse()
{
	local dir

	dir=/sys/kernel/livepatch/$(lp_name "$1")
	reads 1 "$dir/transition" || report 1 "livepatch $1 is in transition"
	echo 0 >"$dir/enabled"
	unblock 1
	await gone "$dir" || report 1 "the transition to livepatch $1 is reversed"
}

# counted(ctors, dtors, [converted]): the counts that a livepatch logs when it is unloaded
counted()
{
	echo "ctors $1, dtors $2, releases $2, converted ${3:-0}, wrong 0"
}

VAR=0x5d0b0000
LATER=0x5d0b0010
LATEST=0x5d0b0020
LAST_EXTRA="converted [0-9]* shadow variables 'extra' \(0x5d0c001d\)"
HEADER=test_klp_shadow_header

begin $OWNER $HEADER test_klp_shadow_api "$(lp_name 0)" "$(lp_name 1)" "$(lp_name 2)" "$(lp_name 3)"
insert_module $OWNER || exit

# --- Parts that run only if requested ---

# The watchdogs of the kernel report it if a lock is held for too long.
many()
{
	local LIMIT=300 log

	lp 1
	set_lp 1 add 1000000
	off 1
	unload 1
	is "G15 a million variables are freed" "$result" "$(counted 1000000 1000000)"

	# Conversion and release callbacks do not block loading and unloading of another
	# module, which take klp_mutex.
	lp 1 extra_id=0x5d0c0000
	set_lp 1 add_extra 900000
	lp 2 extra_id=0x5d0d0000 extra_from=0x5d0c0000
	insert_module test_klp_shadow_api
	remove_module test_klp_shadow_api
	kmsg "another module was loaded and unloaded"
	await logged_since "$begin" "$LAST_EXTRA" || report 1 "G16 all types are converted"
	log=$(log_since "$begin" | grep -E "another module was loaded|$LAST_EXTRA")
	report "$([[ $log == *another*converted* ]]; echo $?)" \
		"G16 another module is loaded and unloaded while 30 types are converted"
	off 2
	unload 1
	unload 2
}

# Modules of forced livepatches cannot be unloaded.
force()
{
	lp 1
	set_lp 1 add 10
	block 1
	mark
	insert 0
	echo 1 >"/sys/kernel/livepatch/$(lp_name 0)/force"
	unblock 1
	await reads 0 "/sys/kernel/livepatch/$(lp_name 0)/transition"
	await logged_since "$mark" "'$(lp_name 1)' was forced; keeping its shadow variables"
	report $? "G15 a forced transition logs that no variables are freed"
	is "G15 a forced transition keeps the variables" "$(get_lp 1 there)" 10
	# A successor does not convert them, but begins without variables.
	lp 2 id=$LATER from=$VAR size=16
	set_lp 2 add 3
	is "G15 a successor can be enabled, and adds new variables" \
		"$(get_lp 1 there) $(get_lp 2 there)" "10 3"
	loaded=
}

for part; do
	case $part in
	many) many ;;
	force) force ;;
	*) report 1 "there is no part '$part': many, force" ;;
	esac
done
if (($#)); then
	[[ ! $loaded ]] || remove_module $OWNER
	finish
fi

# --- One livepatch ---

lp 1
set_lp 1 add 100
is "G15 variables are added" "$(get_lp 1 there)" 100
set_lp 1 drop 7
is "G15 a variable is freed" "$(get_lp 1 there)" 99
off 1
unload 1
is "G14 G15 disabling frees all variables, and releases them before unloading" \
	"$result" "$(counted 100 100)"

lp 1
is "G15 enabled again, it begins without variables" "$(get_lp 1 there)" 0
off 1
unload 1

lp 1 slow=20
set_lp 1 add 50
off 1
rmmod "$(lp_name 1)" 2>/dev/null
unload 1
is "G14 it cannot be unloaded while release callbacks run" "$result" "$(counted 50 50)"

# --- Atomic replace ---

lp 1
set_lp 1 add 100
lp 2
is "G15 a replacing livepatch with the type inherits the variables" "$(get_lp 2 there)" 100
unload 1
is "G15 the replaced livepatch frees none" "$result" "$(counted 100 0)"
lp 1
is "G15 the previous livepatch, enabled again, inherits the variables" "$(get_lp 1 there)" 100
unload 2
lp 0
unload 1
is "G15 a replacing livepatch without the type frees them" "$result" "$(counted 0 100)"
lp 1
is "G15 the next livepatch with the type begins without variables" "$(get_lp 1 there)" 0
off 1
unload 0
unload 1

lp 1
set_lp 1 add 100
lp 0
lp 2
is "G15 of three livepatches, the second without the type, the third inherits none" \
	"$(get_lp 2 there)" 0
set_lp 2 add 10
off 2
unload 2
unload 0
unload 1
is "G15 the first of them has freed its variables" "$result" "$(counted 100 100)"

# --- Several at once ---

lp 1 replace=0
lp 2 replace=0
set_lp 1 add 100
is "G15 livepatches that do not replace each other share variables" "$(get_lp 2 there)" 100
off 2
unload 2
is "G15 the first of these to be disabled frees none" \
	"$(get_lp 1 there) $result" "100 $(counted 0 0)"
lp 2 replace=0
lp 0
unload 1
is "G15 two are replaced at once: the first frees no variable" "$result" "$(counted 100 0)"
unload 2
is "G15 two are replaced at once: the second frees all variables" "$result" "$(counted 0 100)"
off 0
unload 0

# --- Enabling fails ---

lp 1 replace=0
set_lp 1 add 20
refused "G15 a pre-patch callback fails" "pre-patch callback failed" 2 fail=1
is "G15 a failing callback keeps variables of other livepatches" "$(get_lp 1 there)" 20
refused "G15 a patched function does not exist" "symbol .* not found" 2 no_target=1
is "G15 a missing function keeps variables of other livepatches" "$(get_lp 1 there)" 20
refused "G15 shared state cannot be created" \
	"shared shadow variable 'state' .* could not be created: -5" 2 state_err=-5
is "G15 missing shared state keeps variables of other livepatches" "$(get_lp 1 there)" 20
texts=$(for err in 5 5 28; do insert 2 state_err=-$err 2>&1; done)
is "G15 insmod tells the error of the constructor" \
	"$(uniq -c <<<"$texts" | awk '{ print $1 }' | xargs)" "2 1"
off 1
unload 1
refused "G15 a pre-patch callback of the only livepatch fails" "pre-patch callback failed" 2 fail=1
refused "G14 a livepatch that fails releases before its module is removed" \
	"pre-patch callback failed" \
	2 fail=1 slow=500
lp 1
is "G15 livepatches that failed leave no variables" "$(get_lp 1 there) $(get_lp 1 state)" "0 1"
off 1
unload 1

# Release callbacks of another livepatch sleep, for longer than the test takes.
lp 1 slow=60000
set_lp 1 add 1
set_lp 1 drop 1
refused "G14 a pre-patch callback fails while callbacks of another livepatch run" \
	"pre-patch callback failed" 2 fail=1
is "G14 the failing livepatch does not wait for these" "$(get_lp 1 releases)" 0
set_lp 1 slow 0
off 1
unload 1

# --- During a transition ---

lp 1
set_lp 1 add 30
block 1
insert 2
is "G17 during a transition, a replacing livepatch with the type finds the variables" \
	"$(get_lp 2 there)" 30
reverse 2
unload 2
is "G15 the transition is reversed: the new livepatch frees none" "$(get_lp 1 there)" 30
block 1
insert 0
is "G17 a transition to a livepatch without the type hides them at once" "$(get_lp 1 there)" 0
is "G17 no variable can be added during this transition" \
	"$(set_lp 1 add 30 2>/dev/null || echo "fails") $(get_lp 1 there)" "fails 0"
reverse 0
unload 0
is "G17 this transition is reversed: the variables stay hidden" "$(get_lp 1 there)" 0
set_lp 1 add 10
is "G17 variables can be added again" "$(get_lp 1 there)" 10
block 1
echo 0 >"/sys/kernel/livepatch/$(lp_name 1)/enabled"
is "G17 a livepatch that is being disabled finds none" "$(get_lp 1 there)" 0
echo 1 >"/sys/kernel/livepatch/$(lp_name 1)/enabled"
unblock 1
await reads 0 "/sys/kernel/livepatch/$(lp_name 1)/transition"
is "G17 disabling is reversed: the variables stay hidden, not released" \
	"$(get_lp 1 there) $(get_lp 1 releases)" "0 0"
set_lp 1 add 5
off 1
unload 1
is "G15 all variables, also hidden ones, are freed with the livepatch" "$result" "$(counted 45 45)"
refused "G17 a pre-patch callback of the first livepatch cannot add variables" \
	"pre-patch callback failed" 1 early=10 fail=1
lp 1
is "G17 and leaves none" "$(get_lp 1 there)" 0
off 1
unload 1

# --- Shared state ---

lp 1 state_id=0x5d0b0001
is "G15 shared state exists when a livepatch is enabled" "$(get_lp 1 state)" 1
set_lp 1 state 17
lp 2 state_id=0x5d0b0001
is "G15 shared state is inherited" "$(get_lp 2 state)" 17
lp 3 state_id=0x5d0b0001
unload 1
unload 2
is "G15 shared state remains when the first livepatches are unloaded" "$(get_lp 3 state)" 17
lp 0
lp 1 state_id=0x5d0b0001
is "G15 shared state is new after a livepatch without its type" "$(get_lp 1 state)" 1
off 1
unload 0
unload 3
unload 1
is "G15 all checks inside the livepatch passed" "${result##*, }" "wrong 0"

# --- Conflicts and faults ---

lp 1
set_lp 1 add 20
refused "G15 different names conflict" \
	"lp2': shadow type 'rav' .*conflicts with 'var' .* of '.*lp1': different names" 2 name=rav
refused "G15 different sizes conflict" "16 bytes\) conflicts .* 8 bytes\).*: different sizes" \
	2 size=16
refused "G15 different parent modules conflict" "different .parent_module" 2 parent_module=$OWNER
refused "G15 shared state conflicts with variables of parents" "one is shared" \
	2 state_id=$VAR id=99
refused "G15 two different types of one id in a livepatch conflict" \
	"defines two different shadow types .*, ('var' and 'state'|'state' and 'var')" \
	2 id=0x5d0b0002 state_id=0x5d0b0002
refused "G15 types of another kernel are refused" "lp2' was built for another kernel" 2 abi=1
is "G15 the enabled one keeps its variables" "$(get_lp 1 there)" 20
off 1
refused "G15 types of a disabled livepatch conflict while its module is loaded" "different sizes" \
	2 size=16
unload 1
lp 2 size=16
off 2
unload 2

mark
lp 1 parent_module=
logged "G15 a type without .parent_module causes a warning" \
	"lp1' patches modules only, but shadow type 'var' has no .parent_module"
off 1
unload 1
mark
lp 1 parent_module=mac80211
logged "G15 a type with a module that is not patched causes a warning" \
	"lp1' does not patch module 'mac80211', which shadow type 'var' has"
off 1
unload 1

insert_module $HEADER
await reads 0 /sys/kernel/livepatch/$HEADER/transition
echo 4 >/sys/module/$HEADER/parameters/sum
is "G15 a type in a header that two files include is one type" \
	"$(cat /sys/module/$HEADER/parameters/sum)" 8
echo 0 >/sys/kernel/livepatch/$HEADER/enabled
await gone /sys/kernel/livepatch/$HEADER
await reads 0 /sys/module/$HEADER/refcnt
remove_module $HEADER

# --- Conversion ---

lp 1
set_lp 1 add 20
lp 2 id=$LATER from=$VAR size=48
await reads 20 "/sys/module/$(lp_name 2)/parameters/there"
is "G16 an upgrade converts variables to a larger size" "$(get_lp 2 there)" 20
unload 1
is "G16 destructors are not called for converted variables" "$result" "$(counted 20 0)"
lp 1
unload 2
is "G16 a downgrade frees the variables" "$result" "$(counted 0 20 20)"
is "G16 a downgrade begins without variables" "$(get_lp 1 there)" 0
set_lp 1 add 20
mark
lp 3 id=$LATEST from=$LATER,$VAR size=16 convert=4
await reads 15 "/sys/module/$(lp_name 3)/parameters/there"
is "G16 a version can be skipped, and variables that cannot be converted are freed" \
	"$(get_lp 3 there)" 15
await logged_since "$mark" "freed 5 shadow variables 'var' .* that could not be converted: -34"
report $? "G16 the log has their number and the error"
unload 1
is "G16 they are freed with the callbacks of their type" "$result" "$(counted 20 5)"
off 3
unload 3
is "G16 the other ones are freed with the livepatch" "$result" "$(counted 0 15 15)"

lp 1
set_lp 1 add 20
block 1
insert 2 id=$LATER from=$VAR size=16
is "G16 new code does not find old variables" "$(get_lp 2 there)" 0
is "G16 new code cannot add variables to parents with old ones" \
	"$(set_lp 2 add 30 2>/dev/null || echo "fails") $(get_lp 2 there)" "fails 0"
for n in 1 2 3; do
	set_lp 2 drop $n
done
is "G16 new code frees old variables" "$(get_lp 1 there)" 17
set_lp 2 add 3
is "G16 new code can add variables to their parents then" "$(get_lp 2 there)" 3
reverse 2
unload 2
is "G16 a transition that is reversed converts nothing" "$result $(get_lp 1 there)" \
	"$(counted 3 3) 17"
off 1
unload 1
is "G16 the old livepatch frees the variables" "$result" "$(counted 20 20)"

# --- The parents' module ---

# File names of modules may have dashes.
lp 1 parent_module=${OWNER//_/-} slow=50
set_lp 1 add 40
rmmod $OWNER
is "G14 G15 unloading the parents' module frees and releases their variables first" \
	"$(get_lp 1 there) $(get_lp 1 releases)" "0 40"
insmod "$modules/$OWNER.ko"
is "G15 loaded again, objects at the same addresses have no variables" "$(get_lp 1 there)" 0
set_lp 1 add 10
off 1
unload 1
is "G15 all variables were freed" "$result" "$(counted 50 50)"

# A livepatch refuses the module, when another one has added variables to its objects.
lp 1 parent_module=$OWNER early=10 replace=0
lp 2 replace=0 id=$LATER
set_lp 2 fail 1
is "G17 pre-patch callbacks cannot add variables while a livepatch is being enabled" \
	"$(get_lp 1 there)" 0
rmmod $OWNER
insmod "$modules/$OWNER.ko" 2>/dev/null
is "G15 a module that a livepatch refuses has no variables" \
	"$(get_lp 1 there) $(get_lp 1 releases)" "0 10"
set_lp 2 fail 0
insmod "$modules/$OWNER.ko"
is "G17 pre-patch callbacks for a module that is loaded later can add variables" \
	"$(get_lp 1 there)" 10
off 2
off 1
unload 2
unload 1
is "G15 these are freed with the livepatch" "$result" "$(counted 20 20)"

remove_module $OWNER
finish
