#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Test of the files in debugfs, and of the tracepoints.
# Usage: test-shadow-sight.sh [VARIABLES]

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"

many=${1:-20000}
debugfs=/sys/kernel/debug/klp_shadow
tracing=/sys/kernel/tracing
# A trace apart from that of other users.
instance=$tracing/instances/test_klp_sight
module=test_klp_shadow_sight
lp=test_klp_shadow_lp1
next=test_klp_shadow_lp2
stay=0x5d0d0000

# line(file, key): the rest of the line that begins with the key
line()
{
	sed -n "s/^$2 //p" "$debugfs/$1"
}

# line_is(file, key, value)
# shellcheck disable=SC2317 # await calls it
line_is()
{
	[[ $(line "$1" "$2") == "$3" ]]
}

# load(parameter...), unload()
load()
{
	insert_module $module "$@"
}

unload()
{
	remove_module $module
}

# each_once(): each variable that stays is in "variables" exactly once; reads what it is given
each_once()
{
	local lines unique

	lines=$(awk -v id=$stay '$1 == id { n++ } END { print n + 0 }' "$1")
	unique=$(awk -v id=$stay '$1 == id { print $2 }' "$1" | sort -u | wc -l)
	((lines == many && unique == many)) || { echo "# $lines lines, $unique parents"; return 1; }
}

# traced(regex): whether a line of the trace matches
traced()
{
	grep -qE "$1" $instance/trace
}

begin $module $lp $next test_klp_shadow_owner
mount_fs debugfs /sys/kernel/debug
mount_fs tracefs $tracing
[[ -d $debugfs ]] || skip "this kernel shows no shadow variables in debugfs"
seen=$(mktemp)
trap 'rm -f "$seen"; clean_up; [[ ! -d $instance ]] || rmdir $instance' EXIT

# --- ids ---

load variables="$many"
read -r name livepatches state variables bytes <<<"$(line ids $stay)"
[[ $name == - && $livepatches == - && $state == - ]]
report $? "ids: no type is registered for an id that only id-based calls use"
((variables == many))
report $? "ids: $variables variables of $many"
((bytes >= many * 56 && bytes <= many * 128))
report $? "ids: the memory that they take: $bytes bytes"
unload
[[ ! $(line ids $stay) ]]
report $? "ids: none is left"

insert_module test_klp_shadow_owner
insert_module $lp
await reads 0 /sys/kernel/livepatch/$lp/transition
[[ $(line ids 0x5d0b0000) == "var $lp open 0 0" ]]
report $? "ids: a type without variables"
echo 5 >/sys/module/$lp/parameters/add
[[ $(line ids 0x5d0b0000) == "var $lp open 5 "* ]]
report $? "ids: a type with variables"
grep -q " state $lp open,shared 1 " "$debugfs/ids"
report $? "ids: shared state"
remove $lp
grep -q " $lp " "$debugfs/ids"
report $((! $?)) "ids: nothing of a livepatch that is disabled"
remove test_klp_shadow_owner

# --- variables ---

load variables="$many" churn=1
cat "$debugfs/variables" >"$seen"
each_once "$seen"
report $? "variables: each once, while others come and go"
dd if="$debugfs/variables" of="$seen" bs=100 status=none
each_once "$seen"
report $? "variables: the same in small pieces"
head -n 100 "$debugfs/variables" >/dev/null
exec {one}<"$debugfs/variables" {two}<"$debugfs/variables"
read -r -u "$one" _ && read -r -u "$two" _
cat <&"$two" >"$seen"
cat <&"$one" >>"$seen"
many=$((2 * many))
lines=$(grep -c "^$stay " "$seen")
# What "read" has buffered is lost, or nothing, as it seeks back.
((lines <= many && lines >= many - 200))
report $? "variables: two readers at once"
exec {one}<&- {two}<&-
unload
[[ ! $(line ids $stay) ]]
report $? "variables: readers leave nothing behind in the lists"

set_knob /proc/sys/kernel/kptr_restrict 1
load variables=1
grep -qi "^$stay 0*7200000000 " "$debugfs/variables"
report $? "variables: the address of the parent"
set_knob /proc/sys/kernel/kptr_restrict 2
grep -q "^$stay 0* " "$debugfs/variables"
report $? "variables: no addresses with kptr_restrict=2"
restore_knobs
unload

# --- table ---

load variables=20000
await line_is table resizing 0
variables=$(line table variables) chains=$(line table chains) resizes=$(line table resizes)
sums=$(awk '$1 == "length" { n += $3; v += $2 * $3 } END { print n, v }' "$debugfs/table")
[[ $sums == "$chains $variables" ]]
report $? "table: $chains chains with $variables variables; by length: $sums"
((chains > 4096 && resizes > 0 && variables >= 20000))
report $? "table: it has grown, $resizes resizes"
unload

# --- Tracepoints ---

if [[ -d $tracing/events/klp_shadow ]]; then
	await line_is table chains 4096 && await line_is table resizing 0
	mkdir $instance
	echo 1 >$instance/events/klp_shadow/enable
	load variables=1
	echo 1 >/sys/module/$module/parameters/events
	unload
	events=$(sed -nE 's/.*klp_shadow_(\w+): .*id=0x5d0d0002.*/\1/p' $instance/trace | xargs)
	[[ $events == "added moved removed" ]]
	report $? "events: $events"
	traced 'klp_shadow_added: id=0x5d0d0002 obj=\S+ size=24$'
	report $? "events: the size of a variable that was added"

	load variables=20000
	await traced 'klp_shadow_resized: chains=[0-9]+ old_chains=4096 variables=[0-9]+$'
	report $? "events: the table has grown"
	unload
	await traced 'klp_shadow_resized: chains=4096 old_chains=[0-9]+ variables=[0-9]+$'
	report $? "events: the table has shrunk"

	insert_module test_klp_shadow_owner
	insert_module $lp
	await reads 0 /sys/kernel/livepatch/$lp/transition
	traced "klp_shadow_patch_registered: livepatch=$lp types=[1-9][0-9]*\$"
	report $? "events: a livepatch is registered"
	echo 3 >/sys/module/$lp/parameters/add
	insert_module $next id=$((0x5d0b0010)) from=$((0x5d0b0000)) size=16
	await traced "klp_shadow_patch_unregistered: livepatch=$lp\$"
	report $? "events: a livepatch is replaced"
	traced 'klp_shadow_converted: id=0x5d0b0010 obj=\S+ old_id=0x5d0b0000$'
	report $? "events: a variable is converted"
	remove $next
	traced 'klp_shadow_released: id=0x5d0b0010 obj=\S+$'
	report $? "events: a release callback is called"
	remove $lp
	remove test_klp_shadow_owner
else
	skipped "events" "needs event tracing"
fi

finish
