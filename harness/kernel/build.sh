#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> build.sh
#
# Configures and builds the overlaid kernel of a line, its modules and its
# livepatch selftests in build/<line>/obj, and installs what a VM needs of them
# into build/<line>/install.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

set_line
dir=$BUILD/$LINE
src=$dir/src
obj=$dir/obj
install=$dir/install
log=$dir/build.log
jobs=$(nproc)

"$TOP/harness/source.sh"
mkdir -p "$obj"

fragments=("$TOP/harness/kernel/x86_64.config" "$TOP/harness/kernel/x86_64-later.config")
if [[ -f $TOP/harness/kernel/x86_64-$LINE.config ]]; then
	fragments[1]=$TOP/harness/kernel/x86_64-$LINE.config
fi

# kmake(arg...): the kernel's make
kmake()
{
	make -C "$src" O="$obj" ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

# configure(): a .config from the fragments, each option of which it must have
configure()
{
	local missing

	sed 's/[[:space:]]*#.*//' "${fragments[@]}" | grep . >"$obj/fragment"
	if ! cmp -s "$obj/fragment" "$obj/fragment.done"; then
		say "configuring"
		{
			kmake tinyconfig
			"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config" "$obj/fragment"
			kmake olddefconfig
		} >"$log" 2>&1 || die "configuring failed, see $log"
	fi
	missing=$({
		grep -v '=n$' "$obj/fragment" | grep -vxFf "$obj/.config"
		sed -n 's/=n$//p' "$obj/fragment" | while read -r option; do
			! grep -q "^$option=" "$obj/.config" || echo "$option=n"
		done
	} | tr '\n' ' ')
	[[ -z $missing ]] || die "Linux $LINE does not take these options: $missing(see ${fragments[0]})"
	cp "$obj/fragment" "$obj/fragment.done"
}

# progress(): a count of objects from the lines of kbuild; in place on a terminal
progress()
{
	awk -v tty="$([[ -t 1 ]] && echo 1)" -v step=200 '
		/^  (CC|AS|LD|AR)( \[M\])? / { n++ }
		tty && n != shown { printf "\r   %d objects", n; shown = n; fflush() }
		!tty && n >= shown + step { printf "   %d objects\n", n; shown = n; fflush() }
		END { if (tty && n) printf "\r"; if (n) printf "   %d objects\n", n }'
}

# build(what, target...): run make, show the progress, keep the log
build()
{
	local what=$1

	shift
	say "building $what"
	kmake -j"$jobs" "$@" 2>&1 | tee -a "$log" | progress ||
		die "building $what failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
}

configure
: >"$log"
build "Linux $LINE and its modules" bzImage modules

# The selftests as an author gets them: installed by the kernel's own make.
say "installing modules and selftests"
rm -rf "$install"
{
	kmake INSTALL_MOD_PATH="$install" INSTALL_MOD_STRIP=1 modules_install
	kmake headers
	make -C "$src/tools/testing/selftests" TARGETS=livepatch KDIR="$obj" \
		KHDR_INCLUDES="-isystem $obj/usr/include" \
		INSTALL_PATH="$install/selftests" install
} >>"$log" 2>&1 || die "installing failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
# 7.3's selftests want a directory there, and do not look into it.
rm -f "$install"/lib/modules/*/{build,source}
mkdir "$install"/lib/modules/"$(<"$obj/include/config/kernel.release")"/build
