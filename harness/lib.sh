# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Common functions of the harness. Source it; it sets TOP and BUILD.

set -euo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What all kernels share: packages, the VM's user land.
SHARED=$TOP/build
# The output of all builds. A kernel tree of the user, KSRC, has a directory apart.
# shellcheck disable=SC2034  # used by scripts that source this
BUILD=$SHARED
if [[ ${KSRC:-} ]]; then
	KSRC=$(realpath "$KSRC")
	export KSRC
	BUILD=$SHARED/ksrc-${KSRC##*/}
fi
PROG=${0##*/}
# What the kernel says when something is wrong with it: an expression on each line.
# shellcheck disable=SC2034
BAD_LOG=$TOP/tools/testing/selftests/livepatch/shadow_bad_log

# shellcheck source=SCRIPTDIR/tap.sh
. "$TOP/harness/tap.sh"

# die(message): print an error message and exit with status 1
die()
{
	echo "$PROG: $*" >&2
	exit 1
}

# say(message): print progress
say()
{
	echo "== $*"
}

# page_code(page): print the C code of a page of the manual
page_code()
{
	awk '/^[^\t]/ { code = 0 }
		code { print /^\t:/ ? "" : $0 }
		/^ *\.\. (code-block:: c|example:)$/ {
			code = 1
			print "#line", FNR + 1, "\"" FILENAME "\""
		}' "$1"
}

# default_line(): print the kernel line of this machine's Debian, such as "6.1"
default_line()
{
	local deps

	deps=$(apt-cache show --no-all-versions linux-source 2>/dev/null |
		sed -n 's/^Depends: *linux-source-\([0-9.]*\).*/\1/p')
	[[ $deps ]] || die "apt knows no linux-source package: run 'apt-get update', or name a line: make ... KERNEL=6.1"
	echo "$deps"
}

# mirror(): print the URI of this machine's Debian mirror
mirror()
{
	# shellcheck disable=SC2016  # apt expands these
	apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
}

# fetch(package, apt-option...): download the package to build/cache; apt's output is
# written to build/cache/log
fetch()
{
	mkdir -p "$SHARED/cache"
	(cd "$SHARED/cache" && apt-get "${@:2}" -qq download "$1" >log 2>&1) || return 1
	compgen -G "$SHARED/cache/$1_*.deb" >/dev/null
}

# fetch_suite(suite, package): fetch() from another suite of this machine's mirror, with
# separate package lists
fetch_suite()
{
	local state=$SHARED/cache/apt/$1 uri options

	uri=$(mirror)
	[[ $uri ]] || return 1
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $1 main" >"$state/list"
	options=(-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache"
		-o "Dir::Etc::SourceList=$state/list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Status=/dev/null -o APT::Sandbox::User=)
	apt-get "${options[@]}" -qq update >"$SHARED/cache/log" 2>&1 &&
		apt-cache "${options[@]}" show "$2" >/dev/null 2>&1 &&
		fetch "$2" "${options[@]}"
}

# slice(): names of our files that go into a kernel tree
slice()
{
	(cd "$TOP" && find Documentation include kernel samples scripts/gdb tools \
		\( -path kernel/livepatch/takeover -o -name __pycache__ \) -prune -o -type f -print | sort)
}

# glued(): names of the kernel's files that the glue changes
glued()
{
	sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$TOP/harness/overlay/glue.patch"
}

# checkpatch(tree, argument...): print what checkpatch --strict of a tree says, without what
# checkpatch.ignore excuses
checkpatch()
{
	# With a repository it runs spdxcheck.py, which needs more than Debian's python3.
	{ GIT_DIR=none "$1/scripts/checkpatch.pl" --root="$1" --strict --terse --no-summary --showfile --show-types \
		--max-line-length=100 "${@:2}" 2>&1 && echo "status 0" || echo "status $?"; } | awk -F '\t' '
		NR == FNR { if (NF == 3) { types[++n] = $1; files[n] = $2 } next }
		/^status [01]$/ { complete = 1; next }
		{
			file = type = $0
			sub(/:.*/, "", file)
			sub(/^[^ ]* [A-Z]*:/, "", type)
			sub(/:.*/, "", type)
			for (i = 1; i <= n; i++)
				if ((types[i] == type || types[i] == "*") && file ~ files[i])
					next
			print
		}
		END { if (!complete) print "checkpatch did not end well" }' "$TOP/harness/checkpatch.ignore" -
}

# may_write(): exit if build/ has files that this user may not write, as after 'sudo make'
may_write()
{
	local file

	file=$(find "$SHARED" -maxdepth 3 ! -type l ! -writable -print -quit 2>/dev/null || :)
	[[ ! $file ]] || die "you may not write $file, which belongs to $(stat -c %U "$file"):" \
		"remove build/ by 'sudo make clean', or make it yours by 'sudo chown -R $(id -un) $SHARED'"
}

# set_line(): check KERNEL and KSRC from the environment, and set LINE
set_line()
{
	may_write
	LINE=${KERNEL:-}
	if [[ ${KSRC:-} ]]; then
		LINE=$(sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$KSRC/Makefile" 2>/dev/null | paste -sd . || :)
		[[ $LINE =~ ^[0-9]+\.[0-9]+$ && -f $KSRC/kernel/livepatch/shadow.c ]] ||
			die "KSRC=$KSRC is not a kernel source tree with kernel/livepatch/shadow.c"
		[[ ${KERNEL:-$LINE} == "$LINE" ]] ||
			die "KSRC=$KSRC is Linux $LINE, not KERNEL=$KERNEL: leave KERNEL out"
	elif [[ -z $LINE ]]; then
		LINE=$(default_line)
	fi
	[[ $LINE =~ ^[0-9]+\.[0-9]+$ ]] ||
		die "KERNEL=$LINE is not a kernel line: give one such as KERNEL=6.12"
}

# Debian's compilers for other architectures.
declare -A COMPILER=([x86_64]='' [i386]='' [arm64]=aarch64-linux-gnu [s390]=s390x-linux-gnu
	[powerpc]=powerpc64-linux-gnu [powerpcle]=powerpc64le-linux-gnu [powerpc32]=powerpc-linux-gnu)
# Debian's packages of QEMU.
# shellcheck disable=SC2034  # used by scripts that source this
declare -A EMULATOR=([x86_64]=qemu-system-x86 [i386]=qemu-system-x86 [arm64]=qemu-system-arm
	[s390]=qemu-system-s390x [powerpc]=qemu-system-ppc [powerpcle]=qemu-system-ppc
	[powerpc32]=qemu-system-ppc)
# shellcheck disable=SC2034
[[ $(cat /etc/debian_version 2>/dev/null) != 12* ]] || EMULATOR[s390]=qemu-system-misc

# set_arch(): check ARCH from the environment, and set its name in Debian, DEB_ARCH, and the
# prefix of its compiler, CROSS
# shellcheck disable=SC2034  # used by callers
set_arch()
{
	ARCH=${ARCH:-x86_64}
	case $ARCH in
	x86_64) DEB_ARCH=amd64 CROSS= ;;
	arm64) DEB_ARCH=arm64 CROSS=${COMPILER[arm64]}- ;;
	s390) DEB_ARCH=s390x CROSS=${COMPILER[s390]}- ;;
	powerpc) DEB_ARCH=ppc64el CROSS=${COMPILER[powerpcle]}- ;;
	*) die "ARCH=$ARCH is not a machine of the VM: give x86_64, arm64, s390 or powerpc" ;;
	esac
}

