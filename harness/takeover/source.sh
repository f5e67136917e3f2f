#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: source.sh DIRECTORY
#
# Put the sources of the module klp_shadow into a new directory, in which 'make KDIR=<headers>'
# builds it.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

[[ ${1:-} ]] || die "usage: source.sh DIRECTORY"
[[ ! -e $1 ]] || die "$1 exists: give a new directory"

mkdir -p "$1"/{include,kernel/livepatch,scripts/livepatch}
cp -r "$TOP"/include/. "$1/include/"
cp "$TOP"/kernel/livepatch/shadow*.[ch] "$1/kernel/livepatch/"
rm -f "$1"/kernel/livepatch/*_{kunit,torture}.c
cp -r "$TOP/kernel/livepatch/takeover" "$1/kernel/livepatch/"
cp "$TOP/scripts/livepatch/klp-reloc.c" "$1/scripts/livepatch/"
cp "$TOP/harness/takeover/Makefile" "$TOP/harness/takeover/Kbuild" "$TOP/COPYING" "$1/"
