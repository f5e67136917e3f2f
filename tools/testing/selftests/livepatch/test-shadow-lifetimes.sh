#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Declared variables live as long as livepatches that declare them: G14, G15, G16.
#
# Livepatches 1, 2 and 3 declare what their parameters say, livepatch 0 declares
# nothing. All of them patch test_klp_shadow_owner, and replace all others unless
# they are told not to. With arguments, only what they name: "many", a million
# variables; "force", a transition that is forced, the last that a machine can do.

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

OWNER=test_klp_shadow_owner

lp_name()
{
	echo "test_klp_shadow_lp$1"
}

# is(text, actual, wanted)
is()
{
	[[ $2 == "$3" ]] || echo "# $1: '$2', not '$3'"
	report "$([[ $2 == "$3" ]]; echo $?)" "$1"
}

# insert(n, parameter...): livepatch n, its transition may go on
insert()
{
	local name

	name=$(lp_name "$1")
	insmod "$modules/$name.ko" "${@:2}" && loaded="$name $loaded"
}

# lp(n, parameter...): livepatch n, until its transition has completed
lp()
{
	if ! insert "$@" || ! await reads 0 "/sys/kernel/livepatch/$(lp_name "$1")/transition"; then
		report 1 "livepatch $1 is enabled"
	fi
}

# refused(text, message, n, parameter...): it cannot be enabled, and the log says why
refused()
{
	local log

	mark
	if insert "${@:3}" 2>/dev/null; then
		report 1 "$1: is refused"
		off "$3"
		unload "$3"
		return
	fi
	log=$(log_since "$mark")
	grep -qE "$2" <<<"$log" || echo "# $1: the log does not say '$2'"
	report "$(grep -qE "$2" <<<"$log"; echo $?)" "$1"
}

# logged(text, message): the log has it since the last mark
logged()
{
	report "$(log_since "$mark" | grep -qE "$2"; echo $?)" "$1"
}

# off(n): disable it, until it is given up
off()
{
	local dir

	dir=/sys/kernel/livepatch/$(lp_name "$1")
	echo 0 >"$dir/enabled"
	await gone "$dir" || report 1 "livepatch $1 is disabled"
}

# unload(n): a livepatch that was given up; result is what it has counted
unload()
{
	local name

	name=$(lp_name "$1")
	result=
	if ! await gone "/sys/kernel/livepatch/$name" ||
	   ! await reads 0 "/sys/module/$name/refcnt" || ! mark || ! rmmod "$name"; then
		report 1 "livepatch $1 is unloaded"
		return
	fi
	loaded=${loaded/"$name "/}
	result=$(log_since "$mark" | sed -n "s/^.*$name: \(ctors .*\)/\1/p")
}

# set_lp(n, parameter, value), get_lp(n, parameter)
set_lp()
{
	echo "$3" >"/sys/module/$(lp_name "$1")/parameters/$2"
}

get_lp()
{
	cat "/sys/module/$(lp_name "$1")/parameters/$2"
}

# block(n), unblock(n): whether a transition from livepatch n to another completes
block()
{
	set_lp "$1" block 1
	await reads Y "/sys/module/$(lp_name "$1")/parameters/blocked" ||
		report 1 "livepatch $1 blocks"
}

unblock()
{
	set_lp "$1" block 0
}

# reverse(n): the transition to livepatch n, from livepatch 1, which blocks
reverse()
{
	local dir

	dir=/sys/kernel/livepatch/$(lp_name "$1")
	reads 1 "$dir/transition" || report 1 "livepatch $1 is in transition"
	echo 0 >"$dir/enabled"
	unblock 1
	await gone "$dir" || report 1 "the transition to livepatch $1 is reversed"
}

begin $OWNER "$(lp_name 0)" "$(lp_name 1)" "$(lp_name 2)" "$(lp_name 3)"
insmod "$modules/$OWNER.ko" || exit
loaded=$OWNER

# --- What is named only ---

# The watchdogs of the kernel find a lock that is held for too long.
many()
{
	local LIMIT=300

	lp 1
	set_lp 1 add 1000000
	off 1
	unload 1
	is "G15 a million are given up" "$result" \
		"ctors 1000000, dtors 1000000, releases 1000000, converted 0, wrong 0"
}

