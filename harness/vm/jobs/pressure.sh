#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Let variables take most of the memory: the page cache must stay, and if there is not
# enough memory for a larger table, the delay between attempts to allocate it must increase.
# The page cache has the content of the third disk. /payload/pressure sets the number of
# variables.
# shellcheck source=/dev/null
. /payload/pressure
# shellcheck source=SCRIPTDIR/../../tap.sh
. /payload/tap.sh
: "${variables:?}" "${refusals:?}"
seconds=60
control=/proc/dynamic_debug/control

# cached(): print the number of MiB of the third disk in the page cache
cached()
{
	awk '/^Buffers:/ { print int($2 / 1024) }' /proc/meminfo
}

# refused(): print the number of attempts so far
refused()
{
	dmesg | grep -cE 'no memory for [0-9]+ chains'
}

echo 'file shadow_table.c +p' >$control
insmod /payload/selftests/livepatch/test_shadow_modules/test_klp_shadow_table.ko keep="$variables"
result $? "$variables variables are added"
# Keep the device open: its page cache is dropped when it is closed.
exec 3</dev/vdc
cat <&3 >/dev/null
before=$(cached) attempts=$(refused)
sleep $seconds
after=$(cached) attempts=$(($(refused) - attempts))
grep -E '^(MemTotal|MemAvailable|Slab):' /proc/meminfo | sed 's/^/# /'
result $(($(refused) ? !refusals : refusals)) "attempts to allocate a table that failed: $(refused)"
result $((attempts > 1)) "they have become rare: $attempts in $seconds s"
result $((before < 32 || after < before * 9 / 10)) "the page cache stays: $before MiB, then $after MiB"
plan
