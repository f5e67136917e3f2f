#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: [ARCH=<architecture>] rootfs.sh [NAME PACKAGE...]
#
# Make build/rootfs.ext2, the root file system of the VM: a minimal Debian of this
# machine's suite, with init.sh as its init. With arguments, make build/rootfs-NAME.ext2,
# which also has these packages. With ARCH, make build/rootfs-ARCH.ext2, where the scripts
# of packages have not been run.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# kmod loads modules. procps has sysctl, which the kernel's selftests use.
PACKAGES=mount,kmod,procps

for package in "${@:2}"; do
	PACKAGES+=,$package
done
set_arch
image=$(rootfs_image "${1:-}")
variant=(--variant=essential)
hook=customize-hook
if [[ $ARCH != x86_64 ]]; then
	variant=(--variant=extract --architectures="$DEB_ARCH" --include='?essential'
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
	hook=extract-hook
fi
log=${image%.ext2}.log
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
recipe=$({ cat "$0" "$TOP/harness/vm/init.sh" && echo "$PACKAGES"; } | sha256sum)

mkdir -p "$SHARED"
if [[ -f $image && $(cat "$image.recipe" 2>/dev/null) == "$recipe" ]]; then
	exit 0
fi

say "making the VM's user land (Debian $suite${1:+, $1})"
mirror=$(mirror)
[[ $mirror ]] || die "apt has no Debian mirror to make a user land from: check /etc/apt, then run 'apt-get update'"
rm -f "$image"

# mmdebstrap bind-mounts devices of this machine while package scripts run, which has
# removed the write permission of /dev/null for other users.
null_mode=$(stat -c %a /dev/null)
restore_null()
{
	[[ $(stat -c %a /dev/null) == "$null_mode" ]] || chmod "$null_mode" /dev/null
}
trap restore_null EXIT

# Without documentation, because the image should be small.
# shellcheck disable=SC2016  # mmdebstrap gives the hooks their $1
SOURCE_DATE_EPOCH=0 mmdebstrap "${variant[@]}" --include="$PACKAGES" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	"--$hook"='mkdir -p "$1/payload" "$1/lib/modules"; ln -sf mawk "$1/usr/bin/awk"' \
	"--$hook=upload '$TOP/harness/vm/init.sh' /usr/sbin/klp-shadow-init" \
	"--$hook"='chmod 755 "$1/usr/sbin/klp-shadow-init"' \
	"--$hook"='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
	"$suite" "$image.part.ext2" "deb $mirror $suite main" >"$log" 2>&1 ||
	die "no user land could be made: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"); see $log"
mv "$image.part.ext2" "$image"
echo "$recipe" >"$image.recipe"
