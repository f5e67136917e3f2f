#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> [ARCH=<architecture>] [VARIANT=<name>] vm.sh [-t SECONDS]
#                [-a 'KERNEL ARGUMENT...'] [-p DIRECTORY] [-m MEMORY] JOB
#        KERNEL=<line> [ARCH=<architecture>] [VARIANT=<name>] vm.sh -i
#
# Boot the kernel of a line in QEMU, and run the script JOB there as root. The guest has the
# modules and selftests of the line, klp-shadow, and the files of DIRECTORY. Prints the output of
# JOB. Fails if JOB fails, if the kernel's log has a bad line, or if memory has leaked. With -i:
# an interactive shell instead.
#
# The check for parents that are freed before their variables is on, and its report is a bad
# line. Jobs that measure switch it off.
#
# The guest sends its verdict at the end, by a separate serial port. A run without a verdict
# fails.
#
# ARCH		arm64, powerpc, which is 64-bit and little endian, s390 or, the default, x86_64
# VARIANT	kernel in build/<line>/VARIANT; debian is Debian's own, see debian-kernel.sh
# VM_DISK	file that the guest may write to, its third disk
# VM_GDB	socket where gdb can stop the machine, and QEMU writes a dump when told
# VM_LOG	beginning of the names of the logs
# VM_ROOTFS	user land instead of that of rootfs.sh

# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

limit=600
append=
extra=
memory=1G
interactive=
while getopts t:a:p:m:i option; do
	case $option in
	t) limit=$OPTARG ;;
	a) append=$OPTARG ;;
	p) extra=$OPTARG ;;
	m) memory=$OPTARG ;;
	i) interactive=1 ;;
	*) die "usage: vm.sh [-t SECONDS] [-a 'KERNEL ARGUMENT...'] [-p DIRECTORY] [-m MEMORY] JOB | -i" ;;
	esac
done
shift $((OPTIND - 1))
job=${1:-}
[[ $interactive || -f $job ]] || die "no such job: '$job'"

set_line
set_dir
rootfs=${VM_ROOTFS:-$(rootfs_image "")}
case $ARCH in
x86_64)
	image=arch/x86/boot/bzImage
	machine=(qemu-system-x86_64 -cpu max -smp "2,sockets=2")
	console=ttyS0
	;;
arm64)
	image=arch/arm64/boot/Image
	machine=(qemu-system-aarch64 -M virt -cpu cortex-a57 -smp 2)
	console=ttyAMA0
	;;
powerpc)
	image=vmlinux
	machine=(qemu-system-ppc64 -M pseries -cpu power9 -smp 2)
	console=hvc0
	;;
s390)
	image=arch/s390/boot/bzImage
	machine=(qemu-system-s390x -M s390-ccw-virtio -cpu max -smp 2)
	console=ttysclp0
	;;
esac
image=$DIR/obj/$image
if [[ ! -f $image ]]; then
	[[ ${VARIANT:-} != debian ]] ||
		die "no kernel of Debian in $DIR: 'KERNEL=$LINE harness/vm/debian-kernel.sh' fetches it"
	[[ ! ${VARIANT:-} ]] ||
		die "no kernel '$VARIANT' of Linux $LINE in $DIR/obj: the suite that uses it builds it"
	die "no kernel in $DIR/obj: 'make kernel KERNEL=$LINE' builds one"
fi
command -v "${machine[0]}" >/dev/null || die "${machine[0]} is missing: 'harness/setup.sh ${EMULATOR[$ARCH]}' installs it"
name=$(basename "${job:-shell}" .sh)
log=${VM_LOG:-$DIR/logs/$name}
mkdir -p "${log%/*}"
rm -f "$log".{console,out,verdict}

work=$(mktemp -d)
qemu=
trap '[[ -z $qemu ]] || kill "$qemu" 2>/dev/null || :; rm -rf "$work"' EXIT

# payload(directory...): the guest's second disk, a tar of everything it runs
payload()
{
	mkdir "$work/payload"
	cp -r "$TOP"/harness/vm/guest/. "$TOP/harness/tap.sh" "$BAD_LOG" "$work/payload/"
	if [[ $interactive ]]; then
		ln -s shell.sh "$work/payload/run"
	else
		ln -s check-log.sh "$work/payload/run"
		cp "$job" "$work/payload/job"
	fi
	[[ -z $extra ]] || cp -r "$extra/." "$work/payload/"
	tar -c --owner=0 --group=0 -b 128 -f "$work/payload.tar" -C "$work/payload" . -C "$DIR/install" .
}

# boot(accelerator): start QEMU in the background
boot()
{
	local arguments=(-accel "$1" -m "$memory" -no-reboot -display none -nodefaults
		-kernel "$image" "${disks[@]}"
		-append "console=$console root=/dev/vda ro init=/usr/sbin/klp-shadow-init panic=-1 oops=panic slub_debug=FZPU klp_shadow.check_parents=1 $append"
	)
	[[ $1 != kvm* ]] || arguments+=(-cpu host)
	[[ ! -f $DIR/initrd ]] || arguments+=(-initrd "$DIR/initrd")
	[[ -z ${VM_GDB:-} ]] || arguments+=(-gdb "unix:$VM_GDB,server=on,wait=off" -device vmcoreinfo)
	[[ -z ${VM_DISK:-} ]] || arguments+=(-drive "file=$VM_DISK,format=raw,if=virtio")
	if [[ $interactive ]]; then
		"${machine[@]}" "${arguments[@]}" -serial mon:stdio
		return
	fi
	"${machine[@]}" "${arguments[@]}" -serial "file:$log.console" -device virtio-serial \
		-chardev "file,id=out,path=$log.out" -device virtserialport,chardev=out \
		-chardev "file,id=verdict,path=$log.verdict" -device virtserialport,chardev=verdict \
		</dev/null >"$log.qemu" 2>&1 &
	qemu=$!
}

