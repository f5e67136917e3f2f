#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Content, size and alignment of the data: G2, G9, G10.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

begin test_klp_shadow_data
run_module test_klp_shadow_data
finish
