#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run the table test with a million variables and a hundred thousand ids on NULL, and the
# lifetime tests with a million variables of a livepatch and with a forced transition. Boot
# with kmemleak=off and slub_debug=-, which would make allocations slow.
cd /payload/selftests/livepatch &&
	./test-shadow-table.sh variables=1000000 ids=100000 rounds=1 &&
	./test-shadow-lifetimes.sh many force
