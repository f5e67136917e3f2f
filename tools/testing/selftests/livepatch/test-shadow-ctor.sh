#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Constructors that succeed and that fail: G1, G2, G3, G4.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

# error_lines(id, error): number of messages about a constructor of the id
error_lines()
{
	log_since "$begin" |
		grep -cE "livepatch: constructor of shadow variable <[^,]+, $1> failed: $2\$"
}

begin test_klp_shadow_ctor
run_module test_klp_shadow_ctor

report $(($(error_lines 0x5d0c0010 -18) != 1)) "G3 a failed alloc logs one message"
report $(($(error_lines 0x5d0c0011 -33) != 1)) "G3 a failed get_or_alloc logs one message"
lines=$(log_since "$begin" | grep -c 'constructor of shadow variable')
report $((lines != 2)) "G3 there are no other messages: $lines in all"

finish
