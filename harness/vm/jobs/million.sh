#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The table test with a million variables, and a hundred thousand ids on NULL; a million
# that a livepatch declares; and a transition that is forced. For a kernel that is booted
# without what makes allocations slow, kmemleak=off and slub_debug=-.
cd /payload/selftests/livepatch &&
	./test-shadow-table.sh variables=1000000 ids=100000 rounds=1 &&
	./test-shadow-lifetimes.sh many force
