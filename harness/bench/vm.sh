#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> vm.sh
#
# Run a small benchmark in the VM: build it as a module for the kernel that 'make kernel'
# has built, install it into build/<line>/install, and boot. That kernel has debugging
# options and may be emulated, so this only tests the benchmark and the stores.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
dir=$BUILD/$LINE
module=$dir/bench-vm
log=$dir/bench-vm.log

[[ -f $dir/obj/Module.symvers ]] || die "no kernel in $dir/obj: 'make kernel KERNEL=$LINE' builds one"
KERNEL=$LINE "$TOP/harness/source.sh" src stock
say "building the benchmark for the VM"
mkdir -p "$module" "$dir/install/bench"
for f in "$TOP"/harness/bench/{Makefile,*.[ch]} "$TOP/harness/kernel/copy.h"; do
	cmp -s "$f" "$module/${f##*/}" || cp "$f" "$module/"
done
make -C "$dir/src" O="$dir/obj" ARCH=x86_64 M="$module" OURS="$dir/src" STOCK="$dir/stock" \
	modules >"$log" 2>&1 || die "building failed: $(grep -m 1 -E 'error:|ERROR|\*\*\*' "$log"); see $log"
cp "$module/klp_shadow_bench.ko" "$dir/install/bench/"
"$TOP/harness/vm/vm.sh" -t 900 "$TOP/harness/bench/vm-job.sh"
