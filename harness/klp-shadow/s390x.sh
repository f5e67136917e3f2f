#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> s390x.sh
#
# klp-shadow on a big-endian machine: build the kernel of the line for s390x, and boot it in
# QEMU with the program and the module that adds variables. Prints TAP.

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../kernel/kbuild.sh
. "$TOP/harness/kernel/kbuild.sh"

set_line
export KERNEL=$LINE
out=$BUILD/klp-shadow/$LINE-s390x
src=$BUILD/$LINE/src
obj=$out/obj
log=$out/log
console=$out/console
cross=s390x-linux-gnu-
mkdir -p "$out"
"$TOP/harness/setup.sh" gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-system-misc

kmake()
{
	make -C "$src" O="$obj" ARCH=s390 CROSS_COMPILE=$cross KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

"$TOP/harness/source.sh"
configure "Linux $LINE for s390x" "$TOP/harness/kernel/s390x.config"
: >"$log"
build "Linux $LINE for s390x" bzImage modules_prepare

# Debian's shell for s390x.
if [[ ! -f $out/busybox ]]; then
	mirror=$(mirror)
	[[ $mirror ]] || die "apt has no Debian mirror to fetch a shell from: check /etc/apt, then run 'apt-get update'"
	mmdebstrap --variant=extract --architectures=s390x --include=busybox-static \
		bookworm - "deb $mirror bookworm main" 2>"$out/log" | tar -xO ./bin/busybox >"$out/busybox.part" ||
		die "busybox could not be fetched: $(grep -m 1 '^E: ' "$out/log" || tail -n 1 "$out/log"); see $out/log"
	chmod 755 "$out/busybox.part"
	mv "$out/busybox.part" "$out/busybox"
fi

make -s -C "$TOP/tools/livepatch" O="$out/bin" CROSS_COMPILE=$cross LDFLAGS=-static
rm -rf "$out/module" "$out/initrd.d"
cp -r "$TOP/tools/livepatch/tests/fill" "$out/module"
# Without Module.symvers, which modules_prepare does not make: the symbols are there.
kmake M="$out/module" KBUILD_MODPOST_WARN=1 modules >>"$log" 2>&1 ||
	die "the module could not be built: $(grep -m 1 -E 'error:|\*\*\*' "$log"); see $log"

mkdir -p "$out/initrd.d"/{bin,proc,sys,dev}
cp "$out/busybox" "$out/bin/klp-shadow" "$out/initrd.d/bin/"
cp "$out/module/klp_shadow_fill.ko" "$out/initrd.d/"
ln -s busybox "$out/initrd.d/bin/sh"
cat >"$out/initrd.d/init" <<'END'
#!/bin/sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox insmod /klp_shadow_fill.ko stay=100000 low=5000 high=15000 nulls=5
echo quiet; klp-shadow; echo "status $?"
echo 1 >/sys/module/klp_shadow_fill/parameters/churn
echo churn; klp-shadow; echo "status $?"
parent=$(klp-shadow list --id 0x57a9 | busybox awk 'NR == 5000 { print $2 }')
echo list; klp-shadow list --id 0x57a9 --parent "$parent"; echo "status $?"
echo end
busybox poweroff -f
END
chmod 755 "$out/initrd.d/init"
echo 'nod /dev/console 0600 0 0 c 5 1' >"$out/console.list"
(cd "$obj" && "$src/usr/gen_initramfs.sh" -o "$out/initrd" -u squash -g squash \
	"$out/initrd.d" "$out/console.list") >>"$log" 2>&1 || die "no initial file system; see $log"

say "Linux $LINE for s390x in QEMU"
timeout 900 qemu-system-s390x -M s390-ccw-virtio -m 1G -smp 2 -no-reboot -nographic \
	-kernel "$obj/arch/s390/boot/bzImage" -initrd "$out/initrd" </dev/null >"$console" 2>&1 || :
tr -d '\r' <"$console" >"$console.text"

# part(name): lines of the console from the line of this name to the next such line
part()
{
	awk -v name="$1" '
		/^(quiet|churn|list|end)$/ { on = $1 == name }
		on' "$console.text" >"$out/part"
}

# check(description, awk-condition): of the variables that stay and the others
check()
{
	awk '($1 "") == "0x57a9" { stay = $2 + 0 }
		($1 "") == "0xc4a0" { churn = $2 + 0 }
		/^status / { status = $2 }
		END { exit !('"$2"') }' "$out/part" && status=0 || status=1
	result "$status" "$1" "$out/part"
}

part quiet
check "s390x, 100,000 variables" 'status == 0 && stay == 100000 && churn == 5000'
part churn
check "s390x, while others come and go" \
	'status == 0 && stay == 100000 && churn >= 5000 && churn <= 15000'
part list
[[ $(grep -c '^0x57a9 *0x' "$out/part") == 1 ]] && status=0 || status=1
result "$status" "s390x, the variable of one parent" "$out/part"
plan
