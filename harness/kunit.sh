#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit.sh
#
# Build user-mode Linux with the store, its KUnit suite, KASAN and lockdep, and run it,
# which takes seconds. Prints TAP. Succeeds if all tests pass and the console has no bad line.
# KUNIT_FILTER in the environment selects tests: <suite>.<test>, with wildcards. KUNIT_TREE
# names another source tree in build/<line>, src-<name>, with a separate build directory.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
dir=$BUILD/$LINE
tree=${KUNIT_TREE:-src}
src=$dir/$tree
obj=$dir/um-kunit${tree#src}
log=$obj.log
console=$dir/logs/kunit.console
# Seconds until a run counts as hanging: many times the usual time.
limit=240
# shellcheck source=SCRIPTDIR/kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=um KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$TOP/harness/source.sh" "$tree" >"$work/source" || die "no source of Linux $LINE: $(tail -n 1 "$work/source")"
mkdir -p "${console%/*}"
mapfile -t fragments < <(fragments um-kunit)
configure "user-mode Linux $LINE" "${fragments[@]}"
: >"$log"
build "user-mode Linux $LINE with KASAN and lockdep" vmlinux

say "KUnit on user-mode Linux $LINE"
status=0
timeout -k 5 "$limit" "$obj/vmlinux" mem=512M uml_dir="$work" con=fd:0,fd:1 kunit_shutdown=halt \
	kunit.enable=1 ${KUNIT_FILTER:+kunit.filter_glob="$KUNIT_FILTER"} </dev/null >"$console" 2>&1 || status=$?
judged=0
awk -v bad="$BAD_LOG" -f "$TOP/harness/kunit.awk" "$console" || judged=1
((status != 124 && status != 137)) || die "hangs: not done in $limit s; the console is in $console"
((judged == 0)) || die "not all is well; the console is in $console"
