# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests that load samples/livepatch/. Source it after shadow_functions.sh.
# shellcheck disable=SC2154  # mark is set there

total_created=0 total_freed=0

# begin_livepatches(module...): skip the test if this kernel does not have all of them
begin_livepatches()
{
	local name

	begin
	[[ -d /sys/kernel/livepatch ]] || skip "this kernel cannot be livepatched"
	for name; do
		! modinfo -n "$name" >/dev/null 2>&1 || continue
		[[ $name == livepatch_* ]] || skip "this kernel has no $name"
		skip "this kernel has no $name: needs CONFIG_SAMPLE_LIVEPATCH," \
			"and the Linux that the source's first comment names"
	done
	trap 'stop_load; unload_all; clean_up' EXIT
}

# stop_load(): tests that run a load in the background replace this function
stop_load()
{
	:
}

# load(livepatch): load it, and wait until its transition has completed
load()
{
	modprobe "$1" && await reads 0 "/sys/kernel/livepatch/$1/transition"
}

# unload(livepatch): unload a disabled or replaced livepatch, and add up its counters
unload()
{
	local line

	await gone "/sys/kernel/livepatch/$1" && await reads 0 "/sys/module/$1/refcnt" || return 1
	mark
	rmmod "$1" || return 1
	line=$(log_since "$mark" |
		sed -n "s/.*$1: created \([0-9]*\), freed \([0-9]*\)$/\1 \2/p")
	[[ $line ]] || return 1
	total_created=$((total_created + ${line% *}))
	total_freed=$((total_freed + ${line#* }))
}

# disable(livepatch): disable and unload it
disable()
{
	echo 0 >"/sys/kernel/livepatch/$1/enabled" && unload "$1"
}

# unload_all(): clean up, if a test ends early
unload_all()
{
	local dir

	for dir in /sys/kernel/livepatch/livepatch_shadow_*; do
		[[ ! -e $dir ]] || remove "${dir##*/}"
	done
}

# count_left(): set left to the number of variables, from the counters of all livepatches
count_left()
{
	local dir created freed

	left=$((total_created - total_freed))
	for dir in /sys/module/livepatch_shadow_*/parameters; do
		[[ -e $dir/created ]] || continue
		read -r created <"$dir/created"
		read -r freed <"$dir/freed"
		left=$((left + created - freed))
	done
}

left_are()
{
	count_left
	((left == $1))
}

# try(text, command...): run a command, and report whether it succeeds
try()
{
	local text=$1 status=0

	shift
	left=
	"$@" || status=1
	((status == 0)) || echo "# $*${left:+; there are $left variables}"
	report "$status" "$text"
	return "$status"
}
