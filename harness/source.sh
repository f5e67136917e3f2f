#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> source.sh [TREE...]
#
# Fetch Debian's linux-source package of the line from this machine's mirror, and unpack it
# to build/<line>/<TREE>. With KSRC, copy that kernel tree instead, to build/ksrc-<name>/<line>,
# and again if it changes; it is only read. The tree "stock" is not changed; trees whose names begin with
# "src" are overlaid with the store. The default is "src".

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# Suites that may have the line, if those of this machine do not; oldest first.
SUITES=(trixie trixie-backports testing sid)

set_line
dir=$BUILD/$LINE
cache=$SHARED/cache
package=linux-source-$LINE
mkdir -p "$dir" "$cache"

if [[ ! ${KSRC:-} ]] && ! compgen -G "$cache/${package}_*.deb" >/dev/null; then
	say "fetching $package"
	if ! fetch "$package" -o APT::Sandbox::User=; then
		[[ $(mirror) ]] || die "apt has no Debian mirror to fetch $package from: check /etc/apt, then run 'apt-get update'"
		for suite in "${SUITES[@]}"; do
			! fetch_suite "$suite" "$package" || break
		done
		compgen -G "$cache/${package}_*.deb" >/dev/null ||
			die "no $package in this machine's suites or in ${SUITES[*]} ($(tail -n 1 "$cache/log")); try another KERNEL"
	fi
fi

# copy(directory): copy KSRC without what was built in it, if it has changed since
copy()
{
	local state

	state=$(cd "$KSRC" && find . -path ./.git -prune -o -type f -printf '%p %s %T@\n' | sha256sum)
	[[ ! -d $dir/$1 || $(cat "$dir/$1.ksrc" 2>/dev/null) != "$state" ]] || return 0
	say "copying $KSRC to $dir/$1"
	rm -f "$dir/$1.ksrc"
	rsync -a --chmod=u+w --delete --exclude=/.git "$KSRC/" "$dir/$1/"
	[[ ! -e $KSRC/.config && ! -e $KSRC/include/config ]] || make -s -C "$dir/$1" mrproper
	echo "$state" >"$dir/$1.ksrc"
}

# unpack(directory): unpack the unmodified source; incomplete results are removed
unpack()
{
	local deb

	if [[ ${KSRC:-} ]]; then
		copy "$1"
		return
	fi
	[[ ! -d $dir/$1 ]] || return 0
	say "unpacking $package to $dir/$1"
	deb=$(compgen -G "$cache/${package}_*.deb" | sort -V | tail -n 1)
	rm -rf "$dir/$1.part"
	mkdir "$dir/$1.part"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package.tar.xz" |
		tar -xJ --strip-components=1 -C "$dir/$1.part"
	mv "$dir/$1.part" "$dir/$1"
}

# overlaid(directory): unpack and overlay the source
overlaid()
{
	local glue

	# If the glue has changed, it does not apply to a tree with the old one.
	glue=$(sha256sum <"$TOP/harness/overlay/glue.patch")
	if [[ -d $dir/$1 && $(cat "$dir/$1.glue" 2>/dev/null) != "$glue" ]]; then
		rm -rf "${dir:?}/$1"
	fi
	unpack "$1"
	"$TOP/harness/overlay/overlay.sh" "$dir/$1" || die "$1 of Linux $LINE cannot be overlaid${KSRC:+; KSRC=$KSRC is as it was}"
	echo "$glue" >"$dir/$1.glue"
}

for tree in "${@:-src}"; do
	case $tree in
	stock)
		[[ ! -e ${KSRC:-}/kernel/livepatch/shadow_table.c ]] ||
			die "KSRC=$KSRC has the store already; this needs the kernel's own"
		unpack stock
		;;
	src*) overlaid "$tree" ;;
	*) die "no such tree: '$tree'; there are: stock, src, src-..." ;;
	esac
done
