#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit-arch.sh [ARCHITECTURE...]
#
# Cross-compile a small kernel with the store and its KUnit suites by the kernel's kunit.py,
# and run it in QEMU, for each architecture; without arguments for all. Prints TAP: a line
# for each. powerpc32 needs Linux 7.3, whose kunit.py knows a machine for it.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

all=(i386 arm64 s390 powerpc powerpcle powerpc32)

archs=("$@")
((${#archs[@]})) || archs=("${all[@]}")
packages=()
for arch in "${archs[@]}"; do
	[[ " ${all[*]} " == *" $arch "* ]] || die "no architecture '$arch'; there are: ${all[*]}"
	packages+=("${EMULATOR[$arch]}")
	[[ -z ${COMPILER[$arch]} ]] || packages+=("gcc-${COMPILER[$arch]}")
done
set_line
export KERNEL=$LINE
"$TOP/harness/setup.sh" "${packages[@]}"
"$TOP/harness/source.sh"

# run(architecture): its tests, in obj
run()
{
	local options=(--arch="$1")

	# Before 7.3 kunit.py knows the big-endian one alone.
	if [[ $1 == powerpcle && ! -e $BUILD/$LINE/src/tools/testing/kunit/qemu_configs/powerpcle.py ]]; then
		options=(--arch=powerpc --kconfig_add=CONFIG_CPU_LITTLE_ENDIAN=y)
	fi
	[[ -z ${COMPILER[$1]} ]] || options+=(--cross_compile="${COMPILER[$1]}-")
	# KASAN is not everywhere. kunit.py fails if an option is missing.
	grep -v KASAN "$BUILD/$LINE/src/kernel/livepatch/.kunitconfig" >"$obj.kunitconfig"
	"$TOP/harness/kunit-py.sh" "$obj/test.log" run --build_dir="$obj" --timeout=600 \
		--kunitconfig="$obj.kunitconfig" --kconfig_add=CONFIG_PROVE_LOCKING=y \
		"${options[@]}" ${KUNIT_FILTER:+"$KUNIT_FILTER"}
}

for arch in "${archs[@]}"; do
	obj=$BUILD/$LINE/kunit-$arch
	log=$obj.log
	if [[ $arch == powerpc32 && ! -e $BUILD/$LINE/src/tools/testing/kunit/qemu_configs/powerpc32.py ]]; then
		result 0 "KUnit on $arch # SKIP needs Linux 7.3"
		continue
	fi
	say "KUnit on $arch, Linux $LINE; building it takes minutes"
	mkdir -p "$obj"
	rm -f "$obj/test.log"
	run "$arch" >"$log" 2>&1 && status=0 || status=1
	tests=$(grep -cE '^ok ' "$log" || :)
	skips=$(grep -cE '^ok .*# SKIP' "$log" || :)
	result "$status" "KUnit on $arch: $((tests - skips)) passed, $skips skipped" "$log"
done
plan
