# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests that load samples/livepatch/. Source it after shadow_functions.sh,
# and set IDS to the ids of the variables that the livepatches use, as debugfs prints them.
# shellcheck disable=SC2154  # IDS is set there

DEBUGFS=/sys/kernel/debug
TRACING=/sys/kernel/tracing
# A trace of each of these events, apart from other users' traces.
EVENTS=(added converted removed)

# begin_livepatches(module...): skip the test if this kernel does not have all of them. Those
# named livepatch_* are unloaded in the end, last ones first.
begin_livepatches()
{
	local name

	: "${IDS[0]:?}"
	livepatches=("$@")
	begin
	[[ -d /sys/kernel/livepatch ]] || skip "this kernel cannot be livepatched"
	for name; do
		! modinfo -n "$name" >/dev/null 2>&1 || continue
		[[ $name == livepatch_* ]] || skip "this kernel has no $name"
		skip "this kernel has no $name: needs CONFIG_SAMPLE_LIVEPATCH," \
			"and the Linux that the source's first comment names"
	done
	mount_fs debugfs $DEBUGFS
	mount_fs tracefs $TRACING
	[[ -d $DEBUGFS/klp_shadow && -d $TRACING/events/klp_shadow ]] ||
		skip "needs CONFIG_DEBUG_FS and event tracing, to count variables"
	trap 'stop_load; unload_all; stop_counting; clean_up' EXIT
	start_counting
}

# stop_load(): tests that run a load in the background replace this function
stop_load()
{
	:
}

# start_counting(), stop_counting(): trace what happens to variables with these ids
start_counting()
{
	local name event filter

	filter=$(printf ' || id == %s' "${IDS[@]}")
	for name in "${EVENTS[@]}"; do
		event=$TRACING/instances/test_klp_$name/events/klp_shadow/klp_shadow_$name
		mkdir "$TRACING/instances/test_klp_$name" &&
			echo "${filter# || }" >"$event/filter" && echo 1 >"$event/enable" || exit 1
	done
}

stop_counting()
{
	local name

	for name in "${EVENTS[@]}"; do
		[[ ! -d $TRACING/instances/test_klp_$name ]] ||
			rmdir "$TRACING/instances/test_klp_$name"
	done
}

# traced(event): number of events, also of those that the trace has overwritten
traced()
{
	awk '$1 ~ /^(entries|overrun):$/ { n += $2 } END { print n + 0 }' \
		"$TRACING/instances/test_klp_$1"/per_cpu/cpu*/stats
}

# load(livepatch): load it, and wait until its transition has completed
load()
{
	modprobe "$1" && await reads 0 "/sys/kernel/livepatch/$1/transition"
}

# unload(livepatch): unload a disabled or replaced livepatch
unload()
{
	await gone "/sys/kernel/livepatch/$1" && await reads 0 "/sys/module/$1/refcnt" && rmmod "$1"
}

# disable(livepatch): disable and unload it
disable()
{
	echo 0 >"/sys/kernel/livepatch/$1/enabled" && unload "$1"
}

# unload_all(): clean up, if a test ends early; also livepatches that were replaced
unload_all()
{
	local i

	for ((i = ${#livepatches[@]} - 1; i >= 0; i--)); do
		[[ ${livepatches[i]} != livepatch_* ]] || remove "${livepatches[i]}"
	done
}

# count_left(): set left to the number of variables. Does not fork: tasks may be parents.
count_left()
{
	local lines line id variables

	left=0
	mapfile -t lines <$DEBUGFS/klp_shadow/ids
	for line in "${lines[@]}"; do
		read -r id _ _ _ variables _ <<<"$line"
		[[ " ${IDS[*]} " != *" $id "* ]] || left=$((left + variables))
	done
}

left_are()
{
	count_left
	((left == $1))
}

# all_freed(): no variable is left, and each that was added or converted has been removed
all_freed()
{
	local added converted removed

	count_left
	added=$(traced added) converted=$(traced converted) removed=$(traced removed)
	echo "# $added added, $converted converted, $removed removed"
	((left == 0 && added && added + converted == removed))
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
