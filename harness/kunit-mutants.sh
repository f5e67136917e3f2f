#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit-mutants.sh [PATTERN [N]]
#
# Make hundreds of small changes to types, lifetimes and conversion, which the tests in user
# space do not have, and check that the KUnit suites of types fail. Runs every Nth mutant
# that matches PATTERN, by default all. kunit-mutants.explained lists mutants that no test
# can detect. Fails if more than 5% are neither detected nor explained.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

pattern=${1:-}
every=${2:-1}
[[ $every =~ ^[1-9][0-9]*$ ]] || die "EVERY=$every is not a number: give one such as EVERY=10"
python3 -c 'import re, sys; re.compile(sys.argv[1])' "$pattern" 2>/dev/null ||
	die "PATTERN=$pattern is not a regular expression"
set_line
mkdir -p "$BUILD/$LINE"
export KERNEL=$LINE KUNIT_TREE=src-mutants KUNIT_FILTER='klp_shadow_[tm]*.*'
"$TOP/harness/kunit.sh" >"$BUILD/$LINE/mutants.log" 2>&1 ||
	die "the store as it is does not pass: $(tail -n 1 "$BUILD/$LINE/mutants.log")"
exec "$TOP/harness/kunit-mutants.py" "$BUILD/$LINE" "$KUNIT_FILTER" "$pattern" "$every"
