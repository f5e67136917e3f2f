# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# How a kernel is configured and built. Source it after lib.sh, with LINE set;
# whoever does sets src, obj and log, and defines kmake(arg...), the kernel's make.

# fragments(base): the fragment <base>.config, and with it what only this line, or
# what every later line, has besides, if there is such a file
fragments()
{
	local f

	echo "$TOP/harness/kernel/$1.config"
	for f in "$TOP/harness/kernel/$1-$LINE.config" "$TOP/harness/kernel/$1-later.config"; do
		if [[ -f $f ]]; then
			echo "$f"
			break
		fi
	done
}

# unmet(file...): what its lines #CHECK#CONFIG_... say, options that are to follow
# from others, but $obj/.config has not
unmet()
{
	# shellcheck disable=SC2154  # obj is the caller's
	sed -n 's/^#CHECK#\(CONFIG_[^[:space:]]*\).*/\1/p' "$@" | grep -vxFf "$obj/.config" | tr '\n' ' ' || :
}

# configure(what, fragment...): tinyconfig and the fragments make a .config, each
# option of which it must have
configure()
{
	local what=$1 missing

	shift
	# shellcheck disable=SC2154  # obj, src and log are the caller's
	mkdir -p "$obj"
	# Of an option that stands there twice, the last counts.
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
	kmake -j"$(nproc)" "$@" 2>&1 | tee -a "$log" | progress ||
		die "building $what failed: $(grep -m 1 -E 'error:|Error |\*\*\*|ERROR' "$log"); see $log"
}

# install_for_vm(directory): the modules, and the selftests as an author gets them: by
# the kernel's own make
install_for_vm()
{
	local to=$1

	say "installing modules and selftests"
	rm -rf "$to"
	{
		kmake INSTALL_MOD_PATH="$to" INSTALL_MOD_STRIP=1 modules_install
		kmake headers
		make -C "$src/tools/testing/selftests" O="$obj" TARGETS=livepatch KDIR="$obj" \
			KHDR_INCLUDES="-isystem $obj/usr/include" \
			INSTALL_PATH="$to/selftests" install
	} >>"$log" 2>&1 || die "installing failed: $(grep -m 1 -E 'error:|Error |\*\*\*' "$log"); see $log"
	# 7.3's selftests want a directory there, and do not look into it.
	rm -f "$to"/lib/modules/*/{build,source}
	mkdir "$to"/lib/modules/"$(<"$obj/include/config/kernel.release")"/build
}
