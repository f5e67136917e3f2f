#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> real.sh [TEST...]
#
# Livepatches of the kernel itself, samples/livepatch, on live objects under load:
# tasks, sockets and the stations of mac80211, each in a VM of its own, on a kernel
# that has them. TAP; succeeds if every test does, the kernel's log has nothing bad
# in it and nothing has leaked.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# Each with its arguments: connections, stations.
declare -A arguments=([tasks]='' [socks]=2000 [stations]=4)
PACKAGES=(hostapd iproute2 iputils-ping iw wpasupplicant)

tests=("$@")
((${#tests[@]})) || tests=(tasks socks stations)
for test in "${tests[@]}"; do
	[[ -v arguments[$test] ]] || die "no test '$test'; there are: ${!arguments[*]}"
done
set_line
[[ $LINE == 6.1 ]] || die "the livepatches fit Linux 6.1 alone: KERNEL=6.1"
export KERNEL=$LINE VARIANT=real
set_dir

"$TOP/harness/kernel/build.sh" "$TOP/harness/kernel/x86_64-real.config"
"$TOP/harness/vm/rootfs.sh" real "${PACKAGES[@]}"

count=0 failed=0
for test in "${tests[@]}"; do
	count=$((count + 1))
	start=$SECONDS
	if VM_ROOTFS=$BUILD/rootfs-real.ext2 VM_LOG=$DIR/logs/real-$test "$TOP/harness/vm/vm.sh" -t 1200 \
	   -a "klp_test=$test klp_arguments=${arguments[$test]}" \
	   "$TOP/harness/vm/jobs/real.sh" | sed 's/^/# /'; then
		echo "ok $count real $test"
	else
		echo "not ok $count real $test"
		failed=$((failed + 1))
	fi
	echo "# $((SECONDS - start)) s; $DIR/logs/real-$test.out"
done
echo "1..$count"
((failed == 0))
