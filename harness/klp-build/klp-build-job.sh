#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Job of the VM: test the livepatches that klp-build made of livepatch-shadow-status.patch.
# shellcheck disable=SC2317  # functions are called by try and await

cd /payload/selftests/livepatch || exit
# shellcheck source=SCRIPTDIR/../../tools/testing/selftests/livepatch/shadow_functions.sh
. ./shadow_functions.sh
# shellcheck source=SCRIPTDIR/../../tools/testing/selftests/livepatch/shadow_livepatches.sh
. ./shadow_livepatches.sh

PATCH=livepatch_shadow_status
NEXT=livepatch_shadow_status_next
IDS=(0x57a70 0x57a71)

# load(livepatch): load it, and wait until its transition has completed
load()
{
	insmod "/payload/${1//_/-}.ko" && await reads 0 "/sys/kernel/livepatch/$1/transition"
}

unload()
{
	await gone "/sys/kernel/livepatch/$1" && await reads 0 "/sys/module/$1/refcnt" && rmmod "$1"
}

# says(pid, line, number): the line of /proc/<pid>/status has this number, or does not exist
says()
{
	local said

	said=$(sed -n "s/^$2:\t//p" "/proc/$1/status")
	[[ $said == "$3" ]] || { echo "# $2 of $1 is '$said', not '$3'"; return 1; }
}

is_silent()
{
	says "$1" StatusReads '' && says "$1" StatusReadsGone ''
}

# shellcheck disable=SC2119  # they are not in /lib/modules
begin_livepatches
livepatches=("$PATCH" "$NEXT")
sleep 1000 &
task=$!
try "without a livepatch, status has no new lines" is_silent $task
try "the livepatch loads" load $PATCH
for i in 1 2 3; do
	try "it counts ($i)" says $task StatusReads $i
done
try "another task has a separate count" says $$ StatusReads 1
try "no task has exited" says $$ StatusReadsGone 0

try "the next one replaces it" load $NEXT
try "the replaced one unloads" unload $PATCH
try "the count is inherited" says $task StatusReads 4
kill $task
wait $task 2>/dev/null
# Tasks are freed after a grace period.
try "the variable of a task that exits is freed" await says $$ StatusReadsGone 4

echo 0 >/sys/kernel/livepatch/$NEXT/enabled
try "it is disabled and unloads" unload $NEXT
try "status has no new lines again" is_silent $$
try "it loads again" load $PATCH
try "counts begin at 1 again" says $$ StatusReads 1
try "shared state begins at 0 again" says $$ StatusReadsGone 0
echo 0 >/sys/kernel/livepatch/$PATCH/enabled
try "it unloads again" unload $PATCH
finish
