#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> klp-shadow.sh [TEST...]
#
# Test the program klp-shadow of tools/livepatch, and scripts that do the same in a dump. Prints
# TAP. Without arguments: images, fuzz and vm.
#
# images	images of memory, sound and damaged, with AddressSanitizer
# fuzz		random damage, for FUZZ seconds, by default 10
# mutants	broken variants of the program, which images must detect
# vm		in the VM with the kernel of 'make kernel', beside a module that adds and removes
#		variables; ROUNDS is how often it looks. With ARCH=s390 it is a big-endian
#		machine
# debian	the same with Debian's own kernel of the line
# dump		in a dump of a machine that was stopped amid a resize; see dump.sh

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
export KERNEL=$LINE
set_dir
source=$TOP/tools/livepatch
out=$BUILD/klp-shadow
mkdir -p "$out"

# program(directory, make-variable...): build klp-shadow
program()
{
	make -s -C "$source" O="$out/$1" "${@:2}" >"$out/log" 2>&1 ||
		die "klp-shadow could not be built: $(grep -m 1 -E 'error|\*\*\*' "$out/log"); see $out/log"
}

images()
{
	program asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
	"$source/tests/test.py" "$out/asan/klp-shadow" "$@"
}

# in_vm(directory): with the module that is in the directory
in_vm()
{
	program "static-$ARCH" LDFLAGS=-static CROSS_COMPILE="$CROSS"
	cp "$out/static-$ARCH/klp-shadow" "$1/"
	echo "${ROUNDS:-6}" >"$1/rounds"
	# Without the checks of memory, which make 100,000 variables slow.
	VM_LOG=$DIR/logs/klp-shadow "$TOP/harness/vm/vm.sh" -t 2400 \
		-a 'kmemleak=off slub_debug=-' -p "$1" "$TOP/harness/klp-shadow/job.sh"
}

vm()
{
	local work=$out/$LINE-$ARCH

	rm -rf "$work"
	mkdir -p "$work/module" "$work/payload"
	cp "$source"/tests/fill/* "$work/module/"
	build_modules "$work/module"
	cp "$work/module"/*.ko "$work/payload/"
	in_vm "$work/payload"
}

debian()
{
	local payload=$out/$LINE-debian

	"$TOP/harness/vm/debian-kernel.sh"
	"$TOP/harness/vm/rootfs.sh"
	rm -rf "$payload"
	"$TOP/harness/vm/debian-kernel.sh" -m "$source/tests/fill" "$payload"
	export VARIANT=debian
	set_dir
	in_vm "$payload"
}

TESTS=(images fuzz mutants vm debian dump)
tests=("$@")
((${#tests[@]})) || tests=(images fuzz vm)
for test in "${tests[@]}"; do
	[[ " ${TESTS[*]} " == *" $test "* ]] || die "no test '$test'; there are: ${TESTS[*]}"
done
status=0
for test in "${tests[@]}"; do
	case $test in
	images) images ;;
	fuzz) images fuzz "${FUZZ:-10}" ;;
	mutants) "$source/tests/mutants.py" "$source" "$out/mutants" ;;
	vm) vm ;;
	debian) (debian) ;;
	*) "$TOP/harness/klp-shadow/$test.sh" ;;
	esac || status=1
done
exit "$status"
