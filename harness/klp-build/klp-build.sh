#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] klp-build.sh
#
# Test livepatches made by the kernel's scripts/livepatch/klp-build: build one from a patch
# of the overlaid kernel that uses shadow variables, and another one that replaces it. The
# VM boots the kernel of 'make kernel' and loads them. Linux 7.3 by default; klp-build
# exists since 6.19. Succeeds if the tests of klp-build-job.sh do, without errors in the
# kernel's log and without memory leaks.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

export KERNEL=${KERNEL:-7.3}
set_line
set_dir
# klp-build cannot build outside the source tree, so it gets a copy.
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

# livepatch(name, option...): run klp-build on the patch
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
mapfile -t fragments < <(fragments)
configure "Linux $LINE for klp-build" "${fragments[@]}" "$TOP/harness/kernel/x86_64-klp-build.config"
: >"$log"
mkdir -p "$payload"
say "klp-build: Linux $LINE twice, and a livepatch of what differs"
livepatch livepatch-shadow-status "$here/livepatch-shadow-status.patch"
livepatch livepatch-shadow-status-next -S 5

"$TOP/harness/vm/rootfs.sh"
"$TOP/harness/vm/vm.sh" -t 300 -p "$payload" "$here/klp-build-job.sh"
