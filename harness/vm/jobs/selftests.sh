#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The livepatch selftests, the kernel's and ours, by the kernel's own runner.
cd /payload/selftests && ./run_kselftest.sh -c livepatch
