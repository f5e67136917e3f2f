#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> demo.sh
#
# The demo of 'make stock-demo': Debian's own kernel boots in the VM, and the module
# klp_shadow takes its store over and gives it back.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
here=$TOP/harness/takeover
"$TOP/harness/vm/debian-kernel.sh"
"$TOP/harness/vm/rootfs.sh"
"$here/build.sh"
VARIANT=debian "$TOP/harness/vm/vm.sh" -t 900 -m 2G -p "$BUILD/$LINE/takeover/ko" "$here/demo-job.sh"
