// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The floor of alloc and free: kzalloc() and kfree_rcu() alone, and with the two
 * sections under a lock that no store can do without. On user-mode Linux with
 * SMP, turning interrupts off and on again is two system calls of the host.
 */
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "bench.h"

struct block {
	struct rcu_head rcu;
	char rest[32 + BENCH_SIZE];
};

static DEFINE_SPINLOCK(section_lock);

static inline void section(bool wanted)
{
	unsigned long flags;

	if (wanted) {
		spin_lock_irqsave(&section_lock, flags);
		spin_unlock_irqrestore(&section_lock, flags);
	}
}

static __always_inline void run(struct bench_job *job, bool locked)
{
	struct block *block;
	unsigned long i, hits = 0;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		block = kzalloc(sizeof(*block), GFP_KERNEL);
		if (!block)
			break;
		section(locked);
		/* Nor may the compiler see that nobody uses it. */
		OPTIMIZER_HIDE_VAR(block);
		section(locked);
		kfree_rcu(block, rcu);
		hits++;
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

static void run_pair(struct bench_job *job)
{
	run(job, false);
}

static void run_locked_pair(struct bench_job *job)
{
	run(job, true);
}

const struct bench_store bench_kmalloc = {
	.name = "kmalloc",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
	.run = {
		[BENCH_PAIR] = run_pair,
	},
};

const struct bench_store bench_kmlock = {
	.name = "kmlock",
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
	.run = {
		[BENCH_PAIR] = run_locked_pair,
	},
};
