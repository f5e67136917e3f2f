// SPDX-License-Identifier: GPL-2.0-or-later
/* The control: loops that call nothing. */
#include <linux/compiler.h>

static inline void *store_get(void *obj, unsigned long id)
{
	OPTIMIZER_HIDE_VAR(obj);
	return obj;
}

#define STORE_IS_EMPTY
#include "loops.h"

const struct bench_store bench_none = {
	.name = "none",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
	.run = {
		[BENCH_GET] = run_get,
		[BENCH_CHAIN] = run_chain,
		[BENCH_ABSENT] = run_absent,
	},
};
