#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> run.sh
#
# Test the harness with bad input: each case must end with a non-zero status and a clear
# message, and must not change anything. Prints TAP.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
export KERNEL=$LINE
stock=$BUILD/$LINE/stock
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# passes(description, command...): the command succeeds
passes()
{
	local what=$1 status=0

	shift
	"$@" >"$work/out" 2>&1 </dev/null || status=1
	result "$status" "$what" "$work/out"
}

# refuses(description, regex, command...): the command fails, and its last line matches
refuses()
{
	local what=$1 regex=$2 status=1

	shift 2
	if ! "$@" >"$work/out" 2>&1 </dev/null && tail -n 1 "$work/out" | grep -qE "$regex"; then
		status=0
	fi
	result "$status" "$what" "$work/out"
}

# --- Broken variants ---

# applies(patch): with fuzz 0, to our tree
applies()
{
	patch -s -f -F0 -p1 --dry-run -d "$TOP" -i "$1"
}

for patch in "$TOP"/harness/busted/patches/*.patch "$TOP"/harness/real/busted/*.patch \
	     "$TOP"/harness/takeover/patches/*.patch; do
	applies "$patch" >"$work/log" 2>&1 || cat "$work/log" >>"$work/stale"
done
passes "busted: all variants apply" test ! -e "$work/stale"

# --- Overlaying ---

overlay=$TOP/harness/overlay/overlay.sh

# tree(): copy the files of an unmodified kernel that overlay.sh reads to $work/tree
tree()
{
	local f

	chmod -R u+w "$work/tree" 2>/dev/null || :
	rm -rf "$work/tree"
	for f in Makefile Kbuild MAINTAINERS init/Kconfig include/asm-generic/vmlinux.lds.h \
		 include/linux/livepatch.h kernel/livepatch \
		 samples/livepatch scripts/gdb tools/testing/selftests/livepatch Documentation/livepatch; do
		mkdir -p "$(dirname "$work/tree/$f")"
		cp -r "$stock/$f" "$work/tree/$f"
	done
}

# sum(): checksum of names, modes and contents of that tree
sum()
{
	(cd "$work/tree" && find . -printf '%p %M\n' | sort && find . -type f -print0 | sort -z |
		xargs -0 sha256sum) | sha256sum
}

unchanged()
{
	[[ $(sum) == "$1" ]]
}

# untouched(description, regex, command...): refuses(), and the tree is not changed
untouched()
{
	local before

	before=$(sum)
	refuses "$@"
	passes "$1: the tree is as it was" unchanged "$before"
}

refuses "overlay: no KTREE" 'no tree given.*KTREE=' "$overlay"
refuses "overlay: KTREE is not there" 'no such directory' "$overlay" "$work/absent"
refuses "overlay: KTREE is not a kernel" 'not a kernel source tree' "$overlay" "$work"

tree
sed -i 's/^VERSION = .*/VERSION = 5/; s/^PATCHLEVEL = .*/PATCHLEVEL = 19/' "$work/tree/Makefile"
untouched "overlay: too old" 'Linux 5.19 is too old.*6\.1 to 7\.3' "$overlay" "$work/tree"

tree
sed -i 's/patch.o shadow.o/patch.o vendor.o shadow.o/' "$work/tree/kernel/livepatch/Makefile"
untouched "overlay: differs at the glue" 'kernel/livepatch/Makefile differs where the glue goes' \
	"$overlay" "$work/tree"

tree
echo '/* ours */' >>"$work/tree/kernel/livepatch/shadow.c"
untouched "overlay: a modified shadow.c" "shadow.c is not the kernel's own" \
	"$overlay" "$work/tree"

tree
chmod -R a-w "$work/tree"
untouched "overlay: read-only" 'read-only' "$overlay" "$work/tree"

tree
passes "overlay: a pristine tree" "$overlay" "$work/tree"
before=$(sum)
passes "overlay: the same again" "$overlay" "$work/tree"
passes "overlay: the same again changes nothing" unchanged "$before"

