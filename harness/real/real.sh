#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> real.sh [-b] [TEST...]
#
# Test the sample livepatches of kernel objects under load: tasks, sockets and stations of
# mac80211, each in a separate VM. Prints TAP. Succeeds if all tests do, without errors in
# the kernel's log and without memory leaks; many-socks does not check for leaks.
#
# With -b, the livepatches are broken by the patches in busted/, and each test must fail in
# the way that the header of its patch describes.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# Tests with their arguments: number of connections or stations.
declare -A arguments=([tasks]='' [socks]=2000 [many-socks]=20000 [stations]=4)
# Boot parameters: kmemleak and SLUB debugging would make many-socks too slow.
declare -A boot=([many-socks]='kmemleak=off slub_debug=-')
PACKAGES=(hostapd iproute2 iputils-ping iw wpasupplicant)

broken=
all=(tasks socks many-socks stations)
if [[ ${1:-} == -b ]]; then
	broken=1
	all=(tasks socks stations)
	shift
fi
tests=("$@")
((${#tests[@]})) || tests=("${all[@]}")
for test in "${tests[@]}"; do
	[[ " ${all[*]} " == *" $test "* ]] || die "no test '$test'; there are: ${all[*]}"
done
set_line
[[ $LINE == 6.1 ]] || die "the livepatches fit Linux 6.1 alone: try KERNEL=6.1, on Debian 12, whose packages this uses"
export KERNEL=$LINE VARIANT=real
set_dir

"$TOP/harness/kernel/build.sh" "$TOP/harness/kernel/x86_64-real.config"
"$TOP/harness/vm/rootfs.sh" real "${PACKAGES[@]}"

# busted(test): build broken livepatches into $work/busted
busted()
{
	local dir=$BUILD/$LINE/src/samples/livepatch-busted log=$DIR/logs/busted-$1.build

	rm -rf "$dir" "${work:?}"/*
	mkdir -p "$dir/samples" "$work/busted"
	cp -r "$TOP/samples/livepatch" "$dir/samples/"
	patch -s -f -F0 -p1 -d "$dir" -i "$TOP/harness/real/busted/$1.patch" >"$log" 2>&1 ||
		die "$1.patch does not apply, see $log"
	mv "$dir"/samples/livepatch/livepatch-shadow-* "$dir/"
	# The Makefile of the samples, so that the livepatches find the kernel's headers.
	cp "$TOP/samples/livepatch/Makefile.shadow" "$dir/Makefile"
	make -C "$BUILD/$LINE/src" O="$DIR/obj" ARCH=x86_64 M="$dir" modules >>"$log" 2>&1 ||
		die "building broken livepatches failed: $(grep -m 1 -E 'error:|ERROR|\*\*\*' "$log"); see $log"
	cp "$dir"/*.ko "$work/busted/"
	rm -rf "$dir"
}

# verdict(test, status, log): succeeds if the test did, or with -b failed as described
verdict()
{
	local by

	[[ $broken ]] || return "$2"
	by=$(sed -n 's/^Caught-by: //p' "$TOP/harness/real/busted/$1.patch")
	[[ $by ]] || die "$1.patch has no line 'Caught-by: ...'"
	(($2)) && grep -aqE "$by" "$3"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for test in "${tests[@]}"; do
	start=$SECONDS
	what="real $test${broken:+, broken}"
	log=$DIR/logs/real-$test${broken:+-broken}
	[[ ! $broken ]] || busted "$test"
	status=0
	VM_ROOTFS=$SHARED/rootfs-real.ext2 VM_LOG=$log "$TOP/harness/vm/vm.sh" -t 2400 -p "$work" \
		-a "${boot[$test]:-} klp_test=${test#many-} klp_arguments=${arguments[$test]}" \
		"$TOP/harness/vm/jobs/real.sh" 2>&1 | sed 's/^/# /' || status=1
	if verdict "$test" "$status" "$log.out"; then
		result 0 "$what"
	else
		result 1 "$what"
	fi
	echo "# $((SECONDS - start)) s; $log.out"
done
plan
