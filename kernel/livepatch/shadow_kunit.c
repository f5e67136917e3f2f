// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit test of the shadow variable store: the guarantees G1 ... G13 of
 * Documentation/livepatch/shadow-vars.rst, the hash table and the lists of the ids.
 *
 * It is built in, because it reads the tables of the store, and inserts calls at a given
 * allocation of the store. No other code may use shadow variables while it runs. Tests
 * that need two CPUs, NMIs, the log or livepatches are in
 * tools/testing/selftests/livepatch.
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kallsyms.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/livepatch_shadow.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/kmem.h>
#include <uapi/linux/sched/types.h>

#include "shadow.h"
#include "shadow_table.h"
#include "shadow_type.h"

/* Ids that the tests use: the first three, and ID_MANY and above. */
#define ID		0x5d700000UL
#define ID_OTHER	0x5d700001UL
#define ID_MOVED	0x5d700002UL
#define ID_MANY		0x5d710000UL

/*
 * Number of chains of the first table, entries it may have, and chains of the table that
 * replaces it when there are more.
 */
#define FIRST		BIT(KLP_SHADOW_FIRST_BITS)
#define FIRST_MAX	(2 * FIRST)
#define GROWN		(8 * FIRST)

#define HEADER		offsetof(struct klp_shadow, data)

/* Number of variables that makes the table grow. */
#define MANY		9000

/* One of STAY variables is kept, few enough for the table to shrink again. */
#define STAY		3

static typeof(klp_shadow_alloc) * const add_fns[] = { klp_shadow_alloc, klp_shadow_get_or_alloc };
static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };

/* Parents: only their addresses are used. */
static char parents[MANY];

/* === Content of the store === */

/* Number of entries in all tables, and of aliases among them. */
struct census {
	unsigned long entries;
	unsigned long aliases;
};

/* The table that the first one leads to, or NULL. */
static struct klp_shadow_table *larger_table(void)
{
	struct klp_shadow_table *table = rcu_dereference_check(klp_shadow_first.next,
							       lockdep_is_held(&klp_shadow_lock));

	return table == &klp_shadow_first ? NULL : table;
}

static void count_chains(struct klp_shadow_table *table, struct census *census,
			 unsigned int *longest)
{
	struct hlist_nulls_node *node;
	struct klp_shadow *shadow;
	unsigned int length;
	unsigned long i;

	for (i = 0; i < BIT(table->bits); i++) {
		length = 0;
		hlist_nulls_for_each_entry(shadow, node, &table->chains[i], node) {
			census->entries++;
			census->aliases += shadow->obj == KLP_SHADOW_ALIAS;
			length++;
		}
		*longest = max(*longest, length);
	}
}

static struct census take_census_longest(unsigned int *longest)
{
	struct klp_shadow_table *table, *next;
	struct census census = {};
	unsigned long flags;

	*longest = 0;
	spin_lock_irqsave(&klp_shadow_lock, flags);
	count_chains(&klp_shadow_first, &census, longest);
	table = larger_table();
	if (table) {
		count_chains(table, &census, longest);
		next = rcu_dereference_protected(table->next, lockdep_is_held(&klp_shadow_lock));
		if (next && next != &klp_shadow_first)
			count_chains(next, &census, longest);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return census;
}

static struct census take_census(void)
{
	unsigned int longest;

	return take_census_longest(&longest);
}

static unsigned long entries(void)
{
	return take_census().entries;
}

static unsigned long aliases(void)
{
	return take_census().aliases;
}

static bool first_is_reset(void)
{
	unsigned long i;

	for (i = 0; i < FIRST; i++) {
		if (READ_ONCE(klp_shadow_first.chains[i].first) != KLP_SHADOW_FIRST_END)
			return false;
	}

	return true;
}

/* Number of chains; 0 during a resize. */
static unsigned long chains(void)
{
	struct klp_shadow_table *table;
	unsigned long n;

	rcu_read_lock();
	table = larger_table();
	if (!table)
		n = FIRST;
	else
		n = rcu_access_pointer(table->next) || !first_is_reset() ? 0 : BIT(table->bits);
	rcu_read_unlock();

	return n;
}

static bool chains_become(unsigned long n)
{
	unsigned int ms;

	for (ms = 0; chains() != n && ms < 20000; ms += 20)
		msleep(20);

	return chains() == n;
}

/* At least @n, when all resizes have ended. */
static bool chains_suffice(unsigned long n)
{
	unsigned int ms;

	for (ms = 0; chains() < n && ms < 20000; ms += 20)
		msleep(20);

	return chains() >= n;
}

/* Without a larger table: NULL, or the first table itself while aliases exist. */
static bool next_is_clear(void)
{
	return !rcu_access_pointer(klp_shadow_first.next);
}

static bool next_is_first(void)
{
	return rcu_access_pointer(klp_shadow_first.next) == &klp_shadow_first;
}

/* === Constructor, destructor and data === */

/* What the constructor and the destructor observed since calls_reset(). */
static struct {
	unsigned int ctors;
	unsigned int dtors;
	unsigned int irqs_on;
	unsigned int visible;	/* calls during which a lookup finds the variable */
	unsigned int dirty;	/* constructor calls with data that is not zero */
	unsigned long id;	/* id of that lookup */
	size_t size;
	void *obj;
	void *data;
	void *ctor_data;
	int err;		/* returned by the constructor */
} calls;

static void calls_reset(unsigned long id, size_t size)
{
	memset(&calls, 0, sizeof(calls));
	calls.id = id;
	calls.size = size;
}

static void note_call(void *obj, void *data)
{
	calls.obj = obj;
	calls.data = data;
	calls.irqs_on += !irqs_disabled();
	calls.visible += !!klp_shadow_get(obj, calls.id);
}

static int note_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	note_call(obj, shadow_data);
	calls.ctors++;
	calls.ctor_data = ctor_data;
	calls.dirty += !!memchr_inv(shadow_data, 0, calls.size);
	memset(shadow_data, 0x42, calls.size);

	return calls.err;
}

static void note_dtor(void *obj, void *shadow_data)
{
	note_call(obj, shadow_data);
	calls.dtors++;
}

/* Add a variable to the i-th parent; its data is i. */
static bool add_nth(unsigned int i, unsigned long id)
{
	gfp_t gfp_flags = irqs_disabled() ? GFP_ATOMIC : GFP_KERNEL;
	unsigned int *data = klp_shadow_alloc(&parents[i], id, sizeof(*data), gfp_flags, NULL,
					      NULL);

	if (data)
		*data = i;

	return data;
}

static bool nth_is_there(unsigned int i, unsigned long id)
{
	unsigned int *data = klp_shadow_get(&parents[i], id);

	return data && *data == i;
}

/* Number of the first n parents that have their variable. */
static unsigned int count_nth(unsigned int n, unsigned long id)
{
	unsigned int i, there = 0;

	for (i = 0; i < n; i++)
		there += nth_is_there(i, id);

	return there;
}

static unsigned int add_many(unsigned int n, unsigned long id)
{
	unsigned int i, added = 0;

	for (i = 0; i < n; i++)
		added += add_nth(i, id);

	return added;
}

/* === Allocations === */

/* The allocations of one task. */
static struct {
	struct task_struct *task;
	unsigned int count;
	unsigned int irqs_off;
	gfp_t gfp;		/* flags common to all */
	size_t size;		/* only allocations of this size; 0: all */
	unsigned int nth;	/* step_in() is called after this one */
	void (*step_in)(void);
	const void *ptr;	/* memory of the nth, or of the last if @nth is 0 */
} watch;

static void watch_kmalloc(void *unused, unsigned long call_site, const void *ptr, size_t bytes_req,
			  size_t bytes_alloc, gfp_t gfp_flags, int node)
{
	if (current != watch.task || !in_task() || (watch.size && watch.size != bytes_req))
		return;
	watch.count++;
	watch.irqs_off += irqs_disabled();
	watch.gfp &= gfp_flags;
	if (!watch.nth || watch.count == watch.nth)
		watch.ptr = ptr;
	if (watch.step_in && watch.count == watch.nth) {
		watch.task = NULL;
		watch.step_in();
		watch.task = current;
	}
}

/* Size allocated for a variable of 16 bytes: excludes allocations of the allocator. */
#define WATCHED		(HEADER + 16)

static void watch_begin(size_t size, unsigned int nth, void (*step_in)(void))
{
	watch.size = size;
	watch.count = 0;
	watch.irqs_off = 0;
	watch.gfp = (__force gfp_t)~0;
	watch.nth = nth;
	watch.ptr = NULL;
	watch.step_in = step_in;
	watch.task = current;
}

static unsigned int watch_end(void)
{
	watch.task = NULL;

	return watch.count;
}

/* === Events === */

/* Tracepoints are found by name: their prototypes differ between kernel versions. */
struct event {
	const char *name;
	struct tracepoint *tp;
	unsigned int count;
};

static struct event alloc_events[] = {
	{ "kmalloc" }, { "kmem_cache_alloc" }, { "mm_page_alloc" },
};

static struct event other_events[] = {
	{ "kfree" }, { "kmem_cache_free" }, { "mm_page_free" }, { "sched_waking" },
	{ "sched_wakeup" }, { "timer_start" }, { "hrtimer_start" }, { "workqueue_queue_work" },
};

static struct task_struct *quiet_task;

static void count_event(void *data)
{
	struct event *event = data;

	if (current == quiet_task && in_task() && irqs_disabled())
		event->count++;
}

static void find_event(struct tracepoint *tp, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(alloc_events); i++) {
		if (!strcmp(tp->name, alloc_events[i].name))
			alloc_events[i].tp = tp;
	}
	for (i = 0; i < ARRAY_SIZE(other_events); i++) {
		if (!strcmp(tp->name, other_events[i].name))
			other_events[i].tp = tp;
	}
}

static void events_unregister(struct event *events, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (events[i].tp)
			tracepoint_probe_unregister(events[i].tp, count_event, &events[i]);
		events[i].tp = NULL;
	}
}

static void events_register(struct kunit *test, struct event *events, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		events[i].count = 0;
		KUNIT_EXPECT_NOT_NULL_MSG(test, events[i].tp, "no tracepoint %s", events[i].name);
		if (events[i].tp &&
		    tracepoint_probe_register(events[i].tp, count_event, &events[i]))
			KUNIT_FAIL(test, "cannot trace %s", events[i].name);
	}
}