# The overlay changes only files of the glue and our files.
tree
(cd "$work/tree" && find . -type f -exec sha256sum {} + | sort -k 2) >"$work/before"
"$overlay" "$work/tree" >/dev/null
(cd "$work/tree" && find . -type f -exec sha256sum {} + | sort -k 2) >"$work/after"
(diff "$work/before" "$work/after" || :) | sed -n 's,^[<>] [0-9a-f]*  \./,,p' | sort -u >"$work/changed"
{ glued; slice; } | sort -u >"$work/expected"
passes "overlay: changes its own files and the glue's, and no other" \
	diff "$work/expected" "$work/changed"

# --- KSRC, with a copy of the harness, which has a separate build directory ---

mkdir "$work/copy"
cp -r "$TOP"/{Documentation,harness,include,kernel,samples,scripts,tools} "$work/copy/"
ksrc=(env KERNEL= KSRC="$work/tree" "$work/copy/harness/source.sh")
copied=$work/copy/build/ksrc-tree/$LINE/src/kernel/livepatch

# copy_has(file, text): the copy of the tree is overlaid, and has the text in a file
copy_has()
{
	[[ -f $copied/shadow_table.c ]] && grep -q "$2" "$copied/$1"
}

refuses "KSRC: not a kernel" 'KSRC=.* is not a kernel source tree' env KSRC="$work" "$TOP/harness/kunit.sh"
tree
sed -i 's/patch.o shadow.o/patch.o vendor.o shadow.o/' "$work/tree/kernel/livepatch/Makefile"
untouched "KSRC: differs at the glue" 'cannot be overlaid; KSRC=.*/tree is as it was' "${ksrc[@]}"
refuses "KSRC: another line" 'is Linux .*, not KERNEL=5.9: leave KERNEL out' \
	env KERNEL=5.9 KSRC="$work/tree" "$TOP/harness/kunit.sh"
tree
chmod -R a-w "$work/tree"
before=$(sum)
passes "KSRC: a tree that is only read" "${ksrc[@]}"
passes "KSRC: the tree is as it was" unchanged "$before"
passes "KSRC: its copy is overlaid" copy_has core.c klp_
chmod -R u+w "$work/tree"
echo '/* mine */' >>"$work/tree/kernel/livepatch/core.c"
passes "KSRC: a tree that has changed" "${ksrc[@]}"
passes "KSRC: its copy has changed, too" copy_has core.c '/. mine ./'
passes "KSRC: the same again" "${ksrc[@]}"
passes "KSRC: the same again is not copied" grep -q 'overlaid already' <("${ksrc[@]}")

# --- The series ---

manifest=$work/copy/harness/series
export GIT_{AUTHOR,COMMITTER}_NAME=selftest GIT_{AUTHOR,COMMITTER}_EMAIL=selftest@localhost

# series(name): series.py of the copy, with one more file of the overlay
series()
{
	{ glued; slice; printf '%s\n' "$@"; } |
		"$manifest/series.py" "$stock" "$BUILD/$LINE/src" "$work/git"
}

# broken(description, regex, text): refuses() with a text at the end of the patch of the torture test
broken()
{
	cp "$TOP"/harness/series/14-torture.txt "$manifest/"
	printf '%b\n' "$3" >>"$manifest/14-torture.txt"
	refuses "series: $1" "$2" series
	cp "$TOP"/harness/series/14-torture.txt "$manifest/"
}

tree
git -C "$work/tree" init -q
git -C "$work/tree" add -A
git -C "$work/tree" commit -q -m base
passes "series: is written" "$TOP/harness/series/series.sh"
patches=("$BUILD/$LINE"/series/[0-9]*.patch)
passes "series: git am applies it" git -C "$work/tree" am -q "${patches[@]:1}"
rm -rf "$work/tree/.git"
after=$(sum)
tree
"$overlay" "$work/tree" >/dev/null
passes "series: is the overlay, byte for byte" unchanged "$after"
refuses "series: a file is in no patch" 'kernel/new\.c is in no patch; add it to' series kernel/new.c
broken "a file is in two patches" 'shadow_trace\.c is in two patches, 08-tracepoints.txt and 14-torture.txt' \
	'kernel/livepatch/shadow_trace.c'
