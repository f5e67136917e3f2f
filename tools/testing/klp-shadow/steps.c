// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of single properties that random sequences do not show: sizes and limits of
 * tables, waiting for grace periods, and low memory. The output is TAP. Each test runs in
 * a separate process, which begins with an empty store.
 */
#include "shim.h"

#include <sys/wait.h>

#include "shadow_table.h"

#define ID		7
#define FIRST		BIT(KLP_SHADOW_FIRST_BITS)
#define FIRST_MAX	(2 * FIRST)
#define check(cond)	shim_assert(cond)

static void *parent(unsigned long n)
{
	return (void *)(0xffff888000000000UL + 192 * n);
}

static void add(unsigned long from, unsigned long to)
{
	for (; from < to; from++)
		check(klp_shadow_alloc(parent(from), ID, 8, GFP_KERNEL, NULL, NULL));
}

static void del(unsigned long from, unsigned long to)
{
	for (; from < to; from++)
		klp_shadow_free(parent(from), ID, NULL);
}

static bool work(void)
{
	int steps = 0;

	while (shim_workers_step(1000) && ++steps < 1000)
		;

	return steps < 1000;
}

/*
 * Number of chains in all tables except the first, and chains_of() one table, as the size
 * of the tables in words.
 */
static unsigned long chains(void)
{
	return shim_table_bytes() / 8;
}

static unsigned long chains_of(unsigned int bits)
{
	return (sizeof(struct klp_shadow_table) + (8UL << bits)) / 8;
}

/* A reader that has entered RCU, but looks up only when it is stepped. */
static void *reader_found;

static void reader_fn(void *arg)
{
	rcu_read_lock();
	shim_hook(HOOK_READ);
	reader_found = klp_shadow_get(arg, ID);
	rcu_read_unlock();
}

static struct shim_task *reader(void *obj)
{
	struct shim_task *task = shim_task_start(reader_fn, obj);

	shim_task_step(task, 1);

	return task;
}

static unsigned long table_tries, last_table;
static gfp_t last_gfp;
static bool tables_fail;

static bool alloc_fails(size_t size, gfp_t gfp, bool table)
{
	if (!table)
		return false;
	table_tries++;
	last_table = size;
	last_gfp = gfp;

	return tables_fail;
}

/* === Sizes === */

/* Size of a table that is allocated for @entries: two to four chains for each. */
static unsigned int bits_for(unsigned long entries)
{
	unsigned int bits = 0;

	while (1UL << bits < 2 * entries)
		bits++;

	return bits;
}

/* Add entries: only the last one exceeds the limit and queues a resize. */
static void grow(unsigned long from, unsigned long to)
{
	unsigned long queued = shim_stats.queued;

	add(from, to - 1);
	check(shim_stats.queued == queued);
	add(to - 1, to);
	check(shim_stats.queued == queued + 1 && work());
	check(chains() == chains_of(bits_for(to)));
}

static void shrink(unsigned long from, unsigned long to)
{
	unsigned long queued = shim_stats.queued, i;

	del(to + 1, from);
	check(shim_stats.queued == queued);
	del(to, to + 1);
	check(shim_stats.queued == queued + 1 && work());
	check(chains() == (to < FIRST_MAX / 2 ? 0 : chains_of(bits_for(to))));
	for (i = 0; i < to; i++)
		check(klp_shadow_get(parent(i), ID));
}

/*
 * At most one entry per chain, two in the first table. At least one per 16 chains, except
 * in the first table.
 */
static void sizes(void)
{
	struct hlist_nulls_node *node;
	unsigned long queued, i;

	grow(0, 9);
	grow(9, 33);
	grow(33, 129);
	grow(129, 513);
	shrink(513, 127);
	shrink(127, 15);
	shrink(15, 3);
	check(!klp_shadow_first.next);
	/* The heads are reset to the constant end marker, with which lookups compare. */
	for (i = 0; i < FIRST; i++) {
		for (node = klp_shadow_first.chains[i].first; !is_a_nulls(node); node = node->next)
			;
		check(node == KLP_SHADOW_FIRST_END);
	}
	/* The first table never shrinks. */
	queued = shim_stats.queued;
	del(0, 3);
	check(shim_stats.queued == queued);
	grow(0, 9);
}

