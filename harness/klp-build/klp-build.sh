#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] klp-build.sh
#
# The kernel's own scripts/livepatch/klp-build makes a livepatch from a plain patch
# of the overlaid kernel's source that uses our calls, and another one that can
# replace it; the VM boots that kernel and loads them. Linux 7.3 unless told; lines
# before it have no klp-build. Succeeds if the livepatches do what the patch says, the
# kernel's log has nothing bad in it and nothing has leaked.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

export KERNEL=${KERNEL:-7.3} VARIANT=klp-build
set_line
set_dir
stock=$BUILD/$LINE/stock
# It builds in the source tree alone.
src=$DIR/obj
obj=$src
log=$DIR/build.log
here=$TOP/harness/klp-build
flags='-ffunction-sections -fdata-sections'
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

kmake()
{
	make -C "$src" "$@"
}

# livepatch(name, option...): what klp-build makes of the patch
livepatch()
{
	(cd "$src" && scripts/livepatch/klp-build -T -o "$DIR/payload/$1.ko" "${@:2}") >>"$log" 2>&1 ||
		die "klp-build has not made $1: $(grep -m 1 -E 'error:|ERROR' "$log"); see $log"
}

"$TOP/harness/source.sh" stock
[[ -x $stock/scripts/livepatch/klp-build ]] ||
	die "Linux $LINE has no scripts/livepatch/klp-build: KERNEL=7.3 has"
mkdir -p "$DIR/payload"
if [[ ! -f $src/copied ]]; then
	say "copying the source, for klp-build builds inside it"
	rm -rf "$src"
	cp -a "$stock" "$src"
	touch "$src/copied"
fi
"$TOP/harness/overlay/overlay.sh" "$src"
mapfile -t fragments < <(fragments x86_64)
configure "Linux $LINE" "${fragments[@]}"
: >"$log"
say "klp-build: Linux $LINE twice, and a livepatch of what differs"
livepatch livepatch-shadow-status "$here/livepatch-shadow-status.patch"
livepatch livepatch-shadow-status-next -S 5

# What runs has to be what the livepatches were made for.
build "the rest of Linux $LINE" KCFLAGS="$flags" KLP_SYMIDS=1 bzImage modules
install_for_vm "$DIR/install"
"$TOP/harness/vm/rootfs.sh"
"$TOP/harness/vm/vm.sh" -t 300 -p "$DIR/payload" "$here/klp-build-job.sh"
