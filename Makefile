# SPDX-License-Identifier: GPL-2.0-or-later
# Targets of the harness. KERNEL=<line> selects a kernel line; by default, that of this
# machine's Debian.

export KERNEL QUICK KSRC
SCENARIOS = NORMAL
SECONDS = 30
EVERY = 1

help:
	@echo 'make demo                 boot a kernel with the store and watch livepatches use it'
	@echo 'make test                 everything that must pass; ARCH=s390, powerpc or arm64: selftests there'
	@echo
	@echo 'make check                the static checks alone; CHECKS="sparse ..." chooses'
	@echo 'make compile              compile the store, samples and test modules with W=1'
	@echo 'make docs                 build the manual with the kernel'\''s Sphinx; no warning allowed'
	@echo 'make litmus               the litmus tests, with herd7 and the kernel'\''s memory model'
	@echo 'make twin                 the store in user space, against a model and in threads'
	@echo 'make twin-bench           alloc and free at native speed, beside the kernel'\''s own store'
	@echo 'make tools                build/tools/klp-shadow, which shows the shadow variables of a machine'
	@echo 'make tools-test           tests of it, in user space and in the VM; TESTS="dump debian ..." chooses'
	@echo 'make mutants              small changes of the store that the twin must notice'
	@echo 'make kunit-mutants        the same of types and conversion, with KUnit; EVERY=<n> takes each nth'
	@echo 'make kunit                the KUnit suite on user-mode Linux: seconds, once built'
	@echo 'make kunit-vm             the same suite in the VM, on two processors'
	@echo 'make kunit-arch           the same suite in QEMU, cross-compiled; ARCHS="arm64 s390 ..." chooses'
	@echo 'make compile-all          compile for all architectures and configurations, with gcc and clang'
	@echo 'make torture              all calls at once; SCENARIOS="..."|all, SECONDS=<n> for each'
	@echo 'make real                 livepatches of tasks, sockets, mac80211; TESTS="socks ..." chooses'
	@echo 'make real-busted          the same ones broken, which the tests must notice'
	@echo 'make real-cost            what a variable costs a TCP segment, beside the kernel'\''s own store'
	@echo 'make klp-build            a livepatch by the kernel'\''s own klp-build, Linux 7.3'
	@echo 'make pressure             variables that take most of the memory: the page cache stays'
	@echo 'make busted               broken stores that the tests must notice; VARIANTS="..." chooses'
	@echo 'make stock-demo           the module klp_shadow takes over the store of Debian'\''s own kernel'
	@echo 'make takeover             its tests, Linux 6.1 and 6.12; TESTS="stress ..." chooses'
	@echo 'make takeover-debug       some of them on a kernel with KASAN and kmemleak; TESTS as above'
	@echo 'make takeover-busted      broken modules that these must notice; TESTS="no-wait ..." chooses'
	@echo 'make dkms-deb             build its Debian package'
	@echo 'make coverage             which lines of the store its tests reach'
	@echo 'make bench                measure the store beside the kernel'\''s own; QUICK=1 is short'
	@echo 'make bench-vm             the same in the VM, small: that it works there'
	@echo 'make shell                an interactive shell in the VM'
	@echo
	@echo 'make overlay KTREE=<dir>  put the store onto a kernel source tree, 6.1 to 7.3'
	@echo 'make series               the store as patches for live-patching@vger.kernel.org, for 7.3'
	@echo 'make series-check         apply, check, build and test them one by one'
	@echo 'make debian-kernel        this Debian'\''s own kernel with them, as packages; an hour or two'
	@echo 'make kernel               build the kernel that the VM boots'
	@echo 'make setup                install the Debian packages that are missing'
	@echo 'make clean                remove all that was built or fetched'
	@echo
	@echo 'KERNEL=6.12 (or 7.3, ...) takes that line; by default this Debian'\''s own,'
	@echo 'for klp-build, bench and series 7.3. real, real-busted and real-cost fit 6.1 alone.'
	@echo 'KSRC=<dir> takes a copy of your own kernel tree, whatever its line.'

setup:
	@harness/setup.sh

kernel: setup
	@harness/kernel/build.sh
	@harness/vm/rootfs.sh

demo: setup
	@harness/demo.sh

test: setup
	@harness/test.sh

check: setup
	@harness/setup.sh clang coccinelle ocaml
	@harness/check.sh $(CHECKS)

compile: setup
	@harness/check.sh compile

docs: setup
	@harness/setup.sh python3-sphinx python3-sphinx-rtd-theme
	@harness/docs/docs.sh

litmus: setup
	@harness/litmus.sh

tools:
	@$(MAKE) -s -C tools/livepatch O='$(CURDIR)/build/tools'
	@echo build/tools/klp-shadow

tools-test: kernel
	@harness/klp-shadow/klp-shadow.sh $(TESTS)

twin: setup
	@harness/twin.sh

twin-bench: setup
	@harness/twin.sh bench

mutants: setup
	@harness/twin.sh mutants

kunit-mutants: setup
	@harness/kunit-mutants.sh '$(PATTERN)' '$(EVERY)'

kunit: setup
	@harness/kunit.sh

kunit-vm: kernel
	@harness/kunit-vm.sh

kunit-arch: setup
	@harness/kunit-arch.sh $(ARCHS)

compile-all: setup
	@harness/compile-all.sh $(CONFIGURATIONS)

torture: setup
	@harness/torture/torture.sh '$(SECONDS)' $(SCENARIOS)

real: setup
	@harness/real/real.sh $(TESTS)

real-busted: setup
	@harness/real/real.sh -b $(TESTS)

real-cost: setup
	@harness/real/cost.sh

klp-build: setup
	@harness/setup.sh gawk libxxhash-dev patchutils
	@harness/klp-build/klp-build.sh

pressure: kernel
	@harness/pressure.sh

busted: setup
	@harness/busted/busted.sh $(VARIANTS)

stock-demo: setup
	@harness/takeover/demo.sh

takeover: setup
	@harness/takeover/takeover.sh $(TESTS)

takeover-debug: setup
	@harness/takeover/takeover.sh -d $(TESTS)

takeover-busted: setup
	@harness/takeover/takeover.sh -b $(TESTS)

dkms-deb: setup
	@harness/setup.sh debhelper dh-dkms
	@harness/takeover/dkms.sh

coverage: setup
	@harness/setup.sh gcovr
	@harness/coverage.sh

bench: setup
	@harness/setup.sh gnuplot-nox
	@harness/bench/bench.sh

bench-vm: kernel
	@harness/bench/vm.sh

shell: kernel
	@harness/vm/vm.sh -i

overlay:
	@harness/overlay/overlay.sh '$(KTREE)'

series: setup
	@harness/setup.sh git
	@harness/series/series.sh

series-check: setup
	@harness/setup.sh git
	@harness/series/series.sh check

debian-kernel: setup
	@harness/setup.sh cpio devscripts dh-exec dh-python dwarves git kernel-wedge libssl-dev lz4 \
		python3-dacite python3-jinja2 quilt zstd
	@harness/debian-series.sh

clean:
	@bash -c '. harness/lib.sh; may_write; rm -rf build' make

.PHONY: help setup kernel demo test check compile docs litmus tools tools-test twin \
	twin-bench mutants kunit-mutants kunit kunit-vm kunit-arch compile-all torture real \
	real-busted real-cost klp-build pressure busted stock-demo takeover takeover-debug \
	takeover-busted dkms-deb coverage bench bench-vm shell overlay series series-check \
	debian-kernel clean
