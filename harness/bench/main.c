// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Benchmark of shadow variable stores: ours, the kernel's own, and floors that
 * no store can be below. Loading the module runs it. It prints CSV, each line
 *
 *	csv,operation,store,cpus,n,round,count,total
 *
 * with the nanoseconds that count operations took, on the average of the CPUs
 * if there are more than one. Operations "hold..." give the longest of count
 * sections with interrupts off, "most..." what all but one in 10,000 of them took
 * at most, and "memory" gives bytes for count variables.
 *
 * The module cannot be unloaded: a store has no end, its work may be pending.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "bench.h"
#include "hold.h"
#include "stores.h"

static bool quick;
module_param(quick, bool, 0444);
MODULE_PARM_DESC(quick, "fewer sizes and fewer rounds");

static unsigned long max_n = 10000000;
module_param(max_n, ulong, 0444);
MODULE_PARM_DESC(max_n, "largest number of variables");

void **bench_parents;
unsigned long bench_n;

static const unsigned long sizes[] = {
	1, 10, 100, 1000, 4096, 10000, 100000, 1000000, 10000000
};
static const unsigned long quick_sizes[] = { 1, 1000, 4096, 100000, 1000000 };

static const struct bench_store *const all_stores[] = {
	&bench_ours, &bench_stock, &bench_floor, &bench_kmalloc, &bench_kmlock, &bench_none
};

/* A fill that takes longer than this is not repeated. */
#define PATIENCE	(8ULL * NSEC_PER_SEC)

#define for_each_store(store, i, first)						\
	for (i = 0; i < ARRAY_SIZE(all_stores) &&				\
	     (store = all_stores[(i + (first)) % ARRAY_SIZE(all_stores)], true); i++)

/* Initcalls of a store's copy. */
int hold_ours__klp_shadow_table_init(void);
int hold_ours__klp_shadow_release_init(void);

static struct rnd_state rnd;
static struct bench_job *jobs;
static unsigned int nr_cpus;
static unsigned int rounds;
static unsigned int fill_rounds;
static u64 slice;
static u64 fill_ns[ARRAY_SIZE(all_stores)];
static bool failed;

/* One job runs on the last CPU, away from the interrupts of the first. */
static struct {
	void (*fn)(struct bench_job *job);
	atomic_t starting;
	atomic_t running;
	struct completion done;
} team;

static int bench_thread(void *data)
{
	atomic_dec(&team.starting);
	while (atomic_read(&team.starting))
		cond_resched();
	team.fn(data);
	if (atomic_dec_and_test(&team.running))
		complete(&team.done);

	return 0;
}

/* Run a loop on @cpus CPUs at once. Returns the sum of the counts. */
static unsigned long run(const struct bench_store *store, enum bench_op op, unsigned int cpus,
			 unsigned long count, u64 *ns)
{
	struct task_struct *task;
	unsigned long sum = 0, hits = 0;
	int i, cpu;

	team.fn = store->run[op];
	atomic_set(&team.starting, cpus);
	atomic_set(&team.running, cpus);
	reinit_completion(&team.done);

	i = num_online_cpus();
	for_each_online_cpu(cpu) {
		if (--i >= cpus)
			continue;
		jobs[i] = (struct bench_job) {
			.index = i,
			.cpus = cpus,
			.count = count,
			.pos = prandom_u32_state(&rnd) % bench_n,
		};
		task = kthread_create(bench_thread, &jobs[i], "klp_shadow_bench/%d", i);
		/* Others are waiting for it: there is no way back. */
		if (IS_ERR(task))
			panic("klp_shadow_bench: no memory for a thread\n");
		kthread_bind(task, cpu);
		wake_up_process(task);
	}
	wait_for_completion(&team.done);

	*ns = 0;
	for (i = 0; i < cpus; i++) {
		sum += jobs[i].count;
		hits += jobs[i].hits;
		*ns += jobs[i].ns;
	}
	*ns = div_u64(*ns, cpus);

	if (hits != (op == BENCH_ABSENT && store != &bench_none ? 0 : sum)) {
		pr_err("failed: store %s, operation %d, n %lu: %lu hits in %lu\n",
		       store->name, op, bench_n, hits, sum);
		failed = true;
	}

	return sum;
}

