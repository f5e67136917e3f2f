#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Constructors, and those that fail: G1, G2, G3, G4.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

# error_lines(id, error): number of such lines in the log
error_lines()
{
	log_since "$begin" |
		grep -cE "livepatch: constructor of shadow variable <[^,]+, $1> failed: $2\$"
}

begin test_klp_shadow_ctor
run_module test_klp_shadow_ctor

report $(($(error_lines 0x5d0c0010 -18) != 1)) "G3 one line in the log tells of a failed alloc"
report $(($(error_lines 0x5d0c0011 -33) != 1)) "G3 and one does for get_or_alloc"
lines=$(log_since "$begin" | grep -c 'constructor of shadow variable')
report $((lines != 2)) "G3 and no other does: $lines lines"

finish