broken "no such file" '14-torture.txt: kernel/gone.c is not a file of the overlay' 'kernel/gone.c'
broken "nothing to take away" "nothing in .*/shadow_trace.c fits '/no such line/d'" \
	'kernel/livepatch/shadow_trace.c\n\t/no such line/d'
broken "no such function" "nothing in .*/shadow_trace.c fits 'without klp_shadow_gone'" \
	'kernel/livepatch/shadow_trace.c\n\twithout klp_shadow_gone'
broken "a change of what a later patch brings" '14-torture.txt changes .*\.rst before 19-documentation' \
	'Documentation/livepatch/shadow-vars.rst\n\t1d'
no_config=(HOME="$work" XDG_CONFIG_HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_DIR="$work/absent")
refuses "series: no address to sign off" 'who signs the patches off: git config' \
	env -u GIT_AUTHOR_EMAIL GIT_AUTHOR_NAME=x "${no_config[@]}" "$TOP/harness/series/series.sh"
refuses "series: no name to sign off" 'who signs the patches off: git config' \
	env -u GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL=x "${no_config[@]}" "$TOP/harness/series/series.sh"

other=6.1
! grep -qx VERSION_CODENAME=bookworm /etc/os-release || other=6.12
refuses "debian-kernel: of another release" 'is needed to build its kernel; .* quilt. only applies' \
	env KERNEL=$other "$TOP/harness/debian-series.sh"

# --- A machine without packages, or without permissions ---

# Files in build/ that belong to another user.
chmod 755 "$work" "$work/copy" "$work/copy/build"
plain=()
if [[ $(id -u) == 0 ]]; then
	plain=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
mkdir -p "$work/copy/build/cache"
chmod a-w "$work/copy/build/cache"

# make_plain(target): make as that user, without the last words of make
make_plain()
{
	"${plain[@]}" make -C "$work/copy" -f "$TOP/Makefile" "$1" 2>&1 | grep -vE '^make(\[[0-9]+\])?: (\*\*\*|Leaving)'
}

for target in demo test kunit clean; do
	refuses "permissions: make $target after sudo make" "may not write .*belongs to .*sudo make clean.*sudo chown" \
		make_plain "$target"
done
chmod u+w "$work/copy/build/cache"

# A PATH on which the user is not root, sudo is missing, and no package is installed.
mkdir "$work/bin"
for program in bash basename cat dirname grep mktemp rm sed tail env; do
	ln -s "$(command -v "$program")" "$work/bin/"
done
printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
printf '#!/bin/sh\nexit 1\n' >"$work/bin/dpkg-query"
# shellcheck disable=SC2016  # expanded by the script
printf '#!/bin/sh\necho "${ARCHITECTURE:-amd64}"\n' >"$work/bin/dpkg"
chmod +x "$work/bin/id" "$work/bin"/dpkg*
refuses "setup: not amd64" 'this Debian is arm64; the harness needs amd64' \
	env PATH="$work/bin" ARCHITECTURE=arm64 "$TOP/harness/setup.sh"
refuses "setup: not root, packages missing" 'as root, run: apt-get install .*qemu-system-x86' \
	env PATH="$work/bin" "$TOP/harness/setup.sh"

printf '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n' >"$work/bin/sudo"
chmod +x "$work/bin/sudo"
refuses "setup: sudo asks for a password" 'asks for a password; first run: sudo apt-get install .*qemu-system-x86' \
	env PATH="$work/bin" "$TOP/harness/setup.sh"

printf '#!/bin/sh\nshift\n"$@"\n' >"$work/bin/sudo"
printf '#!/bin/sh\necho "E: Unable to locate package" >&2\nexit 100\n' >"$work/bin/apt-get"
chmod +x "$work/bin/sudo" "$work/bin/apt-get"
refuses "setup: packages cannot be had" 'could not be installed; is a package mirror set up' \
	env PATH="$work/bin" "$TOP/harness/setup.sh"
