#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: run the tests of the module klp_shadow that the file "tests" names. Each is a
# function below. Prints TAP lines.

cd /payload/ko || exit 1
livepatches=/sys/kernel/livepatch
tracing=/sys/kernel/tracing
asleep=/sys/module/test_takeover_asleep/parameters
nomem=/sys/module/test_takeover_nomem/parameters
sleeper=/tmp/sleeper

# fail(message): end the test
fail()
{
	echo "# $*"
	dmesg | tail -n 5 | sed 's/^/# /'
	exit 1
}

mount_tracefs()
{
	mountpoint -q "$tracing" || mount -t tracefs tracefs "$tracing" || fail "no tracefs"
}

# run(command...): a command of the module test_takeover
run()
{
	echo "$*" >/sys/module/test_takeover/parameters/run || fail "'$*' failed"
}

# load(): take the store over
load()
{
	insmod klp_shadow.ko || fail "klp_shadow does not load"
}

unload()
{
	rmmod klp_shadow || fail "klp_shadow cannot be unloaded"
}

# await(what, command...): wait until a command succeeds
await()
{
	local i

	for ((i = 0; i < 600; i++)); do
		! "${@:2}" || return 0
		sleep 0.1
	done
	fail "$1 does not happen"
}

# said(expression): the kernel's log has such a line since the test began
said()
{
	dmesg | sed "1,/test begins: $name\$/d" | grep -qE "$1"
}

# refused(expression [, file]): klp_shadow does not load, and the log has the reason
refused()
{
	! insmod "${2:-klp_shadow.ko}" 2>/tmp/error || fail "klp_shadow loads"
	said "$1" || fail "the log does not say '$1'"
	[[ ! -e /sys/module/klp_shadow ]] || fail "klp_shadow is still there"
}

# not(command...)
not()
{
	! "$@"
}

