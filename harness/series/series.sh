#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] series.sh [check]
#
# Write the store as patches to build/<line>/series: a cover letter, and patches that series.py
# makes of an overlaid kernel, by default of Linux 7.3. With "check", apply them by git am to
# an unmodified kernel. Each has to pass checkpatch --strict, to build without warnings and to
# pass the tests that it brings, if these need no VM; the result must be the overlaid kernel,
# byte for byte. Prints TAP then.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

[[ -z ${1:-} || $1 == check ]] || die "usage: series.sh [check]"
[[ ${KSRC:-} ]] || export KERNEL=${KERNEL:-7.3}
set_line
export KERNEL=$LINE
dir=$BUILD/$LINE
series=$dir/series
log=$dir/series.log
mkdir -p "$dir"

# === Writing ===

GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-$(git -C "$TOP" config user.name || :)}
GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-$(git -C "$TOP" config user.email || :)}
[[ $GIT_AUTHOR_NAME && $GIT_AUTHOR_EMAIL ]] ||
	die "git does not know who signs the patches off: git config --global user.email <address>, and user.name"
# Also of this repository's own configuration, for the one that is made.
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
"$TOP/harness/source.sh" stock src >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The same patches from the same sources.
GIT_AUTHOR_DATE=$(git -C "$TOP" log -1 --format=%cI 2>/dev/null || date -Is)
export GIT_AUTHOR_DATE GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

{ glued; slice; } | sort | "$TOP/harness/series/series.py" "$dir/stock" "$dir/src" "$work/git"
git -C "$work/git" config branch.master.description "$(<"$TOP/harness/series/00-cover.txt")"
rm -rf "$series"
git -C "$work/git" format-patch -q -o "$series" --cover-letter --cover-from-description=subject \
	--to=live-patching@vger.kernel.org --zero-commit --no-signature -B base..
patches=("$series"/[0-9]*.patch)
patches=("${patches[@]:1}")
echo "$series: ${#patches[@]} patches for Linux $LINE, and a cover letter"
[[ ${1:-} ]] || exit 0

# === Checking ===

tree=$dir/series-tree
obj=$dir/series-obj
selftests=$tree/tools/testing/selftests/livepatch/test_shadow_modules

kmake()
{
	make -s -C "$src" O="$obj" ARCH=x86_64 "$@"
}

# try(description, command...): run a command that must succeed
try()
{
	local status=0

	"${@:2}" >"$log" 2>&1 || status=1
	result "$status" "$1" "$log"
}

# silent(command...): run a command that must succeed without output
silent()
{
	"$@" 2>&1 | tee "$work/out"
	[[ ${PIPESTATUS[0]} == 0 && ! -s $work/out ]]
}

# An unmodified kernel, in a repository that has the files of the series alone.
pristine()
{
	rsync -a --delete --exclude=/.git "$dir/stock/" "$tree/"
	rm -rf "$tree/.git"
	git -C "$tree" init -q
	{ glued; slice; } | (cd "$tree" && while read -r f; do [[ ! -e $f ]] || echo "$f"; done) |
		xargs git -C "$tree" add -f --
	git -C "$tree" commit -q -m base
	git -C "$tree" tag base
}

# Objects of livepatching, samples and selftests, and the symbols that they refer to.
compile()
{
	cp "$work/config" "$obj/.config"
	silent kmake olddefconfig || return 1
	kmake -j"$(nproc)" modules_prepare || return 1
	silent kmake -j"$(nproc)" W=1 KCFLAGS=-Werror kernel/livepatch/ samples/livepatch/ || return 1
	nm "$obj/kernel/livepatch/built-in.a" 2>/dev/null |
		awk '$1 == "U" { used[$2] } NF == 3 { has[$3] } END { for (s in used) if (!(s in has)) print s, "is not defined" }' |
		{ ! grep klp_shadow; } || return 1
	[[ ! -d $selftests ]] || silent kmake -j"$(nproc)" M="$selftests" W=1 KCFLAGS=-Werror "${objects[@]}"
}

kunit()
{
	mkdir -p "$dir/um-series"
	KUNIT_TREE=series-tree "$TOP/harness/kunit-py.sh" "$dir/um-series/test.log" run \
		--build_dir="$dir/um-series" --timeout=240 --kunitconfig=kernel/livepatch \
		--kconfig_add=CONFIG_UML_PCI_OVER_VIRTIO=n
}

# The tests in user space.
twin()
{
	local out=$dir/series-twin

	rm -rf "$out"
	make -s -C "$tree/tools/testing/klp-shadow" KSRC="$tree" O="$out" all &&
		"$out/model/model-bin" 1 100000 && "$out/model/steps-bin" && "$out/threads/threads-bin" 5
}

tool()
{
	make -s -C "$tree/tools/livepatch" O="$work/tool" CFLAGS='-O1 -Wall -Werror' &&
		"$tree/tools/livepatch/tests/test.py" "$work/tool/klp-shadow"
}

# adds(file): whether the patch has this file
adds()
{
	grep -qxF "+++ b/$1" "$patch"
}

# files(directory): names, contents and execute permissions of the files of the series
files()
{
	(cd "$1" && { glued; slice; } | sort | xargs sha256sum &&
		{ glued; slice; } | sort | xargs -I{} find {} -perm /111)
}

src=$dir/src
ARCH=x86_64
mapfile -t configs < <(fragments)
# The samples that need these fit Linux 6.1 alone.
[[ $LINE != 6.1 ]] || configs+=("$TOP/harness/kernel/x86_64-real.config")
mkdir -p "$obj"
rm -f "$obj/fragment.done"
configure "the kernel of the series" "${configs[@]}"
cp "$obj/.config" "$work/config"
src=$tree

pristine
for patch in "${patches[@]}"; do
	name=$(basename "$patch")
	try "git am: $name" git -C "$tree" am -q "$patch"
	try "checkpatch --strict: $name" silent checkpatch "$tree" "$patch"
	objects=("$selftests"/*.c)
	objects=("${objects[@]/%.c/.o}")
	objects=("${objects[@]##*/}")
	try "builds: $name" compile
	# Later patches change nothing that these test.
	! adds kernel/livepatch/shadow_kunit.c || try "KUnit: $name" kunit
	! adds tools/testing/klp-shadow/steps.c || try "user space: $name" twin
	! adds tools/livepatch/klp-shadow.c || try "klp-shadow: $name" tool
done
try "the files of the overlay, and no others" diff <(git -C "$tree" diff --name-only base) \
	<({ glued; slice; } | sort)
try "they are the same" diff <(files "$dir/src") <(files "$tree")
plan