static void size_when_work_is_late(void)
{
	unsigned long n;

	add(0, 16);
	check(work() && chains() == chains_of(bits_for(16)));
	add(16, 260);
	check(work() && chains() == chains_of(bits_for(260)));
	/* Entries that are added during a resize count at its end. */
	add(260, 2049);
	check(shim_workers_step(50) && chains() > chains_of(bits_for(2049)));
	del(9, 2049);
	check(work() && chains() == chains_of(bits_for(9)));
	/* No resize was queued while one was running, and none is needed now. */
	n = shim_stats.queued;
	check(work() && shim_stats.queued == n);
}

/* At its end, a resize checks whether another one is needed, without being queued. */
static void limits(void)
{
	static const struct {
		unsigned long entries, made_for;
	} cases[] = {
		{ 100, 33 }, { 128, 33 }, { 129, 129 }, { 8, 33 }, { 7, 7 }, { 4, 4 }, { 3, 0 },
	};
	unsigned long i, queued;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		queued = shim_stats.queued;
		add(0, 33);
		while (klp_shadow_state.max == FIRST_MAX)
			shim_workers_step(1);
		check(klp_shadow_state.max == 128 && klp_shadow_state.min == 8);
		if (cases[i].entries > 33)
			add(33, cases[i].entries);
		else
			del(cases[i].entries, 33);
		check(work() && shim_stats.queued == queued + 1);
		check(chains() == (cases[i].made_for ? chains_of(bits_for(cases[i].made_for)) : 0));
		klp_shadow_free_all(ID, NULL);
		check(work() && !chains() && klp_shadow_state.max == FIRST_MAX);
	}
}

/* The largest table has 2^27 chains, which is 1 GiB. */
static void largest_table(void)
{
	tables_fail = true;
	shim_available = 1L << 30;
	klp_shadow_state.entries = 1UL << 27;
	add(0, 1);
	shim_workers_step(1000);
	check(last_table == sizeof(struct klp_shadow_table) + (8UL << 27));
}

/* Short chains, so few loads per lookup, for contiguous objects in one or 16 areas. */
static void spread(void)
{
	static const unsigned int strides[] = { 64, 192, 576, 1152, 2304, 4096, 7752 };
	static unsigned int count[1 << 17];
	unsigned long i, n, obj, probes, reads, entries = 20000, places;
	struct klp_shadow_table *table;

	for (n = 0; n < entries; n += 500) {
		add(n, n + 500);
		while (shim_workers_step(1000000))
			;
	}
	table = klp_shadow_first.next;
	check(table->salt == shim_random);
	reads = shim_stats.reads;
	for (n = 0; n < entries; n++)
		check(klp_shadow_get(parent(n), ID));
	check(shim_stats.reads - reads < 5 * entries);
	reads = shim_stats.reads;
	for (n = 0; n < entries; n++)
		check(!klp_shadow_get(parent(entries + n), ID));
	check(shim_stats.reads - reads < 7 * entries);

	for (i = 0; i < 2 * ARRAY_SIZE(strides); i++) {
		places = i % 2 ? 16 : 1;
		memset(count, 0, sizeof(count));
		for (n = probes = 0; n < entries; n++) {
			obj = 0xffff888100000000UL + (n % places << 32) + n / places * strides[i / 2];
			probes += ++count[klp_shadow_chain(table, (void *)obj, ID) - table->chains];
		}
		if (4 * probes > 5 * entries)
			shim_fail("%lu probes for %lu objects of %u bytes in %lu places", probes,
				  entries, strides[i / 2], places);
	}
}

/* === Memory === */

