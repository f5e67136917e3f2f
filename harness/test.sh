#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [ARCH=<architecture>] test.sh
#
# Run all tests: the static checks, the litmus tests, the store in user space, the tests of
# the harness, klp-shadow, and in the VM the livepatch selftests, the KUnit suite, the
# manual's first page, a million variables, livepatches of a stock kernel, two torture
# scenarios, the module that takes over the store of Debian's kernel, a broken store that must
# be detected, and the demo. The last line has the counts. Succeeds if no test fails.
#
# With ARCH, which is arm64, powerpc (64-bit, little endian) or s390: on such a machine the
# kernel's livepatch selftests and ours, klp-shadow, and the kernel's selftests with the
# kernel's own store, which are the measure.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
set_dir
logs=$DIR/logs
mkdir -p "$logs"
# Static checks that take at most two minutes.
CHECKS=(compile sparse uml checkpatch kernel-doc examples shellcheck spelling)
# Two torture scenarios that use the kernel of 'make kernel', and one broken store, which
# shows that a torture run can fail.
SCENARIOS=(NORMAL FAILSLAB)
BUSTED=(no-second-look)
passed=0 failed=0 skipped=0
failures=()

# tally(part, log, status): count the TAP lines of a part, including those of scripts that
# the kselftest runner has run. A part that fails without "not ok" counts as a failure, as
# does a part without tests that is not skipped. prove(1) would count neither nested lines
# nor skipped tests, and tells numbers of failures, not their names.
tally()
{
	local ok bad skip

	ok=$(grep -acE '^(# )*ok [0-9]+ ' "$2" || :)
	skip=$(grep -acE '^(# )*ok [0-9]+ .*# SKIP' "$2" || :)
	if grep -aq '^1\.\.0 # SKIP' "$2"; then
		ok=$((ok + 1)) skip=$((skip + 1))
	fi
	bad=$(grep -acE '^(# )*not ok [0-9]+ ' "$2" || :)
	if ((bad)); then
		mapfile -t -O "${#failures[@]}" failures < <(grep -aE '^(# )*not ok [0-9]+ ' "$2" |
			sed "s/^/$1: /; s,\$, ($2),")
	elif (($3)); then
		bad=1
		failures+=("$1: $(grep -a -v '^#' "$2" | tail -n 1) ($2)")
	elif ((ok == 0)); then
		bad=1
		failures+=("$1: no test was run ($2)")
	fi
	passed=$((passed + ok - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

# part(name, command...): run a part, and print and log its output
part()
{
	local name=$1 status=0 start=$SECONDS

	shift
	say "$name"
	"$@" 2>&1 | tee "$logs/$name.tap" || status=1
	echo "$status" >"$logs/$name.status"
	say "$name: $((SECONDS - start)) s"
}

# vm(name, option...): run a job in the VM, and report it as one test
vm()
{
	local status=0

	"$TOP/harness/vm/vm.sh" "${@:2}" "$TOP/harness/vm/jobs/$1.sh" || status=1
	result "$status" "$1"
	plan
}

# end(part...): count the parts, and exit
end()
{
	local name

	for name; do
		touch "$logs/$name.tap"
		tally "$name" "$logs/$name.tap" "$(cat "$logs/$name.status" 2>/dev/null || echo 1)"
	done
	echo
	if ((failed)); then
		printf 'failed: %s\n' "${failures[@]}"
	fi
	say "Linux $LINE, $((SECONDS / 60)) min $((SECONDS % 60)) s; logs are in $logs"
	echo "$passed passed, $failed failed, $skipped skipped"
	((failed == 0)) && exit 0 || exit 1
}

# beside_stock(): a table of the kernel's own scripts, on the untouched kernel and on ours
beside_stock()
{
	echo
	awk '
		BEGIN { printf "%-32s %-10s %s\n", "", "untouched", "with klp-shadow" }
		/^(not )?ok [0-9]+ selftests: livepatch: / {
			name = $0
			sub(/.*livepatch: /, "", name)
			sub(/ .*/, "", name)
			result[FILENAME, name] = /# SKIP/ ? "skipped" : /^not/ ? "FAILED" : "ok"
			if (FILENAME == ARGV[1])
				names[++n] = name
		}
		END {
			for (i = 1; i <= n; i++)
				printf "%-32s %-10s %s\n", names[i], result[ARGV[1], names[i]],
					((ARGV[2], names[i]) in result) ? result[ARGV[2], names[i]] : "-"
		}' "$logs/stock.tap" "$logs/selftests.tap"
}

rm -f "$logs"/*.{status,tap}
if [[ $ARCH != x86_64 ]]; then
	"$TOP/harness/setup.sh" "${EMULATOR[$ARCH]}"
	"$TOP/harness/kernel/build.sh"
	VARIANT=stock "$TOP/harness/kernel/build.sh"
	"$TOP/harness/vm/rootfs.sh"
	part selftests "$TOP/harness/vm/vm.sh" -t 6000 "$TOP/harness/vm/jobs/selftests.sh"
	VARIANT=stock part stock "$TOP/harness/vm/vm.sh" -t 3000 "$TOP/harness/vm/jobs/selftests.sh"
	ROUNDS=2 part tools "$TOP/harness/klp-shadow/klp-shadow.sh" vm
	beside_stock
	end selftests stock tools
fi

# prepare(): what the VM needs beside its kernel
prepare()
{
	"$TOP/harness/vm/rootfs.sh"
	"$TOP/harness/kernel/stock-livepatches.sh"
}

# Two lanes of similar duration run in parallel, because emulation uses one of two CPUs most
# of the time. The second one begins with parts that do not use the VM, during prepare().
lane_1()
{
	part selftests "$TOP/harness/vm/vm.sh" -t 1500 "$TOP/harness/vm/jobs/selftests.sh"
	part kunit "$TOP/harness/kunit-vm.sh"
	part start "$TOP/harness/start.sh"
	part stock-livepatches vm stock-livepatches -t 300
	part torture "$TOP/harness/torture/torture.sh" 15 "${SCENARIOS[@]}"
	part busted "$TOP/harness/busted/busted.sh" -g "${BUSTED[@]}"
}

no_vm()
{
	part check "$TOP/harness/check.sh" "${CHECKS[@]}"
	part litmus "$TOP/harness/litmus.sh"
	part twin "$TOP/harness/twin.sh"
}

lane_2()
{
	part harness "$TOP/harness/selftest/run.sh"
	ROUNDS=3 part tools "$TOP/harness/klp-shadow/klp-shadow.sh"
	part million "$TOP/harness/vm/vm.sh" -t 1200 -a 'kmemleak=off slub_debug=- klp_shadow.check_parents=0' \
		"$TOP/harness/vm/jobs/million.sh"
	part demo vm demo -t 300
	part takeover "$TOP/harness/takeover/takeover.sh" basic replace forced asleep
}

# start(command...): run it in the background, as a process group that stop() can end
start()
{
	set -m
	"$@" </dev/null &
	set +m
}

# stop(): end what start() has started and still runs
stop()
{
	local group

	for group in $(jobs -pr); do
		kill -- "-$group" 2>/dev/null || :
	done
}

trap stop EXIT
trap 'exit 1' HUP INT TERM
start "$TOP/harness/kernel/build.sh"
wait "$!"
# Both lanes need this tree, and source.sh must not unpack it twice.
start "$TOP/harness/source.sh" stock
wait "$!"
# Tell torture.sh and busted.sh that this kernel is up to date.
export KLP_BUILT=$BUILD/$LINE
start no_vm >"$logs/lane-2" 2>&1
no_vm=$!
start prepare
wait "$!"
start lane_1
lane_1=$!
wait "$no_vm" || :
start lane_2 >>"$logs/lane-2" 2>&1
wait "$!" || :
wait "$lane_1" || :
cat "$logs/lane-2"
end selftests kunit start stock-livepatches torture takeover check litmus twin harness tools million \
	busted demo
