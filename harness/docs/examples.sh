#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: examples.sh KERNEL-SOURCE-TREE OBJECTS PAGE...
#
# Compile the C code in pages of the manual. OBJECTS is the output directory of an overlaid
# tree with a configuration; check.sh prepares both. Prints nothing if there are no
# warnings; otherwise they refer to lines of the page. See examples.awk for the comments
# that select a frame for each block of code.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

(($# >= 3)) || die "give a kernel source tree, a directory of objects, and pages"
src=$1 obj=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

for page in "$@"; do
	dir=$work/$(basename "$page" .rst)
	mkdir "$dir"
	: >"$dir/objects"
	if ! awk -v frames="$TOP/harness/docs/frames" -v out="$dir" \
		-f "$TOP/harness/docs/examples.awk" "$page"; then
		status=1
		continue
	fi
	mapfile -t objects <"$dir/objects"
	((${#objects[@]})) || continue
	printf 'obj-m := %s\nccflags-y := -I%s -I%s\n' "${objects[*]}" \
		"$TOP/harness/docs/frames" "$TOP/samples/livepatch" >"$dir/Kbuild"
	if ! make -s -k -C "$src" O="$obj" ARCH=x86_64 M="$dir" W=1 KCFLAGS=-Werror \
		"${objects[@]}" >"$dir/log" 2>&1 || [[ -s $dir/log ]]; then
		grep -v '^make.*not remade' "$dir/log"
		status=1
	fi
done
exit "$status"
