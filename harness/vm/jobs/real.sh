#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run one of the tests of sample livepatches: klp_test= on the kernel's command line, with
# the arguments klp_arguments=.
read -ra words </proc/cmdline
arguments=()
for word in "${words[@]}"; do
	case $word in
	klp_test=*) test=${word#*=} ;;
	klp_arguments=*) IFS=, read -ra arguments <<<"${word#*=}" ;;
	esac
done
# Replace livepatches by broken ones, if there are any.
for module in /payload/busted/*.ko; do
	[[ ! -f $module ]] || mount --bind "$module" "$(modinfo -n "$(basename "$module" .ko)")" || exit
done
cd /payload/selftests/livepatch && "./test-shadow-$test.sh" "${arguments[@]}"
