# SPDX-License-Identifier: GPL-2.0-or-later
# Print one line for each operation, store, layout, number of CPUs and of variables: the
# median of all rounds, with quartiles and extremes. Totals are divided by the count, except
# for "free_all", "hold_..." and "wall_...". main.c explains the units.

BEGIN { FS = OFS = "," }

/^#/ { print; next }

/^operation/ {
	print "operation", "store", "layout", "cpus", "n", "median", "q1", "q3", "min", "max", "rounds"
	next
}

{
	key = $1 OFS $2 OFS $3 OFS $4 OFS $5
	if (!(key in rounds))
		keys[++nr] = key
	values[key, ++rounds[key]] = $1 ~ /^(hold|wall|free_all)/ ? $8 : $8 * $4 / $7
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
