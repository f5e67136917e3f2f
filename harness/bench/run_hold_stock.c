// SPDX-License-Identifier: GPL-2.0-or-later
/* The stock store with its lock holds measured. */
#include "stores.h"

#define store_get	hold_stock_shadow_get
#define store_alloc	hold_stock_shadow_alloc
#define store_free	hold_stock_shadow_free
#include "loops.h"

static void free_all(unsigned long id)
{
	hold_stock_shadow_free_all(id, NULL);
}

const struct bench_store bench_hold_stock = {
	.name = "hold_stock",
	.slow = 200000,
	.max = 1000000,
	.run = {
		[BENCH_GET] = run_get,
		[BENCH_CHAIN] = run_chain,
		[BENCH_ABSENT] = run_absent,
		[BENCH_PAIR] = run_pair,
		[BENCH_FILL] = run_fill,
		[BENCH_DRAIN] = run_drain,
		[BENCH_RARE] = run_rare,
	},
	.free_all = free_all,
};
