# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of livepatches of the kernel itself share, samples/livepatch.
# Source it after shadow_functions.sh.
# shellcheck disable=SC2154  # mark is set there

total_created=0 total_freed=0

# begin_livepatches(livepatch...): skip if there is one that this kernel has not
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

# What else goes on is stopped by the test's own function of that name.
stop_load()
{
	:
}

# load(livepatch): and wait until every task is patched
load()
{
	modprobe "$1" && await reads 0 "/sys/kernel/livepatch/$1/transition"
}

# unload(livepatch): one that is disabled or replaced; adds its counts up
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

# disable(livepatch): and unload it
disable()
{
	echo 0 >"/sys/kernel/livepatch/$1/enabled" && unload "$1"
}

# unload_all(): what a test that fails half way leaves loaded
unload_all()
{
	local dir

	for dir in /sys/kernel/livepatch/livepatch_shadow_*; do
		[[ ! -e $dir ]] || disable "${dir##*/}"
	done
}

# count_left(): how many variables there are now, by the counts of all livepatches,
# into left
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

# try(text, command...): a TAP line for whether it succeeds
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
