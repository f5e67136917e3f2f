#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit-mutants.sh [PATTERN [N]]
#
# Breaks what the twin does not have, types, lifetimes and conversion, in hundreds of small
# ways, or in those that match PATTERN, and shows that the KUnit suites of types notice:
# every Nth of them, by default all. kunit-mutants.explained names those that make no
# difference, or none that a test could see. Fails if more than 5% are neither noticed nor
# explained.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE KUNIT_TREE=src-mutants KUNIT_FILTER='klp_shadow_[tm]*.*'
"$TOP/harness/kunit.sh" >"$BUILD/$LINE/mutants.log" 2>&1 ||
	die "the store as it is does not pass: $(tail -n 1 "$BUILD/$LINE/mutants.log")"
exec "$TOP/harness/kunit-mutants.py" "$BUILD/$LINE" "$KUNIT_FILTER" "${1:-}" "${2:-1}"
