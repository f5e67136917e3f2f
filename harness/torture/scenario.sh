# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What a scenario is. Source it after lib.sh.
#
# A scenario says, each on a line of its own and each if need be
#
#   kernel:      which of kernels/*.config goes on top of x86_64.config; by
#                default none, it is the kernel of 'make kernel'
#   line:        the oldest kernel line that has what is needed
#   parameters:  of the module
#   boot:        arguments of the kernel
#   meanwhile:   what else goes on, a function in job.sh
#   expect:      something that the module counts and that must have happened
#   #CHECK#...   an option that the kernel's .config must have

# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

TORTURE=$TOP/harness/torture
mapfile -t SCENARIOS < <(ls "$TORTURE/scenarios")

# set_seconds(text): for how long each scenario is to run, checked
set_seconds()
{
	seconds=$1
	[[ $seconds =~ ^[1-9][0-9]*$ ]] ||
		die "SECONDS=$seconds is not a number of seconds: give one such as SECONDS=30"
}

# must_exist(scenario)
must_exist()
{
	[[ $1 =~ ^[A-Z0-9_-]+$ && -f $TORTURE/scenarios/$1 ]] ||
		die "no scenario '$1'; there are: ${SCENARIOS[*]}"
}

# field(scenario, name): what the scenario says of it
field()
{
	sed -n "s/^$2:[[:space:]]*//p" "$TORTURE/scenarios/$1"
}

# later(line, line): whether the first one comes after the second
later()
{
	[[ $1 != "$2" && $(printf '%s\n' "$@" | sort -V | tail -n 1) == "$1" ]]
}

# must_have(scenario): the kernel in $obj has the options that it names
must_have()
{
	local missing fragment

	missing=$(unmet "$TORTURE/scenarios/$1")
	fragment=$(field "$1" kernel)
	fragment=${fragment:+torture/kernels/$fragment.config}
	[[ -z $missing ]] ||
		die "$1: the kernel in $obj lacks ${missing% }; put it into harness/${fragment:-kernel/x86_64.config}"
}

# kernel(scenario): set what the scenario runs on; built once, verified each time. A
# caller who has just built one says so in KLP_BUILT, its directory.
declare -A built
[[ ! ${KLP_BUILT:-} ]] || built[$KLP_BUILT]=1
kernel()
{
	local oldest fragments=()

	: "${first_line:=$LINE}"
	oldest=$(field "$1" line)
	LINE=$first_line
	! later "${oldest:-0}" "$LINE" || LINE=$oldest
	VARIANT=$(field "$1" kernel)
	export KERNEL=$LINE VARIANT
	set_dir
	obj=$DIR/obj
	[[ -z $VARIANT ]] || fragments=("$TORTURE/kernels/$VARIANT.config")
	if [[ -z ${built[$DIR]:-} ]]; then
		"$TOP/harness/kernel/build.sh" "${fragments[@]}"
		built[$DIR]=1
	fi
	must_have "$1"
}

# arguments(scenario, parameter...): for the kernel's command line
arguments()
{
	local parameter meanwhile

	field "$1" boot
	for parameter in duration="$seconds" $(field "$1" parameters) "${@:2}"; do
		echo "shadow_torture.$parameter"
	done
	meanwhile=$(field "$1" meanwhile)
	[[ -z $meanwhile ]] || echo "klp_meanwhile=$meanwhile"
}
