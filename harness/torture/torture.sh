#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> torture.sh SECONDS SCENARIO...|all
#
# Run the torture test for SECONDS in each scenario, which is a file in scenarios/: build
# and boot the kernel of the scenario, load the torture module, and check its verdict, the
# kernel's log and memory leaks. Prints a TAP line for each scenario. Succeeds if all do.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/scenario.sh
. "$TOP/harness/torture/scenario.sh"

set_seconds "${1:-}"
shift
scenarios=("$@")
[[ ${scenarios[*]} != all ]] || scenarios=("${SCENARIOS[@]}")
((${#scenarios[@]})) || die "no scenario given: SCENARIOS=all, or some of: ${SCENARIOS[*]}"
for scenario in "${scenarios[@]}"; do
	must_exist "$scenario"
done
set_line

# happened(scenario, log): true if the expected counter of the module is not 0
happened()
{
	local expect

	expect=$(field "$1" expect)
	[[ -z $expect ]] || grep -qE "^[0-9]+ s,.* $expect [1-9]" "$2" ||
		{ echo "torture: $expect: none" >>"$2"; return 1; }
}

"$TOP/harness/vm/rootfs.sh"
for scenario in "${scenarios[@]}"; do
	kernel "$scenario"
	log=$DIR/logs/torture-$scenario
	mkdir -p "${log%/*}"
	start=$SECONDS status=0
	VM_LOG=$log "$TOP/harness/vm/vm.sh" -t $((2 * seconds + 300)) -a "$(arguments "$scenario" | tr '\n' ' ')" \
		"$TOP/harness/torture/job.sh" >"$log.txt" 2>&1 && happened "$scenario" "$log.txt" || status=1
	{ grep -a '^mistake' "$log.txt" | head -n 3 || :; tail -n 1 "$log.txt"; } >"$log.why"
	result "$status" "torture $scenario" "$log.why"
	echo "# Linux $LINE${VARIANT:+ ($VARIANT)}, $((SECONDS - start)) s;$(sed -n 's/^[0-9]* s,//p' "$log.txt" | tail -n 1); $log.txt"
done
plan
