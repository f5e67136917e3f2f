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

set_line
export KERNEL=$LINE KUNIT_TREE=src-mutants KUNIT_FILTER='klp_shadow_[tm]*.*'
"$TOP/harness/kunit.sh" >"$BUILD/$LINE/mutants.log" 2>&1 ||
	die "the store as it is does not pass: $(tail -n 1 "$BUILD/$LINE/mutants.log")"
exec "$TOP/harness/kunit-mutants.py" "$BUILD/$LINE" "$KUNIT_FILTER" "${1:-}" "${2:-1}"
