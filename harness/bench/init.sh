#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Init of user-mode Linux, whose root directory is the host's: runs the
# benchmark, whose module and parameters are in the environment.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
# shellcheck disable=SC2154,SC2086  # from the kernel's command line; parameters are words
insmod "$bench_module" $bench_parameters || echo 'klp_shadow_bench: failed: no module'
echo o >/proc/sysrq-trigger
while :; do
	sleep 1
done
