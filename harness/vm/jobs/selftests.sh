#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run the livepatch selftests, the kernel's and ours, by the kselftest runner.
cd /payload/selftests && ./run_kselftest.sh -c livepatch | tee /tmp/tap
# The runner always succeeds, so check the result of each planned test.
plan=$(sed -n 's/^1\.\.//p' /tmp/tap)
[[ $plan && $(grep -cE '^ok [0-9]+ ' /tmp/tap) == "$plan" ]]
