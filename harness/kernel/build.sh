#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [VARIANT=<name>] build.sh [FRAGMENT...] [MAKE-VARIABLE=VALUE...]
#
# Configure and build the overlaid kernel of a line, its modules and its livepatch
# selftests in build/<line>/obj, and install the files for the VM into
# build/<line>/install. A variant has additional options, the fragments, and is built in
# build/<line>/<name>.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
set_dir
src=$BUILD/$LINE/src
obj=$DIR/obj
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

install_for_vm "$DIR/install"
