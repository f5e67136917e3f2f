#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: klp-shadow shows the variables of the module klp_shadow_fill, also while the module
# adds and removes them. The file "rounds" has the number of snapshots.

# shellcheck source=SCRIPTDIR/../tap.sh
. /payload/tap.sh
cd /payload || exit 1
log=/tmp/log
fill=/sys/module/klp_shadow_fill/parameters
STAY=0x57a9 CHURN=0xc4a0 LEAK=0x1eac MOVE=0x304e
rounds=$(<rounds)
ours=
! grep -qw klp_shadow_layout /proc/kallsyms || ours=1

# variables(id): their number in the table in $log; 0 if it has no such line
variables()
{
	awk -v id="$1" '($1 "") == id { n = $2 } END { print n + 0 }' "$log"
}

# same(id, number, description)
same()
{
	local n

	n=$(variables "$1")
	[[ $n == "$2" ]] || echo "$3: $n variables, not $2" >>"$log.bad"
}

# test_case(description, function): a function that writes to $log.bad fails
test_case()
{
	: >"$log.bad"
	"$2"
	[[ ! -s $log.bad ]]
	result $? "$1" "$log.bad"
}

# complain(text)
complain()
{
	echo "$*" >>"$log.bad"
	head -n 20 "$log" "$log.err" >>"$log.bad"
}

show()
{
	timeout 300 ./klp-shadow "$@" >"$log" 2>"$log.err"
}

empty()
{
	show || complain "status $?"
	same $STAY 0 "before the module is loaded"
}

quiet()
{
	show || complain "status $?"
	same $STAY 100000 stay
	same $CHURN 5000 churn
	same 0xfffffff000000000 1 "first on NULL"
	same 0xfffffff000000031 1 "last on NULL"
	same 0xfffffff000000032 0 "behind the last on NULL"
	same $MOVE "${ours:-0}" moved
	if [[ -e /sys/kernel/btf/vmlinux ]]; then
		grep -Eq "^$STAY +[0-9]+ +[0-9]+ +klp_shadow_fill " "$log" || complain "no cache or size"
	fi
}

# The data of a variable begins with the address of its parent.
data()
{
	local parent

	show list --id $STAY
	# Each of these reads everything, which takes 20 s on an emulated s390x.
	awk 'NR % 49999 == 2 { print $2 }' "$log" >"$log.parents"
	[[ $(wc -l <"$log.parents") == 3 ]] || complain "no list"
	while read -r parent; do
		show list --id $STAY --parent "$parent" --data || complain "status $?"
		[[ $(wc -l <"$log") -ge 2 ]] || complain "$parent is not listed"
		[[ -e /sys/kernel/btf/vmlinux ]] || continue
		grep -Eq "^  0000  $(sed -E 's/^0x//; s/(..)(..)(..)(..)(..)(..)(..)(..)/\8 \7 \6 \5 \4 \3 \2 \1/' <<<"$parent") " "$log" ||
			complain "the data of $parent is wrong"
	done <"$log.parents"
	show list --id 0x1234
	[[ $? == 1 ]] || complain "an id without variables"
}

# churning(low, high): counts while others come and go
churning()
{
	local i n status incomplete=0 before

	before=$(<$fill/rounds)
	echo 1 >$fill/churn
	for ((i = 0; i < rounds; i++)); do
		show
		status=$?
		if [[ $status == 3 ]]; then
			incomplete=$((incomplete + 1))
			cat "$log.err"
			continue
		fi
		((status == 0)) || complain "status $status"
		same $STAY "$(<$fill/stay)" stay
		n=$(variables $CHURN)
		((n >= $1 && n <= $2)) || complain "churn: $n variables, not $1 to $2"
	done
	echo 0 >$fill/churn
	# The thread ends the round, and stops at the fewest.
	sleep 2
	n=$(($(<$fill/rounds) - before))
	echo "# looked $rounds times, the module ran $n rounds; $incomplete reported as incomplete"
	((n > 0)) || complain "nothing came or went"
	((2 * incomplete < rounds)) || complain "$incomplete of $rounds incomplete"
}

churn()
{
	churning 5000 15000
}

# The table of our store grows and shrinks in each round.
resizes()
{
	rmmod klp_shadow_fill
	insmod klp_shadow_fill.ko stay=3000 low=0 high=20000
	churning 0 20000
}

leak()
{
	echo 1 >$fill/leak
	timeout 20 ./klp-shadow watch >"$log" 2>"$log.err"
	echo 0 >$fill/leak
	awk -v id=$LEAK '($2 "") == id { lines++; since = $5 + 0; growing = $6 + 0 }
		END { exit !(lines >= 3 && since > 20 && growing >= 2) }' "$log" ||
		complain "the leak is not seen"
	! grep -q "$STAY" "$log" || complain "watch shows what has not changed"
}

types()
{
	modprobe livepatch-shadow-driver && modprobe livepatch-shadow-lifetime
	show || complain "status $?"
	grep -q ' seen  *livepatch_shadow_lifetime$' "$log" || complain "no type of the livepatch"
	echo 0 >/sys/kernel/livepatch/livepatch_shadow_lifetime/enabled
	while [[ -d /sys/kernel/livepatch/livepatch_shadow_lifetime ]]; do
		sleep 0.1
	done
	show
	! grep -q livepatch_shadow_lifetime "$log" || complain "a livepatch that is not enabled"
}

# refused(text, command...): one line on standard error, nothing else, status 2
refused()
{
	local status

	"${@:2}" >"$log" 2>"$log.err"
	status=$?
	if [[ $status != 2 || -s $log || $(wc -l <"$log.err") != 1 ]] ||
	   ! grep -qF "$1" "$log.err"; then
		complain "status $status, not refused with '$1'"
	fi
}

refusals()
{
	sysctl -q kernel.kptr_restrict=2
	refused 'kernel.kptr_restrict=1' ./klp-shadow
	sysctl -q kernel.kptr_restrict=1
	refused 'only root' setpriv --reuid=65534 --clear-groups ./klp-shadow
	refused 'CAP_SYS_RAWIO' setpriv --bounding-set=-sys_rawio ./klp-shadow
	mount --bind /tmp /proc/fs
	refused 'CONFIG_PROC_KCORE' ./klp-shadow --kcore /proc/fs/kcore
	umount /proc/fs
}

gone()
{
	rmmod klp_shadow_fill
	show || complain "status $?"
	for id in $STAY $CHURN $LEAK $MOVE 0xfffffff000000000; do
		same "$id" 0 "after the module is gone"
	done
}

# Last: it cannot be undone.
lockdown()
{
	mount -t securityfs securityfs /sys/kernel/security
	echo confidentiality >/sys/kernel/security/lockdown
	refused 'locked down' ./klp-shadow
}

test_case "nothing is there" empty
insmod klp_shadow_fill.ko stay=100000 low=5000 high=15000 nulls=50 || exit
test_case "100,000 variables" quiet
test_case "their data" data
test_case "100,000 variables while others come and go" churn
test_case "while the table is resized" resizes
test_case "a leak" leak
[[ ! $ours ]] || test_case "types of a livepatch" types
test_case "what cannot be read" refusals
test_case "nothing is left" gone
if [[ -d /sys/kernel/security ]] && grep -q lockdown /proc/kallsyms; then
	test_case "a kernel that is locked down" lockdown
fi
plan
