#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Print a kernel error after which the machine continues.
echo 'BUG: sleeping function called from invalid context' >/dev/kmsg
