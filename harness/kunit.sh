#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: KERNEL=<line> kunit.sh
#
# Build user-mode Linux with the store, its KUnit suite, KASAN and lockdep by the kernel's
# kunit.py, and run it, which takes seconds. Prints TAP. Succeeds if all tests pass and the
# console has no bad line. KUNIT_FILTER in the environment selects tests: <suite>.<test>,
# with wildcards. KUNIT_TREE names another source tree in build/<line>, src-<name>, with a
# separate build directory.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

set_line
export KERNEL=$LINE
tree=${KUNIT_TREE:-src}
obj=$BUILD/$LINE/um-kunit${tree#src}
# UML_PCI_OVER_VIRTIO, which kunit.py sets, makes 6.1 warn at boot.
options=(CONFIG_PROVE_LOCKING=y CONFIG_DEBUG_LIST=y CONFIG_UML_PCI_OVER_VIRTIO=n)
[[ $LINE == 6.1 ]] || options+=(CONFIG_DEBUG_ATOMIC_SLEEP=y)

"$TOP/harness/source.sh" "$tree"
mkdir -p "$obj"
rm -f "$obj/test.log"
say "KUnit on user-mode Linux $LINE with KASAN and lockdep; building it takes minutes"
exec "$TOP/harness/kunit-py.sh" "$obj/test.log" run --build_dir="$obj" --timeout=240 \
	--kunitconfig=kernel/livepatch "${options[@]/#/--kconfig_add=}" ${KUNIT_FILTER:+"$KUNIT_FILTER"}
