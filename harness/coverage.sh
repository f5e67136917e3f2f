#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> coverage.sh
#
# Measure which lines of the store the tests reach: build a kernel that profiles
# kernel/livepatch/shadow*.c, run the KUnit suite at boot and then our selftests, and report
# lines and branches by gcovr. Prints TAP, then the report. Succeeds if the tests do, nearly
# all lines are reached, and each other one has a reason in coverage.reasons.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# Percentage of lines that must be reached.
LEAST=97

set_line
export KERNEL=$LINE VARIANT=coverage
set_dir
obj=$DIR/obj
counts=$DIR/counts

# All objects of the store except its tests.
mapfile -t units < <(cd "$TOP/kernel/livepatch" && printf '%s\n' shadow*.c | sed 's/\.c$//' |
	grep -vE '_(kunit|torture)$')
profile=("${units[@]/#/GCOV_PROFILE_}")
"$TOP/harness/kernel/build.sh" "$TOP/harness/kernel/x86_64-coverage.config" "${profile[@]/%/.o=y}"
"$TOP/harness/vm/rootfs.sh"

disk=$(mktemp)
trap 'rm -f "$disk"' EXIT
truncate -s 4M "$disk"
VM_DISK=$disk "$TOP/harness/kunit-vm.sh" -t 900 "$TOP/harness/vm/jobs/coverage.sh" ||
	die "not all tests have passed, so nothing is counted"

rm -rf "$counts"
mkdir "$counts"
tar -x -f "$disk" -C "$counts" 2>/dev/null || die "the VM has left no counts; see $DIR/logs/kunit-vm.out"
for unit in "${units[@]}"; do
	[[ -s $counts/$unit.gcda ]] || die "the VM has left no counts of $unit.c; see $DIR/logs/kunit-vm.out"
	cp "$obj/kernel/livepatch/$unit.gcno" "$counts/"
done
(cd "$DIR" && gcovr --root "$BUILD/$LINE/src" --filter '.*/kernel/livepatch/shadow' --txt - --print-summary \
	--json "$counts/json" --html-details "$counts/index.html" --fail-under-line "$LEAST" counts) ||
	die "less than $LEAST% of the lines are reached"
"$TOP/harness/coverage.py" "$TOP/harness/coverage.reasons" "$counts/json" "$BUILD/$LINE/src" ||
	die "what is not reached needs a test, or a reason in harness/coverage.reasons"
say "what was reached, line by line, is in $counts/index.html"
