# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions that print TAP. lib.sh sources it, jobs in the VM source /payload/tap.sh.

count=0 failed=0

# result(status, description [, log]): print a TAP line; for a failure also the log
result()
{
	local not=

	count=$((count + 1))
	if (($1)); then
		not="not "
		failed=$((failed + 1))
	fi
	echo "${not}ok $count $2"
	[[ ! $not || ! ${3:-} ]] || sed 's/^/# /' "$3"
}

# plan(): print the plan, which is last; false if a test has failed, or none was run
plan()
{
	echo "1..$count"
	((count && !failed))
}
