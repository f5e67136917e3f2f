#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run selftests on a machine in use: the log is cleared during a test, or has messages that
# look bad, or scripts are interrupted while livepatches and modules are loaded. None of these
# may fail a test, or leave anything behind. An error in a log that was cleared must.
cd /payload/selftests/livepatch || exit
control=/sys/kernel/debug/dynamic_debug/control
inject=/sys/kernel/debug/fail_function/inject
printf '%s\n' 'foo: firmware installed' 'foo: DEBUG: link up' 'foo: WARNING: link down' >/dev/kmsg

# quietly(script...): the script succeeds; its output is printed only if it fails
quietly()
{
	"$@" >/tmp/out 2>&1 || { cat /tmp/out; exit 1; }
}

# left(): what a script has left behind
left()
{
	ls /sys/kernel/livepatch
	grep -oE '^(test_klp_shadow|livepatch_shadow)\w+' /proc/modules
	grep -E 'shadow_table\.c.* =p' $control
	[[ ! -e $inject ]] || cat $inject
	ls /sys/kernel/tracing/instances
}

# interrupt(script, command...): when the command succeeds. Jobs run in separate process
# groups, as in an interactive shell.
interrupt()
{
	local script=$1 end=$((SECONDS + 100))

	shift
	: >/tmp/out
	set -m
	"$script" >/tmp/out 2>&1 &
	set +m
	until "$@" 2>/dev/null; do
		if ((SECONDS > end)) || ! kill -0 "$!" 2>/dev/null; then
			echo "$script: never comes to: $*"
			exit 1
		fi
		sleep 0.1
	done
	kill -INT -- "-$!"
	wait "$!"
	if [[ $(left) ]]; then
		echo "$script, interrupted after: $*, leaves: $(left | xargs)"
		cat /tmp/out
		exit 1
	fi
}

(while sleep 1; do dmesg -C; done) &
clearing=$!
quietly ./test-shadow-ctor.sh
quietly ./test-shadow-api.sh
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
interrupt ./test-shadow-lifetimes.sh grep -q '^ok 1 ' /tmp/out
# The module does its checks while insmod waits.
interrupt ./test-shadow-race.sh test -e /sys/module/test_klp_shadow_race
interrupt ./test-shadow-table.sh grep -q klp_shadow_table_alloc $inject
# The driver is open, and one livepatch has been replaced and not been unloaded.
interrupt ./test-shadow-samples.sh grep -q 'upgrade: replaces it' /tmp/out

sed 's/^finish$/echo "INFO: task hung" >\/dev\/kmsg; sleep 2; finish/' test-shadow-api.sh >./test-bad-log.sh
chmod +x ./test-bad-log.sh
./test-bad-log.sh >/tmp/out 2>&1 && { echo "a bad line was not seen"; exit 1; }
kill "$clearing"
dmesg -C
