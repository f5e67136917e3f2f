#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> source.sh
#
# Fetches Debian's linux-source package of the line, from this machine's own
# suites or from others on the same mirror, and unpacks it, pristine, to
# build/<line>/stock and, overlaid with the slice, to build/<line>/src.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

# Where a line may be found besides the machine's own suites, oldest first.
SUITES=(trixie trixie-backports testing sid)

set_line
dir=$BUILD/$LINE
cache=$BUILD/cache
package=linux-source-$LINE
mkdir -p "$dir" "$cache"

# fetch(apt-option...): download the package into the cache
fetch()
{
	(cd "$cache" && apt-get "$@" -qq download "$package" >"$cache/log" 2>&1) || return 1
	compgen -G "$cache/${package}_*.deb" >/dev/null
}

# fetch_suite(suite): the same from another suite, with lists of our own
fetch_suite()
{
	local state=$cache/apt/$1 options

	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $1 main" >"$state/list"
	options=(-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache"
		-o "Dir::Etc::SourceList=$state/list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Status=/dev/null -o APT::Sandbox::User=)
	apt-get "${options[@]}" -qq update >"$cache/log" 2>&1 &&
		apt-cache "${options[@]}" show "$package" >/dev/null 2>&1 &&
		fetch "${options[@]}"
}

if ! compgen -G "$cache/${package}_*.deb" >/dev/null; then
	say "fetching $package"
	if ! fetch -o APT::Sandbox::User=; then
		uri=$(mirror)
		[[ $uri ]] || die "apt has no Debian mirror to fetch $package from: check /etc/apt, then run 'apt-get update'"
		for suite in "${SUITES[@]}"; do
			! fetch_suite "$suite" || break
		done
		compgen -G "$cache/${package}_*.deb" >/dev/null ||
			die "no $package in this machine's suites or in ${SUITES[*]} ($(tail -n 1 "$cache/log")); try another KERNEL"
	fi
fi

# unpack(directory): the pristine source, whole or not at all
unpack()
{
	local deb

	[[ ! -d $dir/$1 ]] || return 0
	say "unpacking $package to $dir/$1"
	deb=$(compgen -G "$cache/${package}_*.deb" | sort -V | tail -n 1)
	rm -rf "$dir/$1.part"
	mkdir "$dir/$1.part"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package.tar.xz" |
		tar -xJ --strip-components=1 -C "$dir/$1.part"
	mv "$dir/$1.part" "$dir/$1"
}

# A changed glue cannot be put over the old one.
glue=$(sha256sum <"$TOP/harness/overlay/glue.patch")
if [[ -d $dir/src && $(cat "$dir/src.glue" 2>/dev/null) != "$glue" ]]; then
	rm -rf "$dir/src"
fi
for tree in "${@:-src}"; do
	unpack "$tree"
done
if [[ -d $dir/src ]]; then
	"$TOP/harness/overlay/overlay.sh" "$dir/src"
	echo "$glue" >"$dir/src.glue"
fi
