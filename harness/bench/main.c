// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Benchmark of shadow variable stores: ours, the kernel's (stock), and a floor that does
 * only what every store has to do. Runs at boot, or when the module is loaded, and prints
 * CSV:
 *
 *	csv,operation,store,layout,cpus,n,round,count,total
 *
 * where total is the CPU time of count operations in nanoseconds, averaged over the
 * CPUs. For other operations total is
 *
 *  - hold_...: the longest of count sections with interrupts off, in CPU time;
 *  - wall_...: the same in wall-clock time;
 *  - memory: the size of count variables in bytes;
 *  - probes_...: the number of entries that count lookups compare;
 *  - longest: the number of entries in the longest chain.
 *
 * The module cannot be unloaded, because a store has no exit function, and its work may be
 * pending.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/livepatch_shadow.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/reboot.h>
#include <linux/slab.h>

#include "bench.h"
#include "store.h"

static bool quick;
module_param(quick, bool, 0444);
MODULE_PARM_DESC(quick, "fewer sizes and fewer rounds");

static unsigned long max_n = 10000000;
module_param(max_n, ulong, 0444);
MODULE_PARM_DESC(max_n, "largest number of variables");

void **bench_parents;
unsigned long bench_n;
unsigned long bench_seq;

static const unsigned long sizes[] = {
	1, 10, 100, 1000, 4096, 10000, 100000, 1000000, 10000000
};
static const unsigned long quick_sizes[] = { 1, 1000, 4096, 10000, 100000, 1000000 };

/* All layouts are measured up to this size. With more variables, memory accesses dominate. */
#define MANY	4096

#define FOR_LAYOUTS(fn, name)	fn(name ## _0) fn(name ## _16) fn(name ## _32) fn(name ## _48)
#define FOR_STORES(fn)								\
	FOR_LAYOUTS(fn, ours)							\
	FOR_LAYOUTS(fn, stock)							\
	FOR_LAYOUTS(fn, floor)							\
	FOR_LAYOUTS(fn, none)							\
	fn(untraced_0)
#define DECLARE_STORE(copy)	extern const struct bench_store copy ## _store;
#define STORE_ADDRESS(copy)	&copy ## _store,

FOR_STORES(DECLARE_STORE)
DECLARE_STORE(hold_ours_0)
DECLARE_STORE(hold_stock_0)
void *hold_ours_0_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			       klp_shadow_ctor_t ctor, void *ctor_data);

static const struct bench_store *const all_stores[] = { FOR_STORES(STORE_ADDRESS) };

/* A fill that takes longer than this is not repeated. */
#define PATIENCE	(8ULL * NSEC_PER_SEC)

#define for_each_store(store, i, first)						\
	for (i = 0; i < ARRAY_SIZE(all_stores) &&				\
	     (store = all_stores[(i + (first)) % ARRAY_SIZE(all_stores)], true); i++)

static struct rnd_state rnd;
static struct bench_job *jobs;
static unsigned int nr_cpus;
static const unsigned int rounds = 9;
static const unsigned int fill_rounds = 3;
static u64 slice;
static u64 fill_ns[ARRAY_SIZE(all_stores)];
static bool failed;

/* A single job runs on the last CPU, because the first one handles interrupts. */
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

/* Run a loop on @cpus CPUs at the same time. Returns the total number of operations. */
static unsigned long run(const struct bench_store *store, enum bench_op op, unsigned int cpus,
			 unsigned long count, u64 *ns)
{
	struct task_struct *task;
	unsigned long sum = 0, hits = 0;
	bool absent;
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
			.pos = prandom_u32_state(&rnd) % bench_seq,
		};
		task = kthread_create(bench_thread, &jobs[i], "klp_shadow_bench/%d", i);
		/* The other threads would wait for this one. */
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

	absent = op >= BENCH_ABSENT && op <= BENCH_FREE_ABSENT_DEP && store->run[BENCH_FILL];
	if (hits != (absent ? 0 : sum)) {
		pr_err("failed: store %s, operation %d, n %lu: %lu hits in %lu\n",
		       store->name, op, bench_n, hits, sum);
		failed = true;
	}

	return sum;
}

static void report(const char *op, const struct bench_store *store, unsigned int cpus,
		   unsigned int round, unsigned long count, u64 total)
{
	pr_info("csv,%s,%s,%u,%u,%lu,%u,%lu,%llu\n", op, store->name, store->layout, cpus,
		bench_n, round, count, total);
}

