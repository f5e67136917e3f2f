# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of the shadow variables share. Source it.
#
# A test loads modules. Each runs its checks while it is loaded, and logs
# "<module>: ok <text>" or "<module>: not ok <text>" for each of them, and
# "<module>: 1..<count>" at the end. This is converted to TAP. <text> starts with the
# label of the guarantee, see Documentation/livepatch/shadow-vars.rst.
#
# functions.sh of the kernel's own tests is not used: it ends a script at the first failure,
# compares the whole log, and finds modules in another place in each kernel line.

# Texts of programs are compared.
export LC_ALL=C

here=$(dirname "${BASH_SOURCE[0]}")
modules=$here/test_shadow_modules
self=${0##*/}
count=0 failed=0 marks=0
loaded=
knobs=() followed='' follower=''

# What the kernel says when something is wrong with it, an expression on each line.
BAD=$here/shadow_bad_log

# Seconds to wait for anything, on a slow machine under load.
LIMIT=${LIMIT:-60}

# pause(seconds): without a task that comes and goes for it
fifo=$(mktemp -u)
mkfifo "$fifo" && exec {never}<>"$fifo"
rm -f "$fifo"
pause()
{
	read -r -t "$1" -u "$never" || :
}

# await(command...): false if it does not come true in time
await()
{
	local end=$((SECONDS + LIMIT))

	until "$@"; do
		((SECONDS < end)) || { echo "# not within $LIMIT s: $*"; return 1; }
		pause 0.2
	done
}

# reads(text, file)
reads()
{
	[[ -e $2 && $(<"$2") == "$1" ]]
}

gone()
{
	[[ ! -e $1 ]]
}

kmsg()
{
	echo "test_klp_shadow: $*" >/dev/kmsg
}

# follow_log(): copy the kernel's log to a file from now on. The log itself may be cleared
# or overrun while a test runs.
follow_log()
{
	followed=$(mktemp)
	# As a shell's job it would be waited for.
	{ cat /dev/kmsg >"$followed" 2>/dev/null & } 2>/dev/null
	follower=$!
	disown "$follower"
}

# logged_by_now(text): whether the copy has come to a line with the text
logged_by_now()
{
	local end=$((SECONDS + LIMIT))

	until grep -qF "test_klp_shadow: $1" "$followed"; do
		if ((SECONDS >= end)) || ! kill -0 "$follower" 2>/dev/null; then
			echo "# the kernel's log was overrun before it could be read: no '$1'" >&2
			return 1
		fi
		pause 0.02
	done
}

# mark(): a line in the log; log_since "$mark" prints what came after it
mark()
{
	marks=$((marks + 1))
	mark="$self $$ mark $marks."
	kmsg "$mark"
	logged_by_now "$mark"
}

log_since()
{
	local end="$self $$ end $BASHPID $RANDOM."

	kmsg "$end"
	logged_by_now "$end" || return 1
	sed "1,/test_klp_shadow: $1/d; /test_klp_shadow: $self $$ end/d; s/^[^ ;]*;//" "$followed"
}

# report(status, text): a TAP line
report()
{
	count=$((count + 1))
	if (($1 == 0)); then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
	fi
}

# skipped(text, why): a TAP line as well
skipped()
{
	report 0 "$1 # SKIP $2"
}

# skip(why): all of it
skip()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# set_knob(file, value): until restore_knobs or the end of the script
set_knob()
{
	local old

	old=$(<"$1") || return 1
	knobs+=("$1=$old")
	echo "$2" >"$1"
}

restore_knobs()
{
	local i

	for ((i = ${#knobs[@]} - 1; i >= 0; i--)); do
		echo "${knobs[i]#*=}" >"${knobs[i]%%=*}"
	done
	knobs=()
}

# mount_fs(type, directory): mount a file system of the kernel, if it is not
mount_fs()
{
	grep -q " $2 $1 " /proc/mounts || mount -t "$1" nodev "$2" 2>/dev/null || :
}

# insert_module(name, parameter...): load it until remove_module(), or the end of the script.
# It is noted first: a signal may end insmod after the module has been loaded.
insert_module()
{
	loaded="$1 $loaded"
	insmod "$modules/$1.ko" "${@:2}"
}

remove_module()
{
	rmmod "$1" && loaded=${loaded/"$1 "/}
}

# remove(module): unload it, if it is loaded; a livepatch is disabled first
remove()
{
	local dir=/sys/kernel/livepatch/$1 block=/sys/module/$1/parameters/block

	[[ -e /sys/module/$1 ]] || return 0
	[[ ! -e $block ]] || echo 0 >"$block"
	if [[ -e $dir ]]; then
		reads 0 "$dir/enabled" || echo 0 >"$dir/enabled"
		await gone "$dir"
	fi
	await reads 0 "/sys/module/$1/refcnt"
	remove_module "$1"
}

# clean_up(): unload the modules, also of a test that was interrupted
clean_up()
{
	local name

	for name in $loaded; do
		remove "$name"
	done
	loaded=
	restore_knobs
	[[ ! $follower ]] || kill "$follower" 2>/dev/null
	rm -f "$followed"
}

# begin(module...): skip if they cannot be used here
begin()
{
	local name

	echo "TAP version 13"
	[[ $(id -u) == 0 ]] || skip "needs root"
	[[ -w /dev/kmsg ]] || skip "needs /dev/kmsg"
	grep -q ' klp_shadow_get$' /proc/kallsyms || skip "this kernel has no shadow variables"
	for name; do
		[[ -f $modules/$name.ko ]] || skip "$modules/$name.ko has not been built"
	done
	trap clean_up EXIT
	# Another signal does not interrupt the cleaning up.
	trap 'trap "" HUP INT TERM; exit 1' HUP INT TERM
	follow_log
	mark || exit 1
	begin=$mark
}

# run_module(name, parameter...): load it, report what it has checked, unload it
run_module()
{
	local name=$1 lines line plan='' seen=0

	shift
	mark
	if ! insert_module "$name" "$@"; then
		report 1 "$name: loads"
		return
	fi
	remove_module "$name"
	lines=$(log_since "$mark" |
		sed -nE "s/^.*$name: (ok .*|not ok .*|1\.\.[0-9]+)$/\1/p")
	while IFS= read -r line; do
		case $line in
		"ok "*) report 0 "${line#ok }" ;;
		"not ok "*) report 1 "${line#not ok }" ;;
		1..*) plan=${line#1..} && continue ;;
		*) continue ;;
		esac
		seen=$((seen + 1))
	done <<<"$lines"
	if [[ $seen == 0 || $plan != "$seen" || -e /sys/module/$name ]]; then
		[[ ! -e /sys/module/$name ]] || echo "# $name is still loaded"
		echo "# ${plan:-no} checks planned, $seen made"
		report 1 "$name: comes to its end"
	fi
}

# expect_warning(text, command...): the command makes the kernel warn once, with
# that text (a regular expression), and has no other fault
expect_warning()
{
	local text=$1 log warnings texts rest

	shift
	set_knob /proc/sys/kernel/panic_on_warn 0
	mark
	local from=$mark
	kmsg "expected WARNING begins"
	"$@"
	kmsg "expected WARNING ends"
	restore_knobs
	log=$(log_since "$from")
	warnings=$(grep -c 'WARNING: ' <<<"$log")
	texts=$(grep -cE "$text" <<<"$log")
	rest=$(sed '/cut here/,/end trace/d; /expected WARNING/d' <<<"$log" |
		grep -m 1 -E -f "$BAD")
	if ((warnings != 1 || texts != 1)) || [[ $rest ]]; then
		echo "# $warnings warnings, $texts with the text '$text'; $rest"
		return 1
	fi
}

# finish(): look at the log of the whole script, and end it
finish()
{
	local log bad

	if log=$(log_since "$begin"); then
		bad=$(sed '/: expected WARNING begins/,/: expected WARNING ends/d' <<<"$log" |
			grep -m 1 -E -f "$BAD")
	else
		bad="it could not be read"
	fi
	[[ -z $bad ]] || echo "# $bad"
	report "$([[ -z $bad ]]; echo $?)" "the kernel's log has nothing bad in it"
	echo "1..$count"
	exit $((failed != 0))
}
