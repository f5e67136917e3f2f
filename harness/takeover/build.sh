#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> build.sh [-d | PATCH]
#
# Build the module klp_shadow and its test modules for Debian's kernel of the line, in
# build/<line>/takeover. With PATCH, build a broken one, in build/<line>/takeover-<name>.
# With -d: for the kernel of debug-kernel.sh, in build/<line>/takeover-debug/takeover.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
if [[ ${1:-} == -d ]]; then
	dir=$BUILD/$LINE/takeover-debug/takeover
	kernel="Linux $LINE with KASAN and kmemleak"
	log=$BUILD/$LINE/takeover-debug/log
	built=$BUILD/$LINE/takeover-debug/modules
	build_modules=$TOP/harness/takeover/debug-kernel.sh
	shift
else
	dir=$BUILD/$LINE/takeover${1:+-$(basename "$1" .patch)}
	kernel="Debian's Linux $LINE"
	log=$BUILD/$LINE/debian/log
	built=$BUILD/$LINE/debian/root/tmp/module
	build_modules=$TOP/harness/vm/debian-kernel.sh
fi

mkdir -p "$dir"
exec 9>"$BUILD/$LINE/takeover.lock"
flock 9
rm -rf "$dir/new"
"$TOP/harness/takeover/source.sh" "$dir/new"
if [[ ${1:-} ]]; then
	patch -s -p1 -F0 -d "$dir/new" -i "$1" >"$dir/patch.log" 2>&1 ||
		die "$1 does not apply; see $dir/patch.log"
fi
cp -r "$TOP/harness/takeover/modules" "$dir/new/"
echo 'obj-m += modules/' >>"$dir/new/Kbuild"

stock=$BUILD/$LINE/stock
shopt -s nullglob

# selftests(): add our selftests, linked to the module, and the kernel's own, as they are
selftests()
{
	local kernels=("$stock"/lib/livepatch/*.c "$stock"/tools/testing/selftests/livepatch/test_modules/*.c)
	local f

	cp -r "$TOP/tools/testing/selftests/livepatch/test_shadow_modules" "$dir/new/selftests"
	cat >>"$dir/new/selftests/Makefile" <<-'END'
	ccflags-y += -include $(src)/../kernel/livepatch/takeover/klp_shadow.h -I$(src)/../include
	END
	mkdir "$dir/new/stock"
	cp "${kernels[@]}" "$dir/new/stock/"
	for f in "${kernels[@]}"; do
		echo "obj-m += $(basename "$f" .c).o"
	done >"$dir/new/stock/Kbuild"
	echo 'obj-m += selftests/ stock/' >>"$dir/new/Kbuild"
}

# install_selftests(): put modules and scripts of both where each script expects its modules
install_selftests()
{
	local ours=$dir/ko/livepatch theirs=$dir/ko/stock f

	mkdir -p "$ours/test_shadow_modules" "$theirs/test_modules"
	for f in "$dir"/source/selftests/*.c; do
		f=$dir/ko/$(basename "$f" .c).ko
		[[ ! -f $f ]] || mv "$f" "$ours/test_shadow_modules/"
	done
	mv "$dir/ko/test_klp_shadow_header.ko" "$ours/test_shadow_modules/"
	mv "$dir"/ko/test_klp_*.ko "$theirs/test_modules/"
	cp "$TOP"/tools/testing/selftests/livepatch/{*.sh,shadow_bad_log} "$ours/"
	cp "$stock"/tools/testing/selftests/livepatch/*.sh "$theirs/"
	for f in "$stock"/tools/testing/selftests/livepatch/*.c; do
		gcc -o "$theirs/$(basename "$f" .c)" "$f"
	done
}

if [[ ! ${1:-} ]]; then
	"$TOP/harness/source.sh" stock
	selftests
fi
if [[ -f $dir/built ]] && diff -r "$dir/source" "$dir/new" >/dev/null; then
	exit 0
fi
rm -rf "$dir"/{source,ko,built}
mv "$dir/new" "$dir/source"

say "building klp_shadow for $kernel${1:+, broken: $(basename "$1" .patch)}"
KCFLAGS=-Werror "$build_modules" -m "$dir/source" "$dir/ko"
# No emulated CPU has indirect branch tracking; klp_kernel_find_function() has the reason.
if objdump -dr "$built"/kernel/livepatch/takeover/{kernel,lifetimes,redirect,tasks}.o |
   grep -E 'indirect_thunk|call +\*' >"$dir/indirect"; then
	die "the module calls functions of the kernel by pointers: $(head -n 1 "$dir/indirect")"
fi
[[ ${1:-} ]] || install_selftests
# Without the relocation, for the test that it is refused.
mkdir "$dir/ko/incomplete"
cp "$dir/ko/klp_shadow.ko" "$dir/ko/incomplete/"
make -s -C "$dir/source" klp-reloc
mv "$dir/source/klp-reloc" "$dir/"
"$dir/klp-reloc" "$dir/ko/klp_shadow.ko" klp_kernel_lookup kallsyms_lookup_name
if grep -m 1 'WARNING\|warning:' "$log" >&2; then
	die "the build has a warning, see $log"
fi
# Last, so that a build that was interrupted does not count.
touch "$dir/built"
