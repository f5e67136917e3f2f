#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Livepatches that give the stations of mac80211 a lock, with stations that come
# and go, doze and wake: samples/livepatch/livepatch-shadow-sta-*.c. One radio is an
# access point, the others are stations, each in a network namespace of its own.
# Usage: test-shadow-stations.sh [STATIONS]
# shellcheck disable=SC2317  # functions are called by try and await

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"
# shellcheck source=SCRIPTDIR/shadow_livepatches.sh
. "$(dirname "$0")/shadow_livepatches.sh"

LIFETIME=livepatch_shadow_sta_lifetime
IN_FLIGHT=livepatch_shadow_sta_inflight
STATIONS=${1:-4}
dir=$(mktemp -d)
radios=/sys/kernel/debug/ieee80211

stop_load()
{
	rm -f "$dir/go"
	wait
	radio_silence
}

radio_silence()
{
	local pid

	for pid in "$dir"/*.pid; do
		[[ ! -e $pid ]] || kill "$(<"$pid")" 2>/dev/null
	done
	await radios_unload
}

radios_unload()
{
	local i

	for ((i = 1; i <= STATIONS; i++)); do
		ip netns del "sta$i" 2>/dev/null
	done
	! grep -q '^mac80211 ' /proc/modules ||
		modprobe -r mac80211_hwsim 2>/dev/null
}

# Radio 0 is the access point's; radio i is that of station i.
radios_load()
{
	local i

	modprobe mac80211_hwsim radios=$((STATIONS + 1)) &&
		await test -e "/sys/class/net/wlan$STATIONS" || return 1
	first=$(</sys/class/net/wlan0/phy80211/index)
	for ((i = 1; i <= STATIONS; i++)); do
		ip netns add "sta$i" &&
			iw phy "phy$((first + i))" set netns name "sta$i" || return 1
	done
	ip addr add 10.1.0.254/24 dev wlan0
}

access_point()
{
	cat >"$dir/ap.conf" <<-EOF
		interface=wlan0
		ssid=shadow
		hw_mode=g
		channel=1
		wpa=2
		wpa_key_mgmt=WPA-PSK
		rsn_pairwise=CCMP
		wpa_passphrase=shadow variables
	EOF
	cat >"$dir/sta.conf" <<-EOF
		network={
			ssid="shadow"
			psk="shadow variables"
			key_mgmt=WPA-PSK
			scan_freq=2412
		}
	EOF
	hostapd -B -P "$dir/ap.pid" "$dir/ap.conf" >"$dir/ap.log" 2>&1
}

# join(i), leave(i): station i
join()
{
	ip netns exec "sta$1" wpa_supplicant -B -P "$dir/sta$1.pid" -i "wlan$1" \
		-c "$dir/sta.conf" >"$dir/sta$1.log" 2>&1 &&
		ip netns exec "sta$1" ip addr replace "10.1.0.$1/24" dev "wlan$1"
}

leave()
{
	kill "$(<"$dir/sta$1.pid")" && await gone "$dir/sta$1.pid"
}

# reaches(i): the access point's ping comes back from station i
reaches()
{
	ping -c 1 -W 1 "10.1.0.$1" >/dev/null
}

all_reachable()
{
	local i

	for ((i = 1; i <= STATIONS; i++)); do
		await reaches "$i" || { echo "# station $i does not answer"; return 1; }
	done
}

# doze(i), wake(i): what the access point is told, while the radio goes on
doze()
{
	echo 1 >"$radios/phy$((first + $1))/hwsim/ps"
}

wake()
{
	echo 0 >"$radios/phy$((first + $1))/hwsim/ps"
}

# traffic(n): frames for the first n stations, which doze and wake all the time
traffic()
{
	local i

	touch "$dir/go"
	for ((i = 1; i <= $1; i++)); do
		while [[ -e $dir/go ]]; do
			ping -q -i 0.02 -c 50 -W 1 "10.1.0.$i" |
				awk '/ packets transmitted/ { print $1, $4 }' >>"$dir/pings.$i"
		done &
		while [[ -e $dir/go ]]; do
			doze "$i" && sleep 0.1 && wake "$i" && sleep 0.1 || exit
			echo >>"$dir/dozes.$i"
		done &
	done
}

# coming_and_going(): the last station leaves and joins all the time. It does not doze:
# mac80211_hwsim warns when one wakes that the access point does not have yet, with
# livepatches and without: 15 times in 86 comings without.
coming_and_going()
{
	while [[ -e $dir/go ]]; do
		leave "$STATIONS" && join "$STATIONS" && await reaches "$STATIONS" || exit
		echo >>"$dir/comings"
	done &
}

# came_and_went(): meanwhile, at least once
came_and_went()
{
	local times

	times=$(wc -l <"$dir/comings") || return
	echo "# it came and went $times times"
}

calm()
{
	rm -f "$dir/go"
	# Not the daemons, which are no children of ours.
	wait
}

# traffic_flows(): what has come back since traffic began
traffic_flows()
{
	local sent back dozes

	read -r sent back <<<"$(cat "$dir"/pings.* |
		awk '{ sent += $1; back += $2 } END { print sent + 0, back + 0 }')"
	dozes=$(cat "$dir"/dozes.* | wc -l)
	rm -f "$dir"/{pings,dozes}.*
	echo "# $sent frames sent, $back answered; stations dozed $dozes times"
	((sent && dozes && back * 10 >= sent * 9))
}

# stations(): all that mac80211 has: each link is a station on both of its ends
stations()
{
	local i sum

	sum=$(iw dev wlan0 station dump | grep -c '^Station')
	for ((i = 1; i <= STATIONS; i++)); do
		sum=$((sum + $(ip netns exec "sta$i" iw dev "wlan$i" station dump |
			grep -c '^Station')))
	done
	echo "$sum"
}

stations_are()
{
	[[ $(stations) == "$1" ]]
}

all_join()
{
	local i

	for ((i = 1; i <= STATIONS; i++)); do
		join "$i" || return 1
	done
	all_reachable && await stations_are $((2 * STATIONS))
}

all_rejoin()
{
	local i

	for ((i = 1; i <= STATIONS; i++)); do
		leave "$i" || return 1
	done
	await stations_are 0 && all_join
}

begin_livepatches "$LIFETIME" "$IN_FLIGHT" mac80211_hwsim
for tool in hostapd wpa_supplicant iw ip ping; do
	command -v $tool >/dev/null || skip "needs $tool"
done
! grep -q '^mac80211 ' /proc/modules || skip "mac80211 is in use"

try "loads before mac80211" load $LIFETIME
try "radios" radios_load || exit 1
try "an access point" access_point || exit 1
try "$STATIONS stations join" all_join
try "each station has a variable, on both ends" left_are $((2 * STATIONS))
traffic "$STATIONS"
sleep 5
calm
try "traffic flows while they doze and wake" traffic_flows
try "one of them leaves" leave 1
try "its two variables go" await left_are $((2 * STATIONS - 2))
try "it joins again" join 1
try "all can be reached" all_reachable

traffic $((STATIONS - 1))
coming_and_going
sleep 5
try "it is disabled and unloads while they doze and wake, come and go" disable $LIFETIME
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "one has come and gone" came_and_went
try "no variable is left" left_are 0
try "all can be reached" all_reachable

traffic "$STATIONS"
sleep 1
try "the one for stations in flight loads while they doze and wake" load $IN_FLIGHT
sleep 3
calm
try "traffic flows throughout" traffic_flows
try "those that dozed have a variable, on the access point's end" left_are "$STATIONS"

traffic "$STATIONS"
sleep 1
try "the one for stations to come replaces it" load $LIFETIME
sleep 1
try "the replaced one unloads" unload $IN_FLIGHT
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "variables have been handed on" left_are "$STATIONS"
try "all leave and join again" all_rejoin
try "each station has a variable, on both ends" left_are $((2 * STATIONS))

traffic "$STATIONS"
sleep 1
try "the one for stations in flight replaces it" load $IN_FLIGHT
try "the replaced one unloads" unload $LIFETIME
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "variables have been handed on" left_are $((2 * STATIONS))

traffic "$STATIONS"
sleep 1
try "it is disabled and unloads" disable $IN_FLIGHT
sleep 1
try "no variable is left" left_are 0
try "it loads again" load $IN_FLIGHT
sleep 3
calm
try "traffic flows throughout" traffic_flows
try "those that dozed have a variable, on the access point's end" left_are "$STATIONS"
try "all radios go, with mac80211" radio_silence
try "and all variables with them" await left_are 0
try "disabled and unloaded" disable $IN_FLIGHT
report "$((total_created != total_freed || total_created == 0))" "all variables have been freed"
echo "# $total_created created, $total_freed freed"
rm -rf "$dir"
finish
