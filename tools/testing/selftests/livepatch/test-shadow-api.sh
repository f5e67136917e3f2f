#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each call of the id-based API: G1, G4, G7, G8, G9.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_api test_klp_shadow_exists

run_module test_klp_shadow_api

text='shadow variable <.*, 0x5d0e0001> already exists'
expect_warning "$text" run_module test_klp_shadow_exists
report $? "G4 alloc of an existing pair warns once"
expect_warning "$text" run_module test_klp_shadow_exists raced=1
report $? "G4 alloc that loses a race warns once"

finish