/* Probes here do not have the prototypes of their tracepoints, which CFI rejects. */
static void skip_with_cfi(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_CFI_CLANG) || IS_ENABLED(CONFIG_CFI))
		kunit_skip(test, "control flow integrity rejects the probes");
}

/* Count events that this task causes while interrupts are off. */
static void quiet_begin(struct kunit *test)
{
	skip_with_cfi(test);
	for_each_kernel_tracepoint(find_event, NULL);
	events_register(test, alloc_events, ARRAY_SIZE(alloc_events));
	events_register(test, other_events, ARRAY_SIZE(other_events));
	quiet_task = current;
}

static void quiet_stop(void)
{
	quiet_task = NULL;
	events_unregister(alloc_events, ARRAY_SIZE(alloc_events));
	events_unregister(other_events, ARRAY_SIZE(other_events));
	tracepoint_synchronize_unregister();
}

static void quiet_end(struct kunit *test, bool may_alloc)
{
	unsigned int i;

	quiet_stop();
	for (i = 0; i < ARRAY_SIZE(alloc_events) && !may_alloc; i++)
		KUNIT_EXPECT_EQ_MSG(test, alloc_events[i].count, 0U, "%s", alloc_events[i].name);
	for (i = 0; i < ARRAY_SIZE(other_events); i++)
		KUNIT_EXPECT_EQ_MSG(test, other_events[i].count, 0U, "%s", other_events[i].name);
}

/* === Freed memory === */

#ifdef CONFIG_KASAN_GENERIC
#define CAN_SEE_FREED	true

/* Read the state of memory in KASAN's shadow memory, which causes no report. */
static bool is_freed(const void *data)
{
	return READ_ONCE(*(u8 *)kasan_mem_to_shadow(data));
}
#else
#define CAN_SEE_FREED	false

static bool is_freed(const void *data)
{
	return false;
}
#endif

/* Wait until each block was freed once; it may be allocated again by another user. */
static bool all_become_freed(const void **data, unsigned int n)
{
	unsigned int ms, i, left = n;

	if (!CAN_SEE_FREED)
		return true;
	for (ms = 0; left && ms < 30000; ms += 20) {
		msleep(20);
		left = 0;
		for (i = 0; i < n; i++) {
			if (data[i] && is_freed(data[i]))
				data[i] = NULL;
			left += !!data[i];
		}
	}

	return !left;
}

static bool becomes_freed(const void *data)
{
	return all_become_freed(&data, 1);
}

/* === G1, lookup === */

static struct irq_look {
	struct irq_work work;
	bool in_irq;
	void *found;
	void *absent;
	void *added;
	bool left;
} irq_look;

static void look_in_irq(struct irq_work *work)
{
	irq_look.in_irq = in_hardirq();
	irq_look.found = klp_shadow_get(&parents[0], ID);
	irq_look.absent = klp_shadow_get(&parents[1], ID);
	irq_look.added = klp_shadow_alloc(&parents[1], ID_OTHER, 8, GFP_ATOMIC, NULL, NULL);
	klp_shadow_free(&parents[1], ID_OTHER, NULL);
	irq_look.left = klp_shadow_get(&parents[1], ID_OTHER);
}

static void g1_finds_what_there_is(struct kunit *test)
{
	void *data, *other;

	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
	data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	other = klp_shadow_get_or_alloc(&parents[0], ID_OTHER, 8, GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, other);

	KUNIT_EXPECT_PTR_NE(test, data, other);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID_OTHER), other);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[1], ID));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID_OTHER + 1));
}

static void g1_lookup_takes_no_lock_nor_memory(struct kunit *test)
{
	void *data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	void *found, *absent;
	unsigned long flags;

	KUNIT_ASSERT_NOT_NULL(test, data);
	watch_begin(0, 0, NULL);
	/* A lookup that took the lock would hang here, or lockdep would report it. */
	spin_lock_irqsave(&klp_shadow_lock, flags);
	found = klp_shadow_get(&parents[0], ID);
	absent = klp_shadow_get(&parents[1], ID);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
	KUNIT_EXPECT_EQ(test, watch_end(), 0U);
	KUNIT_EXPECT_PTR_EQ(test, found, data);
	KUNIT_EXPECT_NULL(test, absent);
}

static void g1_g6_calls_from_interrupt(struct kunit *test)
{
	void *data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);

	KUNIT_ASSERT_NOT_NULL(test, data);
	memset(&irq_look, 0, sizeof(irq_look));
	irq_look.absent = &irq_look;
	init_irq_work(&irq_look.work, look_in_irq);
	irq_work_queue(&irq_look.work);
	irq_work_sync(&irq_look.work);

	KUNIT_EXPECT_TRUE(test, irq_look.in_irq);
	KUNIT_EXPECT_PTR_EQ(test, irq_look.found, data);
	KUNIT_EXPECT_NULL(test, irq_look.absent);
	KUNIT_EXPECT_NOT_NULL(test, irq_look.added);
	KUNIT_EXPECT_FALSE(test, irq_look.left);
}

/* === G2 and G3, construction === */

static const size_t sizes[] = {
	1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 79, 80, 81, 208, 464, 1000, 2000, 4047, 4048,
	4049, 4095, 4096, 8144, 65535, 200001,
};

/* Dirty the memory that the store will probably allocate next. */
static void make_dirty(size_t size)
{
	void *block = kmalloc(HEADER + size, GFP_KERNEL);

	if (block)
		memset(block, 0xa5, HEADER + size);
	kfree(block);
}

static void g2_data_is_zeroed(struct kunit *test)
{
	unsigned int i, j, k;
	void *data;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(add_fns); j++) {
			for (k = 0; k < ARRAY_SIZE(gfps); k++) {
				make_dirty(sizes[i]);
				data = add_fns[j](&parents[0], ID, sizes[i], gfps[k], NULL, NULL);
				/* Large atomic allocations may fail. */
				if (!data && gfps[k] == GFP_ATOMIC && sizes[i] > PAGE_SIZE)
					continue;
				KUNIT_ASSERT_NOT_NULL(test, data);
				KUNIT_EXPECT_NULL_MSG(test, memchr_inv(data, 0, sizes[i]),
						      "size %zu", sizes[i]);
				/* KASAN reports this if less was allocated. */
				memset(data, 0xff, sizes[i]);
				klp_shadow_free(&parents[0], ID, NULL);
			}
		}
	}
}

static void g2_constructed_once_and_unseen(struct kunit *test)
{
	unsigned int i, k;
	void *data;

	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			make_dirty(100);
			calls_reset(ID, 100);
			data = add_fns[i](&parents[0], ID, 100, gfps[k], note_ctor, test);
			KUNIT_ASSERT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
			KUNIT_EXPECT_EQ(test, calls.visible, 0U);
			KUNIT_EXPECT_EQ(test, calls.irqs_on, 0U);
			KUNIT_EXPECT_EQ(test, calls.dirty, 0U);
			KUNIT_EXPECT_PTR_EQ(test, calls.obj, (void *)&parents[0]);
			KUNIT_EXPECT_PTR_EQ(test, calls.data, data);
			KUNIT_EXPECT_PTR_EQ(test, calls.ctor_data, (void *)test);
			KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
			KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x42, 100));
			klp_shadow_free(&parents[0], ID, NULL);
		}
	}
}

static void g3_failed_construction_leaves_nothing(struct kunit *test)
{
	const void *failed[ARRAY_SIZE(add_fns) * ARRAY_SIZE(gfps)];
	unsigned int i, k, n = 0;

	KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			unsigned long before = entries();
			void *data;

			calls_reset(ID, 64);
			calls.err = -EXDEV;
			data = add_fns[i](&parents[0], ID, 64, gfps[k], note_ctor, NULL);
			KUNIT_EXPECT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
			KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
			KUNIT_EXPECT_EQ(test, entries(), before);
			KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));
			failed[n++] = calls.data;

			klp_shadow_free(&parents[0], ID, note_dtor);
			KUNIT_EXPECT_EQ(test, calls.dtors, 0U);

			calls.err = 0;
			data = add_fns[i](&parents[0], ID, 64, gfps[k], note_ctor, NULL);
			KUNIT_EXPECT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
			KUNIT_EXPECT_EQ(test, calls.dirty, 0U);
			klp_shadow_free(&parents[0], ID, note_dtor);
			KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		}
	}
	KUNIT_EXPECT_TRUE(test, all_become_freed(failed, n));
}

/* === G4 and G5, one variable for a pair === */

static void g4_get_or_alloc_finds_existing(struct kunit *test)
{
	unsigned int count;
	void *data;

	calls_reset(ID, 16);
	data = klp_shadow_get_or_alloc(&parents[0], ID, 16, GFP_KERNEL, note_ctor, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	watch_begin(0, 0, NULL);
	KUNIT_EXPECT_PTR_EQ(test, data, klp_shadow_get_or_alloc(&parents[0], ID, 4000, GFP_KERNEL,
								note_ctor, NULL));
	count = watch_end();
	KUNIT_EXPECT_EQ(test, count, 0U);
	KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x42, 16));
	KUNIT_EXPECT_EQ(test, entries(), 1UL);
}

