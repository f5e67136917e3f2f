#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> twin.sh [bench | fuzz [SECONDS] | mutants [PATTERN]]
#
# Run the tests of the store in user space, from tools/testing/klp-shadow. Without
# arguments: a million operations against a model, the tests of steps.c, and threads under
# ThreadSanitizer. Prints TAP.
#
# bench measures the store, the kernel's store and a floor, and compares the medians with
# the targets. There are three builds, in which functions have different offsets from cache
# lines, and the worst one counts. QUICK=1 is short.
#
# fuzz runs libFuzzer on the model, by default for a minute. A sequence that fails is kept
# in the directory of the corpus.
#
# mutants runs the tests with hundreds of small changes of the store, or those that match
# PATTERN, and first with the patches of busted/. Fails if more than 5% are neither
# detected nor explained.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

verb=${1:-test}
set_line
TREES=(src stock)
out=$BUILD/$LINE/twin
mkdir -p "$out"
for tree in "${TREES[@]}"; do
	"$TOP/harness/source.sh" "$tree" >"$out/log" 2>&1 ||
		die "no source of Linux $LINE: $(tail -n 1 "$out/log")"
done

# build(directory, program, [variable=value]...): build a program in $out/<directory>
build()
{
	make -s -C "$TOP/tools/testing/klp-shadow" KSRC="$BUILD/$LINE/src" O="$out/$1" \
		STOCK="$BUILD/$LINE/stock/kernel/livepatch/shadow.c" "${@:3}" "$out/$1/$2"
}

# targets(): print the worst ratio of all builds, and the target
targets()
{
	awk -F, '
	function judge(what, ratio, most)
	{
		if (!(what in worst))
			names[++count] = what
		if (ratio > worst[what])
			worst[what] = ratio
		target[what] = most
	}
	$1 == "n" { next }
	{ ours[FILENAME, $1, $2, $3] = $4 }
	$2 == "pair" && $1 <= 4096 {
		judge("pair, " $3 " threads, N <= 4096, against stock", $6, 1.05)
	}
	$2 == "pair" && $1 >= 1000000 {
		judge("pair, " $3 " threads, N = " $1 ", against the floor", $8, 1.25)
	}
	$2 ~ /^(get|absent)_dep$/ && $1 <= 4096 {
		judge($2 ", N <= 4096, against stock", $6, 1.10)
	}
	$2 ~ /^(get|absent)$/ && $1 <= 4096 {
		judge($2 ", N <= 4096, against stock", $6, 1.20)
	}
	$2 ~ /^(get|absent)(_dep)?$/ && $1 > 4096 {
		judge($2 ", N = " $1 ", against the floor", $8, 1.20)
	}
	$2 ~ /free_absent$/ {
		judge($2 ", N = " $1 ", against get", $4 / ours[FILENAME, $1, "absent", 1], 1.3)
	}
	END {
		for (i = 1; i <= count; i++)
			printf "%-6s %5.2f of %4.2f: %s\n",
			       (worst[names[i]] <= target[names[i]] ? "ok" : "missed"),
			       worst[names[i]], target[names[i]], names[i]
	}' "$@"
}

# run(directory, test, argument...): run a test; lines that are not TAP become comments
run()
{
	local status=0 log=$out/$2.log ran

	build . "$1/$2-bin"
	"$out/$1/$2-bin" "${@:3}" >"$log" 2>"$log.err" || status=$?
	grep -v '^1\.\.' "$log" || :
	grep -v "ASan doesn't fully support" "$log.err" | sed 's/^/# /' || :
	ran=$(grep -cE '^(not )?ok ' "$log" || :)
	if ! grep -q '^not ok' "$log" && { ((status)) || ! grep -qx "1\.\.$ran" "$log"; }; then
		echo "not ok 0 $2: status $status, tests: $ran"
	fi
}

case $verb in
test)
	{
		run model model 1 1000000
		run model steps
		run threads threads 10
	} | awk '
		/^(not )?ok / { sub(/ok [0-9]+/, "ok " ++count) }
		/^not ok / { failed = 1 }
		{ print; fflush() }
		END { print "1.." count; exit failed }'
	;;
fuzz)
	build . fuzz/fuzz-bin
	mkdir -p "$out/corpus"
	cd "$out/corpus"
	"$out/fuzz/fuzz-bin" -max_total_time="${2:-60}" -max_len=4096 -print_final_stats=1 . 2>"$out/fuzz.log" ||
		die "$(tail -n 30 "$out/fuzz.log")"
	grep -E '^(Done|stat::)' "$out/fuzz.log"
	;;
mutants)
	"$TOP/tools/testing/klp-shadow/mutants.py" -k "${2:-}" "$TOP" "$BUILD/$LINE/src" \
		"$out/mutants" "$TOP"/harness/busted/patches/*.patch
	;;
bench)
	rounds=301
	[[ ! ${QUICK:-} ]] || rounds=51
	# Real-time priority, if permitted, so that other programs do not disturb.
	rt=(env GLIBC_TUNABLES=glibc.malloc.hugetlb=1)
	if chrt -f 1 true 2>/dev/null; then
		rt+=(chrt -f 1)
	fi
	for pad in 0 16 32; do
		build "pad$pad" bench/bench-bin PAD="$pad"
		"${rt[@]}" "$out/pad$pad/bench/bench-bin" "$rounds" >"$out/bench.$pad.csv"
	done
	cat "$out/bench.0.csv"
	targets "$out"/bench.{0,16,32}.csv
	;;
*)
	die "twin.sh does not know '$verb'"
	;;
esac
