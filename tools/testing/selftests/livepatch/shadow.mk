# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the shadow variables' guarantees, Documentation/livepatch/shadow-vars.rst.
# Included by the Makefile before lib.mk, whose default goal must stay the first.

SHADOW_MODULES := test_shadow_modules
KDIR ?= /lib/modules/$(shell uname -r)/build

TEST_PROGS += \
	test-shadow-api.sh \
	test-shadow-data.sh \
	test-shadow-ctor.sh \
	test-shadow-race.sh \
	test-shadow-context.sh \
	test-shadow-lifetime.sh \
	test-shadow-failure.sh \
	test-shadow-table.sh \
	test-shadow-move.sh \
	test-shadow-lifetimes.sh \
	test-shadow-sight.sh \
	test-shadow-parents.sh \
	test-shadow-samples.sh \
	test-shadow-tasks.sh \
	test-shadow-socks.sh \
	test-shadow-stations.sh
TEST_PROGS_EXTENDED += shadow_functions.sh shadow_livepatches.sh
TEST_GEN_PROGS_EXTENDED += test_shadow_socks
TEST_FILES += $(SHADOW_MODULES) shadow_bad_log

all: shadow_modules
clean: shadow_modules_clean

# The scripts skip if there are no modules: without a kernel to build against, or with one
# that has the kernel's own store. The O= that the selftests' own Makefile passes is not KDIR's,
# and "make kselftest" of the kernel says by sub_make_done that M= has been read.
shadow_kbuild = unset sub_make_done; $(MAKE) -C $(KDIR) O=$(realpath $(KDIR)) M=$(CURDIR)/$(SHADOW_MODULES) $(1)
shadow_has = $(shell grep -s '^CONFIG_KLP_SHADOW=y' $(KDIR)/include/config/auto.conf)

shadow_modules:
	$(if $(shadow_has),$(call shadow_kbuild,modules),\
		@echo "shadow variables: skipped, $(KDIR) has no CONFIG_KLP_SHADOW")

shadow_modules_clean:
	$(if $(shadow_has),$(call shadow_kbuild,clean))

.PHONY: shadow_modules shadow_modules_clean