/*
 * Wait until removed variables are freed and tables have been resized, so that this work
 * is not measured in the next phase. kfree_rcu() collects for a tick or two, waits for a
 * grace period, and frees from a workqueue.
 */
static void settle(void)
{
	msleep(30);
	rcu_barrier();
	msleep(20);
}

/* Returns the number of operations in a slice of time. This also warms up the caches. */
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

/* Look all variables up once: the host may have swapped out their pages. */
static void warm_up(const struct bench_store *store)
{
	unsigned long looked = 0;
	u64 ns, spent = 0;

	while (looked < bench_n && spent < 2ULL * NSEC_PER_SEC) {
		looked += run(store, BENCH_GET, 1, min(bench_n, 10000UL), &ns);
		spent += ns;
	}
}

static bool skipped(const struct bench_store *store, enum bench_op op)
{
	return !store->run[op] || bench_n > store->max || (store->layout && bench_n > MANY);
}

/* Measure an operation: in each round all stores in turn. */
static void bench_loop(const char *name, enum bench_op op, unsigned int cpus)
{
	unsigned long counts[ARRAY_SIZE(all_stores)] = {}, sum;
	const struct bench_store *store;
	unsigned int round, i;
	u64 ns;

	for (round = 0; round <= rounds; round++) {
		for_each_store(store, i, round) {
			unsigned long *count = &counts[(i + round) % ARRAY_SIZE(all_stores)];

			if (skipped(store, op) || (store->layout && (cpus > 1 || op == BENCH_PAIR)))
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
			if (skipped(store, BENCH_FILL) || store->layout || bench_n >= store->slow)
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

/* Returns the free memory after all removed variables have been freed. */
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

/* Fill each store, and report the memory that it took. */
static void bench_fill_all(void)
{
	const struct bench_store *store;
	unsigned int i;
	u64 before, after;

	for_each_store(store, i, 0) {
		if (skipped(store, BENCH_FILL))
			continue;
		if (bench_n < 10000) {
			bench_fill(store, 1, 0);
			continue;
		}
		before = calm_free_memory();
		bench_fill(store, 1, 0);
		after = calm_free_memory();
		/* Other code may have freed more memory than the store took. */
		report("memory", store, 1, 0, bench_n, before > after ? before - after : 0);
	}
}

static void bench_drain_all(void)
{
	const struct bench_store *store;
	unsigned int i;

	for_each_store(store, i, 0) {
		if (skipped(store, BENCH_DRAIN))
			continue;
		/* Removing takes a slow store as long as filling. */
		if (quick && bench_n >= store->slow) {
			store->free_all(BENCH_ID);
			settle();
		} else {
			bench_drain(store, 1, 0);
		}
	}
}

/*
 * The longest section with interrupts off, on each CPU; only accessed with interrupts off.
 * Wall-clock time includes preemption by the host.
 */
static DEFINE_PER_CPU(struct hold {
	u64 wall;
	u64 cpu;
	unsigned long count;
	u64 wall_begin;
	u64 cpu_begin;
	unsigned int depth;
}, hold_cpu);

void hold_begin(void)
{
	struct hold *h = this_cpu_ptr(&hold_cpu);

	if (h->depth++)
		return;
	h->wall_begin = ktime_get_ns();
	h->cpu_begin = bench_clock();
}

void hold_end(void)
{
	struct hold *h = this_cpu_ptr(&hold_cpu);

	if (--h->depth)
		return;
	h->cpu = max(h->cpu, bench_clock() - h->cpu_begin);
	h->wall = max(h->wall, ktime_get_ns() - h->wall_begin);
	h->count++;
}

/* Empty sections, to measure the overhead. */
static void hold_nothing(unsigned long count)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;

	while (count--) {
		spin_lock_irqsave(&lock, flags);
		hold_begin();
		hold_end();
		spin_unlock_irqrestore(&lock, flags);
	}
}

static void hold_reset(void)
{
	struct hold *h;
	int cpu;

	for_each_possible_cpu(cpu) {
		h = per_cpu_ptr(&hold_cpu, cpu);
		h->wall = 0;
		h->cpu = 0;
		h->count = 0;
	}
}

static void report_hold(const char *op, const struct bench_store *store, unsigned int round)
{
	struct hold *h, sum = {};
	char name[32];
	int cpu;

	for_each_possible_cpu(cpu) {
		h = per_cpu_ptr(&hold_cpu, cpu);
		sum.wall = max(sum.wall, h->wall);
		sum.cpu = max(sum.cpu, h->cpu);
		sum.count += h->count;
	}
	snprintf(name, sizeof(name), "hold_%s", op);
	report(name, store, 1, round, sum.count, sum.cpu);
	snprintf(name, sizeof(name), "wall_%s", op);
	report(name, store, 1, round, sum.count, sum.wall);
	hold_reset();
}

/* free_all of an id that one of a hundred variables has. */
static void bench_free_all(const struct bench_store *store, unsigned int round)
{
	unsigned long sum;
	u64 ns;

	sum = run(store, BENCH_RARE, 1, 0, &ns);
	settle();
	ns = bench_clock();
	store->free_all(BENCH_RARE_ID);
	ns = bench_clock() - ns;
	report("free_all", store, 1, round, sum, ns);
	settle();
}

static void bench_free_alls(void)
{
	const struct bench_store *store;
	unsigned int round, i;

	for (round = 1; round <= fill_rounds; round++) {
		for_each_store(store, i, round) {
			if (store->free_all && !store->layout && bench_n <= store->max)
				bench_free_all(store, round);
		}
	}
}

/*
 * Measure the longest sections with interrupts off. A phase lasts until the store has
 * settled, to include a resize that it causes. Returns false if it takes too long to be
 * repeated.
 */
static bool bench_hold(const struct bench_store *store, unsigned int round)
{
	unsigned int i;
	bool slow;
	u64 ns;

	hold_reset();
	run(store, BENCH_FILL, 1, 0, &ns);
	slow = ns > PATIENCE;
	settle();
	report_hold("fill", store, round);

	for (i = 1; i <= (slow ? fill_rounds : 1); i++) {
		run(store, BENCH_RARE, 1, 0, &ns);
		settle();
		hold_reset();
		if (store->run[BENCH_MOVE]) {
			run(store, BENCH_MOVE, 1, 0, &ns);
			settle();
			report_hold("move", store, round);
		}
		store->free_all(BENCH_RARE_ID);
		settle();
		report_hold("free_all", store, slow ? i : round);
	}

	if (slow && quick) {
		store->free_all(BENCH_ID);
	} else {
		run(store, BENCH_DRAIN, 1, 0, &ns);
		settle();
		report_hold("drain", store, round);
	}
	settle();

	return !slow;
}

static void bench_holds(void)
{
	bool ours = true, stock = bench_n <= hold_stock_0_store.max;
	unsigned int round;

	for (round = 1; round <= fill_rounds; round++) {
		if (ours)
			ours = bench_hold(&hold_ours_0_store, round);
		if (stock)
			stock = bench_hold(&hold_stock_0_store, round);
		hold_reset();
		hold_nothing(bench_n);
		report_hold("fill", &none_0_store, round);
	}
}

/* Address of an object of @size bytes in contiguous slabs, or with this stride. */
static void *probe_parent(unsigned long i, unsigned int size)
{
	/* Sizes of slabs as in SLUB. */
	unsigned long slab = size < 512 ? SZ_4K : SZ_32K, in_slab = slab / size;

	if (size > SZ_4K)
		return (void *)(0x7100000000UL + i * size);

	return (void *)(0x7100000000UL + i / in_slab * slab + i % in_slab * size);
}

static void add_parent(void *parent)
{
	if (!hold_ours_0_shadow_alloc(parent, BENCH_ID, BENCH_SIZE, GFP_KERNEL, NULL, NULL))
		failed = true;
}

/* Measure the number of entries that a lookup compares. */
static void bench_probes(void)
{
	static const unsigned int sizes[] = { 192, 576, 1152, 2304, 7752 };
	struct bench_chains chains;
	unsigned int size, i;
	unsigned long j;
	char name[32];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = sizes[i];
		for (j = 0; j < bench_n; j++) {
			add_parent(probe_parent(j, size));
			if (!(j % 1024))
				cond_resched();
		}
		settle();
		settle();
		hold_ours_0_store.chains(&chains);
		snprintf(name, sizeof(name), "probes_%u", size);
		report(name, &hold_ours_0_store, 1, 0, chains.entries, chains.compared);
		hold_ours_0_store.free_all(BENCH_ID);
		settle();
	}
}

/* A reader that no grace period can outlast. */
static int stall_thread(void *stop)
{
	rcu_read_lock();
	while (!READ_ONCE(*(bool *)stop))
		cpu_relax();
	rcu_read_unlock();

	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);

	return 0;
}

