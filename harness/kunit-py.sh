#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit-py.sh CONSOLE ARGUMENT...
#
# Run the kernel's kunit.py with the arguments, and print its results as TAP. CONSOLE is the
# file with the messages of the kernel that was run. Succeeds if all tests pass and CONSOLE
# has no bad line, which kunit.py does not look for.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
console=$1
shift
log=$console.kunit
status=0
"$BUILD/$LINE/${KUNIT_TREE:-src}/tools/testing/kunit/kunit.py" "$@" </dev/null 2>&1 | tee "$log" | awk '
	{ sub(/^\[[0-9:]+\] /, "") }
	# kunit.py calls stty at its end, which fails without a terminal. Separators.
	/^stty: |^=+|^$/ { next }
	/^\[(PASSED|SKIPPED)\] / { print "ok " ++count, $2 ($1 ~ /SKIP/ ? " # SKIP" : ""); fflush(); next }
	/^\[(FAILED|CRASHED)\] / { print "not ok " ++count, $2; fflush(); next }
	{ print "# " $0; fflush() }
	END { print "1.." count + 0 }' || status=1

bad=$(grep -a -m 1 -E -f "$BAD_LOG" "$console" 2>/dev/null | tr -d '\r' || :)
[[ ! $bad ]] || die "the kernel says: $bad; the console is in $console"
timeout=$(grep -a -o -m 1 'timed out after .*' "$log" || :)
[[ ! $timeout ]] || die "hangs: $timeout; the console is in $console"
grep -q 'Testing complete' "$log" ||
	die "no test was run: $(grep -a -m 1 -E '^Missing: |error:|Error |\*\*\*' "$log" || tail -n 1 "$log"); see $log"
# For kunit.py a suite without a result is an error, but not a failure.
! grep -qF '[ERROR]' "$log" || status=1
((status == 0)) || die "not all is well; the console is in $console"
