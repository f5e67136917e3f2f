#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: overlay.sh KERNEL-SOURCE-TREE
#
# Add the shadow store to a kernel source tree: apply glue.patch to files of the kernel, and
# copy our files. A tree that does not match is not changed. It is idempotent, also after it
# has been interrupted.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

GLUE=$TOP/harness/overlay/glue.patch
# Files of the kernel that are replaced, with their possible checksums.
SUPERSEDED=$TOP/harness/overlay/superseded.sha256

tree=${1:-}
[[ $tree ]] || die "no tree given: make overlay KTREE=<kernel source tree>"
[[ -d $tree ]] || die "$tree: no such directory; KTREE must be a kernel source tree"
tree=$(cd "$tree" && pwd)
for program in patch rsync; do
	command -v $program >/dev/null || die "the program '$program' is missing: apt-get install $program"
done

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

# glue(option...): apply the glue, without fuzz
glue()
{
	patch -f -F0 -p1 -r- --no-backup-if-mismatch -d "$tree" "$@" -i "$GLUE"
}

# ours(option...): copy those of our files that differ, and print their names
ours()
{
	slice | rsync -cE --out-format=%n --files-from=- "$@" "$TOP/" "$tree/"
}

mapfile -t glued < <(glued)
for f in "${glued[@]}"; do
	[[ -f $tree/$f ]] || die "$tree: has no $f, which the glue changes; is the tree complete?"
done
if glue --dry-run -R >/dev/null 2>&1; then
	glued=() # The tree has been overlaid before: only our files may have changed.
elif out=$(glue --dry-run 2>&1); then
	bad=$(cd "$tree" && sha256sum --check --ignore-missing --quiet "$SUPERSEDED" 2>/dev/null) ||
		die "$tree: ${bad%%:*} is not the kernel's own file, replacing it would lose somebody's work; nothing was changed"
else
	f=$(awk '/^checking file / { f = $3 } /FAILED|malformed/ { print f; exit }' <<<"$out")
	die "$tree: $f differs where the glue goes; nothing was changed. Start from a pristine tree of Linux 6.1 to 7.3"
fi

mapfile -t changed < <(printf '%s\n' "${glued[@]}" | grep . || :; ours -n)
if ((${#changed[@]} == 0)); then
	echo "$tree: Linux $version.$patchlevel, overlaid already; nothing to change"
	exit 0
fi
# These files and their directories. For root, -writable ignores the mode bits.
f=$(cd "$tree"; printf '%s\n' "${changed[@]}" | sed 'p; s,/[^/]*$,,' | sort -u |
	xargs -I{} find {} -maxdepth 0 ! '(' -writable -perm /222 ')' 2>/dev/null | head -n 1 || :)
[[ -z $f ]] || die "$tree: read-only ($f); nothing was changed"

# The glue first: without it, our shadow.c would count as somebody's work.
if ! { ((${#glued[@]} == 0)) || glue; } >/dev/null || ! ours >/dev/null; then
	die "$tree: not all files could be written; run this again when they can"
fi
echo "$tree: Linux $version.$patchlevel, ${#changed[@]} files written"
