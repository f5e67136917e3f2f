#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Init of user-mode Linux, whose root directory is the host's: runs the
# benchmark. bench_module and bench_quick come from the kernel's command line.
# shellcheck disable=SC2154

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
insmod "$bench_module" quick="$bench_quick" || echo 'klp_shadow_bench: failed: cannot be loaded'
echo o >/proc/sysrq-trigger
while :; do
	sleep 1
done
