#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: demo.sh, as root on a kernel with the store and the samples
#
# Show a bug of the sample driver, and how several livepatches fix it with shadow variables.
# All results are checked; the first unexpected one ends the demo with an error message and
# status 1. At the end, all modules are unloaded.
#
# shellcheck disable=SC2016  # show() evaluates what it is given

set -u
export LC_ALL=C

DRIVER=livepatch_shadow_driver
DEVICE=/dev/shadow-note
CONVERTED="converted 1 shadow variables 'seen' (0x6e6f7465) to 'seen' (0x6e6f746a)"
LIMIT=60	# seconds to wait for the kernel, which may be emulated

shown=$(mktemp)
output=
status=0
total_created=0
total_freed=0

trap 'rm -f "$shown"' EXIT

# die(message): print an error message and exit
die()
{
	echo "demo: FAILED: $*" >&2
	exit 1
}

heading()
{
	printf '\n%s\n' "$*"
	printf '%s\n' "${*//?/-}"
}

# show(command): run a command in this shell, and show it with its output
show()
{
	echo "\$ $1"
	status=0
	eval "$1" >"$shown" 2>&1 || status=$?
	output=$(<"$shown")
	# Show errors in the format of an interactive shell.
	[[ ! $output =~ ^[^\ ]*:\ line\ [0-9]+:\ (.*) ]] || output="bash: ${BASH_REMATCH[1]}"
	[[ -z $output ]] || echo "$output"
}

# works(command): show a command that must succeed
works()
{
	show "$1"
	((status == 0)) || die "'$1' ended with status $status"
}

# number(command): show a command that must print one number
number()
{
	works "$1"
	[[ $output =~ ^[0-9]+$ ]] || die "'$1' printed '$output', not a number"
}

# await(what, command...): wait until the command succeeds
await()
{
	local what=$1 end=$((SECONDS + LIMIT))

	shift
	until "$@"; do
		((SECONDS < end)) || die "$what: not within $LIMIT s"
		sleep 0.1
	done
}

reads()
{
	[[ -e $2 && $(<"$2") == "$1" ]]
}

gone()
{
	[[ ! -e $1 ]]
}

logged()
{
	dmesg | grep -qF "$1"
}

# load(livepatch): load it and wait until every task runs its functions
load()
{
	works "modprobe ${1//_/-}"
	await "transition to $1" reads 0 "/sys/kernel/livepatch/$1/transition"
	reads 1 "/sys/kernel/livepatch/$1/enabled" || die "$1 is not enabled"
}

# remove(livepatch): unload a disabled or replaced livepatch
remove()
{
	await "end of $1" gone "/sys/kernel/livepatch/$1"
	await "last user of $1" reads 0 "/sys/module/$1/refcnt"
	works "rmmod $1"
}

# unload(livepatch, more): remove a livepatch, and add up its counters. It must have freed
# "more" variables more than it has created: those that it has inherited.
unload()
{
	local line

	remove "$1"
	show "dmesg | grep -o '$1: created.*' | tail -n 1"
	line=$output
	[[ $line =~ ^$1:\ created\ ([0-9]+),\ freed\ ([0-9]+)$ ]] || die "$1 told no counts: '$line'"
	((BASH_REMATCH[2] > 0)) || die "$1 has freed no variable"
	((BASH_REMATCH[1] + ${2:-0} == BASH_REMATCH[2])) || die "$1: variables are left over: $line"
	total_created=$((total_created + BASH_REMATCH[1]))
	total_freed=$((total_freed + BASH_REMATCH[2]))
}

# counts(livepatch, created, freed): show the counters, which must have these values
counts()
{
	works "grep . /sys/module/$1/parameters/*"
	[[ $output == */created:"$2"$'\n'*/freed:"$3" ]] ||
		die "$1: should have created $2 variables and freed $3"
}

# both_read(one, two): two sessions read the same number; sets before
both_read()
{
	number "cat <&\$$1"
	before=$output
	number "cat <&\$$2"
	((output == before)) || die "$1 reads $before, but $2 reads $output"
}

# faulty(one, two): two sessions count a visitor each, and one update is lost
faulty()
{
	both_read "$1" "$2"
	works "echo $((before + 1)) >&\$$1"
	works "echo $((before + 1)) >&\$$2"
	number "cat $DEVICE"
	((output == before + 1)) || die "no fault to be seen: $before and two visitors make $output"
	echo "=> $before and two visitors make $output: one is lost, nobody was told"
}

