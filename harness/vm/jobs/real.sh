#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One of the tests of livepatches of the kernel itself, klp_test= on the kernel's
# command line, with the arguments klp_arguments=.
read -ra words </proc/cmdline
arguments=()
for word in "${words[@]}"; do
	case $word in
	klp_test=*) test=${word#*=} ;;
	klp_arguments=*) IFS=, read -ra arguments <<<"${word#*=}" ;;
	esac
done
# Broken livepatches take the place of the real ones.
for module in /payload/busted/*.ko; do
	[[ ! -f $module ]] || mount --bind "$module" "$(modinfo -n "$(basename "$module" .ko)")" || exit
done
cd /payload/selftests/livepatch && "./test-shadow-$test.sh" "${arguments[@]}"