passes "setup: says first what it installs" \
	grep -qE '^== installing [0-9]+ Debian packages: .*qemu-system-x86' \
	<(env PATH="$work/bin" "$TOP/harness/setup.sh" 2>/dev/null)

shadow=$TOP/Documentation/litmus-tests/livepatch-shadow

mkdir -p "$work/lists/partial"
cat >"$work/apt.conf" <<APT
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/lists";
APT
refuses "source: no package mirror" 'no Debian mirror' \
	env APT_CONFIG="$work/apt.conf" KERNEL=6.12 "$work/copy/harness/source.sh"
refuses "source: no package mirror and no line" 'apt knows no linux-source.*KERNEL=' \
	env APT_CONFIG="$work/apt.conf" KERNEL= "$work/copy/harness/source.sh"
refuses "rootfs: no package mirror" 'no Debian mirror' \
	env APT_CONFIG="$work/apt.conf" "$work/copy/harness/vm/rootfs.sh"
passes "litmus: no package mirror: skipped" \
	env APT_CONFIG="$work/apt.conf" KERNEL=6.12 "$work/copy/harness/litmus.sh" "$shadow/add+get.litmus"
refuses "source: not a line" 'not a kernel line' env KERNEL=latest "$TOP/harness/source.sh"
refuses "source: no such tree" "no such tree: 'sauce'" "$TOP/harness/source.sh" sauce
refuses "vm: no kernel built" "no kernel in .*'make kernel" \
	env KERNEL=9.9 "$TOP/harness/vm/vm.sh" "$TOP/harness/vm/jobs/nothing.sh"
refuses "vm: no such kernel" 'VARIANT=fast is not a kernel of the harness; there are: .*debian' \
	env VARIANT=fast "$TOP/harness/vm/vm.sh" "$TOP/harness/vm/jobs/nothing.sh"
refuses "check: no such check" "no check 'typos'" "$TOP/harness/check.sh" typos
refuses "takeover: no such test" "no test 'sleep'; there are: .*asleep" "$TOP/harness/takeover/takeover.sh" sleep
refuses "takeover: no such patch" "no test 'basic'; there are: .*no-wait" \
	"$TOP/harness/takeover/takeover.sh" -b basic
refuses "takeover: no such line" 'no module for Linux 9.9' env KERNEL=9.9 "$TOP/harness/takeover/takeover.sh"
refuses "kunit-mutants: EVERY is not a number" 'EVERY=0 is not a number' "$TOP/harness/kunit-mutants.sh" '' 0
refuses "kunit-mutants: PATTERN is not an expression" 'PATTERN=.* is not a regular expression' \
	"$TOP/harness/kunit-mutants.sh" '('

# --- Examples of the manual ---

# examples(statement): check a page with this example, and print the first message
examples()
{
	local status=0

	printf '%s\n' '.. example:' '	#include "examples.h"' "	void f(void *obj) {" '' \
		'.. code-block:: c' '	:caption: One' '' "	$1" '	}' >"$work/page.rst"
	PAGES=$work/page.rst "$TOP/harness/check.sh" examples >"$work/tap" || status=1
	grep -m 1 -E 'page\.rst:[0-9]+:' "$work/tap" || :
	return "$status"
}

passes "examples: a good one" examples 'klp_shadow_free(obj, 1, NULL);'
refuses "examples: a call that lacks an argument" 'page\.rst:8:.*too few arguments' \
	examples 'klp_shadow_free(obj, 1);'

# --- Litmus tests ---

# litmus(file): print the TAP line of a litmus test
litmus()
{
	"$TOP/harness/litmus.sh" "$1" | grep -vE '^(#|1\.\.[1-9])'
}

