#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> build.sh [PATCH]
#
# Build the module klp_shadow and its test modules for Debian's kernel of the line, in
# build/<line>/takeover. With PATCH, build a broken one, in build/<line>/takeover-<name>.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
dir=$BUILD/$LINE/takeover${1:+-$(basename "$1" .patch)}
log=$BUILD/$LINE/debian/log

mkdir -p "$dir"
exec 9>"$BUILD/$LINE/takeover.lock"
flock 9
rm -rf "$dir"/{source,ko}
"$TOP/harness/takeover/source.sh" "$dir/source"
if [[ ${1:-} ]]; then
	patch -s -p1 -F0 -d "$dir/source" -i "$1" >"$dir/patch.log" 2>&1 ||
		die "$1 does not apply; see $dir/patch.log"
fi
cp -r "$TOP/harness/takeover/modules" "$dir/source/"
echo 'obj-m += modules/' >>"$dir/source/Kbuild"

say "building klp_shadow for Debian's Linux $LINE${1:+, broken: $(basename "$1" .patch)}"
KCFLAGS=-Werror "$TOP/harness/vm/debian-kernel.sh" -m "$dir/source" "$dir/ko"
# For the test that it is refused.
mkdir "$dir/ko/incomplete"
cp "$dir/ko/klp_shadow.ko" "$dir/ko/incomplete/"
make -s -C "$dir/source" klp-reloc
"$dir/source/klp-reloc" "$dir/ko/klp_shadow.ko" klp_kernel_lookup kallsyms_lookup_name
if grep -m 1 'WARNING\|warning:' "$log" >&2; then
	die "the build has a warning, see $log"
fi
