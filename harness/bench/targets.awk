# SPDX-License-Identifier: GPL-2.0-or-later
# What is to be reached, as ratios of medians, from the lines of summary.awk. A
# target that holds for several sizes is judged by the worst of them.

BEGIN { FS = "," }

!/^#/ && $1 != "operation" {
	median[$1, $2, $3, $4] = $5
	sizes[$4]
	if ($3 > all)
		all = $3
}

function has(op, store, cpus, n) {
	return (op, store, cpus, n) in median
}

# value(op, store, cpus, n): lookups without what the loop around them costs
function value(op, store, cpus, n,	v) {
	v = median[op, store, cpus, n]
	if (op ~ /^(get|absent)$/)
		v -= median[op, "none", cpus, n]
	return v > 0.01 ? v : 0.01
}

# consider(ratio, n): is it the worst so far?
function consider(ratio, n) {
	if (worst == "" || (least ? ratio < worst : ratio > worst)) {
		worst = ratio
		where = n
	}
}

function show(what, demanded,	met) {
	if (worst == "") {
		printf "%-58s %10s %9s  not measured\n", what, "-", demanded
		return
	}
	met = least ? worst >= demanded : worst <= demanded
	printf "%-58s %10.4g %9.4g  %s at n=%d\n", what, worst, demanded, met ? "reached" : "MISSED ", where
}

# ratio(op, other, from, to): the worst of ours against another store
function ratio(op, other, from, to,	n) {
	worst = ""
	for (n in sizes) {
		n += 0
		if (n >= from && n <= to && has(op, "ours", 1, n) && has(op, other, 1, n))
			consider(value(op, "ours", 1, n) / value(op, other, 1, n), n)
	}
}

# hold(which): the longest of ours, of all calls, against stock's free_all
function hold(which,	i, ops) {
	worst = ""
	split("fill drain free_all", ops, " ")
	for (i in ops)
		if (has(which "_" ops[i], "hold_ours", 1, M) && has("hold_free_all", "hold_stock", 1, M))
			consider(median[which "_" ops[i], "hold_ours", 1, M] / \
				 median["hold_free_all", "hold_stock", 1, M], M)
}

function noise(which) {
	worst = ""
	if (has(which "_fill", "none", 1, M) && has("hold_free_all", "hold_stock", 1, M))
		consider(median[which "_fill", "none", 1, M] / median["hold_free_all", "hold_stock", 1, M], M)
}

END {
	M = 1000000
	printf "%-58s %10s %9s\n", "", "measured", "demanded"
	ratio("get", "stock", 1, 4096)
	show("get, n <= 4096, against stock: at most", 1.10)
	ratio("get", "floor", 1, M)
	show("get, n <= 1M, against the floor: at most", 1.25)
	ratio("absent", "floor", 1, 10 * M)
	show("get of an absent one, any n, against the floor: at most", 1.25)
	ratio("get", "stock", M, M)
	show("get at 1M against stock: at most", 0.01)
	ratio("pair", "stock", 1, 4096)
	show("alloc+free, n <= 4096, against stock: at most", 1.05)
	ratio("pair", "kmalloc", 1, 10 * M)
	show("alloc+free against kzalloc+kfree_rcu: at most", 1.25)
	ratio("pair", "kmlock", 1, 10 * M)
	show("  the same with two empty irqsave sections", 1.25)

	worst = ""
	if (has("fill", "ours", 1, M) && has("fill", "ours", 1, 1000))
		consider(value("fill", "ours", 1, M) / value("fill", "ours", 1, 1000), M)
	show("alloc at 1M against alloc at 1k, growth included: at most", 1.5)
	worst = ""
	if (has("fill", "floor", 1, M) && has("fill", "floor", 1, 1000))
		consider(value("fill", "floor", 1, M) / value("fill", "floor", 1, 1000), M)
	show("  the floor's own ratio, for comparison", 1.5)

	ratio("free_all", "stock", M, M)
	show("free_all of 1% of 1M against stock's: at most", 0.02)

	hold("hold")
	show("longest hold at 1M against stock's free_all: at most", 0.001)
	noise("hold")
	show("  the longest of as many empty ones, for comparison", 0.001)
	hold("most")
	show("  all holds but one in 10,000", 0.001)

	least = 1
	worst = ""
	for (n in sizes)
		if (all > 1 && has("get", "ours", all, n))
			consider(all * median["get", "ours", 1, n] / median["get", "ours", all, n], n + 0)
	show(all " CPUs doing get against one: at least", 0.95 * all)
	if (worst != "") {
		n = where
		worst = ""
		consider(all * median["get", "floor", 1, n] / median["get", "floor", all, n], n)
		show("  the floor's at that size, for comparison", 0.95 * all)
	}
}
