// SPDX-License-Identifier: GPL-2.0-or-later
/* A bare RCU hash of ideal size. */
#include "stores.h"

#define store_get	floor_shadow_get
#define store_alloc	floor_shadow_alloc
#define store_free	floor_shadow_free
#include "loops.h"

const struct bench_store bench_floor = {
	.name = "floor",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
	.run = {
		[BENCH_GET] = run_get,
		[BENCH_CHAIN] = run_chain,
		[BENCH_ABSENT] = run_absent,
		[BENCH_PAIR] = run_pair,
		[BENCH_FILL] = run_fill,
		[BENCH_DRAIN] = run_drain,
	},
};