# settled(): no transition
settled()
{
	not grep -qs 1 "$livepatches"/*/transition
}

# enable(livepatch)
enable()
{
	insmod "$1.ko" || fail "$1 does not load"
	await "the end of the transition" settled
}

# disable(livepatch)
disable()
{
	echo 0 >"$livepatches/$1/enabled"
	await "the end of $1" not test -e "$livepatches/$1"
	await "the last use of $1" grep -qx 0 "/sys/module/$1/refcnt"
	rmmod "$1" || fail "$1 cannot be unloaded"
}

# reads(line): check the output of /proc/version, with a livepatch enabled
reads()
{
	local line

	line=$(cat /proc/version)
	[[ $line == "$1" ]] || fail "/proc/version is '$line', not '$1'"
}

# fall_asleep(): start a task that adds a variable, and sleeps in the allocation of its
# memory, in a function of the store
fall_asleep()
{
	echo arm >$asleep/run
	cat /proc/version >$sleeper &
	await "sleep in an allocation" grep -qx 1 $asleep/asleep
}

# waits(pid, message): the job is still running after some time
waits()
{
	sleep 2
	kill -0 "$1" 2>/dev/null || fail "$2"
}

# --- Tests ---

test_basic()
{
	run add 0 20000
	run check 20000
	load
	run check 20000
	run free 0 5000
	run add 20000 30000
	run check 30000
	unload
	run check 30000
	run add 0 5000
	run check 30000
	# Again, with variables that were freed and added by the kernel's own functions.
	run free 10000 12000
	load
	run check 30000
	run free 100 200
	run free_all
	run check 30000
	unload
	run check 30000
	# Without any variable.
	load
	run check 1000
	unload
	run add 0 1000
	run check 1000
	run free_all
	said 'took over 20000 shadow variables' || fail "the numbers are not logged"
	said 'gave 25000 shadow variables back' || fail "the numbers are not logged"
}

test_refusals()
{
	run add 0 1000
	insmod test_takeover_rival.ko || fail "the rival does not load"
	refused 'klp_shadow_free\(\) is redirected already'
	rmmod test_takeover_rival
	run check 1000

	sysctl -q kernel.ftrace_enabled=0
	refused 'ftrace is turned off'
	sysctl -q kernel.ftrace_enabled=1
	refused 'not built completely' incomplete/klp_shadow.ko
	load
	not insmod klp_shadow.ko 2>/dev/null || fail "a second copy loads"
	not sysctl -q kernel.ftrace_enabled=0 2>/dev/null || fail "ftrace can be turned off"
	not insmod test_takeover_rival.ko 2>/dev/null || fail "a rival loads"
	run check 1000
	unload
	run check 1000
	run free_all
}

test_replace()
{
	run add 0 1000
	enable test_takeover_lp1
	reads 'test_takeover_lp1: 1'
	load
	reads 'test_takeover_lp1: 2'
	enable test_takeover_lp2
	reads 'test_takeover_lp2: 3'
	rmmod test_takeover_lp1
	enable test_takeover_lp1
	reads 'test_takeover_lp1: 4'
	run check 1000
	unload
	reads 'test_takeover_lp1: 5'
	rmmod test_takeover_lp2
	enable test_takeover_lp2
	reads 'test_takeover_lp2: 6'
	load
	disable test_takeover_lp2
	rmmod test_takeover_lp1
	enable test_takeover_lp1
	reads 'test_takeover_lp1: 1'
	disable test_takeover_lp1
	run check 1000
	unload
	run free_all
}

# While a task sleeps in the kernel's own function, its livepatch is forced off, and then
# klp_shadow is loaded.
test_forced()
{
	local loading

	insmod test_takeover_asleep.ko || fail "cannot let tasks sleep"
	run add 0 1000
	enable test_takeover_lp1
	fall_asleep
	echo 0 >$livepatches/test_takeover_lp1/enabled
	echo 1 >$livepatches/test_takeover_lp1/force
	await "the end of the livepatch" not test -e $livepatches/test_takeover_lp1
	insmod klp_shadow.ko &
	loading=$!
	waits $loading "klp_shadow does not wait for the task"
	run check 1000
	run free 0 500
	said 'waiting for 1 tasks to leave the kernel.s own functions, such as cat:' ||
		fail "the log does not say what it waits for"
	echo wake >$asleep/run
	wait $loading || fail "klp_shadow does not load"
	await "the end of the task" grep -q lp1 $sleeper
	# The variable that the task has added, in the kernel's own function, is found.
	grep -qx 'test_takeover_lp1: 1' $sleeper || fail "the task: $(cat $sleeper)"
	enable test_takeover_lp2
	reads 'test_takeover_lp2: 2'
	run check 1000
	unload
	reads 'test_takeover_lp2: 3'
	disable test_takeover_lp2
	rmmod test_takeover_asleep
	run free_all
}

# Tasks sleep in functions of klp_shadow while it is unloaded, and while loading it is
# interrupted.
test_asleep()
{
	local pid

	insmod test_takeover_asleep.ko || fail "cannot let tasks sleep"
	run add 0 1000
	load
	enable test_takeover_lp2
	fall_asleep
	rmmod klp_shadow &
	pid=$!
	waits $pid "unloading does not wait for the task"
	run check 1000
	run free 0 100
	run add 0 100
	echo wake >$asleep/run
	wait $pid || fail "unloading failed"
	await "the end of the task" grep -q lp2 $sleeper
	# The variable that the task has added, in our function, is found by that of the kernel.
	reads 'test_takeover_lp2: 2'
	run check 1000
	disable test_takeover_lp2
	enable test_takeover_lp2

	# One task in the kernel's function, one in ours, and then loading is interrupted.
	fall_asleep
	insmod klp_shadow.ko 2>/dev/null &
	pid=$!
	waits $pid "klp_shadow does not wait for the task"
	echo arm >$asleep/run
	(run add 1000 1001) &
	await "sleep in our function" grep -qx 2 $asleep/asleep
	kill -TERM $pid
	waits $pid "undoing does not wait for the task"
	echo wake >$asleep/run
	not wait $pid || fail "klp_shadow has loaded"
	[[ ! -e /sys/module/klp_shadow ]] || fail "klp_shadow is still there"
	run check 1001
	load
	run check 1001
	unload
	disable test_takeover_lp2
	rmmod test_takeover_asleep
	run free_all
}

# The stack trace of a task is never reliable: loading waits, and can be interrupted.
test_unreliable()
{
	local pid

	insmod test_takeover_asleep.ko || fail "cannot let tasks sleep"
	run add 0 1000
	echo unreliable start >$asleep/run || fail "no thread"
	insmod klp_shadow.ko 2>/dev/null &
	pid=$!
	waits $pid "klp_shadow does not wait for the task"
	said 'such as unreliable:[0-9]+, whose stack trace is not reliable' ||
		fail "the log does not say what it waits for"
	kill -TERM $pid
	await "the end of loading" not kill -0 $pid 2>/dev/null
	not wait $pid || fail "klp_shadow has loaded"
	[[ ! -e /sys/module/klp_shadow ]] || fail "klp_shadow is still there"
	run check 1000
	echo unreliable stop >$asleep/run
	load
	run check 1000
	unload
	rmmod test_takeover_asleep
	run free_all
}

# A variable is added by a call that ftrace does not redirect. klp_shadow finds it later.
test_stray()
{
	run add 100 1000
	load
	run stray
	not said '1 shadow variables had been added' || fail "it was seen too early"
	await "finding the variable" said '1 shadow variables had been added by calls that ftrace'
	run check 1000
	unload
	run check 1000
	# The same one again, and then also by a call that is redirected.
	run free 7 8
	load
	run twin
	unload
	said '1 shadow variables had been added twice' || fail "both variables were given back"
	run free 7 8
	run check 1000
	run free_all
}

# cycle(): take over and give back, with livepatches that come and go
cycle()
{
	run add 0 2000
	enable test_takeover_lp1
	load
	run check 2000
	run free 0 100
	run add 2000 2100
	run check 2100
	reads 'test_takeover_lp1: 1'
	enable test_takeover_lp2
	reads 'test_takeover_lp2: 2'
	unload
	reads 'test_takeover_lp2: 3'
	disable test_takeover_lp2
	rmmod test_takeover_lp1
	run check 2100
	run free_all
}

test_tracers()
{
	local event

	mount_tracefs
	echo 'klp_*' >$tracing/set_ftrace_filter
	for tracer in function function_graph; do
		echo $tracer >$tracing/current_tracer
		cycle
		grep -q klp_shadow_get $tracing/trace || fail "$tracer has traced nothing"
		# A tracer that is started after loading, and stopped before unloading.
		echo nop >$tracing/current_tracer
		run add 0 2000
		load
		echo $tracer >$tracing/current_tracer
		run check 2000
		echo nop >$tracing/current_tracer
		run check 2000
		unload
		run free_all
		echo >$tracing/trace
	done
	for event in get alloc get_or_alloc free free_all; do
		echo "p:probe_$event klp_shadow_$event" >>$tracing/kprobe_events
		echo "r:return_$event klp_shadow_$event" >>$tracing/kprobe_events
	done
	echo 1 >$tracing/events/kprobes/enable
	cycle
	grep -q probe_get $tracing/trace || fail "no kprobe was hit"
	grep -q return_get $tracing/trace || fail "no kretprobe was hit"
	echo function >$tracing/current_tracer
	cycle
	echo nop >$tracing/current_tracer
	echo 0 >$tracing/events/kprobes/enable
	echo >$tracing/kprobe_events
}

# Load once for each allocation, which fails.
test_nomem()
{
	local nth failures=0

	insmod test_takeover_nomem.ko || fail "cannot let allocations fail"
	run add 0 20000
	for ((nth = 1; nth < 2000; nth++)); do
		echo $nth >$nomem/nth
		if insmod klp_shadow.ko 2>/dev/null; then
			run check 20000
			unload
			# It loads without that memory, or all allocations have had their turn.
			(($(<$nomem/count) >= nth)) || break
		else
			failures=$((failures + 1))
			[[ ! -e /sys/module/klp_shadow ]] || fail "klp_shadow is still there"
		fi
		((nth % 10)) || run check 20000
	done
	echo "# $((nth - 1)) allocations, $failures fatal"
	((failures >= 5)) || fail "too few failures: $failures"
	run check 20000
	rmmod test_takeover_nomem
	run free_all
	# The kernel reports some failures with a stack trace, which check-log.sh would not accept.
	! dmesg | grep -v 'Call Trace' | grep -E -f /payload/shadow_bad_log || fail "the log is bad"
	dmesg -C
}

test_hotplug()
{
	local switcher i

	run add 0 5000
	while :; do
		echo 0 >/sys/devices/system/cpu/cpu1/online
		echo 1 >/sys/devices/system/cpu/cpu1/online
	done &
	switcher=$!
	for ((i = 0; i < 5; i++)); do
		load
		run check 5000
		unload
		run check 5000
	done
	kill $switcher
	wait $switcher
	echo 1 >/sys/devices/system/cpu/cpu1/online
	run free_all
}

test_stress()
{
	local i cycles=10

	# The debugging kernel is slow.
	[[ ! -e /sys/kernel/debug/kmemleak ]] || cycles=3
	run add 0 20000
	run stress start
	for ((i = 0; i < cycles; i++)); do
		load
		sleep 1
		run check 20000
		unload
		sleep 1
	done
	run check 20000
	run stress stop
	dmesg | grep -o 'stress: .*' | sed 's/^/# /'
	run free_all
}

test_million()
{
	run add 0 1000000
	run time
	load
	run time
	run check 1000000
	run free 0 200000
	run add 1000000 1100000
	run check 1100000
	unload
	run check 1100000
	load
	run free_all
	run check 1100000
	unload
	dmesg | grep -oE 'lookups, .*|(took over|gave) .*' | sed 's/^/# /'
}

# ftrace turns itself off: the module stays and works, and rmmod does not return.
test_dead()
{
	run add 0 1000
	load
	run kill_ftrace
	rmmod klp_shadow &
	waits $! "klp_shadow is unloaded"
	said 'ftrace has turned itself off, and calls stay redirected' ||
		fail "the log does not say why it stays"
	run free 0 100
	run add 0 100
	run check 1000
	run free_all
}

# What adopting a million costs, printed and not checked: the time, and lookups during it; with
# one CPU the longest hold of the lock, because the emulator may run the other CPU during one;
# and resizes of tables of that size, to compare.
test_cost()
{
	local cpu1=/sys/devices/system/cpu/cpu1/online busy resize

	resize=$tracing/set_ftrace_filter
	mount_tracefs
	run add 0 1000000
	(while :; do :; done) &
	busy=$!
	run time
	kill "$busy"
	insmod klp_shadow.ko &
	run time
	wait "$!"
	unload
	echo 0 >"$cpu1"
	load
	echo 1 >"$cpu1"
	run free 0 900000
	sleep 5
	echo klp_shadow_resize >"$resize"
	echo function_graph >$tracing/current_tracer
	run add 0 900000
	sleep 10
	head -n 3 /sys/kernel/debug/klp_shadow/table
	grep klp_shadow_resize $tracing/trace
	echo nop >$tracing/current_tracer
	echo >"$resize"
	run free_all
	unload
	dmesg | grep -oE 'lookups, .*|(took over|gave) .*' | sed 's/^/# /'
}

# tap(script): run a script of the selftests, with its TAP lines as comments. One that is
# skipped has not been tested: a failure.
tap()
{
	local status=0

	"./$1" >/tmp/tap 2>&1 || status=$?
	sed 's/^/# /' /tmp/tap
	((status != 4)) || fail "$1 was skipped: $(tail -n 1 /tmp/tap)"
	((status == 0)) || fail "$1 has failed"
}

# Our selftests, linked to the module.
test_selftests()
{
	local part

	load
	cd livepatch || fail "no selftests"
	for part in api data ctor race context lifetime table move; do
		tap "test-shadow-$part.sh"
	done
	# Kernels of distributions have no failslab, the debugging kernel has.
	[[ ! -d /sys/kernel/debug/failslab ]] || tap test-shadow-failure.sh
	unload
}

test_lifetimes()
{
	load
	cd livepatch || fail "no selftests"
	tap test-shadow-lifetimes.sh
	unload
}

# The kernel's own selftests, without that of ftrace: it turns ftrace off, which is refused
# while klp_shadow is loaded.
test_stock()
{
	local script

	# Since Linux 6.8 the scripts check for headers of the kernel, to build the modules.
	export KDIR=$PWD
	load
	mkdir -p "/lib/modules/$(uname -r)/extra"
	cp stock/test_modules/*.ko "/lib/modules/$(uname -r)/extra/"
	depmod -a
	cd stock || fail "no selftests"
	for script in test-*.sh; do
		[[ $script == test-ftrace.sh ]] || tap "$script"
	done
	unload
}

# --- Run them ---

read -ra tests </payload/tests
insmod test_takeover.ko || exit 1
count=0 failed=0
for name in "${tests[@]}"; do
	count=$((count + 1))
	echo "test begins: $name" >/dev/kmsg
	if (set +e; "test_$name"); then
		echo "ok $count $name"
	else
		echo "not ok $count $name"
		failed=1
		break
	fi
done
echo "1..$count"
((failed)) || rmmod test_takeover || failed=1
((failed == 0))