sed 's/Result: Never/Result: Sometimes/' "$shadow/add+get.litmus" >"$work/wrong.litmus"
sed 's/ DATARACE//' "$shadow/add+get-broken.litmus" >"$work/race.litmus"
sed 's/Sometimes DATARACE/Never DATARACE/' "$shadow/add+get-broken.litmus" >"$work/outcome.litmus"
sed 's/^exists .*/exists/' "$shadow/add+get.litmus" >"$work/bad.litmus"
refuses "litmus: no such test" 'no litmus test' "$TOP/harness/litmus.sh" "$work/absent.litmus"
passes "litmus: a right Result" litmus "$shadow/add+get.litmus"
if grep -q '# SKIP' "$work/out"; then
	result 0 "litmus: a wrong Result # SKIP no herd7"
else
	refuses "litmus: a wrong Result" 'not ok 1 .* says Sometimes, herd7 says Never' \
		litmus "$work/wrong.litmus"
	refuses "litmus: a data race that is not in the Result" 'herd7 says Sometimes DATARACE' \
		litmus "$work/race.litmus"
	refuses "litmus: a data race, with another outcome" 'herd7 says Sometimes DATARACE' \
		litmus "$work/outcome.litmus"
	refuses "litmus: not a litmus test" 'not ok 1 .* herd7 says nothing' litmus "$work/bad.litmus"
fi

# --- KUnit suites that fail ---

# ktap(line...): write a console log of a suite of two tests, with these result lines
ktap()
{
	printf '[    0.1] %s\r\n' 'KTAP version 1' '1..1' '    # Subtest: suite' '    1..2' "$@" \
		>"$work/console"
}

"$TOP/harness/source.sh" >/dev/null
judge=("$TOP/harness/kunit-py.sh" "$work/console" parse "$work/console")
ktap '    ok 1 - one' '    ok 2 - two' 'ok 1 - suite'
passes "kunit: all is well" "${judge[@]}"
ktap '    ok 1 - one' '    not ok 2 - two' 'not ok 1 - suite'
refuses "kunit: a test fails" 'not all is well.*console' "${judge[@]}"
passes "kunit: it is named" grep -qx 'not ok 2 two' <("${judge[@]}" 2>/dev/null)
ktap '    ok 1 - one' 'Kernel panic - not syncing: why'
refuses "kunit: it panics" 'the kernel says: .*Kernel panic' "${judge[@]}"
ktap '    ok 1 - one'
refuses "kunit: ends early" 'not all is well' "${judge[@]}"
ktap '    ok 1 - one' '    ok 2 - two'
refuses "kunit: ends without the result of a suite" 'not all is well' "${judge[@]}"
ktap '    ok 1 - one' 'ok 1 - suite'
refuses "kunit: a test is missing" 'not all is well' "${judge[@]}"
ktap '    ok 1 - one' '    ok 2 - two' 'ok 1 - suite'
sed -i 's/^\(\[ *0.1\] 1\.\.\)1/\12/' "$work/console"
refuses "kunit: a suite is missing" 'not all is well' "${judge[@]}"
ktap '    ok 1 - one' '    ok 2 - two' 'ok 1 - suite' 'BUG: KASAN: use-after-free in fn+0x1/0x2'
refuses "kunit: passes, with a bad line" 'the kernel says: .*BUG: KASAN' "${judge[@]}"
: >"$work/console"
refuses "kunit: nothing at all" 'not all is well|no test was run' "${judge[@]}"
mkdir "$work/absent"
refuses "kunit: cannot be built" 'no test was run: .*CONFIG_ABSENT' "$TOP/harness/kunit-py.sh" \
	"$work/absent/test.log" build --build_dir="$work/absent" --kconfig_add=CONFIG_ABSENT=y

# --- Lines that are not reached ---

printf '%s\n' 'a();' 'b();' 'return;' 'c();' 'return;' >"$work/store.c"

