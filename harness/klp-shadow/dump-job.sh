#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the VM: variables that stay, others that come and go, which resizes our table again and
# again, and in our store one that was moved, and a livepatch with a type. dump.sh stops the
# VM amid it.

cd /payload || exit 1
if grep -qw klp_shadow_layout /proc/kallsyms; then
	modprobe livepatch-shadow-driver && modprobe livepatch-shadow-lifetime || exit
fi
insmod klp_shadow_fill.ko stay=3000 low=0 high=20000 nulls=10 churn=1 || exit
echo "variables come and go"
sleep 1000