static void back_off(void)
{
	unsigned long delay = HZ, i, irqs;

	tables_fail = true;
	add(0, 9);
	check(shim_stats.queued == 1 && shim_stats.delay == 0);
	for (i = 1; i < 12; i++) {
		shim_workers_step(1000);
		check(table_tries == i && shim_stats.queued == i + 1);
		check(shim_stats.delay == delay);
		check(last_gfp == (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN));
		delay = min(2 * delay, 64UL * HZ);
		/* Adding entries before the delay has expired does not queue a resize. */
		irqs = shim_stats.irqs;
		add(10 * i, 10 * i + 5);
		check(shim_stats.queued == i + 1 && shim_stats.irqs == irqs);
	}
	for (i = 0; i < 9; i++)
		check(klp_shadow_get(parent(i), ID));
	tables_fail = false;
	check(work() && chains());
	/* After a success, the delay begins at one second again. */
	tables_fail = true;
	add(1000, 2000);
	shim_workers_step(1000);
	check(shim_stats.delay == HZ);
}

/* A table takes at most a quarter of the memory that is available. */
static void quarter(void)
{
	long pages = (8L << bits_for(2000)) / PAGE_SIZE;

	add(0, 2000);
	shim_available = 4 * pages - 1;
	shim_workers_step(1000);
	check(!chains() && shim_stats.delay == HZ);
	shim_available = 4 * pages;
	check(work() && chains() == chains_of(bits_for(2000)));
}

/* === Grace periods === */

static void heads_are_reset(void)
{
	struct shim_task *task;
	unsigned long i, reset = 0;

	add(0, 9);
	task = reader(parent(0));
	check(!work());
	for (i = 0; i < FIRST; i++)
		reset += klp_shadow_first.chains[i].first == KLP_SHADOW_FIRST_END;
	check(klp_shadow_first.next && reset == 0);
	check(!shim_task_step(task, 1000) && reader_found && work());
	for (i = 0; i < FIRST; i++)
		check(klp_shadow_first.chains[i].first == KLP_SHADOW_FIRST_END);
}

static void next_is_cleared(void)
{
	struct shim_task *task;

	add(0, 9);
	check(work());
	del(3, 9);
	task = reader(parent(0));
	check(!work() && klp_shadow_first.next && klp_shadow_first.next != &klp_shadow_first);
	check(!shim_task_step(task, 1000) && reader_found);
	/* The table is not freed before this reader has finished, either. */
	task = reader(parent(0));
	check(!work() && chains() == chains_of(bits_for(9)));
	check(!shim_task_step(task, 1000) && reader_found && work() && !chains());
	check(!klp_shadow_first.next);
}

static void table_is_freed(void)
{
	struct shim_task *task;

	add(0, 9);
	check(work());
	add(9, 65);
	task = reader(parent(0));
	check(!work() && chains() == chains_of(bits_for(9)) + chains_of(bits_for(65)));
	check(!shim_task_step(task, 1000) && reader_found && work());
	check(chains() == chains_of(bits_for(65)));
}

static void variable_is_freed(void)
{
	struct shim_task *task = reader(parent(0));
	unsigned long frees = shim_stats.frees;

	add(0, 1);
	del(0, 1);
	check(shim_stats.frees == frees);
	check(!shim_task_step(task, 1000) && shim_stats.frees == frees + 1);
}

/* === Readers during a resize === */

/* A reader that begins at one store of the resize, and finishes at a later one. */
static struct {
	struct shim_task *task;
	unsigned long stores, start, end, budget;
} late;

static void late_hook(void)
{
	late.stores++;
	if (late.stores == late.start)
		shim_task_step(late.task, late.budget);
	if (late.stores == late.end)
		shim_task_step(late.task, 1000);
}

