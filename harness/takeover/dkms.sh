#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: dkms.sh
#        KERNEL=<line> dkms.sh -t
#
# Build the Debian package klp-shadow-dkms, in build/dkms. With -t: install it in a new
# Debian of the line, where DKMS builds the module, and take a store over with that module
# in the VM.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

here=$TOP/harness/takeover
dir=$BUILD/dkms
log=$dir/log

rm -rf "$dir"
mkdir -p "$dir"
"$here/source.sh" "$dir/klp-shadow"
cp -r "$here"/dkms/. "$dir/klp-shadow/"
say "building klp-shadow-dkms"
(cd "$dir/klp-shadow" && dpkg-buildpackage -b -us -uc) >"$log" 2>&1 ||
	die "the package could not be built: $(grep -m 1 -iE 'error|unmet' "$log" || tail -n 1 "$log"); see $log"
package=$(echo "$dir"/klp-shadow-dkms_*.deb)
echo "$package"
[[ ${1:-} == -t ]] || exit 0

set_line
case $LINE in
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
*) die "no Debian release has Linux $LINE; give KERNEL=6.1 or KERNEL=6.12" ;;
esac
say "installing it in Debian $suite"
# shellcheck disable=SC2016  # mmdebstrap gives the hooks their $1
mmdebstrap --variant=apt --include=linux-image-amd64,linux-headers-amd64,dkms,gcc,libc6-dev,openssl,initramfs-tools \
	--customize-hook="upload '$package' /tmp/klp-shadow-dkms.deb" \
	--customize-hook='chroot "$1" dpkg -i /tmp/klp-shadow-dkms.deb || { cat "$1"/var/lib/dkms/klp-shadow/*/build/make.log; false; }' \
	--customize-hook='mkdir "$1/result"; cp "$1"/lib/modules/*/updates/dkms/klp_shadow.ko* "$1/result/"; \
		cp "$1"/var/lib/klp-shadow/*/Module.symvers "$1/result/"' \
	--customize-hook="sync-out /result '$dir'" \
	"$suite" /dev/null "deb $(mirror) $suite main" >"$log" 2>&1 ||
	die "the module could not be installed: $(grep -m 1 '^E: \|[Ee]rror' "$log" || tail -n 1 "$log"); see $log"
find "$dir" -name 'klp_shadow.ko.xz' -exec xz -d {} +
[[ -f $dir/klp_shadow.ko && -s $dir/Module.symvers ]] || die "DKMS has built no module; see $log"

# The signature that DKMS has added is behind the livepatch relocation.
tail -c 28 "$dir/klp_shadow.ko" | grep -q 'Module signature appended' ||
	die "DKMS has not signed the module; see $log"
"$here/takeover.sh" -k "$dir/klp_shadow.ko" basic
