#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run the table test with a million variables and a hundred thousand ids on NULL, read the
# files in debugfs with a million variables, and run the lifetime tests with a million
# variables of a livepatch and with a forced transition. Boot with kmemleak=off and
# slub_debug=-, which would make allocations slow.
# shellcheck disable=SC2016  # awk expands these

# shellcheck source=SCRIPTDIR/../../tap.sh
. /payload/tap.sh
cd /payload/selftests/livepatch || exit

# has(number, file, awk program): report whether the program prints the number
has()
{
	local n

	n=$(awk "$3" "/sys/kernel/debug/klp_shadow/$2")
	[[ $n == "$1" ]]
	result $? "a million variables, $2: $n"
}

./test-shadow-table.sh variables=1000000 ids=100000 rounds=1 || exit
insmod test_shadow_modules/test_klp_shadow_table.ko keep=1000000 || exit
has 1000001 variables 'END { print NR }'
has 1000000 ids '$1 == "0x5d030001" { print $5 }'
has 1000000 table '$1 == "variables" { print $2 }'
# Of the test before, which lets allocations fail.
has 1 table '$1 == "failed" { print ($2 > 0) }'
rmmod test_klp_shadow_table
plan || exit
./test-shadow-lifetimes.sh many force