# mended(one, two): two sessions count a visitor each, and no update is lost
mended()
{
	both_read "$1" "$2"
	works "echo $((before + 1)) >&\$$1"
	refused "$2" $((before + 1))
	number "cat <&\$$2"
	((output == before + 1)) || die "$2 reads $output again, should be $((before + 1))"
	works "echo $((output + 1)) >&\$$2"
	number "cat $DEVICE"
	((output == before + 2)) || die "the fault is still there: $before and two visitors make $output"
	echo "=> $before and two visitors make $output"
}

# refused(session, number): writing the number fails with ESTALE
refused()
{
	show "echo $2 >&\$$1"
	((status)) || die "'$1' could write over what it has not read"
	[[ $output == *'Stale file handle' ]] || die "'$1' was refused for another reason: $output"
}

[[ $EUID == 0 ]] || die "must be root"
[[ -d /sys/kernel/livepatch ]] || die "this kernel cannot be livepatched"

heading "A driver with a fault"
works "modprobe ${DRIVER//_/-}"
await "$DEVICE" test -c "$DEVICE"
echo "alice and bob each open the device and count one visitor:"
works "exec {alice}<>$DEVICE {bob}<>$DEVICE"
faulty alice bob

heading "Livepatch 1: variables follow the parent's life"
load livepatch_shadow_lifetime
echo "Sessions that are opened now get a variable at birth:"
works "exec {carol}<>$DEVICE {dave}<>$DEVICE"
counts livepatch_shadow_lifetime 2 0
mended carol dave
echo "The last cat was a session too, which is closed again; so is dave's now:"
works 'exec {dave}>&-'
counts livepatch_shadow_lifetime 3 2
echo "Alice and bob, who opened before the livepatch came, have none:"
faulty alice bob

heading "Its version 3 replaces it, version 2 is skipped: variables are converted"
number "cat <&\$carol"
before=$output
load livepatch_shadow_upgrade
await "conversion" logged "$CONVERTED"
works "dmesg | grep -o 'converted .*' | tail -n 1"
[[ $output == "$CONVERTED" ]] || die "carol's variable should have been converted"
echo "Carol's session still knows what it has read, and may write:"
works "echo $((before + 1)) >&\$carol"
echo "The first version goes. Its variables have been converted, it takes none along:"
unload livepatch_shadow_lifetime -1

heading "State without a parent is handed on"
load livepatch_shadow_shared
number "cat /sys/module/livepatch_shadow_shared/parameters/writes"
((output == 1)) || die "the livepatch before has counted 1 write, not $output"
echo "It was counted by the livepatch before. Carol's variable is gone with that:"
unload livepatch_shadow_upgrade 1
works "echo 7 >$DEVICE"
number "cat /sys/module/livepatch_shadow_shared/parameters/writes"
((output == 2)) || die "2 writes make $output"

heading "Livepatch 2 replaces them: parents in flight"
load livepatch_shadow_inflight
remove livepatch_shadow_shared
echo "Alice has a session from before all livepatches. What she has read is not"
echo "known, so she must read first; that gives her a variable:"
refused alice 99
counts livepatch_shadow_inflight 0 0
mended alice bob
counts livepatch_shadow_inflight 3 1
heading "Livepatch 3 replaces it: existence as a flag"
load livepatch_shadow_flag
mended bob carol
echo "Four reads and two writes have set a flag. Each write has taken two away, the"
echo "closing cat its own; the one that is left says that carol is up to date:"
counts livepatch_shadow_flag 6 5
echo "The second livepatch goes, and the copies that its variables own go with it:"
unload livepatch_shadow_inflight

heading "Without a livepatch"
works 'echo 0 >/sys/kernel/livepatch/livepatch_shadow_flag/enabled'
unload livepatch_shadow_flag
echo "The sessions have outlived all their variables, and the fault is back:"
faulty alice carol
works 'exec {alice}>&- {bob}>&- {carol}>&-'
works "rmmod $DRIVER"
gone "$DEVICE" || die "$DEVICE is still there"

heading "Summary"
echo "Linux $(uname -r): 1 driver, 5 livepatches, each replaced by the next, all unloaded"
echo "shadow variables: created $total_created, freed $total_freed, left $((total_created - total_freed))"
