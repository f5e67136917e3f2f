#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Failing allocations: G11.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

failslab=/sys/kernel/debug/failslab

begin test_klp_shadow_failure
[[ -d $failslab ]] || skip "this kernel has no failslab, or debugfs is not mounted"

# No random failures: the module requests each one by fail_nth.
set_knob $failslab/probability 0
set_knob $failslab/cache-filter N
set_knob $failslab/ignore-gfp-wait N
run_module test_klp_shadow_failure
restore_knobs

said=$(log_since "$mark" | grep -v 'test_klp_shadow' |
	grep -E 'livepatch:|shadow|FAULT_INJECTION|llocation failure|SLUB')
[[ -z $said ]] || echo "# ${said%%$'\n'*}"
report "$([[ -z $said ]]; echo $?)" "G11 failures are not logged"

finish
