#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] [QUICK=1] bench.sh
#
# Measures the store and the kernel's own one side by side in user-mode Linux, at
# native speed with two CPUs: builds the overlaid kernel of the line (7.3 unless
# told; it takes one from 6.19 on, older ones have no SMP there) and the
# benchmark module, boots them, and leaves raw.csv, summary.csv, targets.txt and
# plots in build/bench/<line>, or <line>-quick. Succeeds if it could measure.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

export KERNEL=${KERNEL:-7.3}
set_line
quick=${QUICK:+1}
quick=${quick:-0}
dir=$BUILD/$LINE
src=$dir/src
obj=$dir/um-bench
module=$dir/bench
out=$BUILD/bench/$LINE
[[ $quick == 0 ]] || out+=-quick
log=$out/build.log
console=$out/console
# Seconds after which it hangs: several times what it takes.
limit=$((quick ? 600 : 2400))
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

"$TOP/harness/source.sh" src stock
mkdir -p "$module" "$out"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=um KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

# module_sources(): a copy, because kbuild builds beside the sources
module_sources()
{
	local f

	for f in "$TOP"/harness/bench/{Makefile,*.[ch]} "$TOP/harness/kernel/copy.h"; do
		cmp -s "$f" "$module/${f##*/}" || cp "$f" "$module/"
	done
}

# memory(): MiB for the machine: up to 4 GiB, half of what is free, and not more
# than the file system has that user-mode Linux keeps it on
memory()
{
	local free shm

	free=$(awk '/^MemAvailable/ { print int($2 / 2048) }' /proc/meminfo)
	shm=$(df -k --output=avail /dev/shm | awk 'NR == 2 { print int($1 * 0.9 / 1024) }')
	printf '%s\n' 4096 "$free" "$shm" | sort -n | head -n 1
}

# boot(): run the benchmark, show how far it is, keep the console
boot()
{
	local mib job start=$SECONDS seen=0 lines

	mib=$(memory)
	((mib >= 256)) || die "only $mib MiB of memory to be had, in /dev/shm or at all; 256 are needed"
	say "measuring on user-mode Linux $LINE, 2 CPUs, $mib MiB"
	# In a process group of its own, of which nothing may stay.
	setsid "$obj/vmlinux" seccomp=on ncpus=2 mem="${mib}M" uml_dir="$work" con=fd:0,fd:1 \
		root=/dev/root rootfstype=hostfs rootflags=/ rw \
		init="$TOP/harness/bench/init.sh" bench_module="$module/klp_shadow_bench.ko" \
		bench_quick="$quick" </dev/null >"$console" 2>&1 &
	job=$!
	uml=$job
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.5
		mapfile -t lines < <(tr -d '\r' <"$console" | sed -n 's/^klp_shadow_bench: \(n [0-9]*: .*\)/\1/p')
		while ((seen < ${#lines[@]})); do
			printf '   %4d s  %s\n' $((SECONDS - start)) "${lines[seen++]}"
		done
		if ((SECONDS - start > limit)); then
			stop
			die "not done in $limit s; the console is in $console"
		fi
	done
	wait "$job" || :
	uml=
}

# stop(): end what boot() started
stop()
{
	[[ -z $uml ]] || kill -9 -- "-$uml" 2>/dev/null || :
	uml=
}

uml=
work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

configure "user-mode Linux $LINE" "$TOP/harness/kernel/um-bench.config"
: >"$log"
build "user-mode Linux $LINE" vmlinux modules
module_sources
build "the benchmark" M="$module" OURS="$src" STOCK="$dir/stock" modules

boot
BAD='WARNING:|BUG:|Oops|Call Trace:|Kernel panic|self-detected stall|detected stalls|klp_shadow_bench: failed'
bad=$(grep -a -m 1 -E "$BAD" "$console" | tr -d '\r' || :)
[[ -z $bad ]] || die "$bad; the console is in $console"
grep -aq '^klp_shadow_bench: done' "$console" || die "it ended early; the console is in $console"

{
	echo "# SPDX-License-Identifier: GPL-2.0-or-later"
	echo "# kernel: Linux $(<"$obj/include/config/kernel.release"), user-mode, 2 CPUs, quick=$quick"
	echo "# store: $(cd "$src" && cat kernel/livepatch/shadow*.[ch] | sha256sum | cut -c 1-12) (sha256 of kernel/livepatch/shadow*.[ch])"
	echo "# static: $(size "$obj"/kernel/livepatch/shadow*.o | awk 'NR > 1 { n += $2 + $3 } END { print n }') bytes of data and bss, stock $(size "$module/stock.o" | awk 'NR > 1 { print $2 + $3 }')"
	echo "# compiler: $(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$obj/.config"), -O2"
	echo "# cpu: $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs"
	echo "# host: Linux $(uname -r | cut -d . -f 1,2), load $(cut -d ' ' -f 1-3 /proc/loadavg) at the end"
	echo "# date: $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "operation,store,cpus,n,round,count,total"
	tr -d '\r' <"$console" | sed -n 's/^klp_shadow_bench: csv,//p'
} >"$out/raw.csv"
awk -f "$TOP/harness/bench/summary.awk" "$out/raw.csv" >"$out/summary.csv"
awk -f "$TOP/harness/bench/targets.awk" "$out/summary.csv" >"$out/targets.txt"
if command -v gnuplot >/dev/null; then
	gnuplot -e "out='$out'" "$TOP/harness/bench/plot.gp" >>"$log" 2>&1 ||
		die "gnuplot failed: $(tail -n 1 "$log"); see $log"
	sed -i '1a <!-- SPDX-License-Identifier: GPL-2.0-or-later -->' "$out"/*.svg
fi
cat "$out/targets.txt"
sed -n 's/^klp_shadow_bench: \(n .* skipped.*\)/\1/p' "$console"
say "raw figures, medians and plots are in $out"