static void g4_alloc_of_existing_warns(struct kunit *test)
{
#ifdef kunit_warning_suppress
	void *data;

	calls_reset(ID, 16);
	data = klp_shadow_alloc(&parents[0], ID, 16, GFP_KERNEL, note_ctor, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_NULL(test, klp_shadow_alloc(&parents[0], ID, 16, GFP_KERNEL, note_ctor,
							 NULL));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
#else
	kunit_skip(test, "this KUnit cannot expect a warning; test-shadow-api.sh can");
#endif
}

static struct {
	unsigned int parent;
	void *data;
} rival;

static void rival_adds(void)
{
	rival.data = klp_shadow_get_or_alloc(&parents[rival.parent], ID, 16, GFP_ATOMIC, note_ctor,
					     NULL);
}

/* Another caller adds the pair after the first lookup, before the lock is taken. */
static void g5_lost_race_gives_the_winners(struct kunit *test)
{
	const void *lost[ARRAY_SIZE(gfps)];
	unsigned int k, count;
	void *data;

	for (k = 0; k < ARRAY_SIZE(gfps); k++) {
		rival.parent = 0;
		rival.data = NULL;
		calls_reset(ID, 16);
		watch_begin(WATCHED, 1, rival_adds);
		data = klp_shadow_get_or_alloc(&parents[0], ID, 16, gfps[k], note_ctor, NULL);
		count = watch_end();
		lost[k] = watch.ptr;
		KUNIT_EXPECT_EQ(test, count, 1U);
		KUNIT_ASSERT_NOT_NULL(test, rival.data);
		KUNIT_EXPECT_PTR_EQ(test, data, rival.data);
		KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
		KUNIT_EXPECT_EQ(test, entries(), 1UL);
		klp_shadow_free_all(ID, note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
	}
	KUNIT_EXPECT_TRUE(test, all_become_freed(lost, ARRAY_SIZE(lost)));
}

/* Another caller adds a variable of another parent at that time: both are added. */
static void g5_another_pair_is_no_rival(struct kunit *test)
{
	void *data;

	rival.parent = 1;
	rival.data = NULL;
	calls_reset(ID, 16);
	watch_begin(WATCHED, 1, rival_adds);
	data = klp_shadow_alloc(&parents[0], ID, 16, GFP_KERNEL, note_ctor, NULL);
	watch_end();
	KUNIT_EXPECT_NOT_NULL(test, data);
	KUNIT_EXPECT_NOT_NULL(test, rival.data);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[1], ID), rival.data);
	KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 2U);
}

/* === G6, memory and the lock === */

static void g6_callers_flags_before_the_lock(struct kunit *test)
{
	unsigned int i, k, count;
	void *data;

	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			watch_begin(WATCHED, 0, NULL);
			data = add_fns[i](&parents[0], ID, 16, gfps[k], NULL, NULL);
			count = watch_end();
			KUNIT_EXPECT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, count, 1U);
			/* The lock is held with interrupts off: it was not held. */
			KUNIT_EXPECT_EQ(test, watch.irqs_off, 0U);
			KUNIT_EXPECT_EQ(test, (__force u32)(watch.gfp & (gfps[k] | __GFP_NOWARN)),
					(__force u32)(gfps[k] | __GFP_NOWARN));
			if (gfps[k] == GFP_ATOMIC)
				KUNIT_EXPECT_EQ(test, (__force u32)(watch.gfp &
								    __GFP_DIRECT_RECLAIM), 0U);
			klp_shadow_free(&parents[0], ID, NULL);
		}
	}
}

/* A move allocates the alias, also before it takes the lock. */
static void g6_move_allocates_before_the_lock(struct kunit *test)
{
	unsigned int k, count;
	int err;

	KUNIT_ASSERT_TRUE(test, add_nth(0, ID));
	for (k = 0; k < ARRAY_SIZE(gfps); k++) {
		watch_begin(2 * HEADER, 0, NULL);
		err = klp_shadow_move(&parents[k], &parents[k + 1], ID, gfps[k]);
		count = watch_end();
		KUNIT_EXPECT_EQ(test, err, 0);
		KUNIT_EXPECT_EQ(test, count, 1U);
		KUNIT_EXPECT_EQ(test, watch.irqs_off, 0U);
		KUNIT_EXPECT_EQ(test, (__force u32)(watch.gfp & (gfps[k] | __GFP_NOWARN)),
				(__force u32)(gfps[k] | __GFP_NOWARN));
	}
}

/* After kfree_rcu() of a variable, rcu.func is an offset or a function of RCU. */
static bool handed_to_rcu(const struct klp_shadow *shadow)
{
	unsigned long func = (unsigned long)READ_ONCE(shadow->rcu.func);

	return func && (func < PAGE_SIZE || kernel_text_address(func));
}

#define QUIET	3000

/*
 * Callers with interrupts off may hold a lock that the allocator, RCU, timers or
 * wake-ups take, so the store uses none of them. The memory is freed later.
 */
static void g6_quiet_while_interrupts_are_off(struct kunit *test)
{
	const void **removed = kunit_kcalloc(test, QUIET, sizeof(*removed), GFP_KERNEL);
	unsigned int all, i, handed;
	unsigned long flags;

	KUNIT_ASSERT_NOT_NULL(test, removed);
	for (all = 0; all <= 1; all++) {
		KUNIT_ASSERT_EQ(test, add_many(QUIET, ID), (unsigned int)QUIET);
		for (i = 0; i < QUIET; i++)
			removed[i] = klp_shadow_get(&parents[i], ID) - HEADER;

		handed = 0;
		calls_reset(ID, 0);
		quiet_begin(test);
		local_irq_save(flags);
		if (all)
			klp_shadow_free_all(ID, note_dtor);
		for (i = 0; i < QUIET; i++) {
			if (!all)
				klp_shadow_free(&parents[i], ID, note_dtor);
			handed += handed_to_rcu(removed[i]);
		}
		local_irq_restore(flags);
		quiet_end(test, false);

		KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)QUIET);
		KUNIT_EXPECT_EQ(test, handed, 0U);
		KUNIT_EXPECT_EQ(test, entries(), 0UL);
		KUNIT_ASSERT_TRUE(test, all_become_freed(removed, QUIET));
	}
}

/* The same if the memory was never added: after a lost race or a failed constructor. */
static void g6_quiet_when_nothing_is_added(struct kunit *test)
{
	static const void *lost[200];
	unsigned int i, n = ARRAY_SIZE(lost) / 2;
	unsigned long flags;

	calls_reset(ID, 16);
	quiet_begin(test);
	for (i = 0; i < n; i++) {
		rival.parent = i;
		watch_begin(WATCHED, 1, rival_adds);
		local_irq_save(flags);
		klp_shadow_get_or_alloc(&parents[i], ID, 16, GFP_ATOMIC, note_ctor, NULL);
		local_irq_restore(flags);
		watch_end();
		lost[i] = watch.ptr;
	}
	quiet_end(test, true);
	KUNIT_EXPECT_EQ(test, calls.ctors, n);

	/* Outside quiet_begin(): the error message may wake up a thread of printk(). */
	calls.err = -EXDEV;
	for (; i < ARRAY_SIZE(lost); i++) {
		watch_begin(WATCHED, 1, NULL);
		local_irq_save(flags);
		klp_shadow_get_or_alloc(&parents[i], ID, 16, GFP_ATOMIC, note_ctor, NULL);
		local_irq_restore(flags);
		watch_end();
		lost[i] = watch.ptr;
	}
	KUNIT_EXPECT_EQ(test, entries(), (unsigned long)n);
	KUNIT_EXPECT_TRUE(test, all_become_freed(lost, ARRAY_SIZE(lost)));
}

#ifdef CONFIG_LOCKDEP
static unsigned int locked;

/* The tracepoint passes more arguments, which are ignored. */
static void count_lock(void *unused, struct lockdep_map *lock)
{
	locked += current == quiet_task && in_task() && lock == &klp_shadow_lock.dep_map;
}

static struct tracepoint *lock_acquire_tp;

static void find_lock_acquire(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "lock_acquire"))
		lock_acquire_tp = tp;
}

/* Most parents have no variable when they are freed, so this must not take the lock. */
static void g6_looks_before_it_locks(struct kunit *test)
{
	struct klp_shadow_type type = { .name = "kunit", .id = ID, .size = 8, .dtor = note_dtor };
	unsigned int count, grown, free_locks, type_locks, move_locks;
	int err;

	skip_with_cfi(test);
	for_each_kernel_tracepoint(find_lock_acquire, NULL);
	KUNIT_ASSERT_NOT_NULL(test, lock_acquire_tp);
	for (grown = 0; grown <= 1; grown++) {
		if (grown) {
			KUNIT_ASSERT_EQ(test, add_many(MANY, ID_OTHER), (unsigned int)MANY);
			KUNIT_ASSERT_TRUE(test, chains_become(GROWN));
		}
		KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
		KUNIT_ASSERT_EQ(test, tracepoint_probe_register(lock_acquire_tp, count_lock, NULL),
				0);
		calls_reset(ID, 8);
		watch_begin(0, 0, NULL);
		locked = 0;
		quiet_task = current;
		klp_shadow_free(&parents[0], ID, note_dtor);
		free_locks = locked;
		__klp_shadow_type_free(&parents[0], &type);
		type_locks = locked;
		err = klp_shadow_move(&parents[0], &parents[1], ID, GFP_KERNEL);
		move_locks = locked;
		count = watch_end();
		klp_shadow_free(&parents[1], ID, note_dtor);
		quiet_task = NULL;
		tracepoint_probe_unregister(lock_acquire_tp, count_lock, NULL);
		tracepoint_synchronize_unregister();

		KUNIT_EXPECT_EQ(test, err, -ENOENT);
		KUNIT_EXPECT_EQ(test, count, 0U);
		KUNIT_EXPECT_EQ(test, free_locks, 0U);
		KUNIT_EXPECT_EQ(test, type_locks, 0U);
		KUNIT_EXPECT_EQ(test, move_locks, 0U);
		/* The call that does free a variable shows that the probe works. */
		KUNIT_EXPECT_EQ(test, locked, 1U);
		KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	}
}
#else
static void g6_looks_before_it_locks(struct kunit *test)
{
	kunit_skip(test, "needs lockdep");
}
#endif

/* All calls with a spinlock of the caller held; lockdep would report a wrong order. */
static void g6_whole_life_under_a_lock(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	void *data, *again, *found, *after;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	data = klp_shadow_alloc(&parents[0], ID, 16, GFP_ATOMIC, NULL, NULL);
	again = klp_shadow_get_or_alloc(&parents[0], ID, 16, GFP_ATOMIC, NULL, NULL);
	found = klp_shadow_get(&parents[0], ID);
	klp_shadow_free(&parents[0], ID, NULL);
	klp_shadow_get_or_alloc(&parents[1], ID, 16, GFP_ATOMIC, NULL, NULL);
	klp_shadow_free_all(ID, NULL);
	after = klp_shadow_get(&parents[1], ID);
	spin_unlock_irqrestore(&lock, flags);

	KUNIT_EXPECT_NOT_NULL(test, data);
	KUNIT_EXPECT_PTR_EQ(test, again, data);
	KUNIT_EXPECT_PTR_EQ(test, found, data);
	KUNIT_EXPECT_NULL(test, after);
}

/* === G7, removal === */

