#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Races between CPUs: G1, G2, G5, G7, G8.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_race
run_module test_klp_shadow_race
finish
