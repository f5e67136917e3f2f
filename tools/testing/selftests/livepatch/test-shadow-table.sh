#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many variables in a table that grows and shrinks, or cannot grow: G1, G7, G8, G9, G11.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

control=/proc/dynamic_debug/control
[[ -w $control ]] || control=/sys/kernel/debug/dynamic_debug/control
inject=/sys/kernel/debug/fail_function
first=4096
# Number of variables that makes the table grow.
many=9000

# resize_messages(on|off): whether the kernel logs resizes
resize_messages()
{
	local flag=+p

	[[ $1 == on ]] || flag=-p
	echo "file shadow_table.c $flag" >"$control"
}

# await_log(regex, seconds): wait for a message since $mark
await_log()
{
	local end=$((SECONDS + $2))

	until log_since "$mark" | grep -qE "$1"; do
		((SECONDS < end)) || return 1
		sleep 0.5
	done
}

# largest(): chains of the largest table since $mark
largest()
{
	log_since "$mark" | sed -nE 's/.*moving .* from [0-9]+ to ([0-9]+) chains.*/\1/p' |
		sort -n | tail -n 1
}

# tables_fail(on|off): whether all allocations of tables fail
tables_fail()
{
	if [[ $1 == on ]]; then
		echo klp_shadow_table_alloc >$inject/inject
		echo 0 >$inject/klp_shadow_table_alloc/retval
	else
		echo >$inject/inject
	fi
}

begin test_klp_shadow_table

if ! [[ -w $control ]] || ! grep -q 'shadow_table\.c' "$control"; then
	run_module test_klp_shadow_table "$@"
	skipped "G1 the table grows" "needs dynamic debug"
	skipped "G11 a table that cannot grow" "needs dynamic debug"
	finish
fi

trap 'resize_messages off; [[ ! -d $inject ]] || tables_fail off; clean_up' EXIT
resize_messages on
run_module test_klp_shadow_table "$@"
await_log "to $first chains" 60
report $? "G1 the table shrinks when its variables have been freed"
chains=$(largest)
report $((${chains:-0} < 8 * first)) "G1 the table has grown: to ${chains:-no} chains"

if [[ -d $inject ]]; then
	set_knob $inject/verbose 0
	set_knob $inject/probability 100
	set_knob $inject/interval 1
	set_knob $inject/times -1
	tables_fail on
	run_module test_klp_shadow_table rounds=1 variables=$many
	await_log 'no memory for [0-9]+ chains' 10
	report $? "G11 the same tests with a table that cannot grow"
	chains=$(largest)
	report $((${chains:-0} != 0)) "G11 the table has not grown"
	mark
	insert_module test_klp_shadow_table keep=$many
	await_log 'no memory for [0-9]+ chains' 10
	# Attempts after 1, 2 and 4 s: at most four. Without back-off, there would be nine.
	sleep 8
	attempts=$(log_since "$mark" | grep -cE 'no memory for [0-9]+ chains')
	report $((attempts < 2 || attempts > 5)) "G11 attempts become rare: $attempts in 8 s"
	tables_fail off
	restore_knobs
	await_log "moving .* from $first to [0-9]+ chains" 60
	report $? "G11 the table grows when memory is available again"
	remove_module test_klp_shadow_table
else
	skipped "G11 a table that cannot grow" "needs fail_function"
fi

finish
