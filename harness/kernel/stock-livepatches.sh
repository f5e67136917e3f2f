#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> stock-livepatches.sh
#
# Builds the kernel's own shadow variable samples against its own, untouched
# tree, in the configuration of the kernel that the VM boots, for (G12).

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
dir=$BUILD/$LINE
obj=$dir/stock-obj
out=$dir/install/stock-livepatches
log=$dir/stock-livepatches.log
samples=(livepatch-shadow-mod.c livepatch-shadow-fix1.c livepatch-shadow-fix2.c)

"$TOP/harness/source.sh" stock
say "building stock livepatches against stock Linux $LINE"
mkdir -p "$obj"
{
	if ! cmp -s "$dir/obj/.config" "$obj/config.of-ours"; then
		cp "$dir/obj/.config" "$obj/.config" &&
		make -C "$dir/stock" O="$obj" ARCH=x86_64 olddefconfig &&
		make -C "$dir/stock" O="$obj" ARCH=x86_64 -j"$(nproc)" modules_prepare &&
		cp "$dir/obj/.config" "$obj/config.of-ours"
	fi &&
	rm -rf "$out" &&
	mkdir -p "$out" &&
	cp "${samples[@]/#/$dir/stock/samples/livepatch/}" "$out" &&
	printf 'obj-m += %s\n' "${samples[@]/%.c/.o}" >"$out/Makefile" &&
	# There is no stock kernel to take the list of symbols from.
	make -C "$dir/stock" O="$obj" ARCH=x86_64 M="$out" KBUILD_MODPOST_WARN=1 modules
} >"$log" 2>&1 || die "building stock livepatches failed, see $log"
grep -q KLP_SHADOW "$obj/.config" && die "$obj is not stock: remove it and $dir/stock, and try again"
find "$out" ! -name '*.ko' -type f -delete
