#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: rootfs.sh [NAME PACKAGE...]
#
# Makes build/rootfs.ext2, the user land of the VM: a minimal Debian of this
# machine's own suite, with init.sh as its init. With a name, another one that has
# these packages besides, build/rootfs-NAME.ext2.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# kmod loads modules, procps has sysctl, which the kernel's selftests call.
PACKAGES=mount,kmod,procps

for package in "${@:2}"; do
	PACKAGES+=,$package
done
image=$BUILD/rootfs${1:+-$1}.ext2
log=${image%.ext2}.log
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
recipe=$({ cat "$0" "$TOP/harness/vm/init.sh" && echo "$PACKAGES"; } | sha256sum)

mkdir -p "$BUILD"
if [[ -f $image && $(cat "$image.recipe" 2>/dev/null) == "$recipe" ]]; then
	exit 0
fi

say "making the VM's user land (Debian $suite${1:+, $1})"
mirror=$(mirror)
[[ $mirror ]] || die "apt has no Debian mirror to make a user land from: check /etc/apt, then run 'apt-get update'"
rm -f "$image"

# mmdebstrap binds this machine's devices into the user land, where packages' scripts
# run: /dev/null has come back without its write permission for others.
null_mode=$(stat -c %a /dev/null)
restore_null()
{
	[[ $(stat -c %a /dev/null) == "$null_mode" ]] || chmod "$null_mode" /dev/null
}
trap restore_null EXIT

# The console is slow and nobody reads documentation there.
# shellcheck disable=SC2016  # mmdebstrap gives the hooks their $1
SOURCE_DATE_EPOCH=0 mmdebstrap --variant=essential --include="$PACKAGES" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--customize-hook='mkdir -p "$1/payload" "$1/lib/modules"' \
	--customize-hook="upload '$TOP/harness/vm/init.sh' /usr/sbin/klp-shadow-init" \
	--customize-hook='chmod 755 "$1/usr/sbin/klp-shadow-init"' \
	--customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
	"$suite" "$image.part.ext2" "deb $mirror $suite main" >"$log" 2>&1 ||
	die "no user land could be made: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"); see $log"
mv "$image.part.ext2" "$image"
echo "$recipe" >"$image.recipe"
