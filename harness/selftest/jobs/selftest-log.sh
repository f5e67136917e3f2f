#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run selftests on a machine in use: the log is cleared during a test, or has messages with
# the word "installed", the locale is not C, and a script is interrupted while a livepatch
# is enabled. None of these may fail a test. An error in a log that was cleared must.
cd /payload/selftests/livepatch || exit
echo 'foo: firmware installed' >/dev/kmsg

# quietly(script...): the script succeeds; its output is printed only if it fails
quietly()
{
	LC_ALL=de_DE.UTF-8 "$@" >/tmp/out 2>&1 || { cat /tmp/out; exit 1; }
}

(while sleep 1; do dmesg -C; done) &
clearing=$!
quietly ./test-shadow-ctor.sh
quietly ./test-shadow-api.sh

# Run jobs in separate process groups, as an interactive shell does.
set -m
./test-shadow-lifetimes.sh >/tmp/out 2>&1 &
until grep -q 'ok 1 ' /tmp/out; do
	sleep 0.2
done
kill -INT -- "-$!"
wait "$!"
set +m
[[ ! $(ls -A /sys/kernel/livepatch) ]] || { echo "a livepatch is still enabled"; exit 1; }
! grep -q '^test_klp_shadow' /proc/modules || { echo "a module is still loaded"; exit 1; }

sed 's/^finish$/echo "INFO: task hung" >\/dev\/kmsg; sleep 2; finish/' test-shadow-api.sh >./test-bad-log.sh
chmod +x ./test-bad-log.sh
./test-bad-log.sh >/tmp/out 2>&1 && { echo "a bad line was not seen"; exit 1; }
kill "$clearing"
dmesg -C
