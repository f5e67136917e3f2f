#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Init of the VM: mount file systems, unpack the second disk, or the end of the first one,
# which is a tar of modules, scripts and tests, and run its script "run". The root file system
# is read-only; all other data is in memory.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C

mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /payload
mkdir -p /dev/pts /dev/shm
# The kselftest runner appends to /dev/stdout, which would be a file.
ln -s /proc/self/fd /dev/fd
for i in 0:stdin 1:stdout 2:stderr; do
	ln -s "fd/${i%:*}" "/dev/${i#*:}"
done
mount -t devpts devpts /dev/pts

if [[ $(</proc/cmdline) =~ payload_at=([0-9]+) ]]; then
	dd if=/dev/vda bs=1M skip="${BASH_REMATCH[1]}" 2>/dev/null | tar -x -C /payload --no-same-owner
else
	tar -x -C /payload --no-same-owner -f /dev/vdb
fi
mount --bind /payload/lib/modules /lib/modules
cd /payload || exit 1
/payload/run
sync
echo b >/proc/sysrq-trigger
