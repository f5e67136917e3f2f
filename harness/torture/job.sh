#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Job of the VM: load the torture module with the parameters on the kernel's command line
# (shadow_torture.<name>=<value>), run the function of klp_meanwhile=<name> in parallel,
# wait for the module's verdict, and remove the module.
#
# The module is that of the kernel, or /payload/shadow_torture.ko if it exists, which has a
# private copy of the store and cannot be removed.

read -ra words </proc/cmdline
copy=/payload/shadow_torture.ko

# meanwhile_failslab(): let allocations fail in threads of the module and in workers
meanwhile_failslab()
{
	local comm name dir=/sys/kernel/debug/failslab

	echo N >$dir/ignore-gfp-wait
	echo 0 >$dir/verbose
	echo -1 >$dir/times
	# First, because otherwise allocations of this script would fail as well.
	echo Y >$dir/task-filter
	echo 20 >$dir/probability
	while [[ ! -e /tmp/over ]]; do
		for comm in /proc/[0-9]*/comm; do
			read -r name 2>/dev/null <"$comm" || continue
			case $name in
			torture_*|kworker/u*) echo 1 2>/dev/null >"${comm%comm}make-it-fail" ;;
			esac
		done
		sleep 0.5
	done
	echo 0 >$dir/probability
}

# meanwhile_kcsan(): limit reports to races of our functions, including a copy of the store,
# and of functions of the allocator that free memory
meanwhile_kcsan()
{
	local functions function file=/sys/kernel/debug/kcsan

	# With the module's name, because a copy has functions of the same name as the kernel.
	functions=$(awk '$2 ~ /[tT]/ && $3 ~ /^(klp_shadow|copy_shadow|torture|kfree|_*kmem_cache_free|slab_free)/ {
		gsub(/[][]/, "", $4)
		print ($4 ? $4 ":" : "") $3
	}' /proc/kallsyms)
	[[ $functions == *shadow_torture:torture_* ]] || exit
	for function in $functions; do
		echo "!$function" >$file || exit
	done
	echo whitelist >$file && echo on >$file
}

verdict()
{
	dmesg | grep -o 'shadow_torture: \(SUCCESS\|FAILURE\).*'
}

module=$copy
[[ -e $module ]] || module=$(modinfo -n shadow_torture) || exit
parameters=() meanwhile=true
for word in "${words[@]}"; do
	case $word in
	shadow_torture.*) parameters+=("${word#*.}") ;;
	klp_meanwhile=*) meanwhile=meanwhile_${word#*=} ;;
	esac
done
modprobe torture && insmod "$module" "${parameters[@]}" || exit
$meanwhile &
other=$!
# From here on no process is started, because memory may be exhausted.
mkfifo /tmp/log
dmesg --follow >/tmp/log &
grep -q 'shadow_torture: \(SUCCESS\|FAILURE\)' /tmp/log || exit
kill $!
verdict
touch /tmp/over
wait $other || exit
dmesg | sed -n 's/.*shadow_torture: \(mistake\|[0-9]* s,\)/\1/p' | tail -n 20
[[ -e $copy ]] || rmmod shadow_torture || exit
verdict | grep -q SUCCESS
