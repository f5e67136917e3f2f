#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: setup.sh [PACKAGE...]
#
# Install missing Debian packages that the harness needs, and those in the arguments. If
# neither root nor sudo is available, print the command that installs them.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGES=(
	# to fetch, unpack and overlay the source of a kernel
	debian-archive-keyring patch xz-utils
	# to write the series, which the tests of the harness do
	git
	# to build it
	bc bison build-essential flex kmod libelf-dev perl rsync
	# to boot it
	genext2fs mmdebstrap qemu-system-x86 uidmap
	# to check our sources
	codespell python3 shellcheck sparse
	# additional packages of the caller
	"$@"
)

[[ -f /etc/debian_version ]] || die "this is not a Debian system; the harness needs Debian 12 or later"
[[ $(dpkg --print-architecture) == amd64 ]] ||
	die "this Debian is $(dpkg --print-architecture); the harness needs amd64, also for ARCH=arm64, s390 or powerpc"

missing=()
for package in "${PACKAGES[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
		missing+=("$package")
done
((${#missing[@]})) || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [[ $(id -u) == 0 ]]; then
	sudo=()
elif command -v sudo >/dev/null; then
	sudo=(sudo -n)
	"${sudo[@]}" true 2>/dev/null ||
		die "packages are missing, and sudo asks for a password; first run: sudo ${install[*]}"
else
	die "packages are missing; as root, run: ${install[*]}"
fi

say "installing ${#missing[@]} Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${sudo[@]}" apt-get -q update >"$log" 2>&1 ||
   ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" </dev/null >>"$log" 2>&1; then
	cat "$log" >&2
	die "packages could not be installed; is a package mirror set up? See above, then try: ${install[*]}"
fi
