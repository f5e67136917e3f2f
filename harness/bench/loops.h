/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loops, for a store whose calls are store_get(), store_alloc(),
 * store_free() and store_free_all(), so that none goes through a pointer.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bench.h"

static inline unsigned long next_pos(unsigned long pos)
{
	return pos + 1 < bench_n ? pos + 1 : 0;
}

static void run_get(struct bench_job *job)
{
	unsigned long i, pos = job->pos, hits = 0;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		hits += !!store_get(bench_parents[pos], BENCH_ID);
		pos = next_pos(pos);
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

static void run_chain(struct bench_job *job)
{
	unsigned long i, pos = job->pos, hits = 0, data;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		data = (unsigned long)store_get(bench_parents[pos], BENCH_ID);
		hits += !!data;
		/* No address is odd, but the processor must have it to know. */
		pos = next_pos(pos + (data & 1));
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

static void run_absent(struct bench_job *job)
{
	unsigned long i, pos = job->pos, hits = 0;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		hits += !!store_get(bench_parents[pos] + 64, BENCH_ID);
		pos = next_pos(pos);
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

#ifndef STORE_IS_EMPTY

static void run_pair(struct bench_job *job)
{
	unsigned long i, pos = job->pos, hits = 0, offset = 64 + 8 * job->index;
	u64 start = ktime_get_ns();

	for (i = 0; i < job->count; i++) {
		hits += !!store_alloc(bench_parents[pos] + offset, BENCH_ID, BENCH_SIZE,
				      GFP_KERNEL, NULL, NULL);
		store_free(bench_parents[pos] + offset, BENCH_ID, NULL);
		pos = next_pos(pos);
	}
	job->ns = ktime_get_ns() - start;
	job->hits = hits;
}

static void run_fill(struct bench_job *job)
{
	unsigned long i, hits = 0, ops = 0;
	u64 start = ktime_get_ns();

	for (i = job->index; i < bench_n; i += job->cpus) {
		hits += !!store_alloc(bench_parent(i), BENCH_ID, BENCH_SIZE, GFP_KERNEL,
				      NULL, NULL);
		if (!(++ops % 1024))
			cond_resched();
	}
	job->ns = ktime_get_ns() - start;
	job->count = ops;
	job->hits = hits;
}

static void run_drain(struct bench_job *job)
{
	unsigned long i, ops = 0;
	u64 start = ktime_get_ns();

	for (i = job->index; i < bench_n; i += job->cpus) {
		store_free(bench_parents[i], BENCH_ID, NULL);
		if (!(++ops % 1024))
			cond_resched();
	}
	job->ns = ktime_get_ns() - start;
	job->count = ops;
	job->hits = ops;
}

static void __maybe_unused run_rare(struct bench_job *job)
{
	unsigned long i, hits = 0, ops = 0;

	for (i = 0; i < bench_n; i += 100) {
		hits += !!store_alloc(bench_parent(i), BENCH_RARE_ID, BENCH_SIZE, GFP_KERNEL,
				      NULL, NULL);
		if (!(++ops % 1024))
			cond_resched();
	}
	job->count = ops;
	job->hits = hits;
}

#endif /* STORE_IS_EMPTY */