# rootfs_image([name]): name of the VM's root file system; set_arch() comes before
rootfs_image()
{
	echo "$SHARED/rootfs${1:+-$1}$([[ $ARCH == x86_64 ]] || echo "-$ARCH").ext2"
}

# Kernels beside that of 'make kernel': those of torture/kernels, and of other scripts.
VARIANTS=(coverage cost debian debian-series dwarf real stock takeover-debug)

# set_dir(): set DIR to the directory where the kernel of the line is built: that of
# 'make kernel', or of ARCH or VARIANT if these are in the environment
set_dir()
{
	local known

	set_arch
	known=("$TOP"/harness/torture/kernels/*.config)
	known=("${known[@]##*/}")
	known=("${VARIANTS[@]}" "${known[@]%.config}")
	[[ " ${known[*]} " == *" ${VARIANT:-${known[0]}} "* ]] ||
		die "VARIANT=$VARIANT is not a kernel of the harness; there are: ${known[*]}"
	DIR=$BUILD/$LINE
	[[ $ARCH == x86_64 ]] || DIR+=/$ARCH
	[[ ! ${VARIANT:-} ]] || DIR+=/$VARIANT
}

# build_modules(directory): build modules for the kernel in DIR; the log is beside them
build_modules()
{
	[[ -f $DIR/obj/Module.symvers ]] || die "no kernel in $DIR/obj: 'make kernel KERNEL=$LINE' builds one"
	make -j"$(nproc)" -C "$BUILD/$LINE/src" O="$DIR/obj" ARCH="$ARCH" CROSS_COMPILE="$CROSS" M="$1" modules \
		>"$1/log" 2>&1 ||
		die "modules could not be built: $(grep -m 1 -E 'error:|\*\*\*' "$1/log"); see $1/log"
}
