#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> debian-series.sh [quilt | boot]
#
# Build Debian's own kernel with the series: fetch the source package 'linux', apply its
# patches and then ours with quilt and fuzz 0, and let its test-patches build the flavour
# cloud-amd64, which takes an hour or two. With "quilt", stop before that. The packages are in
# build/<line>/debian-series. Then boot them, and run the livepatch selftests; with "boot",
# only that.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -z ${1:-} || $1 == quilt || $1 == boot ]] || die "usage: debian-series.sh [quilt | boot]"
set_line
export KERNEL=$LINE
case $LINE in
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
*) die "no Debian release has Linux $LINE; give KERNEL=6.1 (Debian 12) or KERNEL=6.12 (Debian 13)" ;;
esac
# Its compiler is that of the release.
[[ ${1:-} ]] || grep -qx "VERSION_CODENAME=$suite" /etc/os-release ||
	die "Debian $suite is needed to build its kernel; 'KERNEL=$LINE harness/debian-series.sh quilt' only applies the series to it"
dir=$BUILD/$LINE/debian-series
log=$dir/log
tree=$dir/linux
mkdir -p "$dir"/{lists/partial,cache/archives/partial}

# boot(): boot the kernel that was built, and run the livepatch selftests
boot()
{
	local tests=$tree/tools/testing/selftests/livepatch kernels f

	say "booting it, and running the livepatch selftests"
	export VARIANT=debian-series
	"$TOP/harness/vm/debian-kernel.sh"
	"$TOP/harness/vm/rootfs.sh"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work"/{source,livepatch/modules}
	cp -r "$tests/test_shadow_modules" "$work/source/"
	kernels=("$tree"/lib/livepatch/*.c "$tests"/test_modules/*.c)
	for f in "${kernels[@]}"; do
		[[ ! -f $f ]] || cp "$f" "$work/source/"
	done
	{
		echo 'obj-m += test_shadow_modules/'
		(cd "$work/source" && ls -- *.c) | sed 's/c$/o/; s/^/obj-m += /'
	} >"$work/source/Kbuild"
	"$TOP/harness/vm/debian-kernel.sh" -m "$work/source" "$work/ko"
	cp "$tests"/{*.sh,shadow_bad_log} "$work/livepatch/"
	mkdir "$work/livepatch/test_shadow_modules"
	cp "$work"/ko/test_klp_shadow_*.ko "$work/livepatch/test_shadow_modules/"
	rm "$work"/livepatch/test_shadow_modules/test_klp_shadow_vars.ko
	cp "$work"/ko/*.ko "$work/livepatch/modules/"
	[[ ! -d $tests/test_modules ]] || ln -s modules "$work/livepatch/test_modules"
	for f in "$tests"/*.c; do
		[[ ! -f $f ]] || gcc -o "$work/livepatch/$(basename "$f" .c)" "$f"
	done
	"$TOP/harness/vm/vm.sh" -t 3000 -p "$work" "$TOP/harness/vm/jobs/debian-series.sh"
}

if [[ ${1:-} == boot ]]; then
	compgen -G "$dir/linux-image-*.deb" >/dev/null || die "no kernel has been built in $dir: 'make debian-kernel' does"
	boot
	exit
fi

# Apt with sources of that release alone.
uri=$(mirror)
[[ $uri ]] || die "apt has no Debian mirror to fetch the package linux from: check /etc/apt, then run 'apt-get update'"
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$dir/list"
options=(-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir/list"
	-o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User= -qq)

fetched()
{
	compgen -G "$dir/linux_*.dsc" >/dev/null
}

if ! fetched; then
	say "fetching the package linux of Debian $suite"
	(cd "$dir" && apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only linux) \
		>"$log" 2>&1 || die "it could not be fetched: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"); see $log"
fi

say "unpacking it, and applying its patches"
rm -rf "$tree"
# apt-get has checked the package.
dpkg-source --no-check --skip-patches -x "$dir"/linux_*.dsc "$tree" >"$log" 2>&1 ||
	die "it cannot be unpacked: $(tail -n 1 "$log")"

# in_tree(argument...): quilt, without the user's configuration
in_tree()
{
	(cd "$tree" && QUILT_PATCHES=debian/patches quilt --quiltrc - "$@" >"$log" 2>&1)
}

in_tree push -a -q || die "a patch of Debian does not apply: $(tail -n 1 "$log")"
last=$(tail -n 1 "$tree/.pc/applied-patches")

"$TOP/harness/series/series.sh"
patches=("$BUILD/$LINE"/series/[0-9]*.patch)
patches=("${patches[@]:1}")
for patch in "${patches[@]}"; do
	in_tree import -P "features/all/klp-shadow/${patch##*/}" "$patch"
	in_tree push --fuzz=0 ||
		die "${patch##*/} does not apply to Debian's kernel: $(grep -m 1 FAILED "$log" || tail -n 1 "$log"); see $log"
done
while read -r f; do
	cmp -s "$BUILD/$LINE/src/$f" "$tree/$f" || grep -qxF "$f" <(glued) ||
		die "$f is not that of the overlay; the tree is $tree"
done < <(slice)
say "all ${#patches[@]} patches apply to $(dpkg-parsechangelog -l "$tree/debian/changelog" -S Version), fuzz 0; the tree is $tree"
[[ ! ${1:-} ]] || exit 0

# test-patches applies them itself, to a tree that has Debian's own.
in_tree pop -q "$last"
say "building the flavour cloud-amd64; the log is $log"
(cd "$tree" && sed -i '/^features\/all\/klp-shadow\//d' debian/patches/series &&
	debian/bin/test-patches -f cloud-amd64 -j "$(nproc)" "${patches[@]}") >"$log" 2>&1 ||
	die "the build failed: $(grep -m 1 -E 'error:|Unmet build dep|\*\*\*' "$log" || tail -n 1 "$log"); see $log"
ls "$dir"/*.deb
boot
