#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> busted.sh [-g] [VARIANT...]
#
# Check that the tests detect a broken store. Each variant is a patch in patches/ that
# breaks the store. Its header has a torture scenario, or "kunit", that must fail, and a
# regular expression for the failure; "Test:" limits the KUnit suite. The torture module is
# built with a patched copy of the store, the KUnit suite from a patched tree. A variant
# fails if the test passes, or fails for another reason. The unmodified store must pass in
# the same scenarios, which -g skips. Prints TAP.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../torture/scenario.sh
. "$TOP/harness/torture/scenario.sh"

here=$TOP/harness/busted
# Longer than the tests need to detect any variant.
set_seconds 20

# header(variant, name): a line of the header of the patch
header()
{
	[[ $1 == control ]] || sed -n "s/^$2: //p; /^--- /q" "$here/patches/$1.patch"
}

mapfile -t known < <(basename -s .patch "$here"/patches/*.patch)
control=1
if [[ ${1:-} == -g ]]; then
	control=
	shift
fi
variants=("$@")
((${#variants[@]})) || variants=("${known[@]}")
for variant in "${variants[@]}"; do
	[[ $variant =~ ^[a-z-]+$ && -f $here/patches/$variant.patch ]] ||
		die "no variant '$variant'; there are: ${known[*]}"
	for name in Scenario Caught-by; do
		[[ $(header "$variant" $name) ]] ||
			die "$here/patches/$variant.patch has no line '$name: ...'"
	done
done
set_line
export KERNEL=$LINE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# break_it(variant, directory): apply the patch to a tree; "control" has no patch
break_it()
{
	[[ $1 == control ]] ||
		patch -s -f -F0 -p1 --no-backup-if-mismatch -d "$2" -i "$here/patches/$1.patch" >"$work/patch" 2>&1
}

# judge(variant, scenario, status, seconds, output, log): report the result of a run
judge()
{
	local seen what="busted $1 ($2)"

	if [[ $1 == control ]]; then
		seen="green, $4 s"
		(($3 == 0)) || seen="red, $4 s: $(tail -n 1 "$5")"
		result "$3" "$what # $seen"
		return
	fi
	seen=$(grep -a -m 1 -oE "($(header "$1" Caught-by)).*" "$6" | tr -d '\r' || :)
	if (($3 == 0)); then
		result 1 "$what # stays green, $4 s; see $6"
	elif [[ -z $seen ]]; then
		result 1 "$what # red, but not by what it names, $4 s: $(tail -n 1 "$5"); see $6"
	else
		result 0 "$what # caught, $4 s: $seen"
	fi
}

# torture(variant, scenario): run the torture module with a copy of the store in the VM
torture()
{
	local start=$SECONDS status=0 module log

	kernel "$2"
	module=$DIR/busted/$1
	log=$DIR/logs/busted-$1
	mkdir -p "${log%/*}" "$work/payload"
	rm -rf "$module"
	mkdir -p "$module/kernel"
	cp -r "$TOP/kernel/livepatch" "$module/kernel/"
	break_it "$1" "$module" || { result 1 "busted $1 ($2) # does not apply: $(tail -n 1 "$work/patch")"; return; }
	cp "$module"/kernel/livepatch/shadow*.[ch] "$here"/{Makefile,torture.c} "$TOP/harness/kernel/copy.h" "$module/"
	make -C "$BUILD/$LINE/src" O="$obj" ARCH=x86_64 M="$module" modules >"$log.build" 2>&1 ||
		{ result 1 "busted $1 ($2) # does not build, see $log.build"; return; }
	cp "$module/shadow_torture.ko" "$work/payload/"
	VM_LOG=$log "$TOP/harness/vm/vm.sh" -t $((2 * seconds + 400)) -p "$work/payload" \
		-a "$(arguments "$2" | tr '\n' ' ')" "$TOP/harness/torture/job.sh" >"$log.txt" 2>&1 || status=$?
	judge "$1" "$2" "$status" $((SECONDS - start)) "$log.txt" "$log.console"
}

# kunit(variant): run the KUnit suite. It is built from another tree into the same
# directory, so that only changed files are rebuilt.
kunit()
{
	local start=$SECONDS status=0 tree=$work/tree log=$BUILD/$LINE/logs/busted-$1-kunit.txt

	rm -rf "$tree"
	mkdir -p "$tree" "${log%/*}"
	cp -r "$TOP"/{Documentation,harness,include,kernel,samples,scripts,tools} "$tree/"
	ln -s "$SHARED" "$tree/build"
	break_it "$1" "$tree" || { result 1 "busted $1 (kunit) # does not apply: $(tail -n 1 "$work/patch")"; return; }
	KUNIT_FILTER=$(header "$1" Test) "$tree/harness/kunit.sh" >"$log" 2>&1 || status=$?
	judge "$1" kunit "$status" $((SECONDS - start)) "$log" "$log"
}

# run(variant, scenario): run one variant
run()
{
	if [[ $2 != kunit ]]; then
		torture "$1" "$2"
	else
		kunit "$1"
	fi
}

# In each scenario, run the unmodified store before the variants.
mapfile -t scenarios < <(for variant in "${variants[@]}"; do header "$variant" Scenario; done | sort -u)
for scenario in "${scenarios[@]}"; do
	[[ $scenario == kunit ]] || must_exist "$scenario"
done
"$TOP/harness/vm/rootfs.sh"
for scenario in "${scenarios[@]}"; do
	[[ ! $control ]] || run control "$scenario"
	for variant in "${variants[@]}"; do
		[[ $(header "$variant" Scenario) != "$scenario" ]] || run "$variant" "$scenario"
	done
done
plan
