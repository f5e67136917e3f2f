#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many variables, a table that grows and shrinks, and one that cannot: G1, G7, G8, G9, G11.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

control=/proc/dynamic_debug/control
[[ -w $control ]] || control=/sys/kernel/debug/dynamic_debug/control
inject=/sys/kernel/debug/fail_function
smallest=256

# tells(on|off): whether the store tells how it resizes its table
tells()
{
	local flag=+p

	[[ $1 == on ]] || flag=-p
	echo "file shadow_table.c $flag" >"$control"
}

# await_log(regex, seconds): wait until the log since $mark has it
await_log()
{
	local end=$((SECONDS + $2))

	until log_since "$mark" | grep -qE "$1"; do
		((SECONDS < end)) || return 1
		sleep 0.5
	done
}

# largest(): the most chains that the table had since $mark
largest()
{
	log_since "$mark" | sed -nE 's/.*moved from [0-9]+ to ([0-9]+) chains.*/\1/p' |
		sort -n | tail -n 1
}

begin test_klp_shadow_table

if ! [[ -w $control ]] || ! grep -q 'shadow_table\.c' "$control"; then
	run_module test_klp_shadow_table "$@"
	skipped "G1 the table grows" "the store cannot tell: no dynamic debug"
	skipped "G11 a table that cannot grow" "the store cannot tell: no dynamic debug"
	finish
fi

tells on
run_module test_klp_shadow_table "$@"
await_log "to $smallest chains" 60
report $? "G1 the table shrinks again when its variables are gone"
chains=$(largest)
report $((${chains:-0} < 8 * smallest)) "G1 it has grown: to ${chains:-no} chains"

if [[ -d $inject ]]; then
	# The function that makes a table gives none, as if there were no memory.
	set_knob $inject/verbose 0
	set_knob $inject/probability 100
	set_knob $inject/interval 1
	set_knob $inject/times -1
	echo klp_shadow_table_new >$inject/inject
	echo 0 >$inject/klp_shadow_table_new/retval
	run_module test_klp_shadow_table rounds=1 variables=3000
	await_log 'no memory for [0-9]+ chains' 10
	report $? "G11 a table that cannot grow does all of this as well"
	chains=$(largest)
	report $((${chains:-0} != 0)) "G11 and stays as it is meanwhile"
	mark
	insmod "$modules/test_klp_shadow_table.ko" keep=3000 && loaded=test_klp_shadow_table
	await_log 'no memory for [0-9]+ chains' 10
	echo >$inject/inject
	restore_knobs
	await_log "moved from $smallest to [0-9]+ chains" 30
	report $? "G11 it is tried again, and grows when there is memory"
	rmmod test_klp_shadow_table && loaded=
else
	skipped "G11 a table that cannot grow" "this kernel cannot fail functions"
fi

tells off
finish
