#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [VARIANT=debian-series] debian-kernel.sh [MODULE...]
#        KERNEL=<line> [VARIANT=debian-series] debian-kernel.sh -m SOURCE RESULT
#
# Fetch Debian's own kernel of the line, unmodified, to build/<line>/debian, where
# 'VARIANT=debian vm.sh' boots it. Needed modules of it, and each MODULE with its
# dependencies, are installed for the VM. With VARIANT=debian-series it is the kernel whose
# packages debian-series.sh has built.
#
# With -m: build the modules in the directory SOURCE, which has a Kbuild file, with Debian's
# headers and the compiler of that release, and put the *.ko files into the directory RESULT.
# KCFLAGS is passed on.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# For the root file system, the disks and the output of the VM.
BOOT_MODULES=(virtio_pci virtio_blk virtio_console crc32c_generic ext4)

set_line
case $LINE in
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
*) die "no Debian release has Linux $LINE; give KERNEL=6.1 (Debian 12) or KERNEL=6.12 (Debian 13)" ;;
esac
series=
[[ ${VARIANT:-} != debian-series ]] || series=1
VARIANT=debian
set_dir
root=$DIR/root
log=$DIR/log
mkdir -p "$DIR"

# Kernel, headers and compiler, at the paths that they expect.
unpack()
{
	local mirror

	[[ ! -d $root ]] || return 0
	say "fetching the kernel of Debian $suite"
	mirror=$(mirror)
	[[ $mirror ]] || die "apt has no Debian mirror to fetch a kernel from: check /etc/apt, then run 'apt-get update'"
	rm -rf "$root.part"
	mkdir "$root.part"
	mmdebstrap --variant=extract \
		--include='?essential' --include=linux-image-amd64,linux-headers-amd64,gcc,make,busybox-static \
		"$suite" - "deb $mirror $suite main" 2>"$log" |
		tar -x -C "$root.part" --no-same-owner --exclude='./dev/*' --exclude='./usr/share/doc/*' ||
		die "Debian's kernel could not be fetched: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"); see $log"
	# A link that package scripts make, which are not run.
	ln -sf mawk "$root.part/usr/bin/awk"
	mv "$root.part" "$root"
}

# modules(name...): files of modules and their dependencies, in the order of loading
modules()
{
	local name

	for name; do
		modprobe -d "$root" -S "$release" --show-depends "$name" ||
			die "Debian's Linux $LINE has no module '$name'"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# An initial file system that loads what the root file system needs.
initrd()
{
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	mkdir "$dir"/{bin,proc,sys,dev,root,modules}
	cp "$root/bin/busybox" "$dir/bin/"
	modules "${BOOT_MODULES[@]}" >"$dir/list"
	xargs cp -t "$dir/modules" <"$dir/list"
	find "$dir/modules" -name '*.xz' -exec xz -d {} +
	cat >"$dir/init" <<-END
	#!/bin/busybox sh
	bin=/bin/busybox
	\$bin mount -t devtmpfs devtmpfs /dev
	for module in $(sed 's,.*/,,; s,\.xz$,,' "$dir/list" | tr '\n' ' '); do
		\$bin insmod /modules/\$module
	done
	until \$bin [ -b /dev/vdb ]; do \$bin sleep 0.1; done
	\$bin mount -t ext4 -o ro /dev/vda /root
	\$bin umount /dev
	exec \$bin switch_root /root /usr/sbin/klp-shadow-init
	END
	chmod 755 "$dir/init"
	ln -s busybox "$dir/bin/sh"
	(cd "$dir" && find . | bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$DIR/initrd"
}

# with_series(directory): that system with the packages of our kernel
with_series()
{
	local deb

	rm -rf "$root"
	cp -a "$1" "$root"
	rm -rf "${root:?}"/{lib/modules,boot}/*
	for deb in "$DIR"/linux-{headers,image,kbuild}-*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner --keep-directory-symlink
	done
}

unpack
if [[ $series ]]; then
	system=$root
	VARIANT=debian-series
	set_dir
	root=$DIR/root
	log=$DIR/log
	[[ ${1:-} == -m ]] || with_series "$system"
fi
release=$(basename "$root"/lib/modules/*)

if [[ ${1:-} == -m ]]; then
	[[ $# == 3 && (-f $2/Kbuild || -f $2/Makefile) ]] ||
		die "usage: debian-kernel.sh -m SOURCE RESULT; SOURCE has a Kbuild file"
	mkdir -p "$3"
	rm -rf "$root/tmp/module"
	cp -r "$2" "$root/tmp/module"
	# The unpacked system, with this machine's devices.
	# shellcheck disable=SC2016  # expanded inside
	unshare --map-root-user --mount sh -ec 'mount --rbind /dev "$1/dev"; exec chroot "$@"' sh "$root" \
		/usr/bin/make -j"$(nproc)" -C "/lib/modules/$release/build" M=/tmp/module "KCFLAGS=${KCFLAGS:-}" modules \
		>"$log" 2>&1 ||
		die "modules for Debian's Linux $LINE could not be built: $(grep -m 1 -E 'error:|\*\*\*' "$log" || tail -n 1 "$log"); see $log"
	find "$root/tmp/module" -name '*.ko' -exec cp {} "$3/" \;
	exit
fi

say "Debian's Linux $LINE: $release"
depmod -b "$root" "$release"
mkdir -p "$DIR/obj/arch/x86/boot"
cp "$root/boot/vmlinuz-$release" "$DIR/obj/arch/x86/boot/bzImage"
initrd
rm -rf "$DIR/install"
modules "${BOOT_MODULES[@]}" "$@" | while read -r file; do
	install -D -m 644 "$file" "$DIR/install/${file#"$root/"}"
done
cp "$root/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$DIR/install/lib/modules/$release/"
depmod -b "$DIR/install" "$release"
