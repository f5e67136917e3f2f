#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Livepatches that were compiled against a stock kernel run on ours. (G12)
#
# They are the kernel's own samples. The two that mend come before the module
# that leaks, so that nothing leaks.
set -e
cd /payload/stock-livepatches

# The next one is refused while there is a transition.
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
# Its objects live for 12 s: a whole life goes through alloc, get and free.
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

# What the two print when they find and free their variables.
for message in 'prevented leak' 'check counter = [1-9]'; do
	echo "'$message': $(dmesg | grep -c "$message") times"
	dmesg | grep -q "$message"
done
