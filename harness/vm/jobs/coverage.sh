#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run our selftests on a kernel with gcov. The counts, including those of the boot, are
# written to the third disk as a tar.
cd /payload/selftests || exit 1
tests=(livepatch/test-shadow-*.sh)
options=()
for test in "${tests[@]}"; do
	options+=(-t "livepatch:${test#*/}")
done
./run_kselftest.sh "${options[@]}" | tee /tmp/tap

# Copy the files first, because their size in debugfs is 0, and tar relies on it.
mkdir /tmp/counts
find /sys/kernel/debug/gcov -name '*.gcda' | while read -r file; do
	cat "$file" >"/tmp/counts/${file##*/}"
done
tar -c -f /dev/vdc -C /tmp/counts .

# These samples need another configuration. Other scripts skip if a module was not built.
skipped=$(grep -E '^ok [0-9]+ .*# SKIP' /tmp/tap | grep -vE 'test-shadow-(tasks|socks|stations)\.sh')
[[ ! $skipped ]] || sed -E 's/^(.*) # SKIP.*/not \1: skipped/' <<<"$skipped"
[[ ! $skipped && $(grep -cE '^ok [0-9]+ ' /tmp/tap) == "${#tests[@]}" ]]
