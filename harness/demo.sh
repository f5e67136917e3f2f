#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> demo.sh
#
# Build the kernel with the store, boot it, and run the demonstration of livepatches.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
"$TOP/harness/kernel/build.sh"
"$TOP/harness/vm/rootfs.sh"
"$TOP/harness/vm/vm.sh" -t 180 "$TOP/harness/vm/jobs/demo.sh"
say "demo done in $((SECONDS / 60)) min $((SECONDS % 60)) s on Linux $LINE: no leak, nothing bad in the kernel's log"
