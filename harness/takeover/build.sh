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
# Our selftests, linked to the module.
selftests=$dir/source/selftests
cp -r "$TOP/tools/testing/selftests/livepatch/test_shadow_modules" "$selftests"
cat >>"$selftests/Makefile" <<-'END'
	ccflags-y += -include $(src)/../kernel/livepatch/takeover/klp_shadow.h -I$(src)/../include
END
echo 'obj-m += modules/ selftests/' >>"$dir/source/Kbuild"
# The kernel's own, as they are.
"$TOP/harness/source.sh" stock
stock=$BUILD/$LINE/stock
if [[ -d $stock/lib/livepatch ]]; then
	mkdir "$dir/source/stock"
	cp "$stock"/lib/livepatch/*.c "$dir/source/stock/"
	for f in "$dir"/source/stock/*.c; do
		echo "obj-m += $(basename "$f" .c).o"
	done >"$dir/source/stock/Kbuild"
else
	cp -r "$stock/tools/testing/selftests/livepatch/test_modules" "$dir/source/stock"
	sed -n '/^obj-m/,/[^\\]$/p' "$dir/source/stock/Makefile" >"$dir/source/stock/Kbuild"
fi
echo 'obj-m += stock/' >>"$dir/source/Kbuild"

say "building klp_shadow for Debian's Linux $LINE${1:+, broken: $(basename "$1" .patch)}"
KCFLAGS=-Werror "$TOP/harness/vm/debian-kernel.sh" -m "$dir/source" "$dir/ko"
mkdir -p "$dir/ko/livepatch/test_shadow_modules" "$dir/ko/stock"
mv "$dir"/ko/test_klp_shadow_*.ko "$dir/ko/livepatch/test_shadow_modules/"
if [[ -f $dir/ko/livepatch/test_shadow_modules/test_klp_shadow_vars.ko ]]; then
	mv "$dir/ko/livepatch/test_shadow_modules/test_klp_shadow_vars.ko" "$dir/ko/stock/"
fi
mv "$dir"/ko/test_klp_*.ko "$dir/ko/stock/"
cp "$TOP"/tools/testing/selftests/livepatch/*shadow* -t "$dir/ko/livepatch/" 2>/dev/null || :
cp "$stock"/tools/testing/selftests/livepatch/*.sh "$dir/ko/stock/"
# For the test that it is refused.
mkdir "$dir/ko/incomplete"
cp "$dir/ko/klp_shadow.ko" "$dir/ko/incomplete/"
make -s -C "$dir/source" klp-reloc
"$dir/source/klp-reloc" "$dir/ko/klp_shadow.ko" klp_kernel_lookup kallsyms_lookup_name
if grep -m 1 'WARNING\|warning:' "$log" >&2; then
	die "the build has a warning, see $log"
fi
