#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Data in use by readers while variables are removed: G7.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_lifetime
run_module test_klp_shadow_lifetime
finish
