#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [VARIANT=<name>] build.sh [FRAGMENT...] [MAKE-VARIABLE=VALUE...]
#
# Configures and builds the overlaid kernel of a line, its modules and its
# livepatch selftests in build/<line>/obj, and installs what a VM needs of them
# into build/<line>/install; a variant, whose further options the fragments are,
# in build/<line>/<name>.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
set_dir
src=$BUILD/$LINE/src
obj=$DIR/obj
install=$DIR/install
log=$DIR/build.log
# shellcheck source=SCRIPTDIR/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

"$TOP/harness/source.sh"
mapfile -t fragments < <(fragments x86_64)
variables=()
for argument; do
	if [[ $argument == *=* ]]; then
		variables+=("$argument")
	else
		fragments+=("$argument")
	fi
done
what="Linux $LINE${VARIANT:+ ($VARIANT)}"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 "${variables[@]}" "$@"
}

configure "$what" "${fragments[@]}"
: >"$log"
build "$what and its modules" bzImage modules

# The selftests as an author gets them: installed by the kernel's own make.
say "installing modules and selftests"
rm -rf "$install"
{
	kmake INSTALL_MOD_PATH="$install" INSTALL_MOD_STRIP=1 modules_install
	kmake headers
	make -C "$src/tools/testing/selftests" TARGETS=livepatch KDIR="$obj" \
		KHDR_INCLUDES="-isystem $obj/usr/include" \
		INSTALL_PATH="$install/selftests" install
} >>"$log" 2>&1 || die "installing failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
# 7.3's selftests want a directory there, and do not look into it.
rm -f "$install"/lib/modules/*/{build,source}
mkdir "$install"/lib/modules/"$(<"$obj/include/config/kernel.release")"/build
