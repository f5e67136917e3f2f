// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's store, which is ours. */
#include "stores.h"

#define store_get	klp_shadow_get
#define store_alloc	klp_shadow_alloc
#define store_free	klp_shadow_free
#include "loops.h"

static void free_all(unsigned long id)
{
	klp_shadow_free_all(id, NULL);
}

const struct bench_store bench_ours = {
	.name = "ours",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
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
