# SPDX-License-Identifier: GPL-2.0-or-later
# Convert KTAP on a console, or in dmesg, to TAP: a line for each test, with the messages of
# tests that fail. Fails if a test fails, if a suite does not end, if there are no tests, or
# if the kernel reports a fault; the last line has the reason. -v bad=FILE has expressions
# for faults.

BEGIN {
	if (!bad || (getline expression <bad) <= 0) {
		print "# -v bad=<tools/testing/selftests/livepatch/shadow_bad_log> is missing"
		failure = 1
		exit
	}
	wrong = expression
	while ((getline expression <bad) > 0)
		wrong = wrong "|" expression
}

{
	sub(/\r$/, "")
	sub(/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? ?/, "")
}

$0 ~ wrong && !why { why = "the kernel says: " $0 }

!suite && /^1\.\.[0-9]+$/ { suites += substr($1, 4); next }

/^    # Subtest: / { suite = $3; plan = seen = 0; next }

suite && /^    1\.\.[0-9]+$/ { plan = substr($1, 4) + 0; next }

suite && /^    (not )?ok [0-9]+ / {
	seen++
	failed += /^    not ok /
	sub(/^    /, "")
	sub(/ok [0-9]+ (- )?/, "&" suite ": ")
	sub(/ok [0-9]+ (- )?/, "ok " ++count " ")
	print
	next
}

/^(not )?ok [0-9]+ / {
	if (seen != plan && !why)
		why = suite ": " plan " tests planned, " seen " seen"
	suite = ""
	ended++
	next
}

# What is told of a test that fails; those that succeed say nothing.
suite && /^    / && !/^    (# module:|KTAP version)/ { sub(/^ +#? */, "# "); print }

END {
	if (failure)
		exit 1
	if (suite && !why)
		why = suite ": ended early, after " seen " of " plan " tests"
	if (ended != suites && !why)
		why = suites + 0 " suites planned, " ended + 0 " ended"
	if (failed && !why)
		why = failed " of " count " tests failed"
	if (!count && !why)
		why = "no test was run"
	print "1.." count + 0
	if (why)
		print "# " why
	exit why != ""
}
