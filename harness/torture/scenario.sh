# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for torture scenarios. Source it after lib.sh.
#
# A scenario is a file with these lines, all of which are optional:
#
#   kernel:      fragment in kernels/ that is added to x86_64.config; by default, the
#                kernel of 'make kernel' is used
#   line:        oldest kernel line that supports the scenario
#   parameters:  parameters of the module
#   boot:        arguments of the kernel
#   meanwhile:   function meanwhile_<name> of job.sh, which runs in parallel
#   expect:      counter that the module prints, and that must not be 0
#   #CHECK#...   option that the kernel's .config must have

# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

TORTURE=$TOP/harness/torture
mapfile -t SCENARIOS < <(ls "$TORTURE/scenarios")

# set_seconds(text): check and set the duration of each scenario
set_seconds()
{
	seconds=$1
	[[ $seconds =~ ^[1-9][0-9]*$ ]] ||
		die "SECONDS=$seconds is not a number of seconds: give one such as SECONDS=30"
}

# must_exist(scenario): exit if there is no such scenario
must_exist()
{
	[[ $1 =~ ^[A-Z0-9_-]+$ && -f $TORTURE/scenarios/$1 ]] ||
		die "no scenario '$1'; there are: ${SCENARIOS[*]}"
}

# field(scenario, name): print the value of a line of the scenario
field()
{
	sed -n "s/^$2:[[:space:]]*//p" "$TORTURE/scenarios/$1"
}

# later(line, line): true if the first kernel line is newer than the second
later()
{
	[[ $1 != "$2" && $(printf '%s\n' "$@" | sort -V | tail -n 1) == "$1" ]]
}

# must_have(scenario): exit if the kernel in $obj lacks options of the scenario
must_have()
{
	local missing fragment

	missing=$(unmet "$TORTURE/scenarios/$1")
	fragment=$(field "$1" kernel)
	fragment=${fragment:+torture/kernels/$fragment.config}
	[[ -z $missing ]] ||
		die "$1: the kernel in $obj lacks ${missing% }; put it into harness/${fragment:-kernel/x86_64.config}"
}

# kernel(scenario): set the variables of the kernel that the scenario needs, and build it if
# this has not been done. KLP_BUILT is the directory of a kernel that is up to date.
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

# arguments(scenario, parameter...): print arguments for the kernel's command line
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
