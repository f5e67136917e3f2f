# SPDX-License-Identifier: GPL-2.0-or-later
# From the benchmark's raw lines to one line for each operation, store, number of
# CPUs and of variables: the median of its rounds, with quartiles and extremes.
# Nanoseconds for each operation and CPU; for "hold..." and "most..." nanoseconds of
# a hold, for "free_all" of the whole call, for "memory" bytes for each variable.

BEGIN {
	FS = OFS = ","
	print "# SPDX-License-Identifier: GPL-2.0-or-later"
	print "operation", "store", "cpus", "n", "median", "q1", "q3", "min", "max", "rounds"
}

/^#/ || $1 == "operation" { next }

{
	key = $1 OFS $2 OFS $3 OFS $4
	if (!(key in rounds))
		keys[++nr] = key
	whole = $1 ~ /^(hold|most|free_all)/
	values[key, ++rounds[key]] = whole ? $7 : $7 * $3 / $6
}

# quantile(q): of v[1..n], sorted
function quantile(q,	at, low) {
	at = 1 + q * (n - 1)
	low = int(at)
	return low == n ? v[n] : v[low] + (at - low) * (v[low + 1] - v[low])
}

END {
	for (k = 1; k <= nr; k++) {
		n = rounds[keys[k]]
		for (i = 1; i <= n; i++) {
			x = values[keys[k], i]
			for (j = i - 1; j && v[j] > x; j--)
				v[j + 1] = v[j]
			v[j + 1] = x
		}
		printf "%s,%.2f,%.2f,%.2f,%.2f,%.2f,%d\n", keys[k], quantile(0.5), quantile(0.25),
			quantile(0.75), v[1], v[n], n
	}
}