# Its modules cannot be unloaded ever again.
force()
{
	lp 1
	set_lp 1 add 10
	block 1
	mark
	insert 0
	echo 1 >"/sys/kernel/livepatch/$(lp_name 0)/force"
	unblock 1
	await reads 0 "/sys/kernel/livepatch/$(lp_name 0)/transition"
	logged "G15 a forced transition gives nothing up, and says so" \
		"'$(lp_name 1)' was given up by force: its shadow variables stay"
	is "G15 the variables stay" "$(get_lp 1 there)" 10
	loaded=
}

for part; do
	case $part in
	many) many ;;
	force) force ;;
	*) report 1 "there is no part '$part': many, force" ;;
	esac
done
if (($#)); then
	[[ ! $loaded ]] || rmmod $OWNER
	loaded=
	finish
fi

# --- One livepatch ---

lp 1
set_lp 1 add 100
is "G15 declared variables are there" "$(get_lp 1 there)" 100
set_lp 1 drop 7
is "G15 a declared variable is freed" "$(get_lp 1 there)" 99
off 1
unload 1
is "G14 G15 they go with the livepatch, each released before that is unloaded" \
	"$result" "ctors 100, dtors 100, releases 100, converted 0, wrong 0"

lp 1
is "G15 the next time it begins without any" "$(get_lp 1 there)" 0
off 1
unload 1

lp 1 slow=20
set_lp 1 add 50
off 1
rmmod "$(lp_name 1)" 2>/dev/null
unload 1
is "G14 it cannot be unloaded while it releases" \
	"$result" "ctors 50, dtors 50, releases 50, converted 0, wrong 0"

# --- Atomic replace ---

lp 1
set_lp 1 add 100
lp 2
is "G15 the next livepatch that declares them finds them" "$(get_lp 2 there)" 100
unload 1
is "G15 the replaced one frees none" \
	"$result" "ctors 100, dtors 0, releases 0, converted 0, wrong 0"
lp 1
is "G15 the previous one, when it comes back, finds them" "$(get_lp 1 there)" 100
unload 2
lp 0
unload 1
is "G15 replaced by one that declares nothing, they are freed" \
	"$result" "ctors 0, dtors 100, releases 100, converted 0, wrong 0"
lp 1
is "G15 replaced by one that declares them again, there is none" "$(get_lp 1 there)" 0
off 1
unload 0
unload 1

lp 1
set_lp 1 add 100
lp 0
lp 2
is "G15 of the first of three, the second not declaring them, the third finds none" \
	"$(get_lp 2 there)" 0
set_lp 2 add 10
off 2
unload 2
unload 0
unload 1
is "G15 and the first has freed its own" \
	"$result" "ctors 100, dtors 100, releases 100, converted 0, wrong 0"

# --- Several at once ---

lp 1 replace=0
lp 2 replace=0
set_lp 1 add 100
is "G15 livepatches that do not replace each other share them" "$(get_lp 2 there)" 100
off 2
unload 2
is "G15 the one that goes first frees none" "$(get_lp 1 there) $result" \
	"100 ctors 0, dtors 0, releases 0, converted 0, wrong 0"
lp 2 replace=0
lp 0
unload 1
is "G15 of two that are replaced at once the first frees none" "$result" \
	"ctors 100, dtors 0, releases 0, converted 0, wrong 0"
unload 2
is "G15 and the second frees all" "$result" \
	"ctors 0, dtors 100, releases 100, converted 0, wrong 0"
off 0
unload 0

# --- Enabling fails ---

lp 1 replace=0
set_lp 1 add 20
refused "G15 one that fails in a callback" "pre-patch callback failed" 2 fail=1
is "G15 leaves the variables to the others" "$(get_lp 1 there)" 20
refused "G15 one with a function that is not there" "symbol .* not found" 2 no_target=1
is "G15 leaves them as well" "$(get_lp 1 there)" 20
refused "G15 one whose shared state cannot be built" "no shared shadow variable 'state'" \
	2 state_err=-5
is "G15 leaves them again" "$(get_lp 1 there)" 20
off 1
unload 1
refused "G15 alone, one that fails in a callback" "pre-patch callback failed" 2 fail=1
refused "G14 one that fails releases before its module goes" "pre-patch callback failed" \
	2 fail=1 early=10 slow=100
lp 1
is "G15 leaves nothing" "$(get_lp 1 there) $(get_lp 1 state)" "0 1"

# --- A transition that is reversed ---

set_lp 1 add 30
block 1
insert 2
reverse 2
unload 2
is "G15 reversed half way, the new livepatch frees none" "$(get_lp 1 there)" 30
block 1
insert 0
reverse 0
unload 0
is "G15 one that does not declare them neither" "$(get_lp 1 there)" 30
off 1
unload 1
is "G15 and they go in the end" "$result" \
	"ctors 30, dtors 30, releases 30, converted 0, wrong 0"

# --- Shared state ---

lp 1 state_id=0x5d0b0001
is "G15 shared state is there from the beginning" "$(get_lp 1 state)" 1
set_lp 1 state 17
lp 2 state_id=0x5d0b0001
is "G15 shared state is handed on" "$(get_lp 2 state)" 17
lp 3 state_id=0x5d0b0001
unload 1
unload 2
is "G15 and on, after the first ones have gone" "$(get_lp 3 state)" 17
lp 0
lp 1 state_id=0x5d0b0001
is "G15 shared state is new after one that does not declare it" "$(get_lp 1 state)" 1
off 1
unload 0
unload 3
unload 1
is "G15 nothing was wrong" "${result##*, }" "wrong 0"

# --- Clashes ---

lp 1
set_lp 1 add 20
refused "G15 another name clashes" \
	"lp2' declares .* as 'rav' .*lp1' declares it as 'var'.*: another name" 2 name=rav
refused "G15 another size clashes" "with 16 bytes, .* with 8: .*size, and does not replace" \
	2 size=16 replace=0 convert=0
refused "G15 another size without a conversion clashes" "size, without a conversion" 2 size=16
refused "G15 another owner clashes" "another module's objects" 2 owner=$OWNER
refused "G15 what is shared elsewhere clashes" "one shared variable, not one for each parent" \
	2 state_id=0x5d0b0000 id=99
refused "G15 the same id twice clashes" \
	"declares .* twice, as ('var' and 'state'|'state' and 'var')" \
	2 id=0x5d0b0002 state_id=0x5d0b0002
is "G15 the enabled one keeps its variables" "$(get_lp 1 there)" 20

# --- Conversion ---

lp 2 size=48 convert=0
is "G16 variables grow at an upgrade" "$(get_lp 2 there)" 20
unload 1
is "G16 the old ones are not destroyed" "$result" \
	"ctors 20, dtors 0, releases 0, converted 0, wrong 0"
refused "G16 there is no way back without a conversion" "without a conversion" 1
lp 3 size=16 convert=0
is "G16 variables shrink at a downgrade that can convert them" "$(get_lp 3 there)" 20
unload 2
is "G16 each was converted once" "$result" \
	"ctors 0, dtors 0, releases 0, converted 20, wrong 0"
mark
lp 1 size=32 convert=4
is "G16 what cannot be converted is freed" "$(get_lp 1 there)" 15
logged "G16 and the log says so" "5 shadow variables .* freed, their conversion failed: -34"
unload 3
is "G16 as it was declared before" "$result" \
	"ctors 0, dtors 5, releases 5, converted 20, wrong 0"
off 1
unload 1
is "G16 the others go with the livepatch" "$result" \
	"ctors 0, dtors 15, releases 15, converted 15, wrong 0"

lp 1
set_lp 1 add 20
block 1
insert 2 size=16 convert=0
is "G16 before the transition has completed there is none for the new one" \
	"$(get_lp 2 there)" 0
is "G16 and it can add none" "$(set_lp 2 add 30 2>&1 | grep -c 'Cannot allocate')" 1
set_lp 2 drop 3
is "G16 but it can free one, and the old livepatch has all the others" "$(get_lp 1 there)" 19
reverse 2
unload 2
is "G16 a transition that is reversed converts nothing" "$result $(get_lp 1 there)" \
	"ctors 0, dtors 0, releases 0, converted 0, wrong 0 19"
off 1
unload 1
is "G16 and the old livepatch frees them" "$result" \
	"ctors 20, dtors 20, releases 20, converted 0, wrong 0"

# --- The parents' module ---

lp 1 owner=$OWNER
set_lp 1 add 40
rmmod $OWNER
is "G15 unloading the module that owns the parents frees their variables" \
	"$(get_lp 1 there)" 0
insmod "$modules/$OWNER.ko"
is "G15 objects at the same addresses have none when it comes back" "$(get_lp 1 there)" 0
set_lp 1 add 10
off 1
unload 1
is "G15 all have been freed" "$result" "ctors 50, dtors 50, releases 50, converted 0, wrong 0"

rmmod $OWNER
loaded=
finish
