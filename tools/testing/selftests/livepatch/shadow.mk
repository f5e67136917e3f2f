# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the shadow variables' promises, Documentation/livepatch/shadow-vars.rst.
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
	test-shadow-tasks.sh \
	test-shadow-socks.sh \
	test-shadow-stations.sh
TEST_PROGS_EXTENDED += shadow_functions.sh shadow_livepatches.sh
TEST_GEN_PROGS_EXTENDED += test_shadow_socks
TEST_FILES += $(SHADOW_MODULES)

all: shadow_modules
clean: shadow_modules_clean

# Without a kernel to build against, the scripts skip. The O= that the selftests'
# own Makefile hands down is not KDIR's.
shadow_kbuild = $(if $(wildcard $(KDIR)/Makefile),$(MAKE) -C $(KDIR) O=$(realpath $(KDIR)) \
	M=$(CURDIR)/$(SHADOW_MODULES) $(1))

shadow_modules:
	$(call shadow_kbuild,modules)

shadow_modules_clean:
	$(call shadow_kbuild,clean)

.PHONY: shadow_modules shadow_modules_clean
