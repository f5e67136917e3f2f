// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loops of calls, compiled once for each copy of a store, so that the calls are
 * direct. copy.h gives the calls the names of the copy.
 */
#include <linux/livepatch_shadow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bench.h"

#ifdef STORE_none
/* The loops without calls. */
#undef klp_shadow_get
#define klp_shadow_get		no_get
static inline void *no_get(void *obj, unsigned long id)
{
	OPTIMIZER_HIDE_VAR(obj);
	return obj;
}
#endif

static inline unsigned long next_pos(unsigned long pos)
{
	return pos + 1 < bench_seq ? pos + 1 : 0;
}

/* The body uses parent, sets data, and counts hits. */
#define DEFINE_LOOP(name, body)								\
static void __maybe_unused name(struct bench_job *job)					\
{											\
	unsigned long i, pos = job->pos, hits = 0, data = 0;				\
	u64 start = bench_clock();							\
											\
	for (i = 0; i < job->count; i++) {						\
		void *parent = bench_parents[pos];					\
											\
		body;									\
		pos = next_pos(pos);							\
	}										\
	job->ns = bench_clock() - start;						\
	job->hits = hits + (data & 1);							\
}

DEFINE_LOOP(run_get, hits += !!klp_shadow_get(parent, BENCH_ID))
/* Data is never at an odd address, but the CPU has to wait for the address. */
DEFINE_LOOP(run_get_dep, data = (unsigned long)klp_shadow_get(parent + (data & 1), BENCH_ID);
	    hits += !!data)
DEFINE_LOOP(run_absent, hits += !!klp_shadow_get(parent + 64, BENCH_ID))
/* On x86, rmb() is lfence, which waits for all earlier instructions. */
DEFINE_LOOP(run_absent_dep, hits += !!klp_shadow_get(parent + 64, BENCH_ID); rmb())

#ifndef STORE_none

DEFINE_LOOP(run_free_absent, klp_shadow_free(parent + 64, BENCH_ID, NULL))
DEFINE_LOOP(run_free_absent_dep, klp_shadow_free(parent + 64, BENCH_ID, NULL); rmb())

DEFINE_LOOP(run_pair,
	    parent += 64 + 8 * job->index;
	    hits += !!klp_shadow_alloc(parent, BENCH_ID, BENCH_SIZE, GFP_KERNEL, NULL, NULL);
	    klp_shadow_free(parent, BENCH_ID, NULL))

static unsigned long add(struct bench_job *job, unsigned long i, unsigned long id)
{
	if (!(++job->count % 1024))
		cond_resched();

	return !!klp_shadow_alloc(bench_parent(i), id, BENCH_SIZE, GFP_KERNEL, NULL, NULL);
}

static void run_fill(struct bench_job *job)
{
	u64 start = bench_clock();
	unsigned long i;

	job->count = 0;
	for (i = job->index; i < bench_n; i += job->cpus)
		job->hits += add(job, i, BENCH_ID);
	job->ns = bench_clock() - start;
}

static void run_drain(struct bench_job *job)
{
	u64 start = bench_clock();
	unsigned long i;

	job->count = 0;
	for (i = job->index; i < bench_n; i += job->cpus) {
		if (!(++job->count % 1024))
			cond_resched();
		klp_shadow_free(bench_parents[i], BENCH_ID, NULL);
	}
	job->ns = bench_clock() - start;
	job->hits = job->count;
}

#endif /* STORE_none */

#if defined(STORE_ours) || defined(STORE_stock)

static void run_rare(struct bench_job *job)
{
	unsigned long i;

	job->count = 0;
	for (i = 0; i < bench_n; i += 100)
		job->hits += add(job, i, BENCH_RARE_ID);
}

static void free_all(unsigned long id)
{
	klp_shadow_free_all(id, NULL);
}

#endif

#ifdef STORE_ours

static void run_move(struct bench_job *job)
{
	unsigned long i;

	job->count = 0;
	for (i = 0; i < bench_n; i += 100, job->count++) {
		if (!(job->count % 1024))
			cond_resched();
		job->hits += !klp_shadow_move(bench_parent(i), bench_parent(i) + 64, BENCH_RARE_ID,
					      GFP_KERNEL);
	}
}

int COPY_NAME(_klp_shadow_reclaim_init)(void);
int COPY_NAME(_klp_shadow_table_init)(void);

static int init(void)
{
	return COPY_NAME(_klp_shadow_reclaim_init)() ?: COPY_NAME(_klp_shadow_table_init)();
}

#endif

#ifdef MEASURE_CHAINS

#include <shadow_table.h>

static void chains(struct bench_chains *sum)
{
	struct klp_shadow_table *table = &klp_shadow_first, *next;
	struct hlist_nulls_node *node;
	struct klp_shadow *entry;
	unsigned long i, length;

	*sum = (struct bench_chains) {};
	rcu_read_lock();
	for (; table; table = next != table ? next : NULL) {
		for (i = 0; i < BIT(table->bits); i++) {
			length = 0;
			hlist_nulls_for_each_entry_rcu(entry, node, &table->chains[i], node)
				sum->compared += ++length;
			sum->entries += length;
			sum->longest = max(sum->longest, length);
		}
		next = rcu_dereference(table->next);
	}
	rcu_read_unlock();
}

#endif

#ifdef STORE_floor
int COPY_NAME(resize)(unsigned long n);
#endif

extern const struct bench_store COPY_NAME(store);
const struct bench_store COPY_NAME(store) = {
	.name = __stringify(STORE),
	.layout = LAYOUT,
#ifdef STORE_stock
	.slow = 200000,
	.max = 1000000,
#else
	.slow = ULONG_MAX,
	.max = ULONG_MAX,
#endif
	.run = {
		[BENCH_GET] = run_get,
		[BENCH_GET_DEP] = run_get_dep,
		[BENCH_ABSENT] = run_absent,
		[BENCH_ABSENT_DEP] = run_absent_dep,
#ifndef STORE_none
		[BENCH_FREE_ABSENT] = run_free_absent,
		[BENCH_FREE_ABSENT_DEP] = run_free_absent_dep,
		[BENCH_PAIR] = run_pair,
		[BENCH_FILL] = run_fill,
		[BENCH_DRAIN] = run_drain,
#endif
#if defined(STORE_ours) || defined(STORE_stock)
		[BENCH_RARE] = run_rare,
#endif
#ifdef STORE_ours
		[BENCH_MOVE] = run_move,
#endif
	},
#ifdef STORE_ours
	.init = init,
#endif
#ifdef STORE_floor
	.resize = COPY_NAME(resize),
#endif
#if defined(STORE_ours) || defined(STORE_stock)
	.free_all = free_all,
#endif
#ifdef MEASURE_CHAINS
	.chains = chains,
#endif
};
