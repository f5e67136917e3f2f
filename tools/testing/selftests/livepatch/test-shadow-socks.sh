#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A livepatch that adds a field to TCP sockets, with many connections, while others are
# opened and closed: samples/livepatch/livepatch-shadow-socks.c.
# Usage: test-shadow-socks.sh [CONNECTIONS]
# shellcheck disable=SC2317  # functions are called by try and await

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"
# shellcheck source=SCRIPTDIR/shadow_livepatches.sh
. "$(dirname "$0")/shadow_livepatches.sh"

PATCH=livepatch_shadow_socks
NEXT=livepatch_shadow_socks_next
IDS=(0x50cc0001)
CONNECTIONS=${1:-2000}
ends=$((2 * CONNECTIONS))
tool=$(dirname "$0")/test_shadow_socks
dir=$(mktemp -d)

stop_load()
{
	calm
	rm -rf "$dir"
	# shellcheck disable=SC2154  # coproc sets it
	[[ ! ${SOCKS_PID:-} ]] || kill "$SOCKS_PID"
}

# socks(command): run a command of test_shadow_socks; its result is in answer
socks()
{
	echo "$1" >&"${SOCKS[1]}"
	read -r -u "${SOCKS[0]}" answer || answer='not ok: it has ended'
	[[ $answer == "ok "* ]] || { echo "# $1: $answer"; return 1; }
	answer=${answer#ok }
}

# answers(number, command): the result of the command is the number
answers()
{
	socks "$2" || return
	[[ $answer == "$1" ]] || { echo "# $2: $answer, not $1"; return 1; }
}

# storm(): until calm(), open connections, send data and close them
storm()
{
	touch "$dir/go"
	while [[ -e $dir/go ]]; do
		printf '%s\n' open 'echo 100' 'close 100' | "$tool" 100 || exit
	done >>"$dir/storm" &
	others=$!
	sleep 1
}

calm()
{
	rm -f "$dir/go"
	[[ ! ${others:-} ]] || wait "$others"
	others=
}

# storm_went_well(): end storm(): no command failed, and at least one round was complete
storm_went_well()
{
	local rounds

	calm
	rounds=$(grep -c '^ok 0$' "$dir/storm")
	echo "# $rounds rounds of 100 connections"
	! grep '^not ok' "$dir/storm" && ((rounds))
	set -- $?
	rm "$dir/storm"
	return "$1"
}

# half_closed(): close half of the connections; their variables are freed
half_closed()
{
	answers "$((ends / 2))" "close $((CONNECTIONS / 2))" && await left_are "$((ends / 2))"
}

begin_livepatches "$PATCH" "$NEXT"
[[ -x $tool ]] || skip "$tool has not been built"
[[ -d /proc/sys/net/ipv4 ]] || skip "this kernel has no IPv4"
coproc SOCKS { exec "$tool" "$CONNECTIONS"; }

try "$CONNECTIONS connections" answers "$ends" open || exit 1
try "data flows" answers "$ends" "echo 10"
# Wait for delayed acknowledgements.
sleep 1
storm
try "loads while other connections are opened and closed" load $PATCH
try "no socket has the field before it sends" answers 0 count
try "the number of bytes sent before is known" answers "$ends" base
try "data flows" answers "$ends" "echo 1000"
try "every field has the number of bytes sent" answers "$ends" check
try "other connections were opened and closed" storm_went_well
try "there are as many variables as sockets" await left_are "$ends"

storm
try "the next one replaces it" load $NEXT
try "data flows" answers "$ends" "echo 10"
try "fields are inherited and continue to count" answers "$ends" check
try "the replaced one unloads" unload $PATCH
try "data flows" answers "$ends" "echo 100"
try "every field has the number of bytes sent" answers "$ends" check
try "other connections were opened and closed" storm_went_well
try "variables go with their sockets" half_closed

storm
try "it is disabled and unloads with $((CONNECTIONS / 2)) connections open" disable $NEXT
try "no socket has the field" answers 0 count
try "data flows" answers "$((ends / 2))" "echo 10"
try "loads again" load $PATCH
try "other connections were opened and closed" storm_went_well
try "data flows" answers "$((ends / 2))" "echo 10"
try "every socket has the field" answers "$((ends / 2))" count
try "sockets are closed" answers 0 "close $CONNECTIONS"
try "no variable is left" await left_are 0
try "unloads again" disable $PATCH
try "all variables have been freed" all_freed
finish