static void report(const char *op, const struct bench_store *store, unsigned int cpus,
		   unsigned int round, unsigned long count, u64 total)
{
	pr_info("csv,%s,%s,%u,%lu,%u,%lu,%llu\n", op, store->name, cpus, bench_n, round, count,
		total);
}

/*
 * Let memory that waits for a grace period go, and a table finish resizing, so
 * that no phase pays for the one before it. kfree_rcu() collects for a tick or
 * two, then waits, then frees from a workqueue.
 */
static void settle(void)
{
	msleep(30);
	rcu_barrier();
	msleep(20);
}

/* How many operations fill a slice of time. Warms up as well. */
static unsigned long calibrate(const struct bench_store *store, enum bench_op op,
			       unsigned int cpus)
{
	unsigned long count = 64;
	u64 ns;

	for (;;) {
		run(store, op, cpus, count, &ns);
		if (ns >= slice / 8)
			break;
		count *= 4;
	}

	return max_t(unsigned long, div64_u64(count * slice, ns), 64);
}

/*
 * Look everything up once, or as much as there is time for. What nobody has used
 * for a while may have to be brought back by the host, page by page.
 */
static void warm_up(const struct bench_store *store)
{
	unsigned long looked = 0;
	u64 ns, spent = 0;

	while (looked < bench_n && spent < 2ULL * NSEC_PER_SEC) {
		looked += run(store, BENCH_GET, 1, min(bench_n, 10000UL), &ns);
		spent += ns;
	}
}

/* The rounds of an operation, the stores taking turns. */
static void bench_loop(const char *name, enum bench_op op, unsigned int cpus)
{
	unsigned long counts[ARRAY_SIZE(all_stores)] = {}, sum;
	const struct bench_store *store;
	unsigned int round, i;
	u64 ns;

	for (round = 0; round <= rounds; round++) {
		for_each_store(store, i, round) {
			unsigned long *count = &counts[(i + round) % ARRAY_SIZE(all_stores)];

			if (!store->run[op] || bench_n > store->max)
				continue;
			if (!round) {
				*count = calibrate(store, op, cpus);
			} else {
				sum = run(store, op, cpus, *count, &ns);
				report(name, store, cpus, round, sum, ns);
			}
			if (op == BENCH_PAIR)
				settle();
		}
	}
}

static u64 bench_fill(const struct bench_store *store, unsigned int cpus, unsigned int round)
{
	unsigned long sum;
	u64 ns;

	sum = run(store, BENCH_FILL, cpus, 0, &ns);
	report("fill", store, cpus, round, sum, ns);

	return ns;
}

static void bench_drain(const struct bench_store *store, unsigned int cpus, unsigned int round)
{
	unsigned long sum;
	u64 ns;

	sum = run(store, BENCH_DRAIN, cpus, 0, &ns);
	report("drain", store, cpus, round, sum, ns);
	settle();
}

static void bench_fills(unsigned int cpus)
{
	const struct bench_store *store;
	unsigned int round, i;
	u64 *ns;

	for (round = 1; round <= fill_rounds; round++) {
		for_each_store(store, i, round) {
			if (!store->run[BENCH_FILL] || bench_n >= store->slow ||
			    bench_n > store->max)
				continue;
			ns = &fill_ns[(i + round) % ARRAY_SIZE(all_stores)];
			if (*ns > PATIENCE)
				continue;
			*ns = bench_fill(store, cpus, round);
			msleep(20);
			bench_drain(store, cpus, round);
		}
	}
}

static u64 free_memory(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return (u64)info.freeram * info.mem_unit;
}