static void g7_free_removes_one(struct kunit *test)
{
	void *data;

	KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
	KUNIT_ASSERT_TRUE(test, add_nth(0, ID_OTHER));
	data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);

	calls_reset(ID, 8);
	klp_shadow_free(&parents[2], ID, note_dtor);
	klp_shadow_free(&parents[1], ID_OTHER, note_dtor);
	klp_shadow_free(&parents[0], ID_OTHER + 1, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_EQ(test, entries(), 3UL);

	klp_shadow_free(&parents[0], ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.visible, 0U);
	KUNIT_EXPECT_EQ(test, calls.irqs_on, 0U);
	KUNIT_EXPECT_PTR_EQ(test, calls.obj, (void *)&parents[0]);
	KUNIT_EXPECT_PTR_EQ(test, calls.data, data);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
	KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));
	KUNIT_EXPECT_TRUE(test, nth_is_there(0, ID_OTHER));

	klp_shadow_free(&parents[0], ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0, 8));
}

/* Readers use removed data until they leave RCU: KASAN reports it if freed earlier. */
static void g7_memory_outlives_its_readers(struct kunit *test)
{
	unsigned int all, ms, intact, freed;
	const void *removed[2];
	u8 *data;

	for (all = 0; all <= 1; all++) {
		calls_reset(ID, 208);
		data = klp_shadow_alloc(&parents[0], ID, 208, GFP_KERNEL, note_ctor, NULL);
		KUNIT_ASSERT_NOT_NULL(test, data);
		removed[all] = data;

		intact = 0;
		freed = 0;
		rcu_read_lock();
		if (all)
			klp_shadow_free_all(ID, note_dtor);
		else
			klp_shadow_free(&parents[0], ID, note_dtor);
		for (ms = 0; ms < 30; ms++) {
			freed += is_freed(data);
			intact += !memchr_inv(data, 0x42, 208);
			mdelay(1);
		}
		rcu_read_unlock();
		KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		KUNIT_EXPECT_EQ(test, freed, 0U);
		KUNIT_EXPECT_EQ(test, intact, 30U);
	}
	KUNIT_EXPECT_TRUE(test, all_become_freed(removed, ARRAY_SIZE(removed)));
	if (!CAN_SEE_FREED)
		kunit_skip(test, "partly: only the address sanitizer shows that memory is freed");
}

/* === G8, removal by id === */

static void g8_free_all_takes_all_of_the_id(struct kunit *test)
{
	static const unsigned int counts[] = {
		0, 1, KLP_SHADOW_BATCH - 1, KLP_SHADOW_BATCH, KLP_SHADOW_BATCH + 1,
		2 * KLP_SHADOW_BATCH, 2 * KLP_SHADOW_BATCH + 1, 500,
	};
	unsigned int i, n;

	KUNIT_ASSERT_EQ(test, add_many(100, ID_OTHER), 100U);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		n = counts[i];
		KUNIT_ASSERT_EQ(test, add_many(n, ID), n);
		calls_reset(ID, sizeof(int));
		klp_shadow_free_all(ID, note_dtor);
		KUNIT_EXPECT_EQ_MSG(test, calls.dtors, n, "%u variables", n);
		KUNIT_EXPECT_EQ(test, calls.visible, 0U);
		KUNIT_EXPECT_EQ(test, calls.irqs_on, 0U);
		KUNIT_EXPECT_EQ(test, count_nth(n, ID), 0U);
		KUNIT_EXPECT_EQ(test, entries(), 100UL);
	}
	KUNIT_EXPECT_EQ(test, count_nth(100, ID_OTHER), 100U);

	/* Some were freed one by one before. */
	KUNIT_ASSERT_EQ(test, add_many(100, ID), 100U);
	for (i = 0; i < 100; i += 3)
		klp_shadow_free(&parents[i], ID, NULL);
	calls_reset(ID, sizeof(int));
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 66U);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 66U);
	KUNIT_EXPECT_EQ(test, count_nth(100, ID_OTHER), 100U);
}

static void iter_end(struct klp_shadow_iter *iter)
{
	unsigned long flags;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	klp_shadow_iter_stop(iter);
	iter->started = false;
	iter->list = 0;
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
}

/* Step the iterator. Returns the parent of the next variable, or NULL. */
static void *iter_next(struct klp_shadow_iter *iter, unsigned int budget)
{
	struct klp_shadow *shadow;
	unsigned long flags;
	void *obj;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_shadow_iter_next(iter, &budget);
	obj = shadow ? shadow->obj : NULL;
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return obj;
}

/* One free_all runs between two batches of another, which has dropped the lock. */
static void g8_iterators_of_one_id(struct kunit *test)
{
	static struct klp_shadow_iter outer, inner;
	void *first, *second;

	outer.id = ID;
	inner.id = ID;
	KUNIT_ASSERT_EQ(test, add_many(70, ID), 70U);
	first = iter_next(&outer, 1000);
	KUNIT_EXPECT_NOT_NULL(test, first);
	KUNIT_EXPECT_PTR_EQ(test, iter_next(&inner, 1000), first);
	klp_shadow_free(first, ID, NULL);
	second = iter_next(&outer, 1000);
	KUNIT_EXPECT_NOT_NULL(test, second);
	KUNIT_EXPECT_PTR_NE(test, second, first);
	/* The inner iterator skips the list entry of the outer one. */
	KUNIT_EXPECT_PTR_EQ(test, iter_next(&inner, 1000), second);
	iter_end(&inner);

	/* Only a free_all that begins later visits a variable that is added now. */
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get_or_alloc(&parents[100], ID, 8, GFP_KERNEL, NULL,
							    NULL));
	calls_reset(ID, 8);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 70U);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get_or_alloc(&parents[100], ID, 8, GFP_KERNEL, NULL,
							    NULL));
	KUNIT_EXPECT_NULL(test, iter_next(&outer, 1000));
	KUNIT_EXPECT_EQ(test, outer.list, (unsigned int)KLP_SHADOW_LISTS);
	iter_end(&outer);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 71U);
}

/* An id that shares one of the 256 hashed lists with ID. */
static unsigned long sharing_id(void)
{
	unsigned long id = ID_MANY;

	while (hash_long(id, 8) != hash_long(ID, 8))
		id++;

	return id;
}

static void g8_ids_share_a_list(struct kunit *test)
{
	unsigned long id = sharing_id();
	static struct klp_shadow_iter iter, other;
	unsigned int i, n, m;
	struct klp_shadow *a, *b;

	iter.id = ID;
	other.id = id;
	/* Stay on one CPU: lists are also split by CPU. */
	migrate_disable();
	n = add_many(100, ID);
	m = add_many(100, id);
	migrate_enable();
	KUNIT_ASSERT_EQ(test, n, 100U);
	KUNIT_ASSERT_EQ(test, m, 100U);
	/* Make sure that the variables of both ids are in one list. */
	a = klp_shadow_get(&parents[99], ID) - HEADER;
	b = klp_shadow_get(&parents[0], id) - HEADER;
	KUNIT_ASSERT_PTR_EQ(test, b->id_link.next, &a->id_link);

	/* Two iterators at the same time, one per id, visit each variable once. */
	n = 0;
	m = 0;
	for (i = 0; i < 100; i++) {
		n += !!iter_next(&iter, 1000);
		m += !!iter_next(&other, 1000);
	}
	KUNIT_EXPECT_EQ(test, n, 100U);
	KUNIT_EXPECT_EQ(test, m, 100U);
	KUNIT_EXPECT_NULL(test, iter_next(&iter, 1000));
	KUNIT_EXPECT_NULL(test, iter_next(&other, 1000));
	iter_end(&iter);
	iter_end(&other);

	/* At most a batch of entries is visited per step, also those of the other id. */
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_NULL(test, iter_next(&iter, KLP_SHADOW_BATCH));
		KUNIT_EXPECT_LT(test, iter.list, (unsigned int)KLP_SHADOW_LISTS);
	}
	KUNIT_EXPECT_NOT_NULL(test, iter_next(&iter, KLP_SHADOW_BATCH));
	iter_end(&iter);
	calls_reset(ID, 0);
	for (n = 1, m = 0; klp_shadow_free_batch(&iter, note_dtor, NULL); n++) {
		KUNIT_EXPECT_LE(test, calls.dtors - m, (unsigned int)KLP_SHADOW_BATCH);
		m = calls.dtors;
	}
	KUNIT_EXPECT_GE(test, n, 200U / KLP_SHADOW_BATCH);
	iter_end(&iter);
	KUNIT_EXPECT_EQ(test, calls.dtors, 100U);
	KUNIT_EXPECT_EQ(test, count_nth(100, ID), 0U);
	KUNIT_EXPECT_EQ(test, count_nth(100, id), 100U);

	KUNIT_ASSERT_EQ(test, add_many(100, ID), 100U);
	calls_reset(id, 0);
	klp_shadow_free_all(id, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 100U);
	KUNIT_EXPECT_EQ(test, count_nth(100, ID), 100U);
}

/* === G9, any parent, id and size === */

static void g9_any_parent(struct kunit *test)
{
	char *block = kunit_kzalloc(test, 256, GFP_KERNEL);
	int on_stack;
	void *wild[] = {
		NULL, &on_stack, block, block + 1, block + 255, g9_any_parent, (void *)1,
		ERR_PTR(-EINVAL), (void *)ULONG_MAX, (void *)LONG_MAX, (void *)LONG_MIN,
	};
	void *data[ARRAY_SIZE(wild)];
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, block);
	for (i = 0; i < ARRAY_SIZE(wild); i++)
		data[i] = klp_shadow_alloc(wild[i], ID, 8, GFP_KERNEL, NULL, NULL);
	for (i = 0; i < ARRAY_SIZE(wild); i++) {
		KUNIT_EXPECT_NOT_NULL(test, data[i]);
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(wild[i], ID), data[i]);
	}
	calls_reset(ID, 8);
	for (i = 0; i < ARRAY_SIZE(wild); i++) {
		klp_shadow_free(wild[i], ID, note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, i + 1);
		KUNIT_EXPECT_PTR_EQ(test, calls.obj, wild[i]);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(wild[i], ID));
	}
}

