#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> litmus.sh [file.litmus]...
#
# Run the litmus tests, by default all of them, with the memory model of the kernel line, or
# for those in arm64 and power with herd7's model of the architecture, and compare the output
# of herd7 with the Result in the file. judgelitmus.sh of
# tools/memory-model lets wrong Results pass: that of 6.1 ignores data races, and that of 7.3
# accepts any outcome of a test with a data race. herd7 is in Debian sid only; the tests are
# skipped if the mirror does not have it. Without arguments, it is an error if one of a test
# and its broken variant is missing.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# herd7 with its libraries, because older releases of Debian have older ones.
PACKAGES=(herdtools7 libc6 libgmp10)

tests=("$@")
((${#tests[@]})) || tests=("$TOP"/Documentation/litmus-tests/livepatch-shadow/{,arm64/,power/}*.litmus)
for test in "${tests[@]}"; do
	[[ -f $test ]] || die "no litmus test $test"
	twin=${test%.litmus}-broken.litmus
	[[ $test != *-broken.litmus ]] || twin=${test%-broken.litmus}.litmus
	(($#)) || [[ -f $twin ]] || die "$test has no twin: add ${twin##*/}"
done
set_line
sid=$SHARED/sid
log=$BUILD/$LINE/litmus.log
mkdir -p "$BUILD/$LINE"

# have_herd7(): fetch herd7 and unpack it to build/sid; incomplete results are removed
have_herd7()
{
	local package deb

	[[ ! -d $sid ]] || return 0
	rm -rf "$sid.part"
	for package in "${PACKAGES[@]}"; do
		compgen -G "$SHARED/cache/${package}_*.deb" >/dev/null ||
			fetch_suite sid "$package" || return 1
		deb=$(compgen -G "$SHARED/cache/${package}_*.deb" | sort -V | tail -n 1)
		dpkg-deb -x "$deb" "$sid.part" || die "cannot unpack $deb: remove it and try again"
	done
	mv "$sid.part" "$sid"
}

# observe(test): run herd7, by the loader of the libc6 from sid, and print its verdict as a
# Result
observe()
{
	local lib options=()

	lib=$(dirname "$sid"/usr/lib/*/libc.so.6)
	! grep -q '^C ' "$1" || options=(-I "$model" -conf "$model/linux-kernel.cfg")
	timeout 60 "$lib"/ld-linux*.so.* --library-path "$lib" "$sid/usr/bin/herd7" \
		-set-libdir "$sid/usr/share/herdtools7/herd" "${options[@]}" "$1" >"$log" 2>&1 || return 0
	awk '/^Flag data-race/ { race = " DATARACE" } /^Observation/ { print $(NF - 2) race }' "$log"
}

if ! have_herd7; then
	echo "1..0 # SKIP no herd7: the package mirror does not provide it from Debian sid"
	exit 0
fi
"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
model=$BUILD/$LINE/src/tools/memory-model

for test in "${tests[@]}"; do
	name=${test##*/livepatch-shadow/}
	name=${name%.litmus}
	want=$(sed -n 's/^ \* Result: //p' "$test")
	got=$(observe "$test")
	if [[ $got && $got == "$want" ]]; then
		result 0 "$name: $got"
	else
		result 1 "$name: the file says ${want:-nothing}, herd7 says ${got:-nothing} (Linux $LINE)" "$log"
		echo "# again: KERNEL=$LINE $0 $test"
	fi
done
plan
