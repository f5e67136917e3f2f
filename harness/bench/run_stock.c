// SPDX-License-Identifier: GPL-2.0-or-later
/* The stock store. */
#include "stores.h"

#define store_get	stock_shadow_get
#define store_alloc	stock_shadow_alloc
#define store_free	stock_shadow_free
#include "loops.h"

static void free_all(unsigned long id)
{
	stock_shadow_free_all(id, NULL);
}

const struct bench_store bench_stock = {
	.name = "stock",
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
