#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a kernel prints before it goes on as if nothing had happened.
echo 'BUG: sleeping function called from invalid context' >/dev/kmsg