/* Grow from and shrink to the first table; grow and shrink between larger tables. */
static void readers_during_resize(void)
{
	static const struct {
		unsigned long first, next;
	} sizes[] = { { 8, 9 }, { 32, 33 }, { 9, 3 }, { 33, 7 } };
	unsigned long stores[ARRAY_SIZE(sizes)] = { }, run, p, size, from, to, *n;
	u64 random = 88172645463325252ULL;

	for (run = 0; run < 6000; run++) {
		from = sizes[run % 4].first;
		to = sizes[run % 4].next;
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		shim_random = random;
		size = max(from, to);
		n = &stores[run % 4];
		/* A parent whose variable is always there, or one that never has one. */
		p = (random >> 16) % (min(from, to) + 1);

		if (p == min(from, to))
			p = size;
		add(0, from);
		check(work());
		/* Half of these are aliases, which lookups find by a different code path. */
		if (p < size && random & BIT(62)) {
			del(p, p + 1);
			add(size, size + 1);
			check(!klp_shadow_move(parent(size), parent(p), ID, GFP_KERNEL));
		}
		if (from < to)
			add(from, to);
		else
			del(to, from);
		reader_found = NULL;
		late.task = shim_task_start(reader_fn, parent(p));
		late.stores = 0;
		late.start = (random >> 24) % (*n + 1);
		late.end = late.start + (random >> 40) % (random >> 63 ? 4 : *n + 1);
		late.budget = 1 + (random >> 56) % 16;
		shim_write_hook = late_hook;
		work();
		shim_write_hook = NULL;
		/* The next run with these sizes has about as many stores. */
		*n = late.stores;
		shim_task_step(late.task, 1000);
		if (!!reader_found != (p < size))
			shim_fail("%lu to %lu entries, %lu to %lu of %lu stores, %lu loads", from,
				  to, late.start, late.end, *n, late.budget);
		klp_shadow_free_all(ID, NULL);
		check(work() && !chains());
	}
}

/* A worker that moves entries drops the lock after 32 of them. */
static void count_stores(void)
{
	late.stores++;
}

static void moved_in_batches(void)
{
	unsigned long most = 0;
	bool busy;

	add(0, 400);
	shim_write_hook = count_stores;
	do {
		late.stores = 0;
		busy = shim_workers_step(1);
		most = max(most, late.stores);
	} while (busy);
	/* Chains have 100 entries; 4 to 6 stores move one entry. */
	check(most >= 4 * 32 && most <= 6 * 32);
}

/* === Interrupts off === */

static void irqs_off(void)
{
	unsigned long flags;
	struct shim_stats before;

	/* With interrupts on, memory is freed without raising an interrupt. */
	add(0, 2);
	before = shim_stats;
	del(0, 2);
	check(shim_stats.frees == before.frees + 2 && shim_stats.irqs == before.irqs);

	add(0, 8);
	before = shim_stats;
	local_irq_save(flags);
	check(klp_shadow_alloc(parent(8), ID, 8, GFP_ATOMIC, NULL, NULL));
	del(0, 7);
	check(shim_stats.queued == before.queued && shim_stats.frees == before.frees);
	local_irq_restore(flags);
	/* The resize was queued, and the work that frees memory. */
	check(shim_stats.queued == before.queued + 2 && shim_stats.frees == before.frees);
	check(work() && shim_stats.frees == before.frees + 7);
}

/* A resize that is wanted before workqueues are allocated begins after that. */
static bool early;

static void __attribute__((constructor(200))) add_early(void)
{
	early = getenv("STEPS_EARLY");
	if (early)
		add(0, 9);
}

static void at_boot(void)
{
	if (!early) {
		setenv("STEPS_EARLY", "1", 1);
		execl("/proc/self/exe", "steps", "at_boot", NULL);
	}
	check(shim_stats.queued == 1 && work() && chains() == chains_of(bits_for(9)));
}

/* === Removal by id === */

static unsigned long sections, dtors, most;

static void count_sections(enum shim_hook where)
{
	if (where == HOOK_LOCK) {
		sections++;
		dtors = 0;
	}
}

static void count_dtors(void *obj, void *data)
{
	most = max(most, ++dtors);
}

static void in_batches(void)
{
	unsigned long n, id = ID;

	add(0, 100);
	/* Variables in the lists of other CPUs. */
	for (n = 0; n < 8; n++) {
		shim_cpu.id = 9 * n;
		add(200 + n, 201 + n);
	}
	shim_cpu.id = 0;
	/* Variables of another id in the same lists. */
	do {
		id++;
	} while (hash_long(id, 6) != hash_long(ID, 6));
	for (n = 0; n < 50; n++)
		check(klp_shadow_alloc(parent(n), id, 8, GFP_KERNEL, NULL, NULL));

	shim_main_hook = count_sections;
	klp_shadow_free_all(ID, count_dtors);
	/* 158 variables and 8 list ends are visited, at most 32 in a section. */
	check(most <= 32 && sections == 6);
	for (n = 0; n < 208; n++)
		check(!klp_shadow_get(parent(n), ID));
	for (n = 0; n < 50; n++)
		check(klp_shadow_get(parent(n), id));
	sections = 0;
	klp_shadow_free_all(ID, count_dtors);
	check(sections == 2);
}

