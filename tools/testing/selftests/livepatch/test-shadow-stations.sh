#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Livepatches that add a lock to the stations of mac80211, while stations join, leave and
# use power save: samples/livepatch/livepatch-shadow-sta-*.c. One simulated radio is an
# access point. The others are stations, each in a separate network namespace.
# Usage: test-shadow-stations.sh [STATIONS]
# shellcheck disable=SC2317  # functions are called by try and await

# shellcheck source=SCRIPTDIR/shadow_functions.sh
. "$(dirname "$0")/shadow_functions.sh"
# shellcheck source=SCRIPTDIR/shadow_livepatches.sh
. "$(dirname "$0")/shadow_livepatches.sh"

LIFETIME=livepatch_shadow_sta_lifetime
IN_FLIGHT=livepatch_shadow_sta_inflight
IDS=(0x1d147bf0)
STATIONS=${1:-4}
dir=$(mktemp -d)
radios=/sys/kernel/debug/ieee80211
radios_loaded=

stop_load()
{
	rm -f "$dir/go"
	wait
	# Radios and namespaces of others stay.
	[[ ! $radios_loaded ]] || radio_silence
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

# radios_load(): create radio 0 for the access point, and radio i for station i
radios_load()
{
	local i

	radios_loaded=1
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

# join(i), leave(i): station i joins or leaves the access point
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

# reaches(i): station i answers a ping of the access point
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

# doze(i), wake(i): station i announces power save to the access point
doze()
{
	echo 1 >"$radios/phy$((first + $1))/hwsim/ps"
}

wake()
{
	echo 0 >"$radios/phy$((first + $1))/hwsim/ps"
}

# traffic(n): until calm(), send frames to the first n stations, which doze and wake
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

# coming_and_going(): until calm(), the last station leaves and joins. It does not doze,
# because mac80211_hwsim warns if a station wakes before it has joined. It does so without
# livepatches, too.
coming_and_going()
{
	while [[ -e $dir/go ]]; do
		leave "$STATIONS" && join "$STATIONS" && await reaches "$STATIONS" || exit
		echo >>"$dir/comings"
	done &
}

# came_and_went(): the last station has left and joined at least once
came_and_went()
{
	local times

	times=$(wc -l <"$dir/comings") || return
	echo "# station $STATIONS left and joined $times times"
}

calm()
{
	rm -f "$dir/go"
	# Does not wait for the daemons, which are not children of this shell.
	wait
}

# traffic_flows(): at least 90% of the frames since traffic() were answered
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

# stations(): number of stations in mac80211: each link has one on both ends
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
try "each station has a variable on both ends" left_are $((2 * STATIONS))
traffic "$STATIONS"
sleep 5
calm
try "traffic flows while stations doze and wake" traffic_flows
try "a station leaves" leave 1
try "its two variables go" await left_are $((2 * STATIONS - 2))
try "the station joins again" join 1
try "all stations can be reached" all_reachable

traffic $((STATIONS - 1))
coming_and_going
sleep 5
try "it is disabled and unloads while stations doze, wake, leave and join" disable $LIFETIME
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "a station has left and joined" came_and_went
try "no variable is left" left_are 0
try "all stations can be reached" all_reachable

traffic "$STATIONS"
sleep 1
try "the livepatch for dozing stations loads while stations doze and wake" load $IN_FLIGHT
sleep 3
calm
try "traffic flows throughout" traffic_flows
try "stations that dozed have a variable on the access point's end" left_are "$STATIONS"

traffic "$STATIONS"
sleep 1
try "the livepatch for joining stations replaces it" load $LIFETIME
sleep 1
try "the replaced one unloads" unload $IN_FLIGHT
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "variables are inherited" left_are "$STATIONS"
try "all stations leave and join again" all_rejoin
try "each station has a variable on both ends" left_are $((2 * STATIONS))

traffic "$STATIONS"
sleep 1
try "the livepatch for dozing stations replaces it" load $IN_FLIGHT
try "the replaced one unloads" unload $LIFETIME
sleep 1
calm
try "traffic flows throughout" traffic_flows
try "variables are inherited" left_are $((2 * STATIONS))

traffic "$STATIONS"
sleep 1
try "it is disabled and unloads" disable $IN_FLIGHT
sleep 1
try "no variable is left" left_are 0
try "it loads again" load $IN_FLIGHT
sleep 3
calm
try "traffic flows throughout" traffic_flows
try "stations that dozed have a variable on the access point's end" left_are "$STATIONS"
try "mac80211 and all radios are removed" radio_silence
try "all variables are removed with mac80211" await left_are 0
try "disabled and unloaded" disable $IN_FLIGHT
try "all variables have been freed" all_freed
rm -rf "$dir"
finish
