# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: gnuplot -e "out='<directory of summary.csv>'" plot.gp
#
# Plot medians against the number of variables, with quartiles as bars, for the layout
# whose functions begin at a multiple of 64 bytes. Writes each plot as SVG and as PNG.

set datafile separator ","
set logscale xy
set grid xtics ytics lc rgb "#d8d8d8"
set border 3 lc rgb "#606060"
set tics nomirror textcolor rgb "#404040"
set format x "10^{%T}"
set xlabel "variables"
set key top left Left reverse samplen 3 spacing 1.2
set style line 1 lc rgb "#0060ad" lw 2.5 pt 7 ps 0.7
set style line 2 lc rgb "#d03000" lw 2.5 pt 5 ps 0.7
set style line 3 lc rgb "#808080" lw 2 pt 9 ps 0.8 dt 2
set style line 4 lc rgb "#30a030" lw 2 pt 11 ps 0.8 dt 3
set style line 5 lc rgb "#b0b0b0" lw 1.5 dt 4 pt 0
set style line 6 lc rgb "#206020" lw 2 pt 13 ps 0.8 dt 2

file = out."/summary.csv"
# select(operation, store, cpus): lines of the summary as n, median, q1, q3
select(op, store, cpus) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $3 == 0 && $4 == %d { print $5 \",\" $6 \",\" $7 \",\" $8 }' '%s'", op, store, cpus, file)

title_get = "klp\\_shadow\\_get() of a present variable, random order, one CPU"
title_absent = "klp\\_shadow\\_get() of an absent variable, random order, one CPU"
title_get_dep = "klp\\_shadow\\_get(), each depending on the one before, one CPU"
title_pair = "klp\\_shadow\\_alloc() and klp\\_shadow\\_free(), one CPU"
title_fill = "klp\\_shadow\\_alloc() to fill an empty store, growth included, one CPU"

do for [term in "svg png"] {
	if (term eq "svg") {
		set terminal svg size 800,500 font "sans-serif,14" background rgb "white"
	} else {
		set terminal pngcairo size 800,500 font "sans-serif,11" background rgb "white"
	}

	set format y "%g"
	do for [op in "get absent get_dep pair fill"] {
		set output out."/".op.".".term
		set title value("title_".op)
		set ylabel op eq "pair" ? "ns for each pair" : "ns for each call"
		plot select(op, "stock", 1) using 1:2:3:4 with yerrorlines ls 2 title "stock", \
		     select(op, "ours", 1) using 1:2:3:4 with yerrorlines ls 1 title "ours", \
		     select(op, "floor", 1) using 1:2:3:4 with yerrorlines ls 3 title "bare RCU hash of ideal size", \
		     select(op, "none", 1) using 1:2 with lines ls 5 title "empty loop"
	}

	set output out."/free_all.".term
	set title "klp\\_shadow\\_free\\_all() of an id that one in a hundred has"
	set ylabel "us for the call"
	plot select("free_all", "stock", 1) using 1:($2/1000):($3/1000):($4/1000) with yerrorlines ls 2 title "stock", \
	     select("free_all", "ours", 1) using 1:($2/1000):($3/1000):($4/1000) with yerrorlines ls 1 title "ours"

	set output out."/hold.".term
	set title "Longest time with interrupts off, host interruptions subtracted"
	set ylabel "us"
	plot select("hold_free_all", "hold_stock", 1) using 1:($2/1000) with linespoints ls 2 title "stock: free\\_all", \
	     select("hold_fill", "hold_stock", 1) using 1:($2/1000) with linespoints ls 2 dt 3 title "stock: fill", \
	     select("hold_free_all", "hold_ours", 1) using 1:($2/1000) with linespoints ls 1 title "ours: free\\_all", \
	     select("hold_fill", "hold_ours", 1) using 1:($2/1000) with linespoints ls 1 dt 3 title "ours: fill and growth", \
	     select("hold_drain", "hold_ours", 1) using 1:($2/1000) with linespoints ls 1 dt 5 title "ours: drain and shrinking", \
	     select("hold_fill", "none", 1) using 1:($2/1000) with lines ls 5 title "empty section"
}