/* Iterators link entries in the lists, with id 0: they are not taken for variables. */
static void nested_free_all(enum shim_hook where)
{
	if (where == HOOK_LOCK && ++sections == 2)
		klp_shadow_free_all(0, count_dtors);
}

static void two_iterators(void)
{
	unsigned long n;

	for (n = 0; n < 100; n++)
		check(klp_shadow_alloc(parent(n), 0, 8, GFP_KERNEL, NULL, NULL));
	shim_main_hook = nested_free_all;
	klp_shadow_free_all(0, count_dtors);
	check(sections > 2 && dtors == 100 && !klp_shadow_state.entries);
}

/* Freeing or moving an absent variable takes no lock, and allocates nothing. */
static void absent(void)
{
	shim_main_hook = count_sections;
	del(0, 1);
	check(klp_shadow_move(parent(0), parent(1), ID, GFP_KERNEL) == -ENOENT);
	check(!sections && !shim_stats.tries);
	/* While another CPU holds the lock, that CPU may be adding the variable. */
	shim_lock_busy = true;
	del(0, 1);
	check(sections == 1);
}

/*
 * klp_shadow_free() begins while the constructor runs. It waits for the lock, looks again,
 * and frees the variable.
 */
static struct shim_task *freer;

static void free_fn(void *obj)
{
	klp_shadow_free(obj, ID, NULL);
}

static int ctor_steps(void *obj, void *data, void *budget)
{
	shim_task_step(freer, *(long *)budget);

	return 0;
}

static void free_during_alloc(void)
{
	long budget;

	for (budget = 1; budget < 10; budget++) {
		freer = shim_task_start(free_fn, parent(0));
		check(klp_shadow_alloc(parent(0), ID, 8, GFP_KERNEL, ctor_steps, &budget));
		while (shim_task_step(freer, 1000))
			;
		check(!klp_shadow_get(parent(0), ID));
	}
}

/* === Release callbacks === */

static unsigned long released[8];
static unsigned int release_count;
static bool release_waits, releasing;

static void release_fn(void *obj, void *data)
{
	might_sleep();
	check(!shim_any_lock_held() && !rcu_read_lock_held() && !klp_shadow_get(obj, ID));
	releasing = true;
	while (release_waits)
		shim_hook(HOOK_SLEEP);
	releasing = false;
	released[release_count++ % 8] = *(unsigned long *)data;
}

static struct klp_shadow_type type = { .name = "steps", .release = release_fn };
static struct klp_shadow_type type_without = { .name = "without" };

static void remove_one(unsigned long n, struct klp_shadow_type *type)
{
	struct klp_shadow_iter iter = { .id = ID + n };
	unsigned long *data;

	data = klp_shadow_alloc(parent(n), ID + n, 8, GFP_KERNEL, NULL, NULL);
	*data = n;
	while (klp_shadow_free_batch(&iter, NULL, type))
		;
}

static struct module mod;

static void drain_fn(void *arg)
{
	klp_shadow_drain(arg);
}

static void releases(void)
{
	struct shim_task *task = reader(parent(0));
	struct klp_shadow_iter iter = { .id = ID };
	unsigned long n, flags;

	for (n = 0; n < 5; n++)
		remove_one(n, &type);
	check(shim_stats.queued == 1 && !work() && !release_count);
	check(!shim_task_step(task, 1000) && work() && release_count == 5);
	for (n = 0; n < 5; n++)
		check(released[n] == n);
	check(shim_stats.frees == shim_stats.allocs);

	/* A moved variable is released once: not for its alias as well. */
	add(0, 1);
	check(!klp_shadow_move(parent(0), parent(1), ID, GFP_KERNEL));
	while (klp_shadow_free_batch(&iter, NULL, &type))
		;
	check(work() && release_count == 6);

	/* Without a release callback, memory is freed by kfree_rcu(). */
	n = shim_stats.queued;
	remove_one(0, &type_without);
	check(shim_stats.queued == n && shim_stats.frees == shim_stats.allocs);

	/* With interrupts off, an interrupt queues the work. */
	add(0, 1);
	local_irq_save(flags);
	iter = (struct klp_shadow_iter) { .id = ID };
	while (klp_shadow_free_batch(&iter, NULL, &type))
		;
	check(shim_stats.queued == n);
	local_irq_restore(flags);
	check(shim_stats.queued == n + 1 && work() && release_count == 7);
	check(shim_stats.frees == shim_stats.allocs);
}

