#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [KERNEL=<line>] [QUICK=1] [RESULTS=1] bench.sh
#
# Compare the store with the kernel's store in user-mode Linux, at native speed with two
# CPUs. Builds the overlaid kernel of the line (7.3 by default; at least 6.19, because
# older ones have no SMP there) with the benchmark built in, boots it, and writes raw.csv,
# summary.csv, targets.txt and plots to build/bench/<line>, or <line>-quick. Succeeds if
# the measurement does; missed targets are not an error.
#
# RESULTS=1 also updates harness/bench/results, which is in git.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

export KERNEL=${KERNEL:-7.3}
set_line
quick=${QUICK:+1}
quick=${quick:-0}
dir=$BUILD/$LINE
src=$dir/src
obj=$dir/um-bench
bench=$dir/bench
out=$BUILD/bench/$LINE
[[ $quick == 0 ]] || out+=-quick
log=$out/build.log
console=$out/console
# Timeout in seconds, several times the duration on an idle machine.
limit=$((quick ? 1800 : 5400))
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

"$TOP/harness/source.sh" src stock
mkdir -p "$bench" "$out"

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=um KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

# bench_sources(directory): a copy, because kbuild builds beside the sources
bench_sources()
{
	local f

	mkdir -p "$1"
	for f in "$TOP"/harness/bench/{Makefile,*.[ch]} "$TOP/harness/kernel/copy.h"; do
		cmp -s "$f" "$1/${f##*/}" || cp "$f" "$1/"
	done
}

# memory(): MiB for user-mode Linux: at most 4 GiB, half of the available memory, and the
# size of /dev/shm, where it is allocated
memory()
{
	local free shm

	free=$(awk '/^MemAvailable/ { print int($2 / 2048) }' /proc/meminfo)
	shm=$(df -k --output=avail /dev/shm | awk 'NR == 2 { print int($1 * 0.9 / 1024) }')
	printf '%s\n' 4096 "$free" "$shm" | sort -n | head -n 1
}

# boot(): run the benchmark, show its progress, and log the console
boot()
{
	local mib job start=$SECONDS seen=0 lines

	mib=$(memory)
	((mib >= 256)) || die "only $mib MiB of memory available, or in /dev/shm; 256 are needed"
	say "measuring on user-mode Linux $LINE, 2 CPUs, $mib MiB"
	# In a separate process group, for stop().
	setsid "$obj/vmlinux" seccomp=on ncpus=2 mem="${mib}M" uml_dir="$work" con=fd:0,fd:1 \
		klp_shadow_bench.quick="$quick" </dev/null >"$console" 2>&1 &
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

# stop(): end the processes that boot() has started
stop()
{
	[[ -z $uml ]] || kill -9 -- "-$uml" 2>/dev/null || :
	uml=
}

uml=
work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# instructions(store): number of instructions of klp_shadow_get() that finds a variable, as
# in an x86_64 kernel with empty rcu_read_lock(). Preemptible RCU adds 3 in each store.
instructions()
{
	objdump -d --no-show-raw-insn "$bench/$1_0-shadow.o" |
		awk -v fn="$1_0_shadow_get" -f "$TOP/harness/bench/instructions.awk" ||
		die "no hit found in $1_0_shadow_get() of $bench/$1_0-shadow.o"
}

# static_memory(object...): bytes of data and bss
static_memory()
{
	size "$@" | awk 'NR > 1 { n += $2 + $3 } END { print n }'
}

configure "user-mode Linux $LINE" "$TOP/harness/kernel/um-bench.config"
: >"$log"
bench_sources "$bench"
build "user-mode Linux $LINE and the benchmark" ARCH_DRIVERS=../bench/ OURS="$src" \
	STOCK="$dir/stock" vmlinux

boot
bad=$(grep -a -m 1 -E -f "$BAD_LOG" -e 'klp_shadow_bench: failed' "$console" | tr -d '\r' || :)
[[ -z $bad ]] || die "$bad; the console is in $console"
grep -aq '^klp_shadow_bench: done' "$console" || die "it ended early; the console is in $console"

hit_ours=$(instructions ours)
hit_stock=$(instructions stock)
{
	echo "# SPDX-License-Identifier: GPL-2.0-or-later"
	echo "# kernel: Linux $(<"$obj/include/config/kernel.release"), user-mode, 2 CPUs, quick=$quick"
	echo "# store: $(cat "$src"/kernel/livepatch/shadow{,_table}.[ch] "$src/kernel/livepatch/shadow_reclaim.c" | sha256sum | cut -c 1-12) (sha256 of shadow.[ch], shadow_table.[ch] and shadow_reclaim.c)"
	echo "# compiler: $(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$obj/.config"), -O2"
	echo "# cpu: $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs"
	echo "# host: Linux $(uname -r | cut -d . -f 1,2), load $(cut -d ' ' -f 1-3 /proc/loadavg) at the end"
	echo "# date: $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "operation,store,layout,cpus,n,round,count,total"
	tr -d '\r' <"$console" | sed -n 's/^klp_shadow_bench: csv,//p'
	echo "instructions,ours,0,1,0,0,1,$hit_ours"
	echo "instructions,stock,0,1,0,0,1,$hit_stock"
	echo "static,ours,0,1,0,0,1,$(static_memory "$bench"/ours_0-shadow*.o)"
	echo "static,stock,0,1,0,0,1,$(static_memory "$bench"/stock_0-shadow*.o)"
	echo "lines,ours,0,1,0,0,1,$(cat "$src"/kernel/livepatch/shadow{,_table}.[ch] | wc -l)"
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
if [[ ${RESULTS:-} ]]; then
	cp "$out"/{summary.csv,targets.txt,get.svg} "$TOP/harness/bench/results/"
	say "refreshed harness/bench/results"
fi
say "raw figures, medians and plots are in $out"
