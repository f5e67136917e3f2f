#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The livepatch selftests, the kernel's and ours, by the kernel's own runner.
cd /payload/selftests && ./run_kselftest.sh -c livepatch | tee /tmp/tap
# The runner's status says nothing: every test that it planned has to be there.
plan=$(sed -n 's/^1\.\.//p' /tmp/tap)
[[ $plan && $(grep -cE '^ok [0-9]+ ' /tmp/tap) == "$plan" ]]
