#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Moving variables: G13.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_move
run_module test_klp_shadow_move
finish
