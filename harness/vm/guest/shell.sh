#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: an interactive shell on the console.

cat <<MOTD

Linux $(uname -r) with klp-shadow. Modules: modprobe <name>, one of
$(find /lib/modules -name '*.ko' -printf '%f ' | fmt)
The livepatch selftests are in /payload/selftests/livepatch. klp-shadow shows shadow variables.

MOTD
console=/dev/$(</sys/class/tty/console/active)
export PATH=$PATH:/payload/sbin
exec setsid -c -w bash -i <>"$console" >&0 2>&0