static struct shim_task *drain(struct module *mod)
{
	return shim_task_start(drain_fn, mod);
}

static void drained(void)
{
	struct shim_task *readers, *task;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct module *which = i ? &mod : NULL;

		release_count = 0;
		/* If no callback is pending, draining does not wait for readers. */
		readers = reader(parent(0));
		task = drain(which);
		check(!shim_task_step(task, 1000));
		/* If the work has not begun, the drain calls both after a grace period. */
		remove_one(1, &type);
		remove_one(2, &type);
		task = drain(which);
		check(shim_task_step(task, 1000) && !release_count);
		check(!shim_task_step(readers, 1000));
		check(!shim_task_step(task, 1000) && release_count == 2);
		check(released[0] == 1 && released[1] == 2);
		/* The work then finds none, and does not wait for readers. */
		readers = reader(parent(0));
		check(work() && release_count == 2 && !shim_task_step(readers, 1000));
		check(shim_stats.frees == shim_stats.allocs);
		/* No callback is pending after that. */
		readers = reader(parent(0));
		task = drain(which);
		check(!shim_task_step(task, 1000) && !shim_task_step(readers, 1000));
	}
}

/* A drain waits for a callback that the worker is running, and for those behind it. */
static void drain_waits(void)
{
	struct shim_task *task, *other, *readers;
	unsigned long flags, frees;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		release_count = 0;
		release_waits = true;
		remove_one(1, &type);
		check(!work() && releasing);
		task = drain(i ? &mod : NULL);
		other = drain(NULL);
		check(shim_task_step(task, 1000) && shim_task_step(other, 1000));
		check(shim_task_step(task, 1000) && shim_task_step(other, 1000) && !release_count);
		release_waits = false;
		check(work() && release_count == 1);
		check(!shim_task_step(task, 1000) && !shim_task_step(other, 1000));
		check(release_count == 1 && shim_stats.frees == shim_stats.allocs);
	}

	/* While a callback sleeps, memory without a callback is freed. */
	release_waits = true;
	remove_one(1, &type);
	check(!work() && releasing);
	add(0, 1);
	local_irq_save(flags);
	del(0, 1);
	local_irq_restore(flags);
	frees = shim_stats.frees;
	check(!work() && shim_stats.frees == frees + 1);

	/* A variable removed at that time is released after another grace period. */
	readers = reader(parent(0));
	remove_one(2, &type);
	task = drain(NULL);
	check(shim_task_step(task, 1000));
	release_waits = false;
	check(!work() && release_count == 2);
	check(shim_task_step(task, 1000) && !shim_task_step(readers, 1000));
	while (shim_task_step(task, 1000))
		shim_workers_step(1);
	check(release_count == 3 && work() && release_count == 3);
}

/*
 * When a drain returns, all variables that were removed before it are released, even if
 * another drain or the worker has taken them.
 */
static void two_drain(void)
{
	struct shim_task *one, *other;
	unsigned int budget, n;

	for (budget = 1; budget < 40; budget++) {
		release_count = 0;
		for (n = 0; n < 3; n++)
			remove_one(n, &type);
		one = drain(budget & 1 ? NULL : &mod);
		shim_task_step(one, budget / 2);
		shim_workers_step(budget / 4);
		other = drain(budget & 2 ? NULL : &mod);
		while (shim_task_step(other, 1000)) {
			shim_task_step(one, 1);
			shim_workers_step(1);
		}
		check(release_count == 3);
		while (shim_task_step(one, 1000))
			;
		check(work() && release_count == 3);
		check(shim_stats.frees == shim_stats.allocs);
	}
}

