#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run the livepatch selftests, the kernel's and ours, by the kselftest runner.
cd /payload/selftests && ./run_kselftest.sh -c livepatch | tee /tmp/tap
# These samples need another configuration, and the kernel's test-kprobe.sh kprobes on ftrace,
# which arm64 does not have. Other scripts skip if a module was not built: a failure.
may_skip='test-shadow-(tasks|socks|stations)\.sh'
[[ $(uname -m) != aarch64 ]] || may_skip+='|test-kprobe\.sh'
skipped=$(grep -E '^ok [0-9]+ .*# SKIP' /tmp/tap | grep -vE "$may_skip")
[[ ! $skipped ]] || sed -E 's/^(.*) # SKIP.*/not \1: skipped/' <<<"$skipped"
# The runner always succeeds, so check the result of each planned test.
plan=$(sed -n 's/^1\.\.//p' /tmp/tap)
[[ ! $skipped && $plan && $(grep -cE '^ok [0-9]+ ' /tmp/tap) == "$plan" ]]
