# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: awk -v least=PERCENT -f coverage.awk coverage.reasons REPORT
#
# Summarize the output of 'gcov -b -t' for the files of the store: lines and branches of
# each file, and every line that is not reached, with its reason. The reason of a line also
# holds for the lines after it, up to the next line that is reached. Returns status 1 if a
# line has no reason, or if less than @least percent of all lines are reached.

function percent(part, all)
{
	return all ? int(1000 * part / all) / 10 "%" : "none"
}

function summary(what, l, lh, b, bh)
{
	printf "%s: %s of %d lines, %s of %d branches\n", what, percent(lh, l), l, percent(bh, b), b
}

FILENAME == ARGV[1] {
	if (/^#/ || !NF)
		next
	if (split($0, part, / *\| */) != 3) {
		print "coverage.reasons:" FNR ": not <file> | <text> | <reason>: " $0
		broken = 1
		next
	}
	n++
	r_file[n] = part[1]
	r_text[n] = part[2]
	r_why[n] = part[3]
	next
}

/^ +-: +0:Source:/ {
	file = ""
	above = 0
	if (match($0, /kernel\/livepatch\/shadow[^\/]*$/)) {
		file = substr($0, RSTART)
		if (!(file in lines))
			order[++files] = file
	}
	next
}

!file { next }

/^ *[-0-9#=*]+: *[0-9]+:/ {
	match($0, /^ *[^:]*: *[0-9]+:/)
	split(substr($0, 1, RLENGTH), part, ":")
	gsub(/ /, "", part[1])
	if (part[1] == "-")
		next
	lines[file]++
	if (part[1] ~ /^[#=]/) {
		text = substr($0, RLENGTH + 1)
		sub(/^[ \t]+/, "", text)
		missed[++m] = file ":" part[2] + 0 ": " text
		missed_file[m] = file
		missed_text[m] = text
		follows[m] = above
		above = 1
	} else {
		hit[file]++
		above = 0
	}
	next
}

/^branch / {
	branches[file]++
	if (/ taken [1-9]/)
		taken[file]++
}

END {
	for (i = 1; i <= files; i++) {
		f = order[i]
		summary(f, lines[f], hit[f], branches[f], taken[f])
		all += lines[f]
		all_hit += hit[f]
		b += branches[f]
		b_hit += taken[f]
	}
	for (i = 1; i <= m; i++) {
		if (!follows[i])
			why = ""
		own = ""
		for (j = 1; j <= n && !own; j++)
			if (r_file[j] == missed_file[i] && index(missed_text[i], r_text[j])) {
				why = own = r_why[j]
				used[j] = 1
			}
		print "not reached: " missed[i]
		print "    " (why ? why : "NO REASON is given in coverage.reasons")
		if (!why)
			unexplained++
	}
	for (j = 1; j <= n; j++)
		if (!used[j])
			print "note: reached, or gone, so that the reason can go: " r_file[j] ": " r_text[j]
	if (!all) {
		print "no line was counted"
		exit 1
	}
	summary("the store", all, all_hit, b, b_hit)
	if (unexplained)
		print unexplained " lines are not reached and have no reason"
	if (100 * all_hit < least * all)
		print "less than " least "% of the lines are reached"
	exit broken || unexplained || 100 * all_hit < least * all
}