# counts(count...): write a report of gcovr on that file, with a count for each line
counts()
{
	local n=0 count lines=()

	for count; do
		n=$((n + 1))
		lines+=("{\"line_number\": $n, \"count\": $count}")
	done
	printf '{"files": [{"file": "store.c", "lines": [%s]}]}' "$(IFS=,; echo "${lines[*]}")" >"$work/json"
}

coverage=("$TOP/harness/coverage.py" "$work/reasons" "$work/json" "$work")
: >"$work/reasons"
counts 1 0
refuses "coverage: a line is not reached" '1 lines are not reached and have no reason' "${coverage[@]}"
echo 'store.c | b() | cannot be' >"$work/reasons"
passes "coverage: a line is not reached, and there is a reason" "${coverage[@]}"
counts 1 0 0
passes "coverage: nor is the next one" "${coverage[@]}"
counts 1 0 0 1 0
refuses "coverage: nor is one after a line that is reached" '1 lines are not reached' "${coverage[@]}"
counts
refuses "coverage: nothing at all" 'no line was counted' "${coverage[@]}"
echo 'store.c | b()' >"$work/reasons"
refuses "coverage: not a reason" 'not <file> | <text> | <reason>' "${coverage[@]}"

# --- Torture ---

torture=$TOP/harness/torture/torture.sh
refuses "torture: no such scenario" "no scenario 'NIGHTMARE'; there are: .*NORMAL" "$torture" 5 NIGHTMARE
refuses "torture: no scenario" 'no scenario given.*NORMAL' "$torture" 5
refuses "torture: SECONDS is not a number" 'SECONDS=soon is not a number' "$torture" soon NORMAL
refuses "busted: no such variant" "no variant 'sound'; there are: " "$TOP/harness/busted/busted.sh" sound
mkdir "$work/obj"
echo '# CONFIG_PREEMPT is not set' >"$work/obj/.config"
# shellcheck disable=SC2016  # expanded by another shell
refuses "torture: the kernel lacks an option of a scenario" \
	'NORMAL: the kernel in .*/obj lacks .*CONFIG_PREEMPT=y.*; put it into harness/kernel/' \
	bash -c '. "$1/harness/lib.sh"; . "$1/harness/torture/scenario.sh"; obj=$2; must_have NORMAL' \
	- "$TOP" "$work/obj"

# --- Selftests on other machines ---

selftests=$TOP/tools/testing/selftests/livepatch

# judges(status, line...): each of these lines of a log is bad, with status 0, or is not
judges()
{
	local status=0 line found

	for line in "${@:2}"; do
		found=0
		grep -qE -f "$selftests/shadow_bad_log" <<<"$line" || found=1
		((found == $1)) || { echo "$line"; status=1; }
	done
	return "$status"
}

passes "selftests: bad lines of a log" judges 0 'WARNING: possible circular locking dependency' \
	'[    1.5] WARNING: CPU: 0 PID: 1 at lib/a.c:1 fn+0x1/0x2' '[    1.5][    T1] BUG: KASAN: x' \
	'BUG kmalloc-64 (Not tainted): Redzone overwritten' 'kernel BUG at mm/slub.c:1!' \
	'Call trace:' ' Call Trace:' 'Unable to handle kernel paging request at 1' \
	'Internal error: Oops - BUG: 0 [#1] SMP' 'INFO: task sh:1 blocked for more than 120 seconds.' \
	'general protection fault, probably for non-canonical address 1: 0000 [#1]' \
	'kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)' \
	'watchdog: BUG: soft lockup - CPU#0 stuck for 26s!' 'rcu: INFO: rcu_sched self-detected stall on CPU'
passes "selftests: lines of a healthy log" judges 1 'foo: firmware installed' 'foo: DEBUG: link up' \
	'[    1.5] foo: WARNING: the link is slow' 'DEBUG 1' 'usb: BUGGY device' \
	'traps: sh[1] general protection fault ip:1 sp:2 error:0 in sh[1+1]' \
	'[    1.5] test_klp_shadow: expected WARNING begins'
