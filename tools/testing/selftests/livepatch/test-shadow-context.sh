#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Calls in interrupts and NMIs, and while klp_shadow_lock is held: G1, G6.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_context
run_module test_klp_shadow_context
finish
