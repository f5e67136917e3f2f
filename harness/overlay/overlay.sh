#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: overlay.sh KERNEL-SOURCE-TREE
#
# Add the shadow store to a kernel source tree: copy our files, and apply glue.patch to
# files of the kernel. The result is prepared and checked in a temporary directory first. A
# tree that does not match is not changed, and a copy that fails is undone.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

SLICE=(Documentation include kernel samples tools)
GLUE=$TOP/harness/overlay/glue.patch
# Files of the kernel that are replaced, with their possible checksums.
SUPERSEDED=$TOP/harness/overlay/superseded.sha256

tree=${1:-}
[[ $tree ]] || die "no tree given: make overlay KTREE=<kernel source tree>"
[[ -d $tree ]] || die "$tree: no such directory; KTREE must be a kernel source tree"
tree=$(cd "$tree" && pwd)
command -v patch >/dev/null || die "the program 'patch' is missing: apt-get install patch"

# --- Check the tree ---

if ! [[ -f $tree/Makefile && -f $tree/Kbuild && -f $tree/init/Kconfig ]] ||
   ! grep -q '^PATCHLEVEL = [0-9]' "$tree/Makefile"; then
	die "$tree: not a kernel source tree (no top-level Makefile with a kernel version)"
fi
version=$(sed -n 's/^VERSION = //p' "$tree/Makefile")
patchlevel=$(sed -n 's/^PATCHLEVEL = //p' "$tree/Makefile")
if ((version < 6 || (version == 6 && patchlevel < 1))); then
	die "$tree: Linux $version.$patchlevel is too old, the slice fits 6.1 to 7.3"
fi
if ((version > 7 || (version == 7 && patchlevel > 3))); then
	echo "$PROG: note: Linux $version.$patchlevel is newer than 7.3, the newest line this is tested with" >&2
fi

# --- Prepare the result in a temporary directory, the stage ---

stage=$(mktemp -d)
written=()

finish()
{
	local status=$? f

	if ((${#written[@]})); then
		for f in "${written[@]}"; do
			rm -f "$tree/$f.overlay~"
			if [[ -e $stage/old/$f ]]; then
				cp -p "$stage/old/$f" "$tree/$f"
			else
				rm -f "$tree/$f"
				rmdir -p --ignore-fail-on-non-empty "$tree/${f%/*}"
			fi
		done
		echo "$PROG: $tree: could not be written; it is as it was" >&2
	fi
	rm -rf "$stage"
	exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

mkdir "$stage/new" "$stage/old"
mapfile -t glued < <(sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$GLUE")
for f in "${glued[@]}"; do
	[[ -f $tree/$f ]] || die "$tree: has no $f, which the glue changes; is the tree complete?"
	mkdir -p "$stage/new/${f%/*}"
	cp -p "$tree/$f" "$stage/new/$f"
done

# glue(option...): apply the glue to the stage, without fuzz
glue()
{
	patch -f -F0 -p1 -r- --no-backup-if-mismatch -d "$stage/new" "$@" -i "$GLUE"
}

if glue --dry-run -R >/dev/null 2>&1; then
	: # The tree has been overlaid before: only our files may have changed.
elif out=$(glue --dry-run 2>&1); then
	glue >/dev/null
	(cd "$tree" && sha256sum --check --ignore-missing --quiet "$SUPERSEDED") >"$stage/sums" 2>&1 ||
		die "$tree: $(sed -n '1s/: FAILED.*//p' "$stage/sums") is not the kernel's own file, replacing it would lose somebody's work; nothing was changed"
else
	f=$(awk '/^checking file / { f = $3 } /FAILED|malformed/ { print f; exit }' <<<"$out")
	die "$tree: $f differs where the glue goes; nothing was changed. Start from a pristine tree of Linux 6.1 to 7.3"
fi

for d in "${SLICE[@]}"; do
	[[ ! -d $TOP/$d ]] || cp -rp "$TOP/$d" "$stage/new/"
done

# --- Write the files that differ ---

mapfile -t changed < <(cd "$stage/new" && find . -type f -printf '%P\n' | sort |
	while IFS= read -r f; do
		cmp -s "$f" "$tree/$f" && [[ -x $f || ! -x $tree/$f ]] || echo "$f"
	done)
if ((${#changed[@]} == 0)); then
	echo "$tree: Linux $version.$patchlevel, overlaid already; nothing to change"
	exit 0
fi

# For root, -w ignores the mode bits. These are respected, too.
writable()
{
	[[ -w $1 && $(stat -c %A "$1") == *w* ]]
}

for f in "${changed[@]}"; do
	d=$tree/$f
	while [[ ! -e $d ]]; do
		d=${d%/*}
	done
	if ! writable "$d" || { [[ -f $d ]] && ! writable "${d%/*}"; }; then
		die "$tree: read-only ($d); nothing was changed"
	fi
done

for f in "${changed[@]}"; do
	if [[ -e $tree/$f ]]; then
		mkdir -p "$stage/old/${f%/*}"
		cp -p "$tree/$f" "$stage/old/$f"
	fi
done

for f in "${changed[@]}"; do
	written+=("$f")
	mkdir -p "$tree/${f%/*}"
	# Write a temporary file and rename it, so that no file is incomplete, and hard
	# links elsewhere are not changed.
	cp "$stage/new/$f" "$tree/$f.overlay~"
	mv -f "$tree/$f.overlay~" "$tree/$f"
done
written=()
echo "$tree: Linux $version.$patchlevel, ${#changed[@]} files written"
