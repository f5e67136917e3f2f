#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> pressure.sh
#
# Run vm/jobs/pressure.sh in VMs with little free memory: 20 million variables with enough
# memory for a larger table, and 12 million without. Prints TAP.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VM_DISK=$work/disk
truncate -s 64M "$VM_DISK"

# pressure(variables, memory, refusals): run the job in a VM with this memory
pressure()
{
	mkdir -p "$work/payload"
	printf '%s\n' "variables=$1" "refusals=$3" >"$work/payload/pressure"
	"$TOP/harness/vm/vm.sh" -t 1200 -m "$2" -a 'kmemleak=off slub_debug=- klp_shadow.check_parents=0' -p "$work/payload" \
		"$TOP/harness/vm/jobs/pressure.sh"
}

pressure 20000000 1792M 0
pressure 12000000 1100M 1
