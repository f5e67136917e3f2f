# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions to configure and build a kernel. Source it after lib.sh, with LINE set. The
# caller sets src, obj and log, and defines kmake(arg...), which runs the kernel's make.

# fragments(): names of those for the VM: for all kernels, for those of this line, and for
# the architecture
fragments()
{
	local dir=$TOP/harness/kernel later

	later=$dir/vm-$LINE.config
	[[ -f $later ]] || later=$dir/vm-later.config
	# shellcheck disable=SC2154  # set_dir() has set it
	printf '%s\n' "$dir/vm.config" "$later" "$dir/$ARCH.config"
}

# unmet(file...): options that $obj/.config lacks of those in lines #CHECK#CONFIG_... of the
# files. These options must be set by default or be selected by others.
unmet()
{
	# shellcheck disable=SC2154  # obj is the caller's
	sed -n 's/^#CHECK#\(CONFIG_[^[:space:]]*\).*/\1/p' "$@" | grep -vxFf "$obj/.config" | tr '\n' ' ' || :
}

# configure(what, fragment...): make a .config of tinyconfig and the fragments, and check
# that it has all options of the fragments
configure()
{
	local what=$1 missing

	shift
	# shellcheck disable=SC2154  # obj, src and log are the caller's
	mkdir -p "$obj"
	# If fragments set an option more than once, the last one counts.
	sed 's/[[:space:]]*#.*//' "$@" | grep . | tac | awk -F= '!seen[$1]++' | tac >"$obj/fragment"
	if ! cmp -s "$obj/fragment" "$obj/fragment.done"; then
		say "configuring $what"
		# shellcheck disable=SC2154
		{
			kmake tinyconfig &&
			"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config" "$obj/fragment" &&
			kmake olddefconfig
		} >"$log" 2>&1 || die "configuring failed, see $log"
	fi
	missing=$({
		grep -v '=n$' "$obj/fragment" | grep -vxFf "$obj/.config"
		sed -n 's/=n$//p' "$obj/fragment" | while read -r option; do
			! grep -q "^$option=" "$obj/.config" || echo "$option=n"
		done
	} | tr '\n' ' ')$(unmet "$@")
	[[ -z $missing ]] || die "$what does not take these options: $missing(see ${*: -1})"
	cp "$obj/fragment" "$obj/fragment.done"
}

# progress(): count objects in the output of kbuild; on a terminal, update one line
progress()
{
	awk -v tty="$([[ -t 1 ]] && echo 1)" -v step=200 '
		/^  (CC|AS|LD|AR)( \[M\])? / { n++ }
		tty && n != shown { printf "\r   %d objects", n; shown = n; fflush() }
		!tty && n >= shown + step { printf "   %d objects\n", n; shown = n; fflush() }
		END { if (tty && n) printf "\r"; if (n) printf "   %d objects\n", n }'
}

# build(what, target...): run make with progress(), and log its output
build()
{
	local what=$1

	shift
	say "building $what"
	kmake -j"$(nproc)" "$@" 2>&1 | tee -a "$log" | progress ||
		die "building $what failed: $(grep -m 1 -E 'error:|Error |\*\*\*|ERROR' "$log"); see $log"
}

# install_for_vm(directory): install modules, selftests and klp-shadow by the kernel's make. Locked,
# because selftests are compiled in the tree, which several kernels share.
install_for_vm()
{
	local to=$1

	say "installing modules and selftests"
	rm -rf "$to"
	{
		kmake -j"$(nproc)" INSTALL_MOD_PATH="$to" INSTALL_MOD_STRIP=1 modules_install &&
		kmake -j"$(nproc)" headers &&
		flock "$src/tools/testing/selftests" \
			make -j"$(nproc)" -C "$src/tools/testing/selftests" O="$obj" ARCH="$ARCH" CROSS_COMPILE="$CROSS" \
			TARGETS=livepatch KDIR="$obj" KHDR_INCLUDES="-isystem $obj/usr/include" \
			INSTALL_PATH="$to/selftests" install &&
		{ [[ ! -d $src/tools/livepatch ]] ||
			make -j"$(nproc)" -C "$src/tools/livepatch" O="$obj/klp-shadow" CROSS_COMPILE="$CROSS" \
				DESTDIR="$to" prefix= LDFLAGS=-static install; }
	} >>"$log" 2>&1 || die "installing failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
	# The selftests of 7.3 check that a directory exists there, which may be empty.
	rm -f "$to"/lib/modules/*/{build,source}
	mkdir "$to"/lib/modules/"$(<"$obj/include/config/kernel.release")"/build
}
