#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> start.sh
#
# Follow the manual's first page, shadow-start.rst: build its livepatch and the next version,
# run its commands in the VM, and compare the output. Needs the kernel of 'make kernel'.
# Prints TAP.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
set_dir
page=$TOP/Documentation/livepatch/shadow-start.rst
work=$BUILD/$LINE/start
rm -rf "$work"
mkdir -p "$work/payload"
page_code "$page" >"$work/livepatch-start.c"
cp "$work/livepatch-start.c" "$work/livepatch-start2.c"
printf 'obj-m := livepatch-start.o livepatch-start2.o\nccflags-y := -I%s\n' \
	"$TOP/samples/livepatch" >"$work/Kbuild"
build_modules "$work"
cp "$work"/*.ko "$work/payload/"
awk '/^\t# / { on = 1 }
	!/^\t/ { on = 0 }
	on { print substr($0, 2) }' "$page" >"$work/payload/transcript"
[[ -s $work/payload/transcript ]] || die "$page has no commands"
"$TOP/harness/vm/vm.sh" -t 300 -p "$work/payload" "$TOP/harness/vm/jobs/start.sh"