# shellcheck disable=SC2016  # expanded by another shell
passes "selftests: another locale is not used" env LC_ALL=de_DE.UTF-8 bash -c \
	'. "$1/shadow_functions.sh" && [[ $LC_ALL == C ]] && env | grep -qx LC_ALL=C' - "$selftests"
for f in "$selftests"/test-shadow-*.sh; do
	grep -q '^\. ".*/shadow_functions.sh"$' "$f" || echo "$f"
done >"$work/other"
passes "selftests: in each script" diff /dev/null "$work/other"
# Another libc has other texts of errors. Pairs of their words, without common ones.
python3 - >"$work/texts" <<-EOF
	import errno, os, re
	for text in map(os.strerror, errno.errorcode):
	    words = re.findall(r"\w+", text)
	    for pair in zip(words, words[1:]):
	        if not {"a", "in", "is", "not", "of", "on", "or", "that", "to"} & set(pair):
	            print(*pair)
EOF
passes "selftests: texts of libc are known" grep -qx 'Cannot allocate' "$work/texts"
grep -vE '^[[:space:]]*#' "$selftests"/*.sh | grep -wF -f "$work/texts" >"$work/other" || :
passes "selftests: no text of libc" diff /dev/null "$work/other"
mkdir -p "$work/stock-headers/include/config"
echo CONFIG_LIVEPATCH=y >"$work/stock-headers/include/config/auto.conf"
passes "selftests: not built for a kernel with its own store, which is no error" \
	make -s -C "$selftests" -f shadow.mk KDIR="$work/stock-headers" all
cp "$work/out" "$work/made"
passes "selftests: which is told" grep -q 'skipped, .*/stock-headers has no CONFIG_KLP_SHADOW' "$work/made"

# The target kselftest would run them, too.
passes "selftests: built by the kernel's target kselftest-all" make -s -C "$BUILD/$LINE/src" \
	O="$BUILD/$LINE/obj" KDIR="$BUILD/$LINE/obj" TARGETS=livepatch kselftest-all

# --- VMs that fail ---

# Boots in less time; the verdicts below that have it do not depend on memory.
unchecked=(-a 'kmemleak=off slub_debug=-')

# vm(description, regex, job, option...): refuses() on a job in the VM
vm()
{
	refuses "vm: $1" "$2.*$BUILD" "$TOP/harness/vm/vm.sh" "${@:4}" "$TOP/harness/selftest/jobs/$3.sh"
}

passes "selftests: a log that is cleared, an interruption" \
	"$TOP/harness/vm/vm.sh" -t 300 "$TOP/harness/selftest/jobs/selftest-log.sh"
passes "vm: a job that does nothing" "$TOP/harness/vm/vm.sh" -t 180 "$TOP/harness/vm/jobs/nothing.sh"
vm "hangs" 'hangs: no verdict in 15 s' hang -t 15 "${unchecked[@]}"
vm "panics" 'Kernel panic' panic -t 180 "${unchecked[@]}"
vm "says nothing" 'ended without a verdict' silent -t 180 "${unchecked[@]}"
vm "a job fails" 'ended with status 3' failing -t 180 "${unchecked[@]}"
vm "a bad line in the kernel's log" 'log says.*BUG' bad-log -t 180 "${unchecked[@]}"
vm "a leak" 'kmemleak: [0-9]+ objects leaked' leak -t 180
mkdir "$work/crash"
printf '#!/bin/sh\nkill -SEGV $$\n' >"$work/crash/qemu-system-x86_64"
chmod +x "$work/crash/qemu-system-x86_64"
PATH=$work/crash:$PATH vm "QEMU itself crashes" 'QEMU was killed by signal 11, twice' silent -t 180
# shellcheck disable=SC2016  # expanded by another shell
printf '%s\n' '#!/bin/bash' 'for i; do [[ $i != file:*.console ]] || echo "no serial ports" >"${i#file:}"; done' \
	>"$work/crash/qemu-system-x86_64"
PATH=$work/crash:$PATH vm "QEMU has no serial ports" 'the serial ports did not appear, twice' silent -t 180

plan
