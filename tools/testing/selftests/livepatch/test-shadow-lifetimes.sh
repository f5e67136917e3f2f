#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Variables live as long as livepatches that have their type: G14 ... G17.
#
# Livepatches 1, 2 and 3 have types as their parameters say, livepatch 0 has none.
# All of them patch test_klp_shadow_owner, and replace all others unless
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

# logged_since(mark, message): the log has it since then
logged_since()
{
	log_since "$1" | grep -qE "$2"
}

# logged(text, message): the log has it since the last mark
logged()
{
	logged_since "$mark" "$2"
	report $? "$1"
}

# off(n): disable it, until it is unregistered
off()
{
	local dir

	dir=/sys/kernel/livepatch/$(lp_name "$1")
	echo 0 >"$dir/enabled"
	await gone "$dir" || report 1 "livepatch $1 is disabled"
}

# unload(n): a livepatch that is disabled; result is what it has counted
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

# counted(ctors, dtors, [converted]): what a livepatch says that it has counted
counted()
{
	echo "ctors $1, dtors $2, releases $2, converted ${3:-0}, wrong 0"
}

VAR=0x5d0b0000
LATER=0x5d0b0010
LATEST=0x5d0b0020
LAST_EXTRA="converted [0-9]* shadow variables 'extra' \(0x5d0c001d\)"
HEADER=test_klp_shadow_header

begin $OWNER $HEADER test_klp_shadow_api "$(lp_name 0)" "$(lp_name 1)" "$(lp_name 2)" "$(lp_name 3)"
insmod "$modules/$OWNER.ko" || exit
loaded=$OWNER

# --- What is named only ---

