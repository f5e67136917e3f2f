#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> takeover.sh [-d | -k MODULE.ko] [TEST...]
#        KERNEL=<line> takeover.sh -b [PATCH...]
#
# Test the module klp_shadow in the VM, on Debian's unmodified kernel of the line: each TEST
# is a function of job.sh. Without arguments those of BOOTS; "cost" only measures. With -k: the
# module of this file. With -d: on a kernel with KASAN and kmemleak, which debug-kernel.sh
# builds; without arguments the tests of DEBUG_BOOTS. With -b: broken modules, those of
# patches/PATCH.patch, each of which its test must notice.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# The tests of each boot of the VM. A livepatch stays after "forced", and klp_shadow after
# "dead", which are last.
BOOTS=(
	"basic refusals replace stray"
	"asleep unreliable tracers hotplug forced"
	"nomem"
	"selftests lifetimes"
	"stock"
	"stress"
	"million dead"
)

# The same with -d: without tracers and a million variables, which take long there.
DEBUG_BOOTS=(
	"basic replace stray forced asleep"
	"stress"
	"selftests"
)

here=$TOP/harness/takeover

# run(directory, test...): run tests in the VM
run()
{
	local payload=$work/payload log status=0

	rm -rf "$payload"
	mkdir -p "$payload/ko"
	cp -r "$1"/ko/. "$payload/ko/"
	[[ -z $module ]] || cp "$module" "$payload/ko/klp_shadow.ko"
	echo "${*:2}" >"$payload/tests"
	log=$BUILD/$LINE/$variant/logs/${1##*/}-$2
	VARIANT=$variant VM_LOG=$log "$TOP/harness/vm/vm.sh" -t "$limit" -m 2G \
		-p "$payload" -a 'hung_task_timeout=300' "$here/job.sh" || status=1
	return $status
}

# begun(log): what the console and the job have said since the first test began. A sound boot
# has lines that look like faults.
begun()
{
	sed '1,/test begins: /d' "$1.console"
	cat "$1.out"
}

busted='' module='' variant=debian limit=900
while getopts bdk: option; do
	case $option in
	b) busted=1 ;;
	d)
		variant=takeover-debug limit=3000
		BOOTS=("${DEBUG_BOOTS[@]}")
		;;
	k) module=$OPTARG ;;
	*) die "usage: takeover.sh [-d | -k MODULE.ko] [TEST...] | -b [PATCH...]" ;;
	esac
done
shift $((OPTIND - 1))
[[ ! $busted || $variant == debian ]] || die "broken modules are tested on Debian's kernel: no -d"
mapfile -t known < <(sed -n 's/^test_\([a-z]*\)()$/\1/p' "$here/job.sh")
[[ ! $busted ]] || mapfile -t known < <(basename -s .patch "$here"/patches/*.patch)
for name; do
	[[ " ${known[*]} " == *" $name "* ]] || die "no test '$name'; there are: ${known[*]}"
done
set_line
case $LINE in
6.1 | 6.12) ;;
6.[2-9] | 6.1[0-9] | 7.[0-3])
	echo "1..0 # SKIP the module is tested on Linux 6.1 and 6.12, of Debian 12 and 13"
	exit 0
	;;
*) die "no module for Linux $LINE; give KERNEL=6.1 (Debian 12) or KERNEL=6.12 (Debian 13)" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ $variant == debian ]]; then
	"$TOP/harness/vm/debian-kernel.sh"
else
	"$here/debug-kernel.sh"
fi
"$TOP/harness/vm/rootfs.sh"
if [[ $busted ]]; then
	for patch in "$here"/patches/*.patch; do
		name=$(basename "$patch" .patch)
		[[ $# == 0 || " $* " == *" $name "* ]] || continue
		"$here/build.sh" "$patch"
		read -ra tests <<<"$(sed -n 's/^Test: //p' "$patch")"
		sign=$(sed -n 's/^Sign: //p' "$patch")
		[[ ${tests[*]} && $sign ]] || die "$patch has no line 'Test: ...' or 'Sign: ...'"
		status=0
		run "$BUILD/$LINE/takeover-$name" "${tests[@]}" >"$BUILD/$LINE/takeover-$name/log" 2>&1 || status=$?
		# The test has failed, and for the reason that the patch names.
		begun "$BUILD/$LINE/debian/logs/takeover-$name-${tests[0]}" | tr -d '\r' >"$work/begun"
		((status)) && grep -aqE "$sign" "$work/begun" && status=0 || status=1
		result $status "broken: $name: $(sed -n '1p' "$patch")"
	done
else
	dir=$BUILD/$LINE/takeover
	if [[ $variant == debian ]]; then
		"$here/build.sh"
	else
		"$here/build.sh" -d
		dir=$BUILD/$LINE/$variant/takeover
	fi
	if (($#)); then
		BOOTS=("$*")
	fi
	for boot in "${BOOTS[@]}"; do
		read -ra tests <<<"$boot"
		status=0
		run "$dir" "${tests[@]}" || status=1
		result $status "takeover: $boot"
	done
fi
plan
