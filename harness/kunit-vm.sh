#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [VARIANT=<name>] kunit-vm.sh [-t SECONDS] [JOB]
#
# Boots a kernel that is built, has it run the KUnit suite, and then JOB, if one is
# given. TAP of the suite on the standard output. Succeeds if all tests do, and
# vm.sh, which gets the arguments, says so as well.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
set_dir
log=$DIR/logs/kunit-vm
status=0
VM_LOG=$log "$TOP/harness/vm/vm.sh" -t 300 -a kunit.enable=1 "${@:-$TOP/harness/vm/jobs/nothing.sh}" || status=1
# What comes after the boot, the VM has looked at itself, and knows what JOB provokes.
awk -v bad="$TOP/tools/testing/selftests/livepatch/shadow_bad_log" -f "$TOP/harness/kunit.awk" <(sed '/ as init process/q' "$log.console") || status=1
((status == 0)) || die "not all is well; the console is in $log.console"