static void g9_any_id(struct kunit *test)
{
	static const unsigned long ids[] = {
		0, 1, LONG_MAX, LONG_MIN, ULONG_MAX - 1, ULONG_MAX,
#ifdef CONFIG_64BIT
		INT_MAX, UINT_MAX,
#endif
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		KUNIT_EXPECT_TRUE(test, add_nth(i, ids[i]));
		KUNIT_EXPECT_NOT_NULL(test, klp_shadow_alloc(NULL, ids[i], 0, GFP_KERNEL, NULL,
							     NULL));
	}
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		KUNIT_EXPECT_TRUE(test, nth_is_there(i, ids[i]));
		calls_reset(ids[i], 0);
		klp_shadow_free_all(ids[i], note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, 2U);
		KUNIT_EXPECT_EQ(test, entries(), 2 * (ARRAY_SIZE(ids) - i - 1UL));
	}
}

/* Most variables in the field have NULL as their parent. */
static void g9_ids_by_the_thousand_on_null(struct kunit *test)
{
	unsigned int i, added = 0, found = 0;

	for (i = 0; i < MANY; i++)
		added += !!klp_shadow_alloc(NULL, ID_MANY + i, 0, GFP_KERNEL, NULL, NULL);
	KUNIT_EXPECT_EQ(test, added, MANY);
	for (i = 0; i < MANY; i++)
		found += !!klp_shadow_get(NULL, ID_MANY + i);
	KUNIT_EXPECT_EQ(test, found, MANY);
	KUNIT_EXPECT_EQ(test, entries(), (unsigned long)MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN));

	calls_reset(0, 0);
	for (i = 0; i < MANY; i++) {
		if (i % 2)
			klp_shadow_free_all(ID_MANY + i, note_dtor);
		else
			klp_shadow_free(NULL, ID_MANY + i, note_dtor);
	}
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
}

static void g9_size_zero(struct kunit *test)
{
	void *a, *b;

	a = klp_shadow_alloc(&parents[0], ID, 0, GFP_KERNEL, NULL, NULL);
	b = klp_shadow_get_or_alloc(&parents[1], ID, 0, GFP_KERNEL, NULL, NULL);
	KUNIT_EXPECT_FALSE(test, ZERO_OR_NULL_PTR(a));
	KUNIT_EXPECT_FALSE(test, ZERO_OR_NULL_PTR(b));
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), a);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[1], ID), b);
}

static void g9_impossible_sizes(struct kunit *test)
{
	static const size_t wild[] = {
		KMALLOC_MAX_SIZE, KMALLOC_MAX_SIZE + 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1, UINT_MAX,
	};
	unsigned int i, j, given = 0;
	unsigned long before;
	size_t size;
	void *data;

	KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
	calls_reset(ID, 0);
	before = entries();
	for (j = 0; j < ARRAY_SIZE(add_fns); j++) {
		/* The size with the header wraps to 0 or to a small number. */
		for (i = 0; i <= 2 * HEADER; i++)
			given += !!add_fns[j](&parents[0], ID, SIZE_MAX - i, GFP_KERNEL, note_ctor,
					      NULL);
		for (i = 0; i < ARRAY_SIZE(wild); i++)
			given += !!add_fns[j](&parents[0], ID, wild[i], GFP_KERNEL, note_ctor,
					      NULL);
		/* Only with the header the size is too large. */
		for (i = 1; i <= HEADER; i++)
			given += !!add_fns[j](&parents[0], ID, KMALLOC_MAX_SIZE - HEADER + i,
					      GFP_KERNEL, note_ctor, NULL);
	}
	KUNIT_EXPECT_EQ(test, given, 0U);
	KUNIT_EXPECT_EQ(test, calls.ctors, 0U);
	KUNIT_EXPECT_EQ(test, entries(), before);
	KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));

	/* The largest size; fails if memory is fragmented. */
	size = KMALLOC_MAX_SIZE - HEADER;
	data = klp_shadow_alloc(&parents[0], ID, size, GFP_KERNEL, NULL, NULL);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
	if (data) {
		KUNIT_EXPECT_NULL(test, memchr_inv(data, 0, size));
		memset(data, 0xff, size);
	}
}

/* === G10, alignment === */

struct kit {
	spinlock_t lock;	/* guards @list */
	struct mutex mutex;	/* guards nothing, as the test has one task */
	struct list_head list;
};

static int kit_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct kit *kit = shadow_data;

	spin_lock_init(&kit->lock);
	mutex_init(&kit->mutex);
	INIT_LIST_HEAD(&kit->list);

	return 0;
}

static void g10_aligned_like_the_49th_byte(struct kunit *test)
{
	struct list_head entry;
	struct kit *kit;
	unsigned int i;

	/* The header has the size that it has had since 2017. */
	if (IS_ENABLED(CONFIG_64BIT)) {
		KUNIT_EXPECT_EQ(test, HEADER, 48UL);
		KUNIT_EXPECT_EQ(test, offsetof(struct klp_shadow, rcu), 16UL);
		KUNIT_EXPECT_EQ(test, offsetof(struct klp_shadow, obj), 32UL);
		KUNIT_EXPECT_EQ(test, offsetof(struct klp_shadow, id), 40UL);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long block = (unsigned long)klp_shadow_alloc(&parents[i], ID, sizes[i],
								      GFP_KERNEL, NULL, NULL);

		KUNIT_ASSERT_NE(test, block, 0UL);
		block -= HEADER;
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(block, ARCH_KMALLOC_MINALIGN));
		/* kmalloc() aligns a block whose size is a power of two to its size. */
		if (is_power_of_2(HEADER + sizes[i]) && HEADER + sizes[i] <= PAGE_SIZE)
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED(block, HEADER + sizes[i]));
	}

	kit = klp_shadow_alloc(NULL, ID, sizeof(*kit), GFP_KERNEL, kit_ctor, NULL);
	KUNIT_ASSERT_NOT_NULL(test, kit);
	mutex_lock(&kit->mutex);
	spin_lock(&kit->lock);
	list_add(&entry, &kit->list);
	spin_unlock(&kit->lock);
	mutex_unlock(&kit->mutex);
	KUNIT_EXPECT_PTR_EQ(test, kit->list.next, &entry);
}

/* === G11, out of memory === */

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAULT_INJECTION_DEBUG_FS)

/* The kernel variable behind a debugfs file of a fault injection capability. */
static void *fault_knob(const char *what, const char *name)
{
	struct dentry *dir = debugfs_lookup(what, NULL);
	struct dentry *file = dir ? debugfs_lookup(name, dir) : NULL;
	void *knob = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(dir);

	return knob;
}

/* The nth allocation of this task fails; fail_end() returns whether it was reached. */
static bool *ignore_gfp, ignored_gfp;

static void fail_begin(unsigned int nth)
{
	ignored_gfp = *ignore_gfp;
	WRITE_ONCE(*ignore_gfp, false);
	WRITE_ONCE(current->fail_nth, nth);
}

static bool fail_end(void)
{
	unsigned int left = READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	WRITE_ONCE(*ignore_gfp, ignored_gfp);

	return !left;
}

/* Each allocation of a call fails in turn, and the store is unchanged each time. */
static void g11_nth_allocation_fails(struct kunit *test)
{
	unsigned int i, k, nth, failures;
	unsigned long before;
	bool failed;
	void *data;

	ignore_gfp = fault_knob("failslab", "ignore-gfp-wait");
	KUNIT_ASSERT_NOT_NULL(test, ignore_gfp);
	KUNIT_ASSERT_EQ(test, add_many(50, ID_OTHER), 50U);
	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			failures = 0;
			failed = true;
			for (nth = 1; failed && nth < 20; nth++) {
				calls_reset(ID, 32);
				before = entries();
				fail_begin(nth);
				data = add_fns[i](&parents[0], ID, 32, gfps[k], note_ctor, NULL);
				failed = fail_end();

				failures += !data;
				KUNIT_EXPECT_EQ(test, calls.ctors, data ? 1U : 0U);
				KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
				KUNIT_EXPECT_EQ(test, entries(), before + !!data);
				KUNIT_EXPECT_EQ(test, count_nth(50, ID_OTHER), 50U);
				klp_shadow_free(&parents[0], ID, NULL);
			}
			/* The last call made fewer than nth allocations. */
			KUNIT_EXPECT_FALSE(test, failed);
			KUNIT_EXPECT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, failures, 1U);
		}
	}
}

/*
 * If the alias cannot be allocated, the variable keeps its parent. If the variable does
 * not exist, no alias is allocated.
 */
static void g11_g13_move_fails(struct kunit *test)
{
	unsigned int k;
	bool failed;
	int err;

	ignore_gfp = fault_knob("failslab", "ignore-gfp-wait");
	KUNIT_ASSERT_NOT_NULL(test, ignore_gfp);
	KUNIT_ASSERT_TRUE(test, add_nth(0, ID));
	for (k = 0; k < ARRAY_SIZE(gfps); k++) {
		fail_begin(1);
		err = klp_shadow_move(&parents[0], &parents[1], ID, gfps[k]);
		failed = fail_end();
		KUNIT_EXPECT_TRUE(test, failed);
		KUNIT_EXPECT_EQ(test, err, -ENOMEM);
		KUNIT_EXPECT_TRUE(test, nth_is_there(0, ID));
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[1], ID));

		fail_begin(1);
		err = klp_shadow_move(&parents[1], &parents[2], ID, gfps[k]);
		failed = fail_end();
		KUNIT_EXPECT_FALSE(test, failed);
		KUNIT_EXPECT_EQ(test, err, -ENOENT);
	}
	KUNIT_EXPECT_TRUE(test, next_is_clear());
}

/* A fault injection capability, and its settings before the test. */
struct fault {
	struct fault_attr *attr;
	struct fault_attr old_attr;
	bool *ignore;
	bool ignored;
};

#define FAULTS	100000

/* All allocations fail from now on, except those with __GFP_NOFAIL. */
static void fault_begin(struct kunit *test, struct fault *fault, const char *what)
{
	unsigned long *probability = fault_knob(what, "probability");

	fault->ignore = fault_knob(what, "ignore-gfp-wait");
	KUNIT_ASSERT_NOT_NULL(test, fault->ignore);
	KUNIT_ASSERT_NOT_NULL(test, probability);
	fault->attr = container_of(probability, struct fault_attr, probability);
	fault->old_attr = *fault->attr;
	fault->ignored = *fault->ignore;
	fault->attr->verbose = 0;
	atomic_set(&fault->attr->times, FAULTS);
	WRITE_ONCE(*fault->ignore, false);
	WRITE_ONCE(fault->attr->probability, 100);
}

