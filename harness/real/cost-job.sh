#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Job of the VM: measure the time of a TCP segment without a livepatch, with one without
# variables ("none"), with the kernel's store ("stock"), with ours, and with ours while all
# memory is checked for parents ("checked"), for several numbers of sockets, each with a
# variable. Prints CSV: sockets, store, and the median of nanoseconds per segment. The order
# rotates from round to round.

SIZES=(2000 20000 50000)
ROUNDS=5
SEGMENTS=20000
check=/sys/module/klp_shadow/parameters/check_parents
tool=/payload/selftests/livepatch/test_shadow_socks

sysctl -q kernel.panic_on_warn=1

# socks(command): run a command of test_shadow_socks, which must succeed; sets answer
socks()
{
	echo "$1" >&"${SOCKS[1]}"
	read -r -u "${SOCKS[0]}" answer
	[[ $answer == "ok "* ]] || { echo "not ok: $1: $answer"; exit 1; }
	answer=${answer#ok }
}

# store(name): load the livepatch with this store, if any, and measure
store()
{
	local module='' patch

	case $1 in
	none|stock) module=/payload/real/livepatch-shadow-socks-$1.ko ;;
	ours|checked) module=$(modinfo -n livepatch-shadow-socks) ;;
	esac
	[[ $1 != checked ]] || echo 1 >$check
	if [[ $module ]]; then
		patch=$(basename "$module" .ko)
		patch=/sys/kernel/livepatch/${patch//-/_}
		insmod "$module" || exit 1
		until [[ $(<"$patch/transition") == 0 ]]; do
			sleep 0.1
		done
	fi
	# Add all variables, and warm up the caches.
	socks "echo 1"
	socks "time $((SEGMENTS / 10))"
	socks "time $SEGMENTS"
	times[$1]+=" $answer"
	if [[ $module ]]; then
		echo 0 >"$patch/enabled"
		while [[ -e $patch ]]; do
			sleep 0.1
		done
		rmmod "${patch##*/}" || exit 1
	fi
	echo 0 >$check
}

echo "sockets,store,ns per segment"
stores=(unpatched none stock ours checked)
for size in "${SIZES[@]}"; do
	coproc SOCKS { exec $tool $((size / 2)); }
	socks open
	declare -A times=()
	for ((round = 0; round < ROUNDS; round++)); do
		for ((i = 0; i < ${#stores[@]}; i++)); do
			store "${stores[(i + round) % ${#stores[@]}]}"
		done
	done
	for store in "${stores[@]}"; do
		# shellcheck disable=SC2086  # numbers
		echo "$size,$store,$(printf '%s\n' ${times[$store]} | sort -n | sed -n $(((ROUNDS + 1) / 2))p)"
	done
	socks "close $size"
	kill "$SOCKS_PID"
	wait "$SOCKS_PID" 2>/dev/null
done
exit 0
