#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The livepatches that fix livepatch-shadow-driver, each replaced by the next.
# shellcheck disable=SC2317  # functions are called by try

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"
# shellcheck source=SCRIPTDIR/shadow_livepatches.sh
. "$(dirname "$0")/shadow_livepatches.sh"

DRIVER=livepatch_shadow_driver
DEVICE=/dev/shadow-note
LIFETIME=livepatch_shadow_lifetime
UPGRADE=livepatch_shadow_upgrade
INFLIGHT=livepatch_shadow_inflight
FLAG=livepatch_shadow_flag
SHARED=livepatch_shadow_shared
# The versions of the field, the flag, and the shared state.
IDS=(0x6e6f7465 0x6e6f7466 0x6e6f7467 0x6e6f7468)

# has(session, number): the session reads the number
has()
{
	local text

	text=$(cat <&"$1")
	[[ $text == "$2" ]] || { echo "# reads '$text', not '$2'"; return 1; }
}

# writes(session, number)
writes()
{
	echo "$2" >&"$1"
}

# refused(session, number): the session cannot write the number before it reads
refused()
{
	! writes "$1" "$2" 2>/dev/null
}

# both_write(one, other): both sessions have read 0 when they write, and one write is lost
both_write()
{
	writes "$1" 0 && has "$1" 0 && has "$2" 0 && writes "$1" 1 && writes "$2" 1 && has "$1" 1
}

# log_has(text): it was logged since the test began
log_has()
{
	log_since "$begin" | grep -qF "$1"
}

# stop_load(): close the sessions, which hold the driver
stop_load()
{
	local session

	for session in $alice $bob $carol $dave; do
		exec {session}>&-
	done
}

begin_livepatches $DRIVER $LIFETIME $UPGRADE $INFLIGHT $FLAG $SHARED ${SHARED}_next
try "the driver loads" modprobe $DRIVER || exit 1
await test -c $DEVICE
exec {alice}<>$DEVICE {bob}<>$DEVICE
try "without a livepatch, one of two updates is lost" both_write "$alice" "$bob"

try "lifetime: loads" load $LIFETIME
exec {carol}<>$DEVICE {dave}<>$DEVICE
try "lifetime: new sessions have variables" left_are 2
try "lifetime: one session reads" has "$carol" 1
try "lifetime: another one reads" has "$dave" 1
try "lifetime: the first one writes" writes "$carol" 2
try "lifetime: the other one is refused" refused "$dave" 2
try "lifetime: it reads again" has "$dave" 2
try "lifetime: and writes" writes "$dave" 3
exec {dave}>&-
try "lifetime: a variable goes with its session" left_are 1
try "lifetime: older sessions are as before" both_write "$alice" "$bob"
try "lifetime: a session reads" has "$carol" 1

try "upgrade: replaces it" load $UPGRADE
try "upgrade: converts a variable" await log_has "converted 1 shadow variables 'seen'"
try "upgrade: the replaced one unloads" unload $LIFETIME
try "upgrade: a session inherits what it has read" writes "$carol" 4
try "upgrade: an older session writes" writes "$alice" 5
try "upgrade: the session is refused" refused "$carol" 5
try "upgrade: the older session writes the old text" writes "$alice" 4
try "upgrade: the session is still refused" refused "$carol" 5
try "upgrade: it reads" has "$carol" 4
try "upgrade: and writes" writes "$carol" 5

try "inflight: replaces it" load $INFLIGHT
try "inflight: the replaced one unloads" unload $UPGRADE
try "inflight: has inherited the variable" left_are 1
try "inflight: a session inherits what it has read" writes "$carol" 6
try "inflight: an older session is refused" refused "$alice" 7
try "inflight: it reads" has "$alice" 6
try "inflight: that adds a variable" left_are 2
try "inflight: and writes" writes "$alice" 7
try "inflight: the first one is refused" refused "$carol" 7

try "flag: replaces it" load $FLAG
try "flag: the replaced one unloads" unload $INFLIGHT
try "flag: begins without variables" left_are 0
try "flag: a session that has not read is refused" refused "$bob" 8
for session in "$alice" "$bob" "$carol"; do
	try "flag: a session reads" has "$session" 7
done
try "flag: all of them have the flag" left_are 3
try "flag: one of them writes" writes "$bob" 8
try "flag: the other flags are cleared" left_are 1
try "flag: another one is refused" refused "$carol" 8
exec {bob}>&-
try "flag: a flag goes with its session" left_are 0

try "shared: replaces it" load $SHARED
try "shared: the replaced one unloads" unload $FLAG
try "shared: the state exists" left_are 1
try "shared: a session writes" writes "$alice" 9
try "shared: it was counted" log_has "$SHARED: write 1"
try "shared: the next one replaces it" load ${SHARED}_next
try "shared: the replaced one unloads" unload $SHARED
try "shared: a session writes" writes "$alice" 10
try "shared: the count continues" log_has "${SHARED}_next: write 2"
try "shared: is disabled and unloads" disable ${SHARED}_next

try "all variables have been freed" all_freed
try "the fault is back" both_write "$alice" "$carol"
exec {alice}>&- {carol}>&-
try "the driver unloads" rmmod $DRIVER
finish
