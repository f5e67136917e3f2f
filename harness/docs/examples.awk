# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: awk -v frames=DIR -v out=DIR -f examples.awk PAGE
#
# Extract the C code of a page of the manual. Each block of code follows a comment, which
# is not rendered:
#
#	.. example: NAME in FRAME [after NAME...]
#
# The code is written to out/NAME.c, as a copy of frames/FRAME.c in which the line
# "EXAMPLE" is replaced by the block, and the line "EARLIER" by the earlier blocks that
# are listed after "after". The list of all objects, NAME.o, is written to out/objects.

function fail(line, message)
{
	print FILENAME ":" line ": " message > "/dev/stderr"
	failed = 1
	exit 1
}

# indent(s): column of the first character that is not blank, counted from 0
function indent(s,	column, i, c)
{
	for (i = 1; (c = substr(s, i, 1)) ~ /[ \t]/; i++)
		column = c == "\t" ? column + 8 - column % 8 : column + 1
	return column + 0
}

# block(name): code of a block, with #line directives that refer to the page
function block(name)
{
	return "#line " start[name] " \"" FILENAME "\"\n" text[name]
}

# finish(): write the current block in its frame
function finish(	file, frame, line, n, i)
{
	if (!text[name])
		fail(marked, "example " name " is empty")
	file = out "/" name ".c"
	frame = frames "/" frame_of[name] ".c"
	while ((getline line < frame) > 0) {
		n++
		if (line == "EXAMPLE")
			printf "%s#line %d \"%s\"\n", block(name), n + 1, frame > file
		else if (line == "EARLIER") {
			for (i = 1; i <= nr_earlier; i++)
				printf "%s", block(earlier[i]) > file
			printf "#line %d \"%s\"\n", n + 1, frame > file
		} else {
			print line > file
		}
	}
	if (!n)
		fail(marked, "there is no frame " frame_of[name])
	close(frame)
	close(file)
	print name ".o" > (out "/objects")
	state = ""
}

state == "code" && /[^ \t]/ && indent($0) <= outer { finish() }

/^[ \t]*\.\. example:/ {
	marked = FNR
	name = $3
	if ($4 != "in" || !$5 || (NF > 5 && ($6 != "after" || NF == 6)))
		fail(FNR, "not of the form '.. example: NAME in FRAME [after NAME...]'")
	if (name in frame_of)
		fail(FNR, "a second example " name)
	nr_earlier = 0
	for (i = 7; i <= NF; i++) {
		if (!($i in frame_of))
			fail(FNR, "there is no example " $i " before this one")
		earlier[++nr_earlier] = $i
	}
	frame_of[name] = $5
	state = "marked"
	next
}

/^[ \t]*\.\. code-block::[ \t]*c[ \t]*$/ {
	if (state != "marked")
		fail(FNR, "C code that no '.. example:' stands in front of")
	outer = indent($0)
	state = "options"
	next
}

state == "marked" && /[^ \t]/ { fail(marked, "no C code follows") }

state == "options" && /^[ \t]*:/ { next }

state == "options" && /[^ \t]/ {
	match($0, /^[ \t]*/)
	prefix = substr($0, 1, RLENGTH)
	start[name] = FNR
	state = "code"
}

state == "code" {
	line = $0
	if (index(line, prefix) == 1)
		line = substr(line, length(prefix) + 1)
	text[name] = text[name] line "\n"
}

END {
	if (failed)
		exit 1
	if (state == "code")
		finish()
	else if (state)
		fail(marked, "no C code follows")
}
