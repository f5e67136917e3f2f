#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: the demo of 'make stock-demo'. Prints each command and its output.

cd /payload || exit 1
mark='stock-demo begins'
echo "$mark" >/dev/kmsg

# show(command): print a command and execute it
show()
{
	echo
	echo "\$ $1"
	eval "$1" || exit 1
}

# explain(text)
explain()
{
	echo
	echo "=> $*"
}

# log(expression): show the last line of the kernel's log that has it
log()
{
	echo "\$ dmesg | grep '$1' | tail -n 1"
	dmesg | sed "1,/$mark/d; s/^\[[^]]*\] //" | grep "$1" | tail -n 1
}

# settled(): wait for the end of the transition
settled()
{
	while grep -qs 1 /sys/kernel/livepatch/*/transition; do
		sleep 0.1
	done
}

variables=/sys/module/test_takeover/parameters/run

explain "Debian's own kernel, and a livepatch that was built for it: it counts reads of" \
	"/proc/version in a shadow variable."
show 'uname -r'
show 'insmod test_takeover_lp1.ko'
settled
show 'cat /proc/version'
show 'cat /proc/version'

explain "A million more variables, and the time of a lookup among them."
show 'insmod test_takeover.ko'
show "echo add 0 1000000 >$variables"
show "echo time >$variables"
log lookups

explain "The module takes the store over. The livepatch does not notice."
show 'insmod klp_shadow.ko'
log 'took over'
show 'cat /proc/version'
show "echo check 1000000 >$variables"
log 'variables of'
show "echo time >$variables"
log lookups
show 'cat /sys/kernel/debug/klp_shadow/table'

explain "Some come and go, and then the kernel gets all of them back."
show "echo free 0 1000 >$variables"
show "echo add 1000000 1005000 >$variables"
show 'rmmod klp_shadow'
log gave
show 'cat /proc/version'
# Some of them: the stock store needs a second for 20,000 lookups among so many.
show "echo check 100000 >$variables"
log 'variables of'
echo