# The watchdogs of the kernel find a lock that is held for too long.
many()
{
	local LIMIT=300 log

	lp 1
	set_lp 1 add 1000000
	off 1
	unload 1
	is "G15 a million are freed" "$result" "$(counted 1000000 1000000)"

	# Loading and unloading of another module waits neither for conversions, which
	# the core's own lock would make it do, nor for release callbacks.
	lp 1 extra_id=0x5d0c0000
	set_lp 1 add_extra 900000
	lp 2 extra_id=0x5d0d0000 extra_from=0x5d0c0000
	insmod "$modules/test_klp_shadow_api.ko"
	rmmod test_klp_shadow_api
	kmsg "another module was loaded and unloaded"
	await logged_since "$begin" "$LAST_EXTRA" || report 1 "G16 all are converted"
	log=$(log_since "$begin" | grep -E "another module was loaded|$LAST_EXTRA")
	report "$([[ $log == *another*converted* ]]; echo $?)" \
		"G16 30 types are converted while another module comes and goes"
	off 2
	unload 1
	unload 2
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
	await logged_since "$mark" "'$(lp_name 1)' was forced; keeping its shadow variables"
	report $? "G15 after a forced transition nothing is freed, and the log says so"
	is "G15 the variables stay" "$(get_lp 1 there)" 10
	# The successor has its own.
	lp 2 id=$LATER from=$VAR size=16
	set_lp 2 add 3
	is "G15 a successor is not refused, and has its own" \
		"$(get_lp 1 there) $(get_lp 2 there)" "10 3"
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
is "G15 variables are there" "$(get_lp 1 there)" 100
set_lp 1 drop 7
is "G15 a variable is freed" "$(get_lp 1 there)" 99
off 1
unload 1
is "G14 G15 they go with the livepatch, each released before that is unloaded" \
	"$result" "$(counted 100 100)"

lp 1
is "G15 the next time it begins without any" "$(get_lp 1 there)" 0
off 1
unload 1

lp 1 slow=20
set_lp 1 add 50
off 1
rmmod "$(lp_name 1)" 2>/dev/null
unload 1
is "G14 it cannot be unloaded while it releases" "$result" "$(counted 50 50)"

# --- Atomic replace ---

lp 1
set_lp 1 add 100
lp 2
is "G15 the next livepatch with the type finds them" "$(get_lp 2 there)" 100
unload 1
is "G15 the replaced one frees none" "$result" "$(counted 100 0)"
lp 1
is "G15 the previous one, when it comes back, finds them" "$(get_lp 1 there)" 100
unload 2
lp 0
unload 1
is "G15 replaced by one without the type, they are freed" "$result" "$(counted 0 100)"
lp 1
is "G15 replaced by one with it again, there is none" "$(get_lp 1 there)" 0
off 1
unload 0
unload 1

lp 1
set_lp 1 add 100
lp 0
lp 2
is "G15 of the first of three, the second without the type, the third finds none" \
	"$(get_lp 2 there)" 0
set_lp 2 add 10
off 2
unload 2
unload 0
unload 1
is "G15 and the first has freed its own" "$result" "$(counted 100 100)"

# --- Several at once ---

lp 1 replace=0
lp 2 replace=0
set_lp 1 add 100
is "G15 livepatches that do not replace each other share them" "$(get_lp 2 there)" 100
off 2
unload 2
is "G15 the one that goes first frees none" "$(get_lp 1 there) $result" "100 $(counted 0 0)"
lp 2 replace=0
lp 0
unload 1
is "G15 of two that are replaced at once the first frees none" "$result" "$(counted 100 0)"
unload 2
is "G15 and the second frees all" "$result" "$(counted 0 100)"
off 0
unload 0

# --- Enabling fails ---

lp 1 replace=0
set_lp 1 add 20
refused "G15 one that fails in a callback" "pre-patch callback failed" 2 fail=1
is "G15 leaves the variables to the others" "$(get_lp 1 there)" 20
refused "G15 one with a function that is not there" "symbol .* not found" 2 no_target=1
is "G15 leaves them as well" "$(get_lp 1 there)" 20
refused "G15 one whose shared state cannot be created" \
	"shared shadow variable 'state' .* could not be created: -5" 2 state_err=-5
is "G15 leaves them again" "$(get_lp 1 there)" 20
is "G15 and insmod tells the constructor's error" \
	"$(LC_ALL=C insmod "$modules/$(lp_name 2).ko" state_err=-5 2>&1 | grep -c 'output error')" 1
off 1
unload 1
refused "G15 alone, one that fails in a callback" "pre-patch callback failed" 2 fail=1
refused "G14 one that fails releases before its module goes" "pre-patch callback failed" \
	2 fail=1 slow=500
lp 1
is "G15 leaves nothing" "$(get_lp 1 there) $(get_lp 1 state)" "0 1"
off 1
unload 1

# Somebody else's release callbacks sleep meanwhile.
lp 1 slow=5000
set_lp 1 add 1
set_lp 1 drop 1
refused "G14 one that fails while another releases" "pre-patch callback failed" 2 fail=1
is "G14 does not wait for that" "$(get_lp 1 releases)" 0
off 1
unload 1

# --- While tasks change over ---

lp 1
set_lp 1 add 30
block 1
insert 2
is "G17 a replacing livepatch with the type finds them meanwhile" "$(get_lp 2 there)" 30
reverse 2
unload 2
is "G15 reversed half way, the new livepatch frees none" "$(get_lp 1 there)" 30
block 1
insert 0
is "G17 replaced by one without it, they are hidden at once" "$(get_lp 1 there)" 0
is "G17 and none can be added" "$(LC_ALL=C set_lp 1 add 30 2>&1 | grep -c 'Cannot allocate')" 1
reverse 0
unload 0
is "G17 reversed, there is none: parents may have gone" "$(get_lp 1 there)" 0
set_lp 1 add 10
is "G17 and they can be added again" "$(get_lp 1 there)" 10
block 1
echo 0 >"/sys/kernel/livepatch/$(lp_name 1)/enabled"
is "G17 being disabled, it finds none" "$(get_lp 1 there)" 0
echo 1 >"/sys/kernel/livepatch/$(lp_name 1)/enabled"
unblock 1
await reads 0 "/sys/kernel/livepatch/$(lp_name 1)/transition"
is "G17 the disabling reversed, there is none" "$(get_lp 1 there) $(get_lp 1 releases)" "0 0"
set_lp 1 add 5
off 1
unload 1
is "G15 and all go in the end" "$result" "$(counted 45 45)"
refused "G17 a pre-patch callback of the first livepatch can add none" \
	"pre-patch callback failed" 1 early=10 fail=1
lp 1
is "G17 so nothing is left of it" "$(get_lp 1 there)" 0
off 1
unload 1

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
is "G15 shared state is new after one that does not have it" "$(get_lp 1 state)" 1
off 1
unload 0
unload 3
unload 1
is "G15 nothing was wrong" "${result##*, }" "wrong 0"

# --- Conflicts and faults ---

lp 1
set_lp 1 add 20
refused "G15 another name conflicts" \
	"lp2': shadow type 'rav' .*conflicts with 'var' .* of '.*lp1': different names" 2 name=rav
refused "G15 another size conflicts" "16 bytes\) conflicts .* 8 bytes\).*: different sizes" \
	2 size=16
refused "G15 another module's objects conflict" "different .parent_module" 2 parent_module=$OWNER
refused "G15 shared state conflicts with variables of parents" "one is shared" \
	2 state_id=$VAR id=99
refused "G15 two different types of one id" \
	"defines two different shadow types .*, ('var' and 'state'|'state' and 'var')" \
	2 id=0x5d0b0002 state_id=0x5d0b0002
refused "G15 types of another version" "lp2' was built for another kernel" 2 abi=1
is "G15 the enabled one keeps its variables" "$(get_lp 1 there)" 20
off 1
refused "G15 also a disabled livepatch conflicts while its module is loaded" "different sizes" \
	2 size=16
unload 1
lp 2 size=16
off 2
unload 2

mark
lp 1 parent_module=
logged "G15 a type without .parent_module is noticed" \
	"lp1' patches modules only, but shadow type 'var' has no .parent_module"
off 1
unload 1
mark
lp 1 parent_module=mac80211
logged "G15 one with a module that is not patched as well" \
	"lp1' does not patch module 'mac80211', which shadow type 'var' has"
off 1
unload 1

insmod "$modules/$HEADER.ko" && loaded="$HEADER $loaded"
await reads 0 /sys/kernel/livepatch/$HEADER/transition
echo 4 >/sys/module/$HEADER/parameters/sum
is "G15 a type in a header that two files include is one type" \
	"$(cat /sys/module/$HEADER/parameters/sum)" 8
echo 0 >/sys/kernel/livepatch/$HEADER/enabled
await gone /sys/kernel/livepatch/$HEADER
await reads 0 /sys/module/$HEADER/refcnt
rmmod $HEADER && loaded=${loaded/"$HEADER "/}

# --- Conversion ---

lp 1
set_lp 1 add 20
lp 2 id=$LATER from=$VAR size=48
await reads 20 "/sys/module/$(lp_name 2)/parameters/there"
is "G16 variables grow at an upgrade" "$(get_lp 2 there)" 20
unload 1
is "G16 the old ones are not destroyed" "$result" "$(counted 20 0)"
lp 1
unload 2
is "G16 a downgrade frees them" "$result" "$(counted 0 20 20)"
is "G16 and begins anew" "$(get_lp 1 there)" 0
set_lp 1 add 20
mark
lp 3 id=$LATEST from=$LATER,$VAR size=16 convert=4
await reads 15 "/sys/module/$(lp_name 3)/parameters/there"
is "G16 a version is skipped, and what cannot be converted is freed" "$(get_lp 3 there)" 15
await logged_since "$mark" "freed 5 shadow variables 'var' .* that could not be converted: -34"
report $? "G16 and the log says so"
unload 1
is "G16 with the callbacks of its own type" "$result" "$(counted 20 5)"
off 3
unload 3
is "G16 the others go with the livepatch" "$result" "$(counted 0 15 15)"

lp 1
set_lp 1 add 20
block 1
insert 2 id=$LATER from=$VAR size=16
is "G16 a parent with an old one has none for the new livepatch" "$(get_lp 2 there)" 0
is "G16 and gets none" "$(LC_ALL=C set_lp 2 add 30 2>&1 | grep -c 'Cannot allocate')" 1
for n in 1 2 3; do
	set_lp 2 drop $n
done
is "G16 new code frees old ones" "$(get_lp 1 there)" 17
set_lp 2 add 3
is "G16 and can add new ones then" "$(get_lp 2 there)" 3
reverse 2
unload 2
is "G16 a transition that is reversed converts nothing" "$result $(get_lp 1 there)" \
	"$(counted 3 3) 17"
off 1
unload 1
is "G16 and the old livepatch frees them" "$result" "$(counted 20 20)"

# --- The parents' module ---

# As in a file's name.
lp 1 parent_module=${OWNER//_/-} slow=50
set_lp 1 add 40
rmmod $OWNER
is "G14 G15 unloading the parents' module frees their variables, and releases them first" \
	"$(get_lp 1 there) $(get_lp 1 releases)" "0 40"
insmod "$modules/$OWNER.ko"
is "G15 objects at the same addresses have none when it comes back" "$(get_lp 1 there)" 0
set_lp 1 add 10
off 1
unload 1
is "G15 all have been freed" "$result" "$(counted 50 50)"

# A livepatch that refuses the module, after another one has attached variables.
lp 1 parent_module=$OWNER early=10 replace=0
lp 2 replace=0 id=$LATER
set_lp 2 fail 1
is "G17 at first no pre-patch callback can add any" "$(get_lp 1 there)" 0
rmmod $OWNER
insmod "$modules/$OWNER.ko" 2>/dev/null
is "G15 a module that a livepatch refuses leaves no variables" \
	"$(get_lp 1 there) $(get_lp 1 releases)" "0 10"
set_lp 2 fail 0
insmod "$modules/$OWNER.ko"
is "G17 later a pre-patch callback adds to objects of a module that comes" "$(get_lp 1 there)" 10
off 2
off 1
unload 2
unload 1
is "G15 and they go in the end" "$result" "$(counted 20 20)"

rmmod $OWNER
loaded=
finish
