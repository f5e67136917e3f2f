#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: run the commands of the manual's first page, /payload/transcript, with the modules
# built from it. The output must be that of the page. Prints TAP.

# shellcheck source=SCRIPTDIR/../../tap.sh
. /payload/tap.sh

# modprobe(name): the modules of the page are in /payload. After a livepatch, wait for the
# transition, as the page says.
modprobe()
{
	local state=/sys/kernel/livepatch/${1//-/_}/transition

	if [[ -f /payload/$1.ko ]]; then
		insmod "/payload/$1.ko" || return
		until [[ $(<"$state") == 0 ]]; do
			sleep 0.1
		done
	else
		command modprobe "$1"
	fi
}

# check(command, expected output): run it in this shell
check()
{
	local text

	eval "$1" >/tmp/out 2>&1
	# In the format of an interactive shell.
	text=$(sed -E 's/^[^ ]*: line [0-9]+: /bash: /' /tmp/out)
	# Loops that wait for a module say why.
	[[ $1 == until* ]] || [[ $text == "$2" ]]
	result $? "$1" /tmp/out
}

command='' expected=''
while IFS= read -r line <&9; do
	if [[ $line != '# '* ]]; then
		expected+=${expected:+$'\n'}$line
		continue
	fi
	[[ ! $command ]] || check "$command" "$expected"
	command=${line#\# } expected=
done 9</payload/transcript
[[ $command ]] || exit
check "$command" "$expected"
[[ ! -e /sys/module/livepatch_shadow_driver ]]
result $? "nothing is left"
plan