/* Add a million variables while a reader delays a grace period for a second or more. */
static void bench_stall(void)
{
	u64 start = ktime_get_ns();
	unsigned long longest = 0, i;
	struct bench_chains chains;
	struct task_struct *reader;
	bool stop = false;

	reader = kthread_create(stall_thread, &stop, "klp_shadow_bench/reader");
	if (IS_ERR(reader)) {
		failed = true;
		return;
	}
	kthread_bind(reader, cpumask_first(cpu_online_mask));
	hold_reset();
	wake_up_process(reader);
	msleep(20);
	for (i = 0; i < bench_n; i++) {
		add_parent(bench_parent(i));
		if (!(i % 1024))
			cond_resched();
		if (i == bench_n - 1 || !(i % (bench_n / 16))) {
			hold_ours_0_store.chains(&chains);
			longest = max(longest, chains.longest);
		}
	}
	while (ktime_get_ns() - start < NSEC_PER_SEC)
		cond_resched();
	WRITE_ONCE(stop, true);
	kthread_stop(reader);
	report("longest", &hold_ours_0_store, 1, 0, 1, longest);
	settle();
	settle();
	report_hold("stall", &hold_ours_0_store, 0);
	hold_ours_0_store.free_all(BENCH_ID);
	settle();
}

/*
 * Make the sequence in which parents are visited: all in random order, then random ones.
 * It is so long that the branch predictor cannot learn it.
 */
