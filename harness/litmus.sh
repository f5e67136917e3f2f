#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> litmus.sh [file.litmus]...
#
# The litmus tests, all of them without arguments, under the memory model of the
# line: what herd7 observes must be the file's Result. One TAP line for each; a
# failure comes with herd7's output and the command that shows it again. herd7 is
# in sid only, and is skipped with a word where that cannot be had. Without arguments,
# a test that has no broken twin, or a twin that has no test, is an error.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# herd7, and the libraries it wants, which are newer than an older Debian's.
PACKAGES=(herdtools7 libc6 libgmp10)

tests=("$@")
((${#tests[@]})) || tests=("$TOP"/Documentation/litmus-tests/livepatch-shadow/*.litmus)
for test in "${tests[@]}"; do
	[[ -f $test ]] || die "no litmus test $test"
	if [[ $test == *-broken.litmus ]]; then
		twin=${test%-broken.litmus}.litmus
	else
		twin=${test%.litmus}-broken.litmus
	fi
	(($#)) || [[ -f $twin ]] || die "$test has no twin ${twin##*/} beside it: add one"
done
set_line
sid=$BUILD/sid
log=$BUILD/$LINE/litmus.log
mkdir -p "$BUILD/$LINE"

# have_herd7(): fetched and unpacked to build/sid, whole or not at all
have_herd7()
{
	local package deb

	[[ ! -d $sid ]] || return 0
	for package in "${PACKAGES[@]}"; do
		compgen -G "$BUILD/cache/${package}_*.deb" >/dev/null ||
			fetch_suite sid "$package" || return 1
	done
	rm -rf "$sid.part"
	mkdir "$sid.part"
	for package in "${PACKAGES[@]}"; do
		deb=$(compgen -G "$BUILD/cache/${package}_*.deb" | sort -V | tail -n 1)
		dpkg-deb -x "$deb" "$sid.part" || die "$deb cannot be unpacked; remove it and try again"
	done
	mv "$sid.part" "$sid"
}

# herd7(argument...): with sid's libraries, through their own loader
herd7()
{
	local lib

	lib=$(dirname "$sid"/usr/lib/*/libc.so.6)
	timeout 60 "$lib"/ld-linux*.so.* --library-path "$lib" "$sid/usr/bin/herd7" \
		-set-libdir "$sid/usr/share/herdtools7/herd" "$@"
}

if ! have_herd7; then
	echo "1..0 # SKIP no herd7: this machine's package mirror gives none from Debian sid"
	exit 0
fi
"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
model=$BUILD/$LINE/src/tools/memory-model

# observe(test): what herd7 says, in the words of a Result
observe()
{
	herd7 -I "$model" -conf "$model/linux-kernel.cfg" "$1" >"$log" 2>&1 || return 0
	awk '/^Flag data-race/ { race = " DATARACE" } /^Observation/ { print $(NF - 2) race }' "$log"
}

count=0 failed=0
for test in "${tests[@]}"; do
	count=$((count + 1))
	name=$(basename "$test" .litmus)
	want=$(sed -n 's/^ \* Result: //p' "$test")
	got=$(observe "$test")
	if [[ $got && $got == "$want" ]]; then
		echo "ok $count $name: $got"
	else
		failed=$((failed + 1))
		echo "not ok $count $name: the file says ${want:-nothing}, herd7 says ${got:-nothing} (Linux $LINE)"
		sed 's/^/# /' "$log"
		echo "# again: KERNEL=$LINE $0 $test"
	fi
done
echo "1..$count"
((failed == 0))
