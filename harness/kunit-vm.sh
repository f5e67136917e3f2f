#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [VARIANT=<name>] kunit-vm.sh [-t SECONDS] [JOB]
#
# Boot a kernel that has been built, which runs the KUnit suite, and then JOB, if given. The
# arguments are passed to vm.sh. Prints the TAP of the suite. Succeeds if all tests and
# vm.sh do.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
set_dir
log=$DIR/logs/kunit-vm
status=0
VM_LOG=$log "$TOP/harness/vm/vm.sh" -t 300 -a kunit.enable=1 "${@:-$TOP/harness/vm/jobs/nothing.sh}" || status=1
# Only messages up to the boot are checked here. The VM checks later ones, because JOB may
# provoke some.
sed '/ as init process/q' "$log.console" >"$log.boot"
"$TOP/harness/kunit-py.sh" "$log.boot" parse "$log.boot"
((status == 0)) || die "the VM reports a failure; the console is in $log.console"
