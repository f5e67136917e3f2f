#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: runs the job, looks at the kernel's log and for leaks, and only
# then sends the verdict.

exec </dev/null >/dev/vport0p1 2>&1
kmemleak=/sys/kernel/debug/kmemleak

# What the kernel says when something is wrong with it, an expression on each line.
BAD=/payload/shadow_bad_log

# log_since_boot(): without the one WARN that a test of ours provokes; what is
# left out is checked by that test.
log_since_boot()
{
	dmesg | sed '/test_klp_shadow: expected WARNING begins/,/test_klp_shadow: expected WARNING ends/d'
}

verdict()
{
	echo "$*" >/dev/ttyS1
	exit
}

# Races need two, and not all firmware tells of both.
processors=$(nproc)
((processors == 2)) || verdict "fail: the VM has $processors processors, not 2"

sysctl -q kernel.panic_on_warn=1 kernel.softlockup_panic=1 kernel.hung_task_panic=1 \
	kernel.watchdog_thresh=30
# Some kernels cannot look for leaks, or are told not to.
if [[ ! -e $kmemleak ]] || grep -qw kmemleak=off /proc/cmdline; then
	kmemleak=
fi
if [[ $kmemleak ]]; then
	# Nobody scans but this script, below.
	echo scan=off >$kmemleak
fi

/payload/job
status=$?

bad=$(log_since_boot | grep -m 1 -E -f "$BAD")
[[ -z $bad ]] || verdict "fail: the kernel log says: $bad"
((status == 0)) || verdict "fail: the job ended with status $status"

if [[ $kmemleak ]]; then
	# kmemleak reports nothing younger than five seconds, and what it finds in
	# one scan may still turn up in the next.
	sleep 6
	if ! echo scan >$kmemleak || ! echo scan >$kmemleak; then
		verdict "fail: kmemleak has given up: $(dmesg | grep -m 1 'kmemleak: ')"
	fi
	leaks=$(cat $kmemleak)
	if [[ $leaks ]]; then
		echo "$leaks"
		verdict "fail: kmemleak: $(grep -c '^unreferenced' <<<"$leaks") objects leaked"
	fi
	echo "# kernel log clean, no leak"
else
	echo "# kernel log clean, leaks not looked for"
fi
verdict pass