static void fault_end(struct fault *fault)
{
	WRITE_ONCE(fault->attr->probability, fault->old_attr.probability);
	WRITE_ONCE(*fault->ignore, fault->ignored);
	atomic_set(&fault->attr->times, atomic_read(&fault->old_attr.times));
	fault->attr->verbose = fault->old_attr.verbose;
}

/* Without memory for a larger table, chains get longer. The resize is retried. */
static void g11_resize_fails(struct kunit *test)
{
	unsigned int added, failures, wait = 0;
	struct fault slab, page;
	unsigned long during;

	if (!IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "needs FAIL_PAGE_ALLOC");
	KUNIT_ASSERT_TRUE(test, chains_become(FIRST));
	KUNIT_ASSERT_EQ(test, add_many(FIRST_MAX, ID), (unsigned int)FIRST_MAX);

	/* The table is larger than a slab object; vmalloc() needs a small one, and pages. */
	fault_begin(test, &slab, "failslab");
	fault_begin(test, &page, "fail_page_alloc");
	for (added = FIRST_MAX; added < FIRST_MAX + 10; added++) {
		unsigned int *data = klp_shadow_alloc(&parents[added], ID, sizeof(*data),
						      GFP_KERNEL | __GFP_NOFAIL, NULL, NULL);

		*data = added;
	}
	do {
		msleep(50);
		failures = FAULTS - atomic_read(&slab.attr->times);
	} while (!failures && wait++ < 100);
	msleep(50);
	during = chains();
	fault_end(&page);
	fault_end(&slab);

	KUNIT_EXPECT_GT(test, failures, 0U);
	KUNIT_EXPECT_EQ(test, during, FIRST);
	KUNIT_EXPECT_EQ(test, count_nth(added, ID), added);
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN));
	KUNIT_EXPECT_EQ(test, count_nth(added, ID), added);
}

#else

static void g11_nth_allocation_fails(struct kunit *test)
{
	kunit_skip(test, "needs FAILSLAB and FAULT_INJECTION_DEBUG_FS");
}

static void g11_g13_move_fails(struct kunit *test)
{
	kunit_skip(test, "needs FAILSLAB and FAULT_INJECTION_DEBUG_FS");
}

static void g11_resize_fails(struct kunit *test)
{
	kunit_skip(test, "needs FAILSLAB and FAULT_INJECTION_DEBUG_FS");
}

#endif

static LIST_HEAD(hoard);

static void hoard_drop(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &hoard, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* A table takes at most a quarter of the memory that is available. */
static void g11_resize_spares_memory(struct kunit *test)
{
	/* Pages of the new table; fewer than four times as many will be available. */
	long table = 4 * GROWN * sizeof(struct hlist_nulls_head) / PAGE_SIZE, available;
	struct page *page;
	unsigned long n;

	KUNIT_ASSERT_TRUE(test, chains_become(FIRST));
	for (n = 0; n < GROWN; n++) {
		KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc((void *)(8 * n), ID, 0, GFP_KERNEL,
							     NULL, NULL));
		if (n == FIRST_MAX)
			KUNIT_ASSERT_TRUE(test, chains_become(GROWN));
	}
	while (si_mem_available() > 3 * table) {
		page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN) ?:
		       alloc_page(GFP_DMA | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, &hoard);
		cond_resched();
	}
	available = si_mem_available();
	/* The memory would suffice for the table itself, so only the limit refuses it. */
	if (available <= 2 * table || available > 4 * table)
		kunit_skip(test, "%ld pages are available", available);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_alloc((void *)(8 * n), ID, 0, GFP_KERNEL, NULL,
						     NULL));
	msleep(200);
	KUNIT_EXPECT_EQ(test, chains(), GROWN);
	hoard_drop();
	KUNIT_EXPECT_TRUE(test, chains_become(4 * GROWN));
}

/* === G13, aliases === */

/* The table entry of the variable with this data: the variable itself, or its alias. */
static struct klp_shadow *entry_of(void *data)
{
	struct klp_shadow *entry;
	unsigned long flags;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	entry = klp_shadow_table_entry(container_of(data, struct klp_shadow, data));
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return entry;
}

static bool move(unsigned int from, unsigned int to)
{
	return !klp_shadow_move(&parents[from], &parents[to], ID, GFP_KERNEL);
}

/* A lookup that finds nothing takes the slow path only while there are aliases. */
static void g13_aliases_set_next(struct kunit *test)
{
	const void *old[4];
	unsigned int all;
	void *data;

	KUNIT_EXPECT_TRUE(test, next_is_clear());
	for (all = 0; all <= 1; all++) {
		data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
		KUNIT_ASSERT_NOT_NULL(test, data);
		KUNIT_EXPECT_TRUE(test, next_is_clear());

		/* From parent 0 to 1, to 2, and back to 0. */
		KUNIT_ASSERT_TRUE(test, move(0, 1));
		KUNIT_EXPECT_TRUE(test, next_is_first());
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[1], ID), data);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
		old[0] = entry_of(data);
		KUNIT_ASSERT_TRUE(test, move(1, 2));
		old[1] = entry_of(data);
		KUNIT_ASSERT_TRUE(test, move(2, 0));
		old[2] = entry_of(data);
		KUNIT_EXPECT_TRUE(test, next_is_first());
		KUNIT_EXPECT_EQ(test, aliases(), 1UL);
		KUNIT_EXPECT_EQ(test, entries(), 1UL);
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[1], ID));
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[2], ID));
		/* A parent that it has left may get a variable, which a move does not replace. */
		KUNIT_EXPECT_TRUE(test, add_nth(1, ID));
		KUNIT_EXPECT_FALSE(test, move(0, 1));
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
		KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));
		klp_shadow_free(&parents[1], ID, NULL);
		KUNIT_EXPECT_TRUE(test, move(0, 3));
		old[3] = entry_of(data);

		calls_reset(ID, 8);
		if (all)
			klp_shadow_free_all(ID, note_dtor);
		else
			klp_shadow_free(&parents[3], ID, note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		KUNIT_EXPECT_EQ(test, calls.visible, 0U);
		KUNIT_EXPECT_PTR_EQ(test, calls.obj, (void *)&parents[3]);
		KUNIT_EXPECT_PTR_EQ(test, calls.data, data);
		KUNIT_EXPECT_EQ(test, entries(), 0UL);
		KUNIT_EXPECT_TRUE(test, next_is_clear());
		KUNIT_ASSERT_TRUE(test, all_become_freed(old, ARRAY_SIZE(old)));
		KUNIT_ASSERT_TRUE(test, becomes_freed(data));
	}
}

#define MOVED	100

static unsigned int count_moved(unsigned int from, void **data)
{
	unsigned int i, there = 0;

	for (i = 0; i < MOVED; i++)
		there += klp_shadow_get(&parents[from + i], ID) == data[i];

	return there;
}

/* Aliases survive growing and shrinking, and can be moved in the larger table. */
static void g13_aliases_with_a_larger_table(struct kunit *test)
{
	static void *data[MOVED];
	unsigned int i, moved = 0;

	KUNIT_ASSERT_EQ(test, add_many(MOVED, ID), (unsigned int)MOVED);
	for (i = 0; i < MOVED; i++) {
		data[i] = klp_shadow_get(&parents[i], ID);
		moved += move(i, MOVED + i);
	}
	KUNIT_ASSERT_EQ(test, moved, (unsigned int)MOVED);
	KUNIT_ASSERT_EQ(test, add_many(MANY, ID_OTHER), (unsigned int)MANY);
	KUNIT_ASSERT_TRUE(test, chains_become(GROWN));
	KUNIT_EXPECT_EQ(test, aliases(), (unsigned long)MOVED);
	KUNIT_EXPECT_EQ(test, count_moved(MOVED, data), (unsigned int)MOVED);
	KUNIT_EXPECT_EQ(test, count_moved(0, data), 0U);

	for (i = 0; i < MOVED; i++)
		moved += move(MOVED + i, i);
	KUNIT_EXPECT_EQ(test, moved, 2U * MOVED);
	KUNIT_EXPECT_EQ(test, count_moved(0, data), (unsigned int)MOVED);
	KUNIT_EXPECT_EQ(test, count_moved(MOVED, data), 0U);
	KUNIT_EXPECT_EQ(test, aliases(), (unsigned long)MOVED);

	klp_shadow_free_all(ID_OTHER, NULL);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
	KUNIT_EXPECT_TRUE(test, next_is_first());
	KUNIT_EXPECT_EQ(test, count_moved(0, data), (unsigned int)MOVED);
	for (i = 1; i < MOVED; i++)
		klp_shadow_free(&parents[i], ID, NULL);
	KUNIT_EXPECT_TRUE(test, next_is_first());
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data[0]);
	klp_shadow_free(&parents[0], ID, NULL);
	KUNIT_EXPECT_TRUE(test, next_is_clear());
	KUNIT_EXPECT_EQ(test, entries(), 0UL);

	/* The last alias is removed while there is a larger table. */
	KUNIT_ASSERT_TRUE(test, add_nth(0, ID));
	KUNIT_ASSERT_TRUE(test, move(0, 1));
	KUNIT_ASSERT_EQ(test, add_many(MANY, ID_OTHER), (unsigned int)MANY);
	KUNIT_ASSERT_TRUE(test, chains_become(GROWN));
	klp_shadow_free(&parents[1], ID, NULL);
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID_OTHER), (unsigned int)MANY);
	klp_shadow_free_all(ID_OTHER, NULL);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
	KUNIT_EXPECT_TRUE(test, next_is_clear());
}

/* === The table === */

/* A table whose chain heads are used as counters. */
static struct klp_shadow_table *empty_table(struct kunit *test, unsigned int bits)
{
	struct klp_shadow_table *table;

