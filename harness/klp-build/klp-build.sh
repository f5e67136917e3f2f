#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] klp-build.sh
#
# The kernel's own scripts/livepatch/klp-build makes a livepatch from a plain patch
# of the overlaid kernel's source that uses our calls, and another one that can
# replace it; the VM boots the kernel of 'make kernel' and loads them. Linux 7.3 unless
# told; the kernel has klp-build from 6.19 on. Succeeds if the livepatches do what the
# patch says, the kernel's log has nothing bad in it and nothing has leaked.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

export KERNEL=${KERNEL:-7.3}
set_line
set_dir
# It builds in the source tree alone.
src=$DIR/src-klp-build
obj=$src
log=$DIR/klp-build.log
payload=$DIR/klp-build
here=$TOP/harness/klp-build
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

kmake()
{
	make -C "$src" "$@"
}

# livepatch(name, option...): what klp-build makes of the patch
livepatch()
{
	(cd "$src" && scripts/livepatch/klp-build -T -o "$payload/$1.ko" "${@:2}") >>"$log" 2>&1 ||
		die "klp-build has not made $1: $(grep -m 1 -E 'error:|ERROR' "$log"); see $log"
}

"$TOP/harness/source.sh"
[[ -x $DIR/src/scripts/livepatch/klp-build ]] ||
	die "Linux $LINE has no scripts/livepatch/klp-build: KERNEL=7.3 has"
"$TOP/harness/kernel/build.sh"
"$TOP/harness/source.sh" "${src##*/}"
mapfile -t fragments < <(fragments x86_64)
configure "Linux $LINE for klp-build" "${fragments[@]}" "$TOP/harness/kernel/x86_64-klp-build.config"
: >"$log"
mkdir -p "$payload"
say "klp-build: Linux $LINE twice, and a livepatch of what differs"
livepatch livepatch-shadow-status "$here/livepatch-shadow-status.patch"
livepatch livepatch-shadow-status-next -S 5

"$TOP/harness/vm/rootfs.sh"
"$TOP/harness/vm/vm.sh" -t 300 -p "$payload" "$here/klp-build-job.sh"
