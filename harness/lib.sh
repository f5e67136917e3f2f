# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the scripts of the harness share. Source it; it sets TOP, BUILD, LINE.

set -euo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for those who source this
BUILD=$TOP/build
PROG=${0##*/}

# die(message): one clear line, and a status that make notices.
die()
{
	echo "$PROG: $*" >&2
	exit 1
}

# say(message): progress.
say()
{
	echo "== $*"
}

# default_line(): the kernel line of this machine's own Debian, "6.1" say.
default_line()
{
	local deps

	deps=$(apt-cache show --no-all-versions linux-source 2>/dev/null |
		sed -n 's/^Depends: *linux-source-\([0-9.]*\).*/\1/p')
	[[ $deps ]] || die "apt knows no linux-source package: run 'apt-get update', or name a line: make ... KERNEL=6.1"
	echo "$deps"
}

# mirror(): where apt gets this machine's Debian from.
mirror()
{
	# shellcheck disable=SC2016  # apt expands these
	apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
}

# set_line(): KERNEL from the environment, checked, into LINE.
set_line()
{
	LINE=${KERNEL:-}
	if [[ -z $LINE ]]; then
		LINE=$(default_line)
	fi
	[[ $LINE =~ ^[0-9]+\.[0-9]+$ ]] ||
		die "KERNEL=$LINE is not a kernel line: give one such as KERNEL=6.12"
}