static int make_parents(void)
{
	unsigned long i, j;

	bench_seq = max(bench_n, 1UL << 15);
	bench_parents = kvmalloc_array(bench_seq, sizeof(*bench_parents), GFP_KERNEL);
	if (!bench_parents)
		return -ENOMEM;
	for (i = 0; i < bench_n; i++) {
		j = prandom_u32_state(&rnd) % (i + 1);
		bench_parents[i] = bench_parents[j];
		bench_parents[j] = bench_parent(i);
	}
	for (; i < bench_seq; i++)
		bench_parents[i] = bench_parent(prandom_u32_state(&rnd) % bench_n);

	return 0;
}

/* Approximate memory of @n variables in all stores at the same time. */
static u64 need(unsigned long n)
{
	return n * 8 + (n > stock_0_store.max ? 2 : 3) * n * 100ULL;
}

static int bench_size(void)
{
	static const char *const names[] = {
		[BENCH_GET] = "get",
		[BENCH_GET_DEP] = "get_dep",
		[BENCH_ABSENT] = "absent",
		[BENCH_ABSENT_DEP] = "absent_dep",
		[BENCH_FREE_ABSENT] = "free_absent",
		[BENCH_FREE_ABSENT_DEP] = "free_absent_dep",
	};
	/* Filling a large store takes long enough to be measured once. */
	bool huge = bench_n > 1000000;
	const struct bench_store *store;
	unsigned int i;
	int err;

	pr_info("n %lu: fill and drain\n", bench_n);
	err = make_parents();
	for_each_store(store, i, 0) {
		if (!err && store->resize)
			err = store->resize(bench_n);
	}
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
		if (!skipped(store, BENCH_GET))
			warm_up(store);
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		bench_loop(names[i], i, 1);
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

	if (bench_n == 1000000) {
		pr_info("n %lu: chains\n", bench_n);
		bench_probes();
		if (nr_cpus > 1)
			bench_stall();
	}

	kvfree(bench_parents);
	bench_parents = NULL;

	return 0;
}

static int __init bench_init(void)
{
	const unsigned long *size = quick ? quick_sizes : sizes;
	int i, nr = quick ? ARRAY_SIZE(quick_sizes) : ARRAY_SIZE(sizes);
	const struct bench_store *store;
	unsigned int j;
	int err;

	nr_cpus = num_online_cpus();
	jobs = kcalloc(nr_cpus, sizeof(*jobs), GFP_KERNEL);
	if (!jobs)
		return -ENOMEM;
	init_completion(&team.done);
	prandom_seed_state(&rnd, 1);
	slice = (quick ? 5 : 20) * NSEC_PER_MSEC;

	err = hold_ours_0_store.init();
	for_each_store(store, j, 0) {
		if (!err && store->init)
			err = store->init();
	}

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

	/* Returning an error would free the module, whose work may be pending. */
	if (!IS_ENABLED(MODULE))
		kernel_power_off();

	return 0;
}
late_initcall(bench_init);

MODULE_DESCRIPTION("Benchmark of shadow variable stores");
MODULE_LICENSE("GPL");
