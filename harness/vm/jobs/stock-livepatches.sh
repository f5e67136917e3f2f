#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run livepatches that were compiled for an unmodified kernel: the kernel's samples. The two
# livepatches are loaded before the module that they fix, so that it does not leak. (G12)
set -e
cd /payload/stock-livepatches

# settled(): wait for the end of the transition, before which no livepatch can be loaded
settled()
{
	local i

	for ((i = 0; i < 300; i++)); do
		grep -qs 1 /sys/kernel/livepatch/*/transition || return 0
		sleep 0.1
	done
	return 1
}

for module in livepatch-shadow-fix1 livepatch-shadow-fix2 livepatch-shadow-mod; do
	insmod "$module.ko"
	settled
done
# Objects of the module live for 12 s. Some are allocated, looked up and freed in this time.
sleep 18
rmmod livepatch-shadow-mod

for patch in livepatch_shadow_fix2 livepatch_shadow_fix1; do
	echo 0 >"/sys/kernel/livepatch/$patch/enabled"
	for ((i = 0; i < 300; i++)); do
		[[ -e /sys/kernel/livepatch/$patch ]] || break
		sleep 0.1
	done
	rmmod "$patch"
done

# Messages of the livepatches when they find and free variables.
for message in 'prevented leak' 'check counter = [1-9]'; do
	echo "'$message': $(dmesg | grep -c "$message") times"
	dmesg | grep -q "$message"
done
