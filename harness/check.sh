#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> check.sh [compile] [clang] [modversions] [sparse] [uml] [checkpatch]
#        [kernel-doc] [examples] [coccicheck] [shellcheck] [spelling]
#
# Run static checks, without arguments all of them. Prints a TAP line for each file or set
# of files; for a failure also its output, and the command that reproduces it. Succeeds if
# all checks do. PAGES are the pages for 'examples', by default those of the manual.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=SCRIPTDIR/kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

VERBS=(compile clang modversions sparse uml checkpatch kernel-doc examples coccicheck shellcheck spelling)

verbs=("$@")
((${#verbs[@]})) || verbs=("${VERBS[@]}")
for verb in "${verbs[@]}"; do
	[[ " ${VERBS[*]} " == *" $verb "* ]] || die "no check '$verb'; there are: ${VERBS[*]}"
done
set_line
dir=$BUILD/$LINE
src=$dir/src
obj=$dir/check
log=$dir/check.log

# report(status, description, command): result(), and after a failure the command
report()
{
	result "$1" "$2" "$log"
	(($1 == 0)) || echo "# again: $3"
}

# try(description, command...): run a command that must succeed without output, and report()
try()
{
	local what=$1 status=0

	shift
	"$@" >"$log" 2>&1 || status=1
	[[ ! -s $log ]] || status=1
	report "$status" "$what" "$*"
}

# silent(description, command): report() on an earlier command whose log must be empty
silent()
{
	local status=0

	[[ ! -s $log ]] || status=1
	report "$status" "$1" "$2"
}

# ours(regex): files of this repository whose names end in the expression
ours()
{
	(cd "$TOP" && find . \( -path ./build -o -path ./.git \) -prune -o \
		-type f -regextype egrep -regex ".*($1)" -printf '%P\n' | sort)
}

kmake=(make -s -C "$src" O="$obj" ARCH=x86_64)
kmake_clang=(make -s -C "$src" O="$obj-clang" ARCH=x86_64 CC=clang)

# fits(file): false for a sample livepatch that was written for another kernel line
fits()
{
	local line

	line=$(sed -n 's/^ \* Fits Linux \([0-9]*\.[0-9]*\).*/\1/p' "$1")
	[[ -z $line || $line == "$LINE" ]]
}

# Our objects in the kernel tree, and those of the test modules, which are built outside.
objects=()
while read -r f; do
	! fits "$TOP/$f" || objects+=("${f%c}o")
done < <(cd "$TOP" && find kernel samples -path kernel/livepatch/takeover -prune -o -name '*.c' -print | sort)
modules=tools/testing/selftests/livepatch/test_shadow_modules
# shellcheck disable=SC2034  # each() gets its name
mapfile -t module_objects < <(find "$TOP/$modules" -name '*.c' -printf '%f\n' | sed 's/c$/o/' | sort)

# prepare(directory, make...): make an overlaid tree and a configuration that can compile
prepare()
{
	local ARCH=x86_64 obj=$1 make=("${@:2}") real=$TOP/harness/kernel/x86_64-real.config configs f

	mapfile -t configs < <(fragments)
	# The samples that need these fit Linux 6.1 alone.
	[[ $LINE != 6.1 ]] || configs+=("$real")
	"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	mkdir -p "$1"
	for f in "${configs[@]}" "$TOP/harness/check.sh"; do
		[[ ! $f -nt $1/prepared ]] || rm -f "$1/prepared"
	done
	[[ ! -f $1/prepared ]] || return 0
	rm -f "$1/fragment.done"
	if [[ $LINE == 6.1 && ${make[*]} == *CC=clang* ]]; then
		# What of it clang does not have.
		grep -v '^CONFIG_DEBUG_SECTION_MISMATCH=' "$real" >"$1/real.config"
		configs[-1]=$1/real.config
	fi
	configure "Linux $LINE for the checks" "${configs[@]}"
	kmake -j"$(nproc)" modules_prepare >"$log" 2>&1 || die "Linux $LINE cannot be configured, see $log"
	touch "$1/prepared"
}

# kmake(argument...): the make of prepare(), for configure()
kmake()
{
	"${make[@]}" "$@"
}

tree()
{
	prepare "$obj" "${kmake[@]}"
}

# each(what, directory, objects, make...): try() to make each object of an array in the
# directory. First all are made by one command, which is several times faster; only if that
# has output, each is made separately.
each()
{
	local -n list=$3
	local o made=("${list[@]/#/$2/}")

	rm -f "${made[@]}"
	if "${@:4}" -j"$(nproc)" "${list[@]}" >"$log" 2>&1 && [[ ! -s $log ]]; then
		for o in "${list[@]}"; do
			report 0 "$1: $o (Linux $LINE)" ""
		done
		return
	fi
	rm -f "${made[@]}"
	for o in "${list[@]}"; do
		try "$1: $o (Linux $LINE)" "${@:4}" "$o"
	done
}

# stays(object): false if a function of it ends in a tail call. It would not be on the stack
# during the call, where the livepatch core looks for patched functions.
stays()
{
	objdump -dr --no-show-raw-insn "$1" | awk '
		function jump(to) {
			sub(/[-+]0x.*/, "", to)
			sub(/\.cold$/, "", to)
			if (to == self || to ~ /^\.text|^__x86_return_thunk$/)
				return
			print self " jumps to " to
			jumps++
		}
		/^[0-9a-f]+ <.*>:$/ {
			self = substr($2, 2, length($2) - 3)
			sub(/\.cold$/, "", self)
		}
		pending && $2 ~ /^R_X86_64_/ { pending = $3 }
		pending { jump(pending); pending = "" }
		{ sub(/\t(cs|bnd|notrack) /, "\t") }
		$2 ~ /^j/ && $NF ~ /^<.*>$/ { pending = substr($NF, 2, length($NF) - 2) }
		$2 ~ /^j/ && $NF ~ /^\*%/ { jump($NF) }
		END {
			if (pending)
				jump(pending)
			exit jumps > 0
		}'
}

# test_modules(directory): copy the modules of the selftests there, because builds of other
# kernels compile them in the tree
test_modules()
{
	rm -rf "$1"
	cp -r "$src/$modules" "$1"
}

# compile(compiler, directory, make...): compile all of our objects with W=1
compile()
{
	local o copy=$2/test_shadow_modules

	test_modules "$copy"
	each "W=1 $1" "$2" objects "${@:3}" W=1 KCFLAGS=-Werror
	each "W=1 $1" "$copy" module_objects "${@:3}" M="$copy" W=1 KCFLAGS=-Werror
	for o in "${objects[@]/#/$2/}" "${module_objects[@]/#/$copy/}"; do
		[[ $o != *_lp?.o && $o != */livepatch-*.o || $o == *-driver.o ]] ||
			try "no jumps $1: ${o##*/} (Linux $LINE)" stays "$o"
	done
}

check_compile()
{
	tree
	compile gcc "$obj" "${kmake[@]}"
}

# newer(version, version): true if the first is newer than the second
newer()
{
	[[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]
}

check_clang()
{
	local wanted have

	"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	wanted=$("$src/scripts/min-tool-version.sh" llvm)
	have=$(clang -dumpversion)
	if newer "$wanted" "$have"; then
		: >"$log"
		report 0 "W=1 clang: all # SKIP clang $have is too old for Linux $LINE, which wants $wanted"
		return
	fi
	prepare "$obj-clang" "${kmake_clang[@]}"
	compile clang "$obj-clang" "${kmake_clang[@]}"
}

# versions(tree): symbols of livepatching and their versions, with CONFIG_MODVERSIONS
versions()
{
	local ARCH=x86_64 src=$dir/$1 obj=$dir/modversions/$1

	mkdir -p "$obj"
	# Versions of files that have gone would count.
	rm -rf "$obj/kernel/livepatch"
	printf 'CONFIG_%s=y\n' 64BIT MODULES MODVERSIONS SYSFS DEBUG_FS KALLSYMS KALLSYMS_ALL FTRACE \
		FUNCTION_TRACER DYNAMIC_FTRACE LIVEPATCH >"$obj/modversions.config"
	make=(make -s -C "$src" O="$obj" ARCH=x86_64)
	configure "Linux $LINE ($1) with CONFIG_MODVERSIONS" "$obj/modversions.config" >&2
	{ kmake -j"$(nproc)" modules_prepare && kmake -j"$(nproc)" kernel/livepatch/; } >"$log" 2>&1 ||
		die "kernel/livepatch of Linux $LINE ($1) cannot be built, see $log"
	sed -n 's/^#SYMVER //p' "$obj"/kernel/livepatch/.*.o.cmd | sort
}

# A livepatch that was built for the stock kernel loads if the symbols have the same versions.
check_modversions()
{
	"$TOP/harness/source.sh" stock src >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	versions stock >"$dir/versions.stock"
	versions src >"$dir/versions.src"
	comm -23 "$dir/versions.stock" "$dir/versions.src" >"$log"
	grep -q '^klp_shadow_get_or_alloc ' "$dir/versions.stock" || echo "no versions" >>"$log"
	silent "symbol versions: $(wc -l <"$dir/versions.stock") of the stock kernel are unchanged (Linux $LINE)" \
		"diff $dir/versions.stock $dir/versions.src"
}

check_sparse()
{
	local valid=$src/scripts/checker-valid.sh

	tree
	# Newer kernels need a newer sparse than that of an older Debian.
	if [[ -f $valid && $(sh "$valid" sparse 2>/dev/null) != 1 ]]; then
		: >"$log"
		report 0 "sparse: all # SKIP this sparse is too old for Linux $LINE"
		return
	fi
	each sparse "$obj" objects "${kmake[@]}" C=2 CF=-Wsparse-error
	test_modules "$obj/test_shadow_modules"
	each sparse "$obj/test_shadow_modules" module_objects \
		"${kmake[@]}" M="$obj/test_shadow_modules" C=2 CF=-Wsparse-error
}

# The store alone, on an architecture without livepatching.
check_uml()
{
	local um=$dir/uml config=$TOP/kernel/livepatch/.kunitconfig store=() o

	"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	if [[ ! -f $um/prepared || $TOP/harness/check.sh -nt $um/prepared || $config -nt $um/prepared ]]; then
		mkdir -p "$um"
		# As the kernel's kunit.py does.
		cp "$config" "$um/.config"
		{
			make -s -C "$src" O="$um" ARCH=um olddefconfig &&
			make -s -C "$src" O="$um" ARCH=um -j"$(nproc)" prepare
		} >"$log" 2>&1 || die "user-mode Linux cannot be configured, see $log"
		touch "$um/prepared"
	fi
	grep '^CONFIG_' "$config" | grep -vxFf "$um/.config" >"$log" || :
	silent "user-mode Linux takes every option of .kunitconfig (Linux $LINE)" "$0 uml"
	for o in "${objects[@]}"; do
		[[ $o != kernel/* ]] || store+=("$o")
	done
	each "user-mode Linux" "$um" store make -s -C "$src" O="$um" ARCH=um
}

check_checkpatch()
{
	local f

	"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	# Only kernel code is checked, neither the harness nor the user-space tests.
	cd "$TOP"
	for f in $(ours '\.[ch]|\.sh|Kconfig[^/]*' |
		grep -vE '^(harness|tools/livepatch|tools/testing/klp-shadow|scripts)/'); do
		try "checkpatch --strict: $f" checkpatch "$src" --no-tree -f "$f"
	done
}

# documented_macros(header): kernel-doc of macros has a Context: line
documented_macros()
{
	awk '
		/^\/\*\*$/ { doc = " " }
		doc { doc = doc $0 "\n" }
		/^ \*\/$/ {
			if (doc ~ /\* klp_shadow[a-z_]*\(\) - / && doc !~ /\* Context: /)
				print FILENAME ":" FNR ": the kernel-doc that ends here has no Context:"
			doc = ""
		}' "$1"
}

# documented(file): every exported function has kernel-doc with a Context: line, and a
# Return: line if it returns a value
documented()
{
	awk '
		/^\/\*\*$/ { doc = " " }
		doc && !/^[a-z]/ { doc = doc $0 "\n" }
		/^[a-z].*\(/ && !/^static/ {
			name = $0
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
			docs[name] = doc
			returns[name] = !/^void [^*]/
		}
		/^EXPORT_SYMBOL/ {
			name = $0
			gsub(/^[A-Z_]*\(|\);$/, "", name)
			# Functions that are called by documented macros only.
			if (name ~ /^__/)
				next
			if (docs[name] !~ "\\* " name "\\(\\) - ")
				print FILENAME ":" FNR ": " name "() has no kernel-doc"
			else if (docs[name] !~ /\* Context: /)
				print FILENAME ":" FNR ": kernel-doc of " name "() has no Context:"
			else if (returns[name] && docs[name] !~ /\* Return: /)
				print FILENAME ":" FNR ": kernel-doc of " name "() has no Return:"
		}
		/^[a-z}]/ { doc = "" }' "$1"
}

check_kernel-doc()
{
	local f

	"$TOP/harness/source.sh" >"$log" 2>&1 || die "no source of Linux $LINE: $(tail -n 1 "$log")"
	for f in $(ours '\.[ch]' | grep -E '^(kernel|include)/'); do
		try "kernel-doc -Werror: $f" "$src/scripts/kernel-doc" -none -Werror "$TOP/$f"
	done
	for f in $(ours '\.c' | grep -E '^kernel/' | grep -vE '_(kunit|torture)\.c$'); do
		documented "$TOP/$f" >"$log"
		silent "kernel-doc with Context: and Return: $f" "$0 kernel-doc"
	done
	for f in $(ours '\.h' | grep -E '^include/'); do
		documented_macros "$TOP/$f" >"$log"
		silent "kernel-doc with Context: $f" "$0 kernel-doc"
	done
}

# Compile the C code of the manual: for each page a file of its code blocks, and of comments
# ".. example:", which are not rendered. Warnings refer to lines of the page.
check_examples()
{
	local pages=("$TOP"/Documentation/livepatch/shadow-*.rst) page work=$dir/examples compiled=()

	[[ ! ${PAGES:-} ]] || read -ra pages <<<"$PAGES"
	tree
	rm -rf "$work"
	mkdir "$work"
	for page in "${pages[@]}"; do
		grep -q 'code-block:: c$' "$page" || continue
		compiled+=("$(basename "$page" .rst).o")
		page_code "$page" >"$work/${compiled[-1]%o}c"
	done
	((${#compiled[@]})) || die "no C code in ${pages[*]}"
	printf 'obj-m := %s\nccflags-y := -I%s -I%s\n' "${compiled[*]}" "$TOP/harness/docs" \
		"$TOP/samples/livepatch" >"$work/Kbuild"
	each "examples" "$work" compiled "${kmake[@]}" M="$work" W=1 KCFLAGS=-Werror
}

# Run the kernel's semantic patches, which takes minutes. In the output, lines that begin
# with the path of a file are reports, others are progress.
check_coccicheck()
{
	local f files copy=$dir/cocci all=$dir/coccicheck.log
	local coccicheck=("${kmake[@]}" coccicheck MODE=report M="$copy")

	tree
	rm -rf "$copy"
	mkdir "$copy"
	mapfile -t files < <(ours '\.[ch]' | grep -E '^(kernel|include|samples|tools)/')
	(cd "$TOP" && cp --parents "${files[@]}" "$copy/")
	if ! "${coccicheck[@]}" >"$all" 2>&1; then
		tail -n 3 "$all" >"$log"
		report 1 "coccicheck (Linux $LINE)" "${coccicheck[*]}"
		return
	fi
	for f in "${files[@]}"; do
		sed -n "s|^$copy/\($f:\)|\1|p" "$all" >"$log"
		silent "coccicheck: $f (Linux $LINE)" "${coccicheck[*]}"
	done
}

check_shellcheck()
{
	local f

	for f in $(ours '\.sh') .ci/run; do
		try "shellcheck: $f" shellcheck -x "$TOP/$f"
	done
}

check_spelling()
{
	local files

	mapfile -t files < <(ours '\.([ch]|sh|md|rst|config|patch|litmus)|Kconfig[^/]*|Makefile|/README')
	# "inflight" is a part of a module's name.
	try "spelling" codespell -L inflight "${files[@]/#/$TOP/}"
}

mkdir -p "$dir"
cd "$TOP"
for verb in "${verbs[@]}"; do
	"check_$verb"
done
plan