/* This includes variables that are removed, but not yet queued for release. */
static void remove_fn(void *arg)
{
	struct klp_shadow_iter iter = { .id = ID };

	klp_shadow_free_batch(&iter, NULL, arg);
}

static void drain_during_removal(void)
{
	struct shim_task *remover, *task;
	unsigned int budget;
	bool gone;

	for (budget = 1; budget < 40; budget++) {
		release_count = 0;
		add(0, 1);
		remover = shim_task_start(remove_fn, &type);
		shim_task_step(remover, budget);
		gone = !klp_shadow_get(parent(0), ID);
		task = drain(budget & 1 ? NULL : &mod);
		while (shim_task_step(task, 1000))
			shim_task_step(remover, 1);
		check(!gone || release_count == 1);
		while (shim_task_step(remover, 1000))
			;
		check(work());
		klp_shadow_free_all(ID, NULL);
		check(shim_stats.frees == shim_stats.allocs);
	}
}

/* === Modules === */

/* The callback of type_b is in mod_b, those of the other types in mod. */
static struct module mod_b;
static struct klp_shadow_type type_b = { .name = "b", .release = release_fn };

struct module *klp_shadow_type_module(const struct klp_shadow_type *which)
{
	return which == &type_b ? &mod_b : &mod;
}

bool klp_shadow_type_uses(const struct klp_shadow_type *which, const struct module *module)
{
	return !module || klp_shadow_type_module(which) == module;
}

static void release_quickly(void *obj, void *data)
{
	release_count++;
}

/* Draining a module is not blocked by a callback of another module that sleeps. */
static void drain_of_a_module(void)
{
	struct shim_task *task;
	int i;

	release_count = 0;
	release_waits = true;
	remove_one(1, &type_b);
	check(!work() && releasing && mod_b.refs == 1);
	for (i = 2; i < 6; i++)
		remove_one(i, i % 2 ? &type_b : &type);
	check(mod_b.refs == 3 && mod.refs == 2);
	type.release = release_quickly;
	task = drain(&mod);
	check(!shim_task_step(task, 1000) && releasing && release_count == 2 && !mod.refs);
	release_waits = false;
	check(work() && !mod.refs && !mod_b.refs && release_count == 5);
	type.release = release_fn;
}

/*
 * While one module is drained, variables of another may pass their grace period. Their
 * callbacks are called as well, whenever the drain gets there.
 */
static void none_is_left_over(void)
{
	struct shim_task *task;
	unsigned long *data, flags;
	int budget;

	for (budget = 1; budget < 60; budget++) {
		struct klp_shadow_iter iter = { .id = ID + 2 };

		release_count = 0;
		/* The worker is in a callback when the module's drain begins. */
		release_waits = true;
		remove_one(1, &type);
		check(!work() && releasing);
		task = drain(&mod);
		shim_task_step(task, budget);
		release_waits = false;
		check(work() && release_count == 1);
		/* A variable of the other type is removed with interrupts off. */
		data = klp_shadow_alloc(parent(2), ID + 2, 8, GFP_KERNEL, NULL, NULL);
		*data = 2;
		local_irq_save(flags);
		while (klp_shadow_free_batch(&iter, NULL, &type_b))
			;
		shim_task_step(task, 1 + budget % 7);
		local_irq_restore(flags);
		while (shim_task_step(task, 1000))
			;
		work();
		check(release_count == 2 && !mod_b.refs);
	}
}

/* === Calls === */

static int fail(void *obj, void *data, void *err)
{
	return *(int *)err;
}

static void add_before_lock(enum shim_hook where)
{
	if (where != HOOK_LOCK)
		return;
	shim_main_hook = NULL;
	check(klp_shadow_alloc(parent(8), ID, 8, GFP_ATOMIC, NULL, NULL));
}

