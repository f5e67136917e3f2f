#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: run the job, check the kernel's log, look for leaks, and then send the verdict.

# The ports appear after the boot has ended: a redirection that comes earlier makes a file.
ports()
{
	[[ -c /dev/vport0p1 && -c /dev/vport0p2 ]]
}

for ((i = 0; i < 300; i++)); do
	! ports || break
	sleep 0.1
done
ports || { echo "no serial ports" >/dev/console; exit; }
exec </dev/null >/dev/vport0p1 2>&1
kmemleak=/sys/kernel/debug/kmemleak

# What the kernel says when something is wrong with it, an expression on each line.
BAD=/payload/shadow_bad_log

export PATH=$PATH:/payload/sbin

# log_since_boot(): the log without the WARN that one test provokes, and checks itself
log_since_boot()
{
	dmesg | sed '/test_klp_shadow: expected WARNING begins/,/test_klp_shadow: expected WARNING ends/d'
}

verdict()
{
	echo "$*" >/dev/vport0p2
	exit
}

# Races need two processors, and some firmware reports one only.
processors=$(nproc)
((processors == 2)) || verdict "fail: the VM has $processors processors, not 2"

# s390 has no watchdog.
sysctl -q -e kernel.panic_on_warn=1 kernel.softlockup_panic=1 kernel.hung_task_panic=1 \
	kernel.watchdog_thresh=30
# kmemleak may not be built in, or be turned off.
if [[ ! -e $kmemleak ]] || grep -qw kmemleak=off /proc/cmdline; then
	kmemleak=
fi
if [[ $kmemleak ]]; then
	# Scan only below.
	echo scan=off >$kmemleak
fi

/payload/job
status=$?

begun=$(dmesg | grep -c 'test_klp_shadow: expected WARNING begins')
ended=$(dmesg | grep -c 'test_klp_shadow: expected WARNING ends')
((begun <= ended)) || verdict "fail: a test ended while it expected a WARNING"
bad=$(log_since_boot | grep -m 1 -E -f "$BAD")
[[ -z $bad ]] || verdict "fail: the kernel log says: $bad"
((status == 0)) || verdict "fail: the job ended with status $status"

if [[ $kmemleak ]]; then
	# kmemleak reports no object that is younger than five seconds. The first scan can
	# miss a reference, so report the objects that two scans find.
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
