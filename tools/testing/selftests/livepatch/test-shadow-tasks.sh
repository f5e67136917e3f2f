#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A livepatch that adds a field to every task, while tasks are forked and exit:
# samples/livepatch/livepatch-shadow-tasks.c.
# shellcheck disable=SC2317  # functions are called by try and await

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"
# shellcheck source=SCRIPTDIR/shadow_livepatches.sh
. "$(dirname "$0")/shadow_livepatches.sh"

PATCH=livepatch_shadow_tasks
NEXT=livepatch_shadow_tasks_next
IDS=(0x7a5c0002 0x7a5c0003)
storm=$(mktemp -d)
sleepers=() loops=()

# storm(): until calm(), fork tasks that exit at once, some before their children
storm()
{
	local i

	touch "$storm/go"
	for i in 1 2 3 4; do
		while [[ -e $storm/go ]]; do
			(:; (: &))
			: | :
			echo >>"$storm/rounds.$i"
		done &
		loops+=($!)
	done
}

stop_load()
{
	rm -f "$storm/go"
	((${#sleepers[@]} == 0)) || kill "${sleepers[@]}" 2>/dev/null
	sleepers=()
	wait
}

# calm(): end storm()
calm()
{
	rm -f "$storm/go"
	wait "${loops[@]}"
	loops=()
}

# sleeper(): start a task that sleeps; its pid is in $!
sleeper()
{
	sleep 10000 &
	sleepers+=($!)
}

# forked_by(pid): print the line that the livepatch adds to /proc/<pid>/status
forked_by()
{
	sed -n 's/^ForkedBy:\t//p' "/proc/$1/status"
}

# all_have(): every task has the line. Retries, because a task that is being forked gets it
# before it runs.
all_have()
{
	local round files

	files=$(grep -L '^ForkedBy:' /proc/[0-9]*/task/[0-9]*/status 2>/dev/null)
	for round in 1 2 3 4 5; do
		[[ $files ]] || return 0
		pause 0.2
		# shellcheck disable=SC2086  # no blanks in them
		files=$(grep -L '^ForkedBy:' $files 2>/dev/null)
	done
	echo "# after $round rounds: $(head -n 3 <<<"$files" | tr '\n' ' ')"
	return 1
}

converted()
{
	log_since "$begin" | grep -q "'$NEXT': converted [0-9]* shadow variables"
}

none_has()
{
	! grep -q '^ForkedBy:' /proc/[0-9]*/status 2>/dev/null
}

says()
{
	local said

	said=$(forked_by "$1")
	[[ $said == "$2" ]] || { echo "# task $1 says '$said', not '$2'"; return 1; }
}

# as_many_as_tasks(): fails if a task was forked or exited while variables were counted
as_many_as_tasks()
{
	local before after

	# Tasks that have just exited are freed after a grace period.
	pause 0.5
	before=(/proc/[0-9]*/task/[0-9]*)
	count_left
	after=(/proc/[0-9]*/task/[0-9]*)
	tasks=${#after[@]}
	[[ ${before[*]} == "${after[*]}" ]] && ((left == tasks))
}

begin_livepatches "$PATCH" "$NEXT"
for ((i = 0; i < 50; i++)); do
	sleeper
done
old=$!

storm
try "loads while tasks are forked and exit" load $PATCH
for i in 1 2 3 4 5; do
	try "every task has the field ($i)" all_have
done
try "an older task has no parent in the field" says "$old" 0
sleeper
young=$!
try "a younger task has its parent in the field" says "$young" $$
(sleep 10000 & echo $! >"$storm/orphan"; echo "$BASHPID" >"$storm/parent")
orphan=$(<"$storm/orphan")
sleepers+=("$orphan")
try "a task whose parent has exited keeps the field" says "$orphan" "$(<"$storm/parent")"

# The next livepatch has another id: fields are converted while tasks are forked.
try "the next one replaces it" load $NEXT
try "all fields are converted" await converted
try "every task has the field" all_have
try "fields are inherited" says "$young" $$
try "the replaced one unloads" unload $PATCH
try "every task has the field" all_have
calm
try "there are as many variables as tasks" await as_many_as_tasks
echo "# $tasks tasks, $left variables; $(cat "$storm"/rounds.* | wc -l) rounds of the storm"

storm
try "it is disabled and unloads while tasks are forked and exit" disable $NEXT
try "no task has the field" none_has
for i in 1 2 3; do
	try "loads again ($i)" load $PATCH
	try "every task has the field" all_have
	try "unloads again ($i)" disable $PATCH
done
stop_load
try "all variables have been freed" all_freed
echo "# $(cat "$storm"/rounds.* | wc -l) rounds of the storm"
rm -rf "$storm"
finish
