// SPDX-License-Identifier: GPL-2.0-or-later
/* The floor of alloc and free: kzalloc() and kfree_rcu() alone. */
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "bench.h"

struct block {
	struct rcu_head rcu;
	char rest[32 + BENCH_SIZE];
};

static void run_pair(struct bench_job *job)
{
	struct block *block;
	unsigned long i, hits = 0;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		block = kzalloc(sizeof(*block), GFP_KERNEL);
		if (!block)
			break;
		/* Nor may the compiler see that nobody uses it. */
		OPTIMIZER_HIDE_VAR(block);
		kfree_rcu(block, rcu);
		hits++;
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

const struct bench_store bench_kmalloc = {
	.name = "kmalloc",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
	.run = {
		[BENCH_PAIR] = run_pair,
	},
};
