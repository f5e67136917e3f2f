#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> cost.sh
#
# Measure the time of a TCP segment with a variable for each socket, in our store and in the
# kernel's, and without variables. The VM may be emulated, so only ratios are meaningful.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
[[ $LINE == 6.1 ]] || die "the livepatch fits Linux 6.1 alone: try KERNEL=6.1, on Debian 12, whose packages this uses"
export KERNEL=$LINE VARIANT=cost
set_dir
src=$BUILD/$LINE/src
module=$DIR/real
log=$DIR/real.log

"$TOP/harness/kernel/build.sh" "$TOP/harness/kernel/x86_64-cost.config"
"$TOP/harness/vm/rootfs.sh"
"$TOP/harness/source.sh" stock
mkdir -p "$module" "$DIR/install/real"
for f in "$TOP"/harness/real/{Makefile,stock.c,*.h} "$TOP/harness/kernel/copy.h"; do
	cmp -s "$f" "$module/${f##*/}" || cp "$f" "$module/"
done
make -C "$src" O="$DIR/obj" ARCH=x86_64 M="$module" OURS="$src" STOCK="$BUILD/$LINE/stock" \
	modules >"$log" 2>&1 || die "building failed: $(grep -m 1 -E 'error:|ERROR|\*\*\*' "$log"); see $log"
cp "$module"/*.ko "$DIR/install/real/"
VM_LOG=$DIR/logs/real-cost "$TOP/harness/vm/vm.sh" -t 2400 -a 'slub_debug=- klp_shadow.check_parents=0' "$TOP/harness/real/cost-job.sh"
