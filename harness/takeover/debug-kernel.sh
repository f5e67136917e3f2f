#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> debug-kernel.sh
#        KERNEL=<line> debug-kernel.sh -m SOURCE RESULT
#
# Build a kernel of the line with its own store, KASAN and kmemleak, in
# build/<line>/takeover-debug, where 'VARIANT=takeover-debug vm.sh' boots it. With -m: build
# the modules in the directory SOURCE for it, as debian-kernel.sh.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
VARIANT=takeover-debug
set_dir
src=$BUILD/$LINE/stock
obj=$DIR/obj
log=$DIR/build.log
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

if [[ ${1:-} == -m ]]; then
	[[ $# == 3 && (-f $2/Kbuild || -f $2/Makefile) ]] ||
		die "usage: debug-kernel.sh -m SOURCE RESULT; SOURCE has a Kbuild file"
	mkdir -p "$3"
	log=$DIR/log
	# A copy: SOURCE stays without what is built.
	rm -rf "$DIR/modules"
	cp -r "$2" "$DIR/modules"
	kmake M="$DIR/modules" "KCFLAGS=${KCFLAGS:-}" modules >"$log" 2>&1 ||
		die "modules could not be built: $(grep -m 1 -E 'error:|\*\*\*' "$log" || tail -n 1 "$log"); see $log"
	find "$DIR/modules" -name '*.ko' -exec cp {} "$3/" \;
	exit
fi

"$TOP/harness/source.sh" stock
mapfile -t fragments < <(fragments x86_64)
what="Linux $LINE with its own store, KASAN and kmemleak"
configure "$what" "${fragments[@]}" "$TOP/harness/takeover/debug.config"
: >"$log"
build "$what" bzImage modules
rm -rf "$DIR/install"
kmake INSTALL_MOD_PATH="$DIR/install" INSTALL_MOD_STRIP=1 modules_install >>"$log" 2>&1 ||
	die "installing failed, see $log"
rm -f "$DIR"/install/lib/modules/*/{build,source}