	table = kunit_kzalloc(test, struct_size(table, chains, BIT(bits)), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	table->bits = bits;

	return table;
}

static unsigned long chain_of(struct klp_shadow_table *table, unsigned long parent,
			      unsigned long id)
{
	return klp_shadow_chain(table, (void *)parent, id) - table->chains;
}

/* Parents share a chain: each is found, in whatever order others are removed. */
static void table_collisions(struct kunit *test)
{
	unsigned long mine[40], parent;
	unsigned int i, k, wrong = 0;

	for (i = 0, parent = 0; i < ARRAY_SIZE(mine); parent++) {
		if (chain_of(&klp_shadow_first, parent, ID) == chain_of(&klp_shadow_first, 0, ID))
			mine[i++] = parent;
	}
	KUNIT_ASSERT_TRUE(test, chains_become(FIRST));
	for (i = 0; i < ARRAY_SIZE(mine); i++) {
		unsigned long *data = klp_shadow_alloc((void *)mine[i], ID, sizeof(*data),
						       GFP_KERNEL, NULL, NULL);

		KUNIT_ASSERT_NOT_NULL(test, data);
		*data = mine[i];
	}
	/* Steps of 7 modulo 40 remove the first, the last and those in the middle. */
	for (k = 0; k <= ARRAY_SIZE(mine); k++) {
		for (i = 0; i < ARRAY_SIZE(mine); i++) {
			unsigned long *data = klp_shadow_get((void *)mine[i], ID);

			wrong += data && *data != mine[i];
			wrong += !data == (i * 23 % 40 >= k);
		}
		klp_shadow_free((void *)mine[k * 7 % 40], ID, NULL);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0U);
}

/* Lowest address of an object. */
#ifdef CONFIG_64BIT
#define LOWEST		0xffff888000000000UL
#else
#define LOWEST		0xc0000000UL
#endif

typedef void (*nth_fn)(unsigned long n, unsigned long arg, unsigned long *parent,
		       unsigned long *id);

/*
 * Count in @counters how as many entries as there are chains spread over @table. Returns
 * the longest chain, and in @probes 100 times the average number of entries that a
 * successful lookup visits.
 */
static unsigned int longest(struct klp_shadow_table *counters, struct klp_shadow_table *table,
			    nth_fn nth, unsigned long arg, unsigned long *probes)
{
	unsigned long n, parent = LOWEST, id = ID, most = 0, sum = 0;

	for (n = 0; n < BIT(counters->bits); n++)
		counters->chains[n].first = NULL;
	for (n = 0; n < BIT(counters->bits); n++) {
		struct hlist_nulls_head *chain;

		nth(n, arg, &parent, &id);
		chain = &counters->chains[chain_of(table, parent, id)];
		chain->first = (void *)chain->first + 1;
		sum += (unsigned long)chain->first;
		most = max_t(unsigned long, most, (unsigned long)chain->first);
		if (!(n % 65536))
			cond_resched();
	}
	if (probes)
		*probes = 100 * sum / n;

	return most;
}

static void nth_parent(unsigned long n, unsigned long shift, unsigned long *parent,
		       unsigned long *id)
{
	*parent = n << shift;
}

static void nth_id(unsigned long n, unsigned long shift, unsigned long *parent,
		   unsigned long *id)
{
	*id = n << shift;
}

static void nth_in_slabs(unsigned long n, unsigned long size, unsigned long *parent,
			 unsigned long *id)
{
	unsigned long in_slab = PAGE_SIZE / size;

	*parent = n / in_slab * PAGE_SIZE + n % in_slab * size;
}

static void nth_in_large_slabs(unsigned long n, unsigned long size, unsigned long *parent,
			       unsigned long *id)
{
	unsigned long slab = 8 * PAGE_SIZE, in_slab = slab / size;

	*parent = LOWEST + n / in_slab * slab + n % in_slab * size;
}

/* Objects in slabs with 8 ids each, which are derived from numbers of bugs. */
static void nth_of_bugs(unsigned long n, unsigned long size, unsigned long *parent,
			unsigned long *id)
{
	nth_in_slabs(n / 8, size, parent, id);
	*id = (1234567 + n % 8) << 6;
}

static void nth_at_stride(unsigned long n, unsigned long stride, unsigned long *parent,
			  unsigned long *id)
{
	*parent = LOWEST + n * stride;
}

/* Parents and ids at regular distances do not make long chains in the first table. */
static void table_first_spreads_strides(struct kunit *test)
{
	struct klp_shadow_table *first = &klp_shadow_first;
	struct klp_shadow_table *counters = empty_table(test, KLP_SHADOW_FIRST_BITS);
	unsigned int shift, size;

	/* Larger strides would come to the same parent again on 32 bits. */
	for (shift = 0; shift <= min(43, BITS_PER_LONG - KLP_SHADOW_FIRST_BITS); shift++) {
		KUNIT_EXPECT_LE_MSG(test, longest(counters, first, nth_parent, shift, NULL), 16U,
				    "parents at strides of 1 << %u", shift);
		KUNIT_EXPECT_LE_MSG(test, longest(counters, first, nth_id, shift, NULL), 16U,
				    "ids at strides of 1 << %u", shift);
	}
	for (size = 32; size <= PAGE_SIZE; size += 32) {
		KUNIT_EXPECT_LE_MSG(test, longest(counters, first, nth_in_slabs, size, NULL), 16U,
				    "objects of %u bytes", size);
		KUNIT_EXPECT_LE_MSG(test, longest(counters, first, nth_of_bugs, size, NULL), 16U,
				    "ids of objects of %u bytes", size);
	}
}

/* The same in a large table with any salt: about 1.5 probes, as with random numbers. */
static void table_large_spreads_strides(struct kunit *test)
{
	static const unsigned long sizes[] = { 192, 576, 1152, 2304 };
	struct klp_shadow_table *table = empty_table(test, 18);
	unsigned long probes;
	unsigned int i, salt;

	for (salt = 0; salt < 3; salt++) {
		table->salt = salt ? get_random_u64() : 0;
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			longest(table, table, nth_in_large_slabs, sizes[i], &probes);
			KUNIT_EXPECT_LE_MSG(test, probes, 175UL, "slabs of %lu bytes", sizes[i]);
			longest(table, table, nth_at_stride, sizes[i], &probes);
			KUNIT_EXPECT_LE_MSG(test, probes, 175UL, "stride of %lu", sizes[i]);
		}
		longest(table, table, nth_at_stride, 7752, &probes);
		KUNIT_EXPECT_LE_MSG(test, probes, 175UL, "stride of 7752");
		longest(table, table, nth_id, 6, &probes);
		KUNIT_EXPECT_LE_MSG(test, probes, 175UL, "ids");
	}
}

/*
 * The table grows beyond FIRST_MAX entries, to at least two chains per entry, and
 * shrinks below half of FIRST_MAX entries. As the limits are exact, this also shows that
 * the tests before have not disturbed the number of entries.
 */
static void table_capacity(struct kunit *test)
{
	unsigned int n;

	KUNIT_ASSERT_TRUE(test, chains_become(FIRST));
	KUNIT_ASSERT_EQ(test, add_many(FIRST_MAX, ID), (unsigned int)FIRST_MAX);
	msleep(50);
	KUNIT_EXPECT_EQ(test, chains(), FIRST);
	KUNIT_EXPECT_TRUE(test, next_is_clear());
	KUNIT_ASSERT_TRUE(test, add_nth(FIRST_MAX, ID));
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN));
	KUNIT_EXPECT_TRUE(test, first_is_reset());
	KUNIT_EXPECT_EQ(test, count_nth(FIRST_MAX + 1, ID), (unsigned int)FIRST_MAX + 1);

	for (n = FIRST_MAX + 1; n > FIRST_MAX / 2; n--)
		klp_shadow_free(&parents[n - 1], ID, NULL);
	msleep(50);
	KUNIT_EXPECT_EQ(test, chains(), GROWN);
	klp_shadow_free(&parents[--n], ID, NULL);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
	KUNIT_EXPECT_TRUE(test, next_is_clear());
	KUNIT_EXPECT_EQ(test, count_nth(n, ID), n);
}

static void table_grows_and_shrinks(struct kunit *test)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, add_many(MANY, ID), (unsigned int)MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN));
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, entries(), (unsigned long)MANY);
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID_OTHER), 0U);

	/* Freeing some of the variables makes the table shrink. */
	for (i = 0; i < MANY; i++) {
		if (i % STAY)
			klp_shadow_free(&parents[i], ID, NULL);
	}
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), (unsigned int)MANY / STAY);

	calls_reset(ID, sizeof(int));
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY / STAY);

	KUNIT_ASSERT_EQ(test, add_many(MANY, ID), (unsigned int)MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN));
	calls_reset(ID, sizeof(int));
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
}

/* From one larger table to another one, and back. */
static void table_grows_twice(struct kunit *test)
{
	unsigned long n, found = 0;

	for (n = 0; n <= GROWN; n++) {
		if (!klp_shadow_alloc((void *)(8 * n), ID, 0, GFP_KERNEL, NULL, NULL))
			break;
		/* Wait for the first resize. */
		if (n == FIRST_MAX)
			KUNIT_EXPECT_TRUE(test, chains_become(GROWN));
		if (!(n % 1024))
			cond_resched();
	}
	KUNIT_ASSERT_EQ(test, n, GROWN + 1);
	KUNIT_EXPECT_TRUE(test, chains_become(4 * GROWN));
	for (n = 0; n <= GROWN; n++)
		found += !!klp_shadow_get((void *)(8 * n), ID);
	KUNIT_EXPECT_EQ(test, found, GROWN + 1);
	KUNIT_EXPECT_TRUE(test, next_is_clear() == false && first_is_reset());
	for (n = GROWN; n > GROWN / 8; n--)
		klp_shadow_free((void *)(8 * n), ID, NULL);
	/* Fewer entries than a sixteenth of the chains: it gets two to four chains each. */
	KUNIT_EXPECT_TRUE(test, chains_become(GROWN / 2));
	for (n = 0, found = 0; n <= GROWN; n++)
		found += !!klp_shadow_get((void *)(8 * n), ID);
	KUNIT_EXPECT_EQ(test, found, GROWN / 8 + 1);
}

static bool reader_reads, reader_stops;

/* A reader that stays in its RCU read-side critical section for up to ten seconds. */
static int slow_reader(void *unused)
{
	unsigned int ms;

	rcu_read_lock();
	WRITE_ONCE(reader_reads, true);
	for (ms = 0; ms < 10000 && !READ_ONCE(reader_stops); ms++)
		mdelay(1);
	rcu_read_unlock();
	WRITE_ONCE(reader_reads, false);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);

	return 0;
}

/*
 * A grace period that does not end delays the next resize. The table has enough chains to
 * keep them short until then.
 */
