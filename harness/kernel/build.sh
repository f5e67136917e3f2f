#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [ARCH=<architecture>] [VARIANT=<name>] build.sh [FRAGMENT...]
#        [MAKE-VARIABLE=VALUE...]
#
# Configure and build the overlaid kernel of a line, its modules and its livepatch
# selftests in build/<line>/obj, and install the files for the VM into
# build/<line>/install. A variant has additional options, the fragments, and is built in
# build/<line>/<name>, with ARCH in build/<line>/<architecture>. The variant stock is the
# kernel without the overlay.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
set_dir
src=$BUILD/$LINE/src
[[ ${VARIANT:-} != stock ]] || src=$BUILD/$LINE/stock
obj=$DIR/obj
log=$DIR/build.log
# shellcheck source=SCRIPTDIR/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

"$TOP/harness/source.sh" "${src##*/}"
mapfile -t fragments < <(fragments)
variables=()
for argument; do
	if [[ $argument == *=* ]]; then
		variables+=("$argument")
	else
		fragments+=("$argument")
	fi
done
what="Linux $LINE${VARIANT:+ ($VARIANT)}"
case $ARCH in
x86_64 | s390) image=bzImage ;;
arm64) image=Image ;;
powerpc) image=vmlinux ;;
esac
if [[ $ARCH != x86_64 ]]; then
	what+=" for $ARCH"
	"$TOP/harness/setup.sh" "gcc-${CROSS%-}" "libc6-dev-$DEB_ARCH-cross"
fi
if [[ ${VARIANT:-} == stock ]]; then
	mkdir -p "$DIR"
	grep -v KLP_SHADOW "${fragments[0]}" >"$DIR/vm.config"
	fragments[0]=$DIR/vm.config
fi

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH="$ARCH" CROSS_COMPILE="$CROSS" KBUILD_BUILD_TIMESTAMP=@0 \
		"${variables[@]}" "$@"
}

configure "$what" "${fragments[@]}"
: >"$log"
build "$what and its modules" "$image" modules

install_for_vm "$DIR/install"
