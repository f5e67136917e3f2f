#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> docs.sh
#
# Build the livepatch part of the kernel's documentation from an overlaid tree into
# build/<line>/docs, by make htmldocs. Fails if Sphinx warns about our pages or the
# kernel-doc of our sources. Prints TAP.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
dir=$BUILD/$LINE
out=$dir/docs
log=$dir/docs.log
html=$out/Documentation/output/livepatch
mkdir -p "$dir"

"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
# The overlay does not remove pages that the slice has dropped.
for page in "$dir"/src/Documentation/livepatch/shadow-*.rst; do
	[[ -e $TOP/${page#"$dir/src/"} ]] || rm "$page"
done
# Rebuild everything: Sphinx does not repeat warnings about pages that have not changed.
rm -rf "$out"
mkdir -p "$out"
say "building the manual with Sphinx, for Linux $LINE"
make -C "$dir/src" O="$out" ARCH=x86_64 htmldocs SPHINXDIRS=livepatch >"$log" 2>&1 ||
	die "Sphinx failed, see $log: $(tail -n 1 "$log")"

# judge(description, regex): a warning that matches is a failure
judge()
{
	local bad=0

	grep -E '(WARNING|ERROR|SEVERE|[Ww]arning|[Ee]rror):' "$log" | grep -E "$2" |
		sed "s,$dir/src/,,g" >"$dir/docs.bad" || :
	[[ ! -s $dir/docs.bad ]] || bad=1
	result "$bad" "$1" "$dir/docs.bad"
}

for page in "$TOP"/Documentation/livepatch/shadow-*.rst; do
	page=$(basename "$page" .rst)
	[[ -s $html/$page.html ]] || echo "$page.rst: ERROR: not built" >>"$log"
	judge "$page.html" "(^|/)$page\.rst"
done
judge "kernel-doc of the sources" 'livepatch_shadow\.h|livepatch/shadow[a-z_]*\.[ch]'
say "the pages are in $html, Sphinx's words in $log"
plan
