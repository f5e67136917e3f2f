# SPDX-License-Identifier: GPL-2.0-or-later
# Compare the output of summary.awk with the targets. For a target of several sizes, the
# worst one counts. Lines that begin with a space have no target.
#
# Up to 4,096 variables, each layout of the code is compared with the same layout of
# stock, and the time of the loop around the calls is subtracted.
#  - For lookups that depend on each other, the median of the layouts counts: they measure
#    the latency, on which alignment has little effect.
#  - Independent lookups overlap. They measure the throughput of instructions, which
#    depends on alignment by a factor of up to two, for either store. The worst layout
#    counts.
# With more variables, lookups wait for memory: one layout is measured.

BEGIN {
	FS = ","
	layouts = split("0 16 32 48", layout, " ")
}

!/^#/ && $1 != "operation" {
	median[$1, $2, $3, $4, $5] = $6
	if ($5)
		sizes[$5]
	if ($4 > all)
		all = $4
}

# value(op, store, layout, n): median without the time of the loop
function value(op, store, l, n,	v, loop) {
	v = median[op, store, l, 1, n]
	loop = op
	sub(/^free_/, "", loop)
	if (op ~ /^(get|absent|free_absent)/ && !gross)
		v -= median[loop, "none", l, 1, n]
	return v > 0.01 ? v : 0.01
}

function has(op, store, l, n) {
	return (op, store, l, 1, n) in median
}

# consider(ratio, n): update worst
function consider(ratio, n) {
	if (worst == "" || (least ? ratio < worst : ratio > worst)) {
		worst = ratio
		where = n
	}
}

# compare(op, other op, other store, n, use_worst): consider the median or the worst of
# the ratios of all layouts
function compare(op, other_op, other, n, use_worst,	i, j, k, r, x) {
	k = 0
	for (i = 1; i <= layouts; i++) {
		if (!has(op, "ours", layout[i], n) || !has(other_op, other, layout[i], n))
			continue
		x = value(op, "ours", layout[i], n) / value(other_op, other, layout[i], n)
		for (j = k++; j && r[j] > x; j--)
			r[j + 1] = r[j]
		r[j + 1] = x
	}
	if (k)
		consider(use_worst ? r[k] : (r[int((k + 1) / 2)] + r[int(k / 2) + 1]) / 2, n)
}

# ratio(op, other op, other store, from, to, use_worst): compare() for a range of sizes
function ratio(op, other_op, other, from, to, use_worst,	n) {
	for (n in sizes)
		if (n + 0 >= from && n + 0 <= to)
			compare(op, other_op, other, n + 0, use_worst)
}

function show(what, demanded,	met) {
	if (worst == "") {
		printf "%-66s %9s %9s  not measured\n", what, "-", demanded
	} else {
		met = demanded == "" ? "" : (least ? worst >= demanded : worst <= demanded) ? "reached" : "MISSED "
		printf "%-66s %9s %9s  %-7s%s\n", what, worst < 100 ? sprintf("%.3g", worst) : int(worst),
			demanded, met, where ? " at n=" where : ""
	}
	worst = ""
}

# number(op, store): consider an absolute number
function number(op, store, n) {
	if (has(op, store, 0, n))
		consider(median[op, store, 0, 1, n], 0)
}

function hold(which, store,	i, nr, ops, stock) {
	nr = split("fill drain free_all move stall", ops, " ")
	stock = median["hold_free_all", "hold_stock", 0, 1, M]
	for (i = 1; i <= nr; i++)
		if (stock && has(which "_" ops[i], store, 0, M))
			consider(median[which "_" ops[i], store, 0, 1, M] / stock, M)
}

END {
	M = 1000000
	printf "%-66s %9s %9s\n", "", "measured", "at most"

	ratio("get_dep", "get_dep", "stock", 1, 4096)
	ratio("absent_dep", "absent_dep", "stock", 1, 4096)
	show("get, n <= 4096, against stock, dependent", 1.10)
	gross = 1
	ratio("get_dep", "get_dep", "stock", 1, 4096)
	ratio("absent_dep", "absent_dep", "stock", 1, 4096)
	show("  with the loop around the calls", "")
	gross = 0
	ratio("get", "get", "stock", 1, 4096, 1)
	ratio("absent", "absent", "stock", 1, 4096, 1)
	show("get, n <= 4096, against stock, independent, worst layout", 1.20)
	ratio("get", "get", "stock", 1, 4096)
	ratio("absent", "absent", "stock", 1, 4096)
	show("  the median layout", "")
	gross = 1
	ratio("get", "get", "stock", 1, 4096, 1)
	ratio("absent", "absent", "stock", 1, 4096, 1)
	show("  the worst layout with the loop around the calls", "")
	gross = 0
	number("instructions", "ours", 0)
	show("instructions of a hit, x86_64", 16)
	number("instructions", "stock", 0)
	show("  stock's", "")
	ratio("get", "get", "floor", 10000, M)
	ratio("absent", "absent", "floor", 10000, M)
	show("get, n = 10k .. 1M, against the floor, independent", 1.20)
	ratio("get_dep", "get_dep", "floor", 10000, M)
	ratio("absent_dep", "absent_dep", "floor", 10000, M)
	show("  dependent", 1.20)
	ratio("free_absent_dep", "absent_dep", "ours", 1, M)
	show("free of an absent one against get of an absent one, dependent", 1.3)
	ratio("free_absent", "absent", "ours", 1, M)
	show("  independent", "")
	ratio("pair", "pair", "stock", 1, 4096)
	show("  alloc+free, n <= 4096, against stock (judged in user space)", "")
	ratio("pair", "pair", "untraced", 1, M)
	show("  alloc+free, tracepoints that are off against none", "")
	ratio("pair", "pair", "floor", M, M)
	show("  alloc+free at 1M, against the floor (judged in user space)", "")

	split("192 576 1152 2304 7752", size, " ")
	for (i = 1; i <= 5; i++)
		if (has("probes_" size[i], "hold_ours", 0, M))
			consider(median["probes_" size[i], "hold_ours", 0, 1, M], 0)
	show("probes of a hit at 1M: slabs of 192 .. 2304, stride 7752", 1.6)
	number("longest", "hold_ours", M)
	show("longest chain, 1M added in one grace period", 64)
	hold("hold", "hold_ours")
	show("longest hold at 1M against stock's free_all, CPU time", 0.001)
	hold("wall", "hold_ours")
	show("  by the clock, interrupted by the host", "")
	hold("wall", "none")
	show("  by the clock, of as many empty sections", "")
	number("static", "ours", 0)
	show("static memory, bytes", 40960)
	number("static", "stock", 0)
	show("  stock's", "")
	number("lines", "ours", 0)
	show("lines of the calls, move, table and release", 1000)
	ratio("free_all", "free_all", "stock", M, M)
	show("  free_all of 1% of 1M against stock's", "")

	least = 1
	for (n in sizes)
		if (all > 1 && median["get", "ours", 0, all, n])
			consider(all * median["get", "ours", 0, 1, n] / median["get", "ours", 0, all, n], n + 0)
	show("  " all " CPUs doing get against one, the worst size", "")
}