static void errors(void)
{
	unsigned long reads;
	int err = -EINVAL, result = 1;
	void *data;

	add(0, 1);
	check(!klp_shadow_alloc(parent(0), ID, 8, GFP_KERNEL, NULL, NULL));
	check(shim_stats.warns == 1 && shim_stats.tries == 1);
	data = klp_shadow_add(parent(0), ID, 8, GFP_KERNEL, NULL, NULL, &type, &result);
	check(data && result == -EEXIST && data == klp_shadow_get(parent(0), ID));
	data = klp_shadow_add(parent(9), ID, 8, GFP_KERNEL, NULL, NULL, &type, &result);
	check(data && !result && data == klp_shadow_get(parent(9), ID));
	data = klp_shadow_add(parent(8), ID, -1UL, GFP_KERNEL, NULL, NULL, &type, &result);
	check(!data && result == -ENOMEM);
	data = klp_shadow_add(parent(8), ID, 8, GFP_KERNEL, fail, &err, &type, &result);
	check(!data && result == -EINVAL && shim_stats.prints == 1 && !klp_shadow_get(parent(8), ID));
	shim_stats.prints = 0;
	/* Another CPU adds the variable after the first lookup, before the lock is taken. */
	shim_main_hook = add_before_lock;
	data = klp_shadow_add(parent(8), ID, 8, GFP_KERNEL, fail, &err, &type, &result);
	shim_main_hook = NULL;
	check(data && result == -EEXIST && data == klp_shadow_get(parent(8), ID));
	del(8, 10);
	check(!klp_shadow_alloc(parent(1), ID, 8, GFP_KERNEL, fail, &err));
	check(shim_stats.prints == 1 && !klp_shadow_get(parent(1), ID));
	check(!klp_shadow_get_or_alloc(parent(1), ID, -1UL, GFP_KERNEL, NULL, NULL));
	check(klp_shadow_move(parent(1), parent(2), ID, GFP_KERNEL) == -ENOENT);
	check(klp_shadow_move(parent(0), parent(0), ID, GFP_KERNEL) == -EEXIST);
	check(shim_stats.warns == 1 && shim_stats.prints == 1);

	/* Lookups that miss take the slow path only while an alias exists. */
	check(!klp_shadow_move(parent(0), parent(1), ID, GFP_KERNEL));
	check(klp_shadow_first.next == &klp_shadow_first);
	check(!klp_shadow_move(parent(1), parent(2), ID, GFP_KERNEL));
	check(klp_shadow_state.aliases == 1 && klp_shadow_state.entries == 1);
	del(2, 3);
	check(!klp_shadow_first.next && !klp_shadow_state.aliases && !klp_shadow_state.entries);
	reads = shim_stats.reads;
	klp_shadow_get(parent(0), ID);
	check(shim_stats.reads - reads <= 2);
	check(shim_stats.frees == shim_stats.allocs);
}

#define STEP(name)	{ #name, name }
static const struct {
	const char *name;
	void (*run)(void);
} steps[] = {
	STEP(sizes), STEP(size_when_work_is_late), STEP(limits), STEP(largest_table), STEP(spread),
	STEP(back_off), STEP(quarter), STEP(heads_are_reset), STEP(next_is_cleared),
	STEP(table_is_freed), STEP(variable_is_freed), STEP(readers_during_resize),
	STEP(moved_in_batches), STEP(irqs_off), STEP(at_boot), STEP(in_batches),
	STEP(two_iterators), STEP(absent), STEP(free_during_alloc), STEP(releases), STEP(drained),
	STEP(drain_waits), STEP(two_drain), STEP(drain_during_removal), STEP(drain_of_a_module),
	STEP(none_is_left_over), STEP(errors),
};

int main(int argc, char **argv)
{
	int i, status, failed = 0;

	shim_alloc_fails = alloc_fails;
	printf("1..%zu\n", ARRAY_SIZE(steps));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		if (early && !strcmp(argv[1], steps[i].name)) {
			steps[i].run();
			_exit(0);
		}
		if (early)
			continue;
		fflush(stdout);
		if (!fork()) {
			alarm(10);
			steps[i].run();
			_exit(0);
		}
		wait(&status);
		failed += !!status;
		printf("%sok %d %s\n", status ? "not " : "", i + 1, steps[i].name);
	}

	return !!failed;
}
