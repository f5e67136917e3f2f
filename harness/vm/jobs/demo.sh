#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: demo.sh, as root on a kernel with the store and the samples, with klp-shadow
#
# Show a fault of the sample driver, a livepatch that fixes it with a shadow variable, and
# two more livepatches that take the variables over. All results are checked; the first
# unexpected one ends the demo with an error message and status 1.
#
# shellcheck disable=SC2016  # show() evaluates its argument

set -u
export LC_ALL=C

DEVICE=/dev/shadow-note
LIMIT=60	# seconds to wait for the kernel, which may be emulated

shown=$(mktemp)
output=
status=0

trap 'rm -f "$shown"' EXIT

# die(message): print an error message and exit
die()
{
	echo "demo: FAILED: $*" >&2
	exit 1
}

step()
{
	printf '\n=== %s\n' "$1"
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

# reads(session, number): it reads the number
reads()
{
	works "cat <&\$$1"
	[[ $output == "$2" ]] || die "$1 read '$output', not $2"
}

# writes(session, number)
writes()
{
	works "echo $2 >&\$$1"
}

# refused(session, number): writing the number fails with ESTALE
refused()
{
	show "echo $2 >&\$$1"
	((status)) || die "'$1' could write over a number that it has not read"
	[[ $output == *'Stale file handle' ]] || die "'$1' was refused for another reason: $output"
}

# store([id variables type livepatch]): show the shadow variables: those of one type, or none
store()
{
	works klp-shadow
	[[ $output == ID\ * && $(awk 'NR > 1 { print $1, $2, $(NF - 1), $NF }' <<<"$output") == "$*" ]] ||
		die "the store should have ${*:-nothing}"
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

holds()
{
	[[ -e $1 && $(<"$1") == "$2" ]]
}

gone()
{
	[[ ! -e $1 ]]
}

# load(livepatch): load it and wait until all tasks run its functions
load()
{
	works "modprobe ${1//_/-}"
	await "transition to $1" holds "/sys/kernel/livepatch/$1/transition" 0
	holds "/sys/kernel/livepatch/$1/enabled" 1 || die "$1 is not enabled"
}

# unload(livepatch): unload a disabled or replaced livepatch
unload()
{
	await "end of $1" gone "/sys/kernel/livepatch/$1"
	await "last user of $1" holds "/sys/module/$1/refcnt" 0
	works "rmmod ${1//_/-}"
}

[[ $EUID == 0 ]] || die "must be root"
[[ -d /sys/kernel/livepatch ]] || die "this kernel cannot be livepatched"
command -v klp-shadow >/dev/null || die "klp-shadow is not installed: 'make -C tools/livepatch install'"

step "Fault: alice and bob each count one visitor in a device, and one is lost."
works "modprobe livepatch-shadow-driver"
await "$DEVICE" test -c "$DEVICE"
works "exec {alice}<>$DEVICE {bob}<>$DEVICE"
reads alice 0
reads bob 0
writes alice 1
writes bob 1
works "cat $DEVICE"
[[ $output == 1 ]] || die "no fault to be seen: two visitors make $output"

step "Fix: a livepatch adds a field to new sessions, the number they have read."
load livepatch_shadow_lifetime
works "exec {carol}<>$DEVICE {dave}<>$DEVICE"
reads carol 1
reads dave 1
writes carol 2
refused dave 2
store 0x6e6f7465 2 seen livepatch_shadow_lifetime

step "Upgrade: the field has another layout. That of open sessions is converted."
load livepatch_shadow_upgrade
unload livepatch_shadow_lifetime
store 0x6e6f7466 2 seen livepatch_shadow_upgrade
refused dave 2

step "Inheritance: a third livepatch keeps them, and adds the field to old sessions."
load livepatch_shadow_inflight
unload livepatch_shadow_upgrade
writes carol 3
refused alice 2
reads alice 3
store 0x6e6f7466 3 seen livepatch_shadow_inflight

step "Gone: without a livepatch no field is left, though sessions are still open."
works 'echo 0 >/sys/kernel/livepatch/livepatch_shadow_inflight/enabled'
unload livepatch_shadow_inflight
store
works 'exec {alice}>&- {bob}>&- {carol}>&- {dave}>&-'
works "rmmod livepatch-shadow-driver"
gone "$DEVICE" || die "$DEVICE is still there"
