// SPDX-License-Identifier: GPL-2.0-or-later
/* Our store with its lock holds measured. */
#include "stores.h"

#define store_get	hold_ours_shadow_get
#define store_alloc	hold_ours_shadow_alloc
#define store_free	hold_ours_shadow_free
#include "loops.h"

static void free_all(unsigned long id)
{
	hold_ours_shadow_free_all(id, NULL);
}

const struct bench_store bench_hold_ours = {
	.name = "hold_ours",
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
