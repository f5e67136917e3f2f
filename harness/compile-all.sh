#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> compile-all.sh [CONFIGURATION...]
#
# Compile the store and its test suites, with W=1 and -Werror, for each architecture that has
# livepatching, in configurations that change the code, with gcc and with clang. Without
# arguments, all. Prints TAP, and a table last: "ok", "FAILED", or "-" for what the kernel of
# the line cannot be configured for.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# Configuration: architecture, its compiler in COMPILER, options; one of A and B for A|B.
declare -A configurations=(
	[x86_64]='x86_64 x86_64 64BIT=y LIVEPATCH=y'
	[x86_64-up]='x86_64 x86_64 64BIT=y LIVEPATCH=y SMP=n'
	[x86_64-modules-off]='x86_64 x86_64 64BIT=y MODULES=n LIVEPATCH=n KLP_SHADOW=y KLP_SHADOW_KUNIT_TEST=n KLP_SHADOW_TORTURE_TEST=n'
	[x86_64-rt]='x86_64 x86_64 64BIT=y LIVEPATCH=y PREEMPT_RT=y'
	[x86_64-lto]='x86_64 x86_64 64BIT=y LIVEPATCH=y LTO_CLANG_THIN=y'
	[x86_64-cfi]='x86_64 x86_64 64BIT=y LIVEPATCH=y CFI_CLANG|CFI=y'
	[i386]='i386 i386 LIVEPATCH=n KLP_SHADOW=y'
	[arm64]='arm64 arm64 SMP=y'
	[s390]='s390 s390 SMP=y LIVEPATCH=y'
	[powerpc64le]='powerpc powerpcle PPC64=y CPU_LITTLE_ENDIAN=y SMP=y LIVEPATCH=y'
	[powerpc64]='powerpc powerpc PPC64=y CPU_LITTLE_ENDIAN=n SMP=y'
	[powerpc32]='powerpc powerpc32 PPC64=n'
)
order=(x86_64 x86_64-up x86_64-modules-off x86_64-rt x86_64-lto x86_64-cfi i386 arm64 s390
	powerpc64le powerpc64 powerpc32)
# What all have. Architectures without livepatching have the store alone.
BASE=(EXPERT=y SMP=y MODULES=y MODULE_UNLOAD=y PRINTK=y SYSFS=y DEBUG_KERNEL=y DEBUG_FS=y
	KALLSYMS=y KALLSYMS_ALL=y FTRACE=y FUNCTION_TRACER=y DYNAMIC_FTRACE=y STACKTRACE=y
	LIVEPATCH=y KUNIT=y KLP_SHADOW=y KLP_SHADOW_KUNIT_TEST=y KLP_SHADOW_TORTURE_TEST=m
	PROVE_LOCKING=y FAULT_INJECTION=y FAILSLAB=y)

chosen=("$@")
((${#chosen[@]})) || chosen=("${order[@]}")
# Linux 7.3 needs clang 17, CFI 16; the default of Debian 12 is 14.
llvm=-19
apt-cache show clang-19 >/dev/null 2>&1 || llvm=
packages=("clang$llvm" "lld$llvm" "llvm$llvm")
for name in "${chosen[@]}"; do
	[[ ${configurations[$name]:-} ]] || die "no configuration '$name'; there are: ${order[*]}"
	read -r _ cross _ <<<"${configurations[$name]}"
	cross=${COMPILER[$cross]}
	[[ ! $cross ]] || packages+=("gcc-$cross")
done
set_line
export KERNEL=$LINE
"$TOP/harness/setup.sh" "${packages[@]}"
"$TOP/harness/source.sh"
src=$BUILD/$LINE/src

# objects(): those of the store and its suites that the configuration in $obj has
objects()
{
	awk 'FNR == NR { if (/=[ym]$/) on[substr($0, 1, length - 2)]; next }
		match($1, /CONFIG_[A-Z_]*/) && substr($1, RSTART, RLENGTH) in on {
			for (i = 3; i <= NF; i++)
				print "kernel/livepatch/" $i
		}' "$obj/.config" "$src/kernel/livepatch/Makefile.shadow"
}

# cell(name, compiler): "ok", "FAILED" or "-" in $cell, and the reason in $log
cell()
{
	local arch cross options make wanted option names name
	local -A value=()

	read -r arch cross options <<<"${configurations[$1]}"
	obj=$BUILD/$LINE/compile/$1-$2
	log=$obj/log
	mkdir -p "$obj"
	make=(make -s -C "$src" O="$obj" ARCH="$arch" KCFLAGS=-Werror)
	cross=${COMPILER[$cross]}
	[[ ! $cross ]] || make+=(CROSS_COMPILE="$cross-")
	[[ $2 == gcc ]] || make+=(LLVM="${llvm:-1}")
	for option in "${BASE[@]}" $options; do
		names=${option%%=*}
		for name in ${names//|/ }; do
			value[$name]=${option#*=}
		done
	done
	for option in "${!value[@]}"; do
		echo "CONFIG_$option=${value[$option]}"
	done | sort >"$obj/fragment"
	cell=FAILED
	{
		"${make[@]}" tinyconfig &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config" "$obj/fragment" &&
		"${make[@]}" olddefconfig
	} >"$log" 2>&1 || {
		grep -q 'this C compiler is not supported' "$log" || return 0
		cell=-
		echo "Linux $LINE needs a later $2 for it" >"$log"
		return 0
	}
	# The options of the configuration itself must be there.
	for option in $options; do
		wanted="CONFIG_(${option%%=*})=${option#*=}"
		if [[ $wanted == *=n ]]; then
			! grep -qE "^${wanted%n}" "$obj/.config" && continue
		else
			grep -qxE "$wanted" "$obj/.config" && continue
		fi
		# With clang, powerpc has the store alone.
		[[ $option != LIVEPATCH=y || $2 == gcc || $arch != powerpc ]] || continue
		[[ $option == LIVEPATCH=y ]] || cell=-
		echo "Linux $LINE with $2 does not take $wanted" >"$log"
		return 0
	done
	if ! grep -q '^CONFIG_KLP_SHADOW=y' "$obj/.config"; then
		echo "no CONFIG_KLP_SHADOW in $obj/.config" >"$log"
		return 0
	fi
	"${make[@]}" -j"$(nproc)" prepare >"$log" 2>&1 || return 0
	mapfile -t list < <(objects)
	rm -f "${list[@]/#/$obj/}"
	"${make[@]}" -j"$(nproc)" W=1 "${list[@]}" >"$log" 2>&1 || return 0
	if [[ -s $log ]]; then
		return 0
	fi
	cell=ok
	grep -q '^CONFIG_LIVEPATCH=y' "$obj/.config" || cell='ok (store)'
}

table=$BUILD/$LINE/compile-all
mkdir -p "$BUILD/$LINE"
printf '%-20s %-12s %s\n' "Linux $LINE" gcc clang >"$table"
for name in "${chosen[@]}"; do
	row=()
	for compiler in gcc clang; do
		cell "$name" "$compiler"
		row+=("$cell")
		case $cell in
		ok*) result 0 "$name, $compiler: ${#list[@]} objects" ;;
		-) result 0 "$name, $compiler # SKIP $(<"$log")" ;;
		*) result 1 "$name, $compiler" <(tail -n 20 "$log") ;;
		esac
	done
	printf '%-20s %-12s %s\n' "$name" "${row[@]}" >>"$table"
done
plan && status=0 || status=1
echo
cat "$table"
exit "$status"