# await(seconds): false if QEMU is still there then, or has said nothing by KVM for 5 s; its
# status into ended
await()
{
	local start=$SECONDS

	ended=0
	while kill -0 "$qemu" 2>/dev/null; do
		if ((SECONDS - start >= $1)) || [[ $accel == kvm && ! -s $log.console && $((SECONDS - start)) -ge 5 ]]; then
			kill -9 "$qemu"
			wait "$qemu" 2>/dev/null || :
			qemu=
			return 1
		fi
		sleep 0.2
	done
	wait "$qemu" 2>/dev/null || ended=$?
	qemu=
}

# A /dev/kvm that opens is not yet one that works: only a boot tells.
accelerator()
{
	local cache=$SHARED/accelerator

	if [[ $ARCH != x86_64 ]]; then
		echo tcg,thread=multi
		return
	fi
	if [[ ! -w /dev/kvm ]]; then
		echo tcg,thread=multi
		return
	fi
	if [[ ! -s $cache ]]; then
		if VM_LOG=$SHARED/logs/kvm VM_ACCEL=kvm VM_DISK='' \
		   "$0" -t 20 "$TOP/harness/vm/jobs/nothing.sh" >/dev/null 2>&1; then
			echo kvm >"$cache.$$"
		else
			echo tcg,thread=multi >"$cache.$$"
		fi
		# Another VM may read it.
		mv "$cache.$$" "$cache"
	fi
	cat "$cache"
}

# disks(): the arguments for the disks; on s390, where Linux numbers disks in any order, one
# for both
disks()
{
	local size

	if [[ $ARCH != s390 ]]; then
		disks=(-drive "file=$rootfs,format=raw,if=virtio,readonly=on"
			-drive "file=$work/payload.tar,format=raw,if=virtio,readonly=on")
		return
	fi
	size=$(($(stat -c %s "$rootfs") / 1048576 + 1))
	cp --sparse=always "$rootfs" "$work/disk"
	truncate -s "${size}M" "$work/disk"
	cat "$work/payload.tar" >>"$work/disk"
	disks=(-drive "file=$work/disk,format=raw,if=virtio,readonly=on")
	append+=" payload_at=$size"
}

accel=${VM_ACCEL:-$(accelerator)}
# With thread=multi, QEMU 7.2 can oops when a hot function is patched, as by klp_shadow.
[[ ! ${VARIANT:-} =~ ^(debian|takeover-debug)$ || $accel != tcg* ]] || accel=tcg,thread=single
payload
disks
if [[ $interactive ]]; then
	say "Linux $LINE in QEMU (${accel%%,*}); 'exit' or Ctrl-A X ends it"
	boot "$accel"
	exit
fi
say "Linux $LINE in QEMU (${accel%%,*}): $name"
# fault_of_qemu(): a fault of the emulator itself, not of the guest: SIGILL, SIGABRT, SIGBUS,
# SIGFPE or SIGSEGV; or serial ports that do not appear, on s390 in one of ten boots (QEMU 7.2)
fault_of_qemu()
{
	if [[ " 132 134 135 136 139 " == *" $ended "* ]]; then
		echo "QEMU was killed by signal $((ended - 128))"
	elif grep -aq '^no serial ports' "$log.console" 2>/dev/null; then
		echo "the serial ports did not appear"
	fi
}

# Once more then. Of what has been shown by then, nothing is taken back.
for again in 1 ''; do
	boot "$accel"
	touch "$log.out"
	tail -f -n +1 --pid="$qemu" "$log.out" &
	shown=$!
	in_time=1
	await "$limit" || in_time=
	wait "$shown" || :
	fault=$(fault_of_qemu)
	[[ $fault ]] || break
	[[ $again ]] || die "$name: $fault, twice; the console is in $log.console"
	echo "vm.sh: $name: $fault: once more" >&2
	rm -f "$log".{console,out,verdict}
done

# Why there is no verdict, from the console's last words.
if [[ ! -s $log.verdict ]]; then
	panic=$(grep -a -m 1 'Kernel panic' "$log.console" | tr -d '\r' || :)
	if [[ ! $in_time ]]; then
		echo "--- the last lines of the console:" >&2
		tail -n 15 "$log.console" >&2
		die "$name: hangs: no verdict in $limit s; the console is in $log.console"
	elif [[ $panic ]]; then
		die "$name: ${panic#*] }; the console is in $log.console"
	fi
	die "$name: the VM ended without a verdict ($(tail -n 1 "$log.qemu")); the console is in $log.console"
fi
verdict=$(tr -d '\r' <"$log.verdict")
[[ $verdict == pass ]] || die "$name: ${verdict#fail: }; see $log.out and $log.console"