static void table_grace_period_is_slow(struct kunit *test)
{
	unsigned int cpu = raw_smp_processor_id() ? 0 : 1, length, before;
	struct task_struct *reader;
	unsigned long n;
	bool during;

	if (!IS_ENABLED(CONFIG_SMP) || !cpu_online(cpu))
		kunit_skip(test, "needs two CPUs");
	for (n = 0; n < FIRST_MAX; n++)
		KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc((void *)(192 * n), ID, 0, GFP_KERNEL,
							     NULL, NULL));
	/* The reader begins before the resize, which waits for it at its end. */
	reader_stops = false;
	reader_reads = false;
	reader = kthread_create(slow_reader, NULL, "slow_reader");
	KUNIT_ASSERT_FALSE(test, IS_ERR(reader));
	kthread_bind(reader, cpu);
	wake_up_process(reader);
	while (!READ_ONCE(reader_reads))
		schedule_timeout_uninterruptible(1);
	for (; n < 60000; n++) {
		if (!klp_shadow_alloc((void *)(192 * n), ID, 0, GFP_KERNEL, NULL, NULL))
			break;
	}
	during = !chains();
	take_census_longest(&before);
	WRITE_ONCE(reader_stops, true);
	kthread_stop(reader);
	KUNIT_EXPECT_LE(test, before, 11U);
	KUNIT_EXPECT_EQ(test, n, 60000UL);
	/* One resize or two, which depends on when the first one began. */
	KUNIT_EXPECT_TRUE(test, chains_suffice(60000));
	take_census_longest(&length);
	KUNIT_EXPECT_LE(test, length, 11U);
	kunit_info(test, "longest chain %u, %u %s the grace period\n", length, before,
		   during ? "during" : "after");
}

/* Results of lookups while a resize moves the entries. */
static struct {
	unsigned int looks;
	unsigned int missed;
	unsigned int ghosts;
} moving;

/* Variables that move from parent to parent during the resize. */
#define NOMADS	32

static void *nomads[NOMADS];
static unsigned int nomad_places[NOMADS];

static bool nomads_add(void)
{
	unsigned int i;

	for (i = 0; i < NOMADS; i++) {
		nomad_places[i] = 100 * i;
		nomads[i] = klp_shadow_alloc(&parents[100 * i], ID_MOVED, 8, GFP_KERNEL, NULL,
					     NULL);
		if (!nomads[i])
			return false;
	}

	return true;
}

static void nomads_look(bool move_on)
{
	unsigned int i, from, to;

	for (i = 0; i < NOMADS; i++) {
		from = nomad_places[i];
		moving.missed += klp_shadow_get(&parents[from], ID_MOVED) != nomads[i];
		if (!move_on)
			continue;
		to = from % 100 == 99 ? from - 99 : from + 1;
		moving.missed += !!klp_shadow_move(&parents[from], &parents[to], ID_MOVED,
						   GFP_ATOMIC);
		moving.missed += klp_shadow_get(&parents[to], ID_MOVED) != nomads[i];
		moving.ghosts += !!klp_shadow_get(&parents[from], ID_MOVED);
		nomad_places[i] = to;
	}
}

/* Number of sweeps over all variables during a resize that are sufficient. */
#define LOOKS	100

/*
 * Look variables up until the table has @want chains. Every @step-th variable always
 * exists; others are removed and added again.
 */
static void look_until(unsigned long want, unsigned int step)
{
	unsigned int churn = 1, i, wait = 0, looks = moving.looks;
	bool during;

	while (chains() != want && wait++ < 200000) {
		if (moving.looks - looks == LOOKS) {
			chains_become(want);
			return;
		}
		/* Let the resize run until the timer expires. */
		usleep_range(10, 20);
		during = false;
		for (i = 0; i < MANY; i += step) {
			/* With two CPUs, the resize may begin and end during a sweep. */
			if (i % 512 < step)
				during |= !chains();
			moving.missed += !nth_is_there(i, ID);
			moving.ghosts += !!klp_shadow_get(&parents[i], ID_OTHER);
		}
		moving.looks += during;
		nomads_look(during);
		if (!during)
			continue;
		/* Remove and add variables, whether already moved to the new table or not. */
		for (i = 0; i < 20; i++, churn = (churn + 7 * step) % MANY) {
			bool there = nth_is_there(churn, ID);

			if (churn % step == 0)
				continue;
			klp_shadow_free(&parents[churn], ID, NULL);
			moving.ghosts += !!klp_shadow_get(&parents[churn], ID);
			if (there)
				moving.missed += !add_nth(churn, ID) || !nth_is_there(churn, ID);
		}
	}
}

static void table_lookups_during_moves(struct kunit *test)
{
	unsigned int round, i, added;
	unsigned long flags;

	if (!IS_ENABLED(CONFIG_HIGH_RES_TIMERS))
		kunit_skip(test, "needs HIGH_RES_TIMERS to look in between");

	memset(&moving, 0, sizeof(moving));
	KUNIT_ASSERT_TRUE(test, nomads_add());
	for (round = 0; round < 20 && moving.looks < 10; round++) {
		/* This task preempts the resize whenever that reschedules. */
		sched_set_fifo(current);
		/* The resize is queued by an interrupt: it begins when all have been added. */
		local_irq_save(flags);
		added = add_many(MANY, ID);
		local_irq_restore(flags);
		look_until(GROWN, 2);
		sched_set_normal(current, 0);
		KUNIT_ASSERT_EQ(test, added, (unsigned int)MANY);
		KUNIT_EXPECT_EQ(test, chains(), GROWN);
		KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), (unsigned int)MANY);

		sched_set_fifo(current);
		local_irq_save(flags);
		for (i = 0; i < MANY; i++) {
			if (i % STAY)
				klp_shadow_free(&parents[i], ID, NULL);
		}
		local_irq_restore(flags);
		look_until(FIRST, STAY);
		sched_set_normal(current, 0);
		KUNIT_EXPECT_EQ(test, chains(), FIRST);
		KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), (unsigned int)MANY / STAY);
		klp_shadow_free_all(ID, NULL);
	}
	nomads_look(false);
	KUNIT_EXPECT_EQ(test, moving.missed, 0U);
	KUNIT_EXPECT_EQ(test, moving.ghosts, 0U);
	/* At least one sweep ran during a resize. */
	KUNIT_EXPECT_GT(test, moving.looks, 0U);
	kunit_info(test, "%u looks in %u rounds\n", moving.looks, round);
}

/* === Test suite === */

static struct kunit_case klp_shadow_cases[] = {
	KUNIT_CASE(g1_finds_what_there_is),
	KUNIT_CASE(g1_lookup_takes_no_lock_nor_memory),
	KUNIT_CASE(g1_g6_calls_from_interrupt),
	KUNIT_CASE(g2_data_is_zeroed),
	KUNIT_CASE(g2_constructed_once_and_unseen),
	KUNIT_CASE(g3_failed_construction_leaves_nothing),
	KUNIT_CASE(g4_get_or_alloc_finds_existing),
	KUNIT_CASE(g4_alloc_of_existing_warns),
	KUNIT_CASE(g5_lost_race_gives_the_winners),
	KUNIT_CASE(g5_another_pair_is_no_rival),
	KUNIT_CASE(g6_callers_flags_before_the_lock),
	KUNIT_CASE(g6_move_allocates_before_the_lock),
	KUNIT_CASE(g6_quiet_while_interrupts_are_off),
	KUNIT_CASE(g6_quiet_when_nothing_is_added),
	KUNIT_CASE(g6_looks_before_it_locks),
	KUNIT_CASE(g6_whole_life_under_a_lock),
	KUNIT_CASE(g7_free_removes_one),
	KUNIT_CASE(g7_memory_outlives_its_readers),
	KUNIT_CASE(g8_free_all_takes_all_of_the_id),
	KUNIT_CASE(g8_iterators_of_one_id),
	KUNIT_CASE(g8_ids_share_a_list),
	KUNIT_CASE(g9_any_parent),
	KUNIT_CASE(g9_any_id),
	KUNIT_CASE(g9_ids_by_the_thousand_on_null),
	KUNIT_CASE(g9_size_zero),
	KUNIT_CASE(g9_impossible_sizes),
	KUNIT_CASE(g10_aligned_like_the_49th_byte),
	KUNIT_CASE(g11_nth_allocation_fails),
	KUNIT_CASE(g11_g13_move_fails),
	KUNIT_CASE(g11_resize_fails),
	KUNIT_CASE(g11_resize_spares_memory),
	KUNIT_CASE(g13_aliases_set_next),
	KUNIT_CASE(g13_aliases_with_a_larger_table),
	KUNIT_CASE(table_collisions),
	KUNIT_CASE(table_first_spreads_strides),
	KUNIT_CASE(table_large_spreads_strides),
	KUNIT_CASE(table_grows_and_shrinks),
	KUNIT_CASE(table_grows_twice),
	KUNIT_CASE(table_grace_period_is_slow),
	KUNIT_CASE(table_lookups_during_moves),
	KUNIT_CASE(table_capacity),
	{}
};

static int klp_shadow_suite_init(struct kunit_suite *suite)
{
	return register_trace_kmalloc(watch_kmalloc, NULL);
}

static void klp_shadow_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_kmalloc(watch_kmalloc, NULL);
	tracepoint_synchronize_unregister();
}

/* Remove the variables that a test has left, in case it failed. */
static void klp_shadow_case_exit(struct kunit *test)
{
	unsigned int i;

	watch_end();
	quiet_stop();
	hoard_drop();
	klp_shadow_free_all(ID, NULL);
	klp_shadow_free_all(ID_OTHER, NULL);
	klp_shadow_free_all(ID_MOVED, NULL);
	for (i = 0; i < MANY && entries(); i++)
		klp_shadow_free_all(ID_MANY + i, NULL);
	KUNIT_EXPECT_EQ(test, entries(), 0UL);
	KUNIT_EXPECT_TRUE(test, chains_become(FIRST));
	KUNIT_EXPECT_TRUE(test, next_is_clear());
}

static struct kunit_suite klp_shadow_suite = {
	.name = "klp_shadow",
	.suite_init = klp_shadow_suite_init,
	.suite_exit = klp_shadow_suite_exit,
	.exit = klp_shadow_case_exit,
	.test_cases = klp_shadow_cases,
};

kunit_test_suite(klp_shadow_suite);