/* Free memory, once all that is on its way to be freed has been. */
static u64 calm_free_memory(void)
{
	u64 before, now = free_memory();
	int i = 0;

	do {
		before = now;
		msleep(100);
		settle();
		now = free_memory();
	} while (before != now && ++i < 50);

	return now;
}

/* Fill each store to stay so, and see what memory that took. */
static void bench_fill_all(void)
{
	const struct bench_store *store;
	unsigned int i;
	u64 before, after;

	for_each_store(store, i, 0) {
		if (!store->run[BENCH_FILL] || bench_n > store->max)
			continue;
		if (bench_n < 10000) {
			bench_fill(store, 1, 0);
			continue;
		}
		before = calm_free_memory();
		bench_fill(store, 1, 0);
		after = calm_free_memory();
		/* Others may have given back more. */
		report("memory", store, 1, 0, bench_n, before > after ? before - after : 0);
	}
}

static void bench_drain_all(void)
{
	const struct bench_store *store;
	unsigned int i;

	for_each_store(store, i, 0) {
		if (!store->run[BENCH_DRAIN] || bench_n > store->max)
			continue;
		/* A slow store would take as long once more. */
		if (quick && bench_n >= store->slow) {
			store->free_all(BENCH_ID);
			settle();
		} else {
			bench_drain(store, 1, 0);
		}
	}
}

static void report_hold(const char *op, const struct bench_store *store, unsigned int round,
			enum hold_store hold)
{
	unsigned long count;
	u64 ns;

	char most[32];

	ns = hold_longest(hold, &count);
	report(op, store, 1, round, count, ns);
	snprintf(most, sizeof(most), "most%s", strchr(op, '_'));
	report(most, store, 1, round, count, hold_all_but(hold, 10000));
	hold_reset(hold);
}

/* free_all of an id that one in a hundred of the variables has */
static void bench_free_all(const struct bench_store *store, unsigned int round, int hold)
{
	unsigned long sum;
	u64 ns;

	sum = run(store, BENCH_RARE, 1, 0, &ns);
	settle();
	if (hold >= 0)
		hold_reset(hold);
	ns = ktime_get_ns();
	store->free_all(BENCH_RARE_ID);
	ns = ktime_get_ns() - ns;
	if (hold >= 0)
		report_hold("hold_free_all", store, round, hold);
	else
		report("free_all", store, 1, round, sum, ns);
	settle();
}

static void bench_free_alls(void)
{
	const struct bench_store *store;
	unsigned int round, i;

	for (round = 1; round <= fill_rounds; round++) {
		for_each_store(store, i, round) {
			if (store->free_all && bench_n <= store->max)
				bench_free_all(store, round, -1);
		}
	}
}

/*
 * The longest lock holds. Resizing may come later than the call that causes it.
 * Returns whether this is worth repeating.
 */
static bool bench_hold(const struct bench_store *store, enum hold_store hold, unsigned int round)
{
	unsigned int i;
	bool slow;
	u64 ns;

	hold_reset(hold);
	run(store, BENCH_FILL, 1, 0, &ns);
	slow = ns > PATIENCE;
	settle();
	report_hold("hold_fill", store, round, hold);
	for (i = 1; i <= (slow ? fill_rounds : 1); i++)
		bench_free_all(store, slow ? i : round, hold);
	hold_reset(hold);
	if (slow && quick) {
		store->free_all(BENCH_ID);
	} else {
		run(store, BENCH_DRAIN, 1, 0, &ns);
		settle();
		report_hold("hold_drain", store, round, hold);
	}
	settle();

	return !slow;
}

static void bench_holds(void)
{
	bool ours = true, stock = bench_n <= bench_hold_stock.max;
	unsigned int round;

	for (round = 1; round <= fill_rounds; round++) {
		if (ours)
			ours = bench_hold(&bench_hold_ours, HOLD_OURS, round);
		if (stock)
			stock = bench_hold(&bench_hold_stock, HOLD_STOCK, round);
		hold_reset(HOLD_NONE);
		hold_nothing(bench_n);
		report_hold("hold_fill", &bench_none, round, HOLD_NONE);
	}
}

