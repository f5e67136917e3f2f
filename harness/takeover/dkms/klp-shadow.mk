# SPDX-License-Identifier: GPL-2.0-or-later
# For the Kbuild file of a livepatch that uses shadow types on a kernel with the module
# klp_shadow:
#
#	include /usr/include/klp-shadow/klp-shadow.mk
#
# Symbol versions are those of the kernel that the livepatch is built for.
ccflags-y += -include /usr/include/klp-shadow/klp_shadow.h -I/usr/include/klp-shadow
# So that patched functions stay on the stack of tasks that sleep in the store.
ccflags-y += -fno-optimize-sibling-calls
KBUILD_EXTRA_SYMBOLS += /var/lib/klp-shadow/$(KERNELRELEASE)/Module.symvers