/* The parents of the present size, shuffled. */
static int make_parents(void)
{
	unsigned long i, j;

	bench_parents = kvmalloc_array(bench_n, sizeof(*bench_parents), GFP_KERNEL);
	if (!bench_parents)
		return -ENOMEM;
	for (i = 0; i < bench_n; i++) {
		j = prandom_u32_state(&rnd) % (i + 1);
		bench_parents[i] = bench_parents[j];
		bench_parents[j] = bench_parent(i);
	}

	return 0;
}

/* Memory that size @n takes in all stores at once, roughly. */
static u64 need(unsigned long n)
{
	return n * 8 + (n > bench_stock.max ? 2 : 3) * n * 100ULL;
}

static int bench_size(void)
{
	/* One fill of so many takes long enough. */
	bool huge = bench_n > 1000000;
	const struct bench_store *store;
	unsigned int i;
	int err;

	pr_info("n %lu: fill and drain\n", bench_n);
	err = make_parents();
	if (!err)
		err = floor_resize(bench_n);
	if (err)
		return err;

	memset(fill_ns, 0, sizeof(fill_ns));
	if (!huge)
		bench_fills(1);
	if (!huge && bench_n >= (quick ? 100000 : 1000) && nr_cpus > 1)
		bench_fills(nr_cpus);
	bench_fill_all();

	pr_info("n %lu: get\n", bench_n);
	for_each_store(store, i, 0) {
		if (store->run[BENCH_GET] && bench_n <= store->max)
			warm_up(store);
	}
	bench_loop("get", BENCH_GET, 1);
	bench_loop("chain", BENCH_CHAIN, 1);
	bench_loop("absent", BENCH_ABSENT, 1);
	if (nr_cpus > 1) {
		bench_loop("get", BENCH_GET, nr_cpus);
		bench_loop("absent", BENCH_ABSENT, nr_cpus);
	}

	pr_info("n %lu: alloc and free\n", bench_n);
	bench_loop("pair", BENCH_PAIR, 1);
	if (nr_cpus > 1)
		bench_loop("pair", BENCH_PAIR, nr_cpus);

	pr_info("n %lu: free_all\n", bench_n);
	bench_free_alls();
	bench_drain_all();

	if (!huge && bench_n >= (quick ? 100000 : 100)) {
		pr_info("n %lu: lock holds\n", bench_n);
		bench_holds();
	}

	kvfree(bench_parents);
	bench_parents = NULL;

	return 0;
}

static int __init bench_init(void)
{
	const unsigned long *size = quick ? quick_sizes : sizes;
	int i, nr = quick ? ARRAY_SIZE(quick_sizes) : ARRAY_SIZE(sizes);
	int err = 0;

	nr_cpus = num_online_cpus();
	jobs = kcalloc(nr_cpus, sizeof(*jobs), GFP_KERNEL);
	if (!jobs)
		return -ENOMEM;
	init_completion(&team.done);
	prandom_seed_state(&rnd, 1);
	rounds = quick ? 3 : 9;
	fill_rounds = 3;
	slice = (quick ? 10 : 20) * NSEC_PER_MSEC;

	err = err ?: hold_ours__klp_shadow_table_init();
	err = err ?: hold_ours__klp_shadow_release_init();

	/* An error must not free memory that a store's pending work is in. */
	for (i = 0; i < nr && !err && !failed; i++) {
		bench_n = size[i];
		if (bench_n > max_n)
			break;
		if (need(bench_n) > free_memory() / 4 * 3) {
			pr_info("n %lu: skipped, needs %llu MiB of memory\n", bench_n,
				need(bench_n) >> 20);
			break;
		}
		err = bench_size();
	}
	if (err || failed)
		pr_err("failed: %d\n", err);
	else
		pr_info("done\n");

	return 0;
}
module_init(bench_init);

MODULE_DESCRIPTION("Benchmark of shadow variable stores");
MODULE_LICENSE("GPL");
