// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit test of the shadow variables, G1 ... G12 of
 * Documentation/livepatch/shadow-vars.rst, and of the table and the ids.
 *
 * It looks into the table and steps in between two allocations, which a module
 * cannot. It is alone: what it counts is everything that there is. What needs
 * two processors, NMIs, the log or livepatches is tested by
 * tools/testing/selftests/livepatch.
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kasan.h>
#include <linux/limits.h>
#include <linux/list_nulls.h>
#include <linux/livepatch_shadow.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <trace/events/kmem.h>
#include <uapi/linux/sched/types.h>

#include "shadow.h"
#include "shadow_id.h"
#include "shadow_table.h"

/* The ids of these tests: ID and ID_OTHER, and from ID_MANY on one after another. */
#define ID		0x5d700000UL
#define ID_OTHER	0x5d700001UL
#define ID_MANY		0x5d710000UL

/* What the table and the ids are made of; their own files alone know them. */
#define SMALLEST	256UL	/* chains, for as many variables as FITS */
#define FITS		64UL
#define NEXT		4096UL
#define MAX_IDLE	16

#define HEADER		offsetof(struct klp_shadow, data)
#define MANY		3000

/* One of so many stays: few enough for the smallest table. */
#define STAY		300

static typeof(klp_shadow_alloc) * const add_fns[] = { klp_shadow_alloc, klp_shadow_get_or_alloc };
static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };

/* Nobody looks into them. */
static char parents[MANY];

/* An id that has never been used, and so has no record. */
static unsigned long fresh_id(void)
{
	static unsigned long id = ID_MANY + 0x10000;

	return id++;
}

/* === What there is === */

/* The variables that are in the table, and the records of ids. */
struct census {
	unsigned long variables;
	unsigned long records;
};

static void *record_parent;

static struct census take_census(void)
{
	struct census census = {};
	struct klp_shadow_table *table;
	struct hlist_nulls_node *node;
	struct klp_shadow *shadow;
	unsigned long flags, i;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	table = rcu_dereference_protected(klp_shadow_table, lockdep_is_held(&klp_shadow_lock));
	while (table) {
		for (i = 0; i < BIT(klp_shadow_bits(table)); i++) {
			hlist_nulls_for_each_entry(shadow, node, &table->chains[i], node) {
				if (shadow->obj == record_parent)
					census.records++;
				else
					census.variables++;
			}
		}
		table = rcu_dereference_protected(table->future, lockdep_is_held(&klp_shadow_lock));
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return census;
}

static unsigned long total(void)
{
	struct census census = take_census();

	return census.variables + census.records;
}

static bool has_record(unsigned long id)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	has = klp_shadow_id_find(id);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return has;
}

/* Number of chains; 0 while variables move. */
static unsigned long chains(void)
{
	struct klp_shadow_table *table;
	unsigned long n;

	rcu_read_lock();
	table = rcu_dereference(klp_shadow_table);
	n = rcu_access_pointer(table->future) ? 0 : BIT(klp_shadow_bits(table));
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

/* === Constructor, destructor and data === */

/* What they have seen since calls_reset(). */
static struct {
	unsigned int ctors;
	unsigned int dtors;
	unsigned int irqs_on;
	unsigned int visible;	/* with the variable to be found */
	unsigned int dirty;	/* data not zero */
	unsigned long id;	/* which variable is to be looked for */
	size_t size;
	void *obj;
	void *data;
	void *ctor_data;
	int err;		/* to be returned by the constructor */
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

/* Variable of the i-th parent whose data is i. */
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

/* How many of the first n there are. */
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

/* === Watching and stepping in === */

/* The allocations of one task. */
static struct {
	struct task_struct *task;
	unsigned int count;
	unsigned int irqs_off;
	gfp_t gfp;		/* flags that all of them had */
	size_t size;		/* that they have; any if 0 */
	unsigned int nth;	/* after which of them step_in() is called */
	void (*step_in)(void);
} watch;

static void watch_kmalloc(void *unused, unsigned long call_site, const void *ptr, size_t bytes_req,
			  size_t bytes_alloc, gfp_t gfp_flags, int node)
{
	if (current != watch.task || !in_task() || (watch.size && watch.size != bytes_req))
		return;
	watch.count++;
	watch.irqs_off += irqs_disabled();
	watch.gfp &= gfp_flags;
	if (watch.step_in && watch.count == watch.nth) {
		watch.task = NULL;
		watch.step_in();
		watch.task = current;
	}
}

/*
 * Memory for a variable of 16 bytes and for the record of an id has one and the
 * same size. The allocator itself may ask for more behind the scenes.
 */
#define WATCHED		(HEADER + sizeof(struct list_head))

static void watch_begin(size_t size, unsigned int nth, void (*step_in)(void))
{
	watch.size = size;
	watch.count = 0;
	watch.irqs_off = 0;
	watch.gfp = (__force gfp_t)~0;
	watch.nth = nth;
	watch.step_in = step_in;
	watch.task = current;
}

static unsigned int watch_end(void)
{
	watch.task = NULL;

	return watch.count;
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
	/* Taken once more it would hang, or lockdep would say so. */
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

/* Memory of the size that the store asks for next has been used before. */
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
				/* Atomically, large blocks may not be had. */
				if (!data && gfps[k] == GFP_ATOMIC && sizes[i] > PAGE_SIZE)
					continue;
				KUNIT_ASSERT_NOT_NULL(test, data);
				KUNIT_EXPECT_NULL_MSG(test, memchr_inv(data, 0, sizes[i]),
						      "size %zu", sizes[i]);
				/* KASAN sees it if there is less. */
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

#ifdef CONFIG_KASAN_GENERIC
#define CAN_SEE_FREED	true

/* What KASAN takes memory for, without a report. */
static bool is_freed(void *data)
{
	return READ_ONCE(*(u8 *)kasan_mem_to_shadow(data));
}
#else
#define CAN_SEE_FREED	false

static bool is_freed(void *data)
{
	return false;
}
#endif

static void g3_failed_construction_leaves_nothing(struct kunit *test)
{
	unsigned int i, k;

	KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			/* One with a record, and one whose record is given up as well. */
			unsigned long id = k ? ID : fresh_id();
			struct census before = take_census(), after;
			void *data;

			calls_reset(id, 64);
			calls.err = -EXDEV;
			data = add_fns[i](&parents[0], id, 64, gfps[k], note_ctor, NULL);
			after = take_census();
			KUNIT_EXPECT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
			KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], id));
			KUNIT_EXPECT_EQ(test, after.variables, before.variables);
			KUNIT_EXPECT_EQ(test, after.records, before.records);
			KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));
			if (CAN_SEE_FREED)
				KUNIT_EXPECT_TRUE(test, is_freed(calls.data));

			klp_shadow_free(&parents[0], id, note_dtor);
			KUNIT_EXPECT_EQ(test, calls.dtors, 0U);

			calls.err = 0;
			data = add_fns[i](&parents[0], id, 64, gfps[k], note_ctor, NULL);
			KUNIT_EXPECT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
			KUNIT_EXPECT_EQ(test, calls.dirty, 0U);
			klp_shadow_free(&parents[0], id, note_dtor);
			KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		}
	}
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
	KUNIT_EXPECT_EQ(test, take_census().variables, 1UL);
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
	unsigned long id;
	unsigned int parent;
	void *data;
} rival;

static void rival_adds(void)
{
	rival.data = klp_shadow_get_or_alloc(&parents[rival.parent], rival.id, 16, GFP_ATOMIC,
					     note_ctor, NULL);
}

/* Another caller adds the pair after our first look, before we have the lock. */
static void g5_lost_race_gives_the_winners(struct kunit *test)
{
	unsigned int nth, count;
	void *data;

	/* After the variable's memory, and after the record's. */
	for (nth = 1; nth <= 2; nth++) {
		struct census before = take_census(), after;

		rival.id = fresh_id();
		rival.parent = 0;
		rival.data = NULL;
		calls_reset(rival.id, 16);
		watch_begin(WATCHED, nth, rival_adds);
		data = klp_shadow_get_or_alloc(&parents[0], rival.id, 16, GFP_KERNEL, note_ctor,
					       NULL);
		count = watch_end();
		after = take_census();
		KUNIT_EXPECT_EQ(test, count, nth);
		KUNIT_ASSERT_NOT_NULL(test, rival.data);
		KUNIT_EXPECT_PTR_EQ(test, data, rival.data);
		KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
		KUNIT_EXPECT_EQ(test, after.variables, before.variables + 1);
		KUNIT_EXPECT_EQ(test, after.records, before.records + 1);
		klp_shadow_free_all(rival.id, note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], rival.id));
	}
}

/* The same with another pair of the id: the id gets one record. */
static void g5_g8_lost_race_for_the_record(struct kunit *test)
{
	unsigned int nth;
	void *data;

	for (nth = 1; nth <= 2; nth++) {
		struct census before = take_census(), after;

		rival.id = fresh_id();
		rival.parent = 1;
		rival.data = NULL;
		calls_reset(rival.id, 16);
		watch_begin(WATCHED, nth, rival_adds);
		data = klp_shadow_alloc(&parents[0], rival.id, 16, GFP_KERNEL, note_ctor, NULL);
		watch_end();
		after = take_census();
		KUNIT_EXPECT_NOT_NULL(test, data);
		KUNIT_EXPECT_NOT_NULL(test, rival.data);
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], rival.id), data);
		KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[1], rival.id), rival.data);
		KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
		KUNIT_EXPECT_EQ(test, after.variables, before.variables + 2);
		KUNIT_EXPECT_EQ(test, after.records, before.records + 1);
		klp_shadow_free_all(rival.id, note_dtor);
		KUNIT_EXPECT_EQ(test, calls.dtors, 2U);
	}
}

/* === G6, memory and the lock === */

static void g6_callers_flags_before_the_lock(struct kunit *test)
{
	unsigned int i, k, count;
	void *data;

	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			unsigned long id = fresh_id();

			watch_begin(WATCHED, 0, NULL);
			data = add_fns[i](&parents[0], id, 16, gfps[k], NULL, NULL);
			count = watch_end();
			KUNIT_EXPECT_NOT_NULL(test, data);
			KUNIT_EXPECT_EQ(test, count, 2U);
			/* The lock is held with interrupts off. */
			KUNIT_EXPECT_EQ(test, watch.irqs_off, 0U);
			KUNIT_EXPECT_EQ(test, (__force u32)(watch.gfp & (gfps[k] | __GFP_NOWARN)),
					(__force u32)(gfps[k] | __GFP_NOWARN));
			if (gfps[k] == GFP_ATOMIC)
				KUNIT_EXPECT_EQ(test, (__force u32)(watch.gfp &
								    __GFP_DIRECT_RECLAIM), 0U);
			klp_shadow_free(&parents[0], id, NULL);
		}
	}
}

/* Under a lock of the caller's; lockdep and others watch. */
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
	KUNIT_EXPECT_EQ(test, take_census().variables, 3UL);

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

/* Reads what has been removed: under KASAN it would report what was freed. */
static void g7_memory_outlives_its_readers(struct kunit *test)
{
	unsigned int all, ms, intact, freed;
	u8 *data;

	for (all = 0; all <= 1; all++) {
		calls_reset(ID, 208);
		data = klp_shadow_alloc(&parents[0], ID, 208, GFP_KERNEL, note_ctor, NULL);
		KUNIT_ASSERT_NOT_NULL(test, data);

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

		/* And that is what sees it when it is freed at last. */
		for (ms = 0; CAN_SEE_FREED && !is_freed(data) && ms < 30000; ms += 20)
			msleep(20);
		if (CAN_SEE_FREED)
			KUNIT_EXPECT_TRUE(test, is_freed(data));
	}
	if (!CAN_SEE_FREED)
		kunit_skip(test, "partly: only the address sanitizer shows what is freed at last");
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
		KUNIT_EXPECT_EQ(test, take_census().variables, 100UL);
	}
	KUNIT_EXPECT_EQ(test, count_nth(100, ID_OTHER), 100U);

	/* What is left of an id of which some have been freed one by one. */
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

static void walk_end(struct klp_shadow *walk)
{
	struct klp_shadow *shadow, *next;
	unsigned long flags;
	LIST_HEAD(dead);

	spin_lock_irqsave(&klp_shadow_lock, flags);
	klp_shadow_id_unlink(walk, &dead);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
	list_for_each_entry_safe(shadow, next, &dead, id_link)
		kfree_rcu(shadow, rcu);
}

static bool walk_begin(struct klp_shadow *walk, unsigned long id)
{
	unsigned long flags;
	bool begun;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	begun = klp_shadow_id_walk_begin(walk, id);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return begun;
}

/* Its parent, which stays good. */
static void *walk_next(struct klp_shadow *walk)
{
	struct klp_shadow *shadow;
	unsigned long flags;
	void *obj;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_shadow_id_walk_next(walk);
	obj = shadow ? shadow->obj : NULL;
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return obj;
}

/* free_all between two steps of another's, which has let go of the lock. */
static void g8_walks_within_walks(struct kunit *test)
{
	struct klp_shadow walk, inner;
	void *first, *second;

	KUNIT_EXPECT_FALSE(test, walk_begin(&walk, fresh_id()));

	KUNIT_ASSERT_EQ(test, add_many(70, ID), 70U);
	KUNIT_ASSERT_TRUE(test, walk_begin(&walk, ID));
	first = walk_next(&walk);
	KUNIT_EXPECT_NOT_NULL(test, first);
	KUNIT_EXPECT_TRUE(test, walk_begin(&inner, ID));
	KUNIT_EXPECT_PTR_EQ(test, walk_next(&inner), first);
	/* Past the inner one's position. */
	KUNIT_EXPECT_PTR_EQ(test, walk_next(&walk), first);
	klp_shadow_free(first, ID, NULL);
	second = walk_next(&walk);
	KUNIT_EXPECT_NOT_NULL(test, second);
	KUNIT_EXPECT_PTR_NE(test, second, first);
	KUNIT_EXPECT_PTR_EQ(test, walk_next(&inner), second);
	walk_end(&inner);

	/* What is added now is not met, but free_all of now takes it. */
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get_or_alloc(&parents[100], ID, 8, GFP_KERNEL, NULL,
							    NULL));
	calls_reset(ID, 8);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 70U);
	KUNIT_EXPECT_NULL(test, walk_next(&walk));
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get_or_alloc(&parents[100], ID, 8, GFP_KERNEL, NULL,
							    NULL));
	KUNIT_EXPECT_NULL(test, walk_next(&walk));
	walk_end(&walk);
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 71U);
}

/* An id whose walk is under way is not idle, though it has no variable. */
static void g8_walk_keeps_the_record(struct kunit *test)
{
	struct klp_shadow walk;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, add_nth(0, ID));
	KUNIT_ASSERT_TRUE(test, walk_begin(&walk, ID));
	klp_shadow_free(&parents[0], ID, NULL);
	for (i = 0; i < 2 * MAX_IDLE; i++) {
		add_nth(1, ID_MANY + i);
		klp_shadow_free(&parents[1], ID_MANY + i, NULL);
	}
	KUNIT_EXPECT_TRUE(test, has_record(ID));
	KUNIT_EXPECT_NULL(test, walk_next(&walk));
	walk_end(&walk);
}

/* Their own free_all gives up the record that has been idle longest. */
static void g8_idle_records_are_few(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		KUNIT_ASSERT_TRUE(test, add_nth(0, ID_MANY + i));
		KUNIT_EXPECT_TRUE(test, has_record(ID_MANY + i));
		if (i % 2)
			klp_shadow_free(&parents[0], ID_MANY + i, NULL);
		else
			klp_shadow_free_all(ID_MANY + i, NULL);
	}
	KUNIT_EXPECT_EQ(test, take_census().records, (unsigned long)MAX_IDLE);
	for (i = 0; i < 200; i++)
		KUNIT_EXPECT_EQ_MSG(test, has_record(ID_MANY + i), i >= 200 - MAX_IDLE, "id %u", i);

	/* One that is used again is idle no more. */
	KUNIT_ASSERT_TRUE(test, add_nth(0, ID_MANY + 190));
	KUNIT_EXPECT_EQ(test, take_census().records, (unsigned long)MAX_IDLE);
	for (i = 0; i < 2 * MAX_IDLE; i++) {
		add_nth(1, ID_MANY + 1000 + i);
		klp_shadow_free(&parents[1], ID_MANY + 1000 + i, NULL);
	}
	KUNIT_EXPECT_EQ(test, take_census().records, MAX_IDLE + 1UL);
	calls_reset(ID_MANY + 190, sizeof(int));
	klp_shadow_free_all(ID_MANY + 190, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, take_census().records, (unsigned long)MAX_IDLE);
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
		0, 1, INT_MAX, UINT_MAX, LONG_MAX, LONG_MIN, ULONG_MAX - 1, ULONG_MAX,
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
		KUNIT_EXPECT_EQ(test, take_census().variables,
				2 * (ARRAY_SIZE(ids) - i - 1UL));
	}
}

/* Most real variables hang on NULL. */
static void g9_ids_by_the_thousand_on_null(struct kunit *test)
{
	unsigned int i, added = 0, found = 0;

	for (i = 0; i < MANY; i++)
		added += !!klp_shadow_alloc(NULL, ID_MANY + i, 0, GFP_KERNEL, NULL, NULL);
	KUNIT_EXPECT_EQ(test, added, MANY);
	for (i = 0; i < MANY; i++)
		found += !!klp_shadow_get(NULL, ID_MANY + i);
	KUNIT_EXPECT_EQ(test, found, MANY);
	KUNIT_EXPECT_EQ(test, take_census().variables, (unsigned long)MANY);
	/* A record for each. */
	KUNIT_EXPECT_GE(test, take_census().records, (unsigned long)MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(roundup_pow_of_two(total())));

	calls_reset(0, 0);
	for (i = 0; i < MANY; i++) {
		if (i % 2)
			klp_shadow_free_all(ID_MANY + i, note_dtor);
		else
			klp_shadow_free(NULL, ID_MANY + i, note_dtor);
	}
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY);
	KUNIT_EXPECT_EQ(test, take_census().records, (unsigned long)MAX_IDLE);
	KUNIT_EXPECT_TRUE(test, chains_become(SMALLEST));
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

static void g9_sizes_that_cannot_be(struct kunit *test)
{
	static const size_t wild[] = {
		KMALLOC_MAX_SIZE, KMALLOC_MAX_SIZE + 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1, UINT_MAX,
	};
	struct census before, after;
	unsigned int i, j, given = 0;
	size_t size;
	void *data;

	KUNIT_ASSERT_TRUE(test, add_nth(1, ID));
	calls_reset(ID, 0);
	before = take_census();
	for (j = 0; j < ARRAY_SIZE(add_fns); j++) {
		/* Sums with the header that wrap, to 0, to a small block. */
		for (i = 0; i <= 2 * HEADER; i++)
			given += !!add_fns[j](&parents[0], ID, SIZE_MAX - i, GFP_KERNEL, note_ctor,
					      NULL);
		for (i = 0; i < ARRAY_SIZE(wild); i++)
			given += !!add_fns[j](&parents[0], ID, wild[i], GFP_KERNEL, note_ctor,
					      NULL);
		/* What only the header makes too large. */
		for (i = 1; i <= HEADER; i++)
			given += !!add_fns[j](&parents[0], ID, KMALLOC_MAX_SIZE - HEADER + i,
					      GFP_KERNEL, note_ctor, NULL);
	}
	after = take_census();
	KUNIT_EXPECT_EQ(test, given, 0U);
	KUNIT_EXPECT_EQ(test, calls.ctors, 0U);
	KUNIT_EXPECT_EQ(test, after.variables, before.variables);
	KUNIT_EXPECT_EQ(test, after.records, before.records);
	KUNIT_EXPECT_TRUE(test, nth_is_there(1, ID));

	/* The largest there can be. Fragmented memory has none. */
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
	spinlock_t lock;	/* guards the list, as a user's would */
	struct mutex mutex;	/* guards nothing */
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

	if (IS_ENABLED(CONFIG_64BIT))
		KUNIT_EXPECT_EQ(test, HEADER, 48UL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long block = (unsigned long)klp_shadow_alloc(&parents[i], ID, sizes[i],
								      GFP_KERNEL, NULL, NULL);

		KUNIT_ASSERT_NE(test, block, 0UL);
		block -= HEADER;
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(block, ARCH_KMALLOC_MINALIGN));
		/* kmalloc() aligns a power of two to its size. */
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

/* What a file of failslab's directory in debugfs, or of its like's, stands for. */
static void *fault_knob(const char *what, const char *name)
{
	struct dentry *dir = debugfs_lookup(what, NULL);
	struct dentry *file = dir ? debugfs_lookup(name, dir) : NULL;
	void *knob = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(dir);

	return knob;
}

/* One allocation after another fails, until none does: the store is as it was. */
static void g11_nth_allocation_fails(struct kunit *test)
{
	bool *ignore = fault_knob("failslab", "ignore-gfp-wait");
	unsigned int i, k, nth, left, failures;
	struct census before, after;
	unsigned long id;
	bool ignored;
	void *data;

	KUNIT_ASSERT_NOT_NULL(test, ignore);
	ignored = *ignore;
	KUNIT_ASSERT_EQ(test, add_many(50, ID), 50U);
	for (i = 0; i < ARRAY_SIZE(add_fns); i++) {
		for (k = 0; k < ARRAY_SIZE(gfps); k++) {
			failures = 0;
			left = 0;
			for (nth = 1; !left && nth < 20; nth++) {
				id = fresh_id();
				calls_reset(id, 32);
				before = take_census();
				WRITE_ONCE(*ignore, false);
				WRITE_ONCE(current->fail_nth, nth);
				data = add_fns[i](&parents[0], id, 32, gfps[k], note_ctor, NULL);
				left = READ_ONCE(current->fail_nth);
				WRITE_ONCE(current->fail_nth, 0);
				WRITE_ONCE(*ignore, ignored);
				after = take_census();

				failures += !data;
				KUNIT_EXPECT_EQ(test, calls.ctors, data ? 1U : 0U);
				KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], id), data);
				KUNIT_EXPECT_EQ(test, has_record(id), !!data);
				KUNIT_EXPECT_EQ(test, after.variables, before.variables + !!data);
				KUNIT_EXPECT_EQ(test, after.records, before.records + !!data);
				KUNIT_EXPECT_EQ(test, count_nth(50, ID), 50U);
				klp_shadow_free(&parents[0], id, NULL);
			}
			/* The last time, none has failed. */
			KUNIT_EXPECT_GT(test, left, 0U);
			KUNIT_EXPECT_NOT_NULL(test, data);
			/* The variable's memory, and that of the record of its id. */
			KUNIT_EXPECT_EQ(test, failures, 2U);
		}
	}
}

/* One kind of faults, and what was set before. */
struct fault {
	struct fault_attr *attr;
	struct fault_attr old_attr;
	bool *ignore;
	bool ignored;
};

#define FAULTS	100000

/* All fail from now on, but for those that must not. */
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

/* No memory for a larger table: longer chains, and another try a second later. */
static void g11_resize_fails(struct kunit *test)
{
	unsigned int added, failures, wait = 0;
	struct fault slab, page;
	unsigned long during;

	if (!IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "needs FAIL_PAGE_ALLOC");
	KUNIT_ASSERT_TRUE(test, chains_become(SMALLEST));
	KUNIT_ASSERT_EQ(test, add_many(20, ID), 20U);

	/* The table is larger than what slabs give, and vmalloc() needs a slab. */
	fault_begin(test, &slab, "failslab");
	fault_begin(test, &page, "fail_page_alloc");
	for (added = 20; total() <= FITS; added++) {
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
	KUNIT_EXPECT_EQ(test, during, SMALLEST);
	KUNIT_EXPECT_EQ(test, count_nth(added, ID), added);
	KUNIT_EXPECT_TRUE(test, add_nth(added, ID));
	KUNIT_EXPECT_TRUE(test, chains_become(NEXT));
	KUNIT_EXPECT_EQ(test, count_nth(added + 1, ID), added + 1);
}

#else

static void g11_nth_allocation_fails(struct kunit *test)
{
	kunit_skip(test, "needs FAILSLAB and FAULT_INJECTION_DEBUG_FS");
}

static void g11_resize_fails(struct kunit *test)
{
	kunit_skip(test, "needs FAILSLAB and FAULT_INJECTION_DEBUG_FS");
}

#endif

/* === The table === */

/* A table with so many chains that nothing is put into. */
static struct klp_shadow_table *empty_table(struct kunit *test, unsigned int bits)
{
	struct klp_shadow_table *table;

	table = kunit_kzalloc(test, struct_size(table, chains, BIT(bits)), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	table->shift = 64 - bits;

	return table;
}

static unsigned long chain_of(struct klp_shadow_table *table, unsigned long parent,
			      unsigned long id)
{
	return klp_shadow_chain(table, klp_shadow_hash((void *)parent, id)) - table->chains;
}

/* Parents that share a chain: each is found, whichever others are removed. */
static void table_collisions(struct kunit *test)
{
	struct klp_shadow_table *smallest = empty_table(test, ilog2(SMALLEST));
	unsigned long mine[40], parent;
	unsigned int i, k, wrong = 0;

	for (i = 0, parent = 0; i < ARRAY_SIZE(mine); parent++) {
		if (chain_of(smallest, parent, ID) == chain_of(smallest, 0, ID))
			mine[i++] = parent;
	}
	KUNIT_ASSERT_TRUE(test, chains_become(SMALLEST));
	for (i = 0; i < ARRAY_SIZE(mine); i++) {
		unsigned long *data = klp_shadow_alloc((void *)mine[i], ID, sizeof(*data),
						       GFP_KERNEL, NULL, NULL);

		KUNIT_ASSERT_NOT_NULL(test, data);
		*data = mine[i];
	}
	/* First, last and in the middle, as steps of 7 through 40 come to them. */
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

/* Whichever of a chain another one takes the place of, all are found, that one too. */
static void table_replace(struct kunit *test)
{
	struct klp_shadow_table *smallest = empty_table(test, ilog2(SMALLEST));
	struct klp_shadow *old[3], *new[3];
	unsigned int i, k, wrong = 0;
	unsigned long parent;

	KUNIT_ASSERT_TRUE(test, chains_become(SMALLEST));
	for (i = 0, parent = 0; i < ARRAY_SIZE(old); parent++) {
		void *data;

		if (chain_of(smallest, parent, ID) != chain_of(smallest, 0, ID))
			continue;
		data = klp_shadow_alloc((void *)parent, ID, 8, GFP_KERNEL, NULL, NULL);
		KUNIT_ASSERT_NOT_NULL(test, data);
		old[i] = container_of(data, struct klp_shadow, data);
		new[i] = kunit_kzalloc(test, sizeof(*new[i]) + 8, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, new[i]);
		new[i]->obj = old[i]->obj;
		new[i]->id = ID;
		new[i]->not_alias = old[i]->not_alias;
		i++;
	}
	spin_lock_irq(&klp_shadow_lock);
	for (i = 0; i < ARRAY_SIZE(old); i++) {
		struct hlist_nulls_node *next = old[i]->node.next;

		klp_shadow_table_replace(old[i], new[i]);
		/* A lookup may stand on it. */
		wrong += old[i]->node.next != next || new[i]->node.next != next;
		wrong += !hlist_nulls_unhashed(&old[i]->node);
		for (k = 0; k < ARRAY_SIZE(old); k++)
			wrong += klp_shadow_table_find(old[k]->obj, ID) !=
				 (k <= i ? new[k] : old[k]);
	}
	/* And back, for they are still in the list of their id. */
	for (i = 0; i < ARRAY_SIZE(old); i++)
		klp_shadow_table_replace(new[i], old[i]);
	spin_unlock_irq(&klp_shadow_lock);
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	klp_shadow_free_all(ID, NULL);
	/* Lookups may stand on those that have been there meanwhile. */
	synchronize_rcu();
}

/* The longest chain when so many variables, as many as chains, are put into it. */
static unsigned int longest(struct klp_shadow_table *table,
			    void (*nth)(unsigned long n, unsigned long arg, unsigned long *parent,
					unsigned long *id), unsigned long arg)
{
	unsigned long n, parent = 0x100000000UL, id = ID, most = 0;

	for (n = 0; n < BIT(klp_shadow_bits(table)); n++)
		table->chains[n].first = NULL;
	for (n = 0; n < BIT(klp_shadow_bits(table)); n++) {
		struct hlist_nulls_head *chain;

		nth(n, arg, &parent, &id);
		chain = &table->chains[chain_of(table, parent, id)];
		chain->first = (void *)chain->first + 1;
		most = max_t(unsigned long, most, (unsigned long)chain->first);
	}

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

/* Ids of bugs, a few on each object of slabs. */
static void nth_of_bugs(unsigned long n, unsigned long size, unsigned long *parent,
			unsigned long *id)
{
	nth_in_slabs(n / 8, size, parent, id);
	*id = (1234567 + n % 8) << 6;
}

/* What comes at regular distances does not make long chains. */
static void table_spreads_strides(struct kunit *test)
{
	struct klp_shadow_table *table = empty_table(test, ilog2(NEXT));
	unsigned int shift, size;

	for (shift = 0; shift < 44; shift++) {
		KUNIT_EXPECT_LE_MSG(test, longest(table, nth_parent, shift), 16U,
				    "parents at strides of 1 << %u", shift);
		KUNIT_EXPECT_LE_MSG(test, longest(table, nth_id, shift), 16U,
				    "ids at strides of 1 << %u", shift);
	}
	for (size = 32; size <= PAGE_SIZE; size += 32) {
		KUNIT_EXPECT_LE_MSG(test, longest(table, nth_in_slabs, size), 16U,
				    "objects of %u bytes", size);
		KUNIT_EXPECT_LE_MSG(test, longest(table, nth_of_bugs, size), 16U,
				    "ids of objects of %u bytes", size);
	}
}

/*
 * It grows with the variable that makes more of them than it is made for, not
 * before, and shrinks with the one that leaves less than half of what a smaller
 * one is made for: what it counts is what is there, also after all the tests
 * before this one.
 */
static void table_counts_right(struct kunit *test)
{
	unsigned int n = 0;

	KUNIT_ASSERT_TRUE(test, chains_become(SMALLEST));
	while (total() < FITS)
		KUNIT_ASSERT_TRUE(test, add_nth(n++, ID));
	msleep(50);
	KUNIT_EXPECT_EQ(test, chains(), SMALLEST);
	KUNIT_ASSERT_TRUE(test, add_nth(n++, ID));
	KUNIT_EXPECT_TRUE(test, chains_become(NEXT));

	while (total() > FITS / 2)
		klp_shadow_free(&parents[--n], ID, NULL);
	msleep(50);
	KUNIT_EXPECT_EQ(test, chains(), NEXT);
	klp_shadow_free(&parents[--n], ID, NULL);
	KUNIT_EXPECT_TRUE(test, chains_become(SMALLEST));
	KUNIT_EXPECT_EQ(test, count_nth(n, ID), n);
}

static void table_grows_and_shrinks(struct kunit *test)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, add_many(MANY, ID), MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(roundup_pow_of_two(MANY)));
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), MANY);
	KUNIT_EXPECT_EQ(test, take_census().variables, (unsigned long)MANY);
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID_OTHER), 0U);

	/* In part, in any order. */
	for (i = 0; i < MANY; i++) {
		if (i % STAY)
			klp_shadow_free(&parents[i], ID, NULL);
	}
	KUNIT_EXPECT_TRUE(test, chains_become(SMALLEST));
	KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), MANY / STAY);

	calls_reset(ID, sizeof(int));
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY / STAY);

	KUNIT_ASSERT_EQ(test, add_many(MANY, ID), MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(roundup_pow_of_two(MANY)));
	calls_reset(ID, sizeof(int));
	klp_shadow_free_all(ID, note_dtor);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY);
	KUNIT_EXPECT_TRUE(test, chains_become(SMALLEST));
}

/* What lookups find between two steps of a resize. */
static struct {
	unsigned int looks;
	unsigned int missed;
	unsigned int ghosts;
} moving;

/* Every @step-th of the variables is there all the time, others come and go. */
static void look_until(unsigned long want, unsigned int step)
{
	unsigned int churn = 1, i, wait = 0;
	bool during;

	while (chains() != want && wait++ < 200000) {
		/* Let the work get on, and come back when the timer says so. */
		usleep_range(10, 20);
		during = false;
		for (i = 0; i < MANY; i += step) {
			/* With two processors, it may come and go while this looks. */
			during |= !chains();
			moving.missed += !nth_is_there(i, ID);
			moving.ghosts += !!klp_shadow_get(&parents[i], ID_OTHER);
		}
		moving.looks += during;
		if (!during)
			continue;
		/* Whether it has been moved already or not. */
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
		kunit_skip(test, "needs HIGH_RES_TIMERS to come in between");

	memset(&moving, 0, sizeof(moving));
	for (round = 0; round < 20 && moving.looks < 10; round++) {
		/* Before the work, whenever it lets others run. */
		sched_set_fifo(current);
		/* Another processor cannot be done with it before this one looks. */
		local_irq_save(flags);
		added = add_many(MANY, ID);
		local_irq_restore(flags);
		look_until(roundup_pow_of_two(MANY), 2);
		sched_set_normal(current, 0);
		KUNIT_ASSERT_EQ(test, added, MANY);
		KUNIT_EXPECT_EQ(test, chains(), roundup_pow_of_two(MANY));
		KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), MANY);

		sched_set_fifo(current);
		local_irq_save(flags);
		for (i = 0; i < MANY; i++) {
			if (i % STAY)
				klp_shadow_free(&parents[i], ID, NULL);
		}
		local_irq_restore(flags);
		look_until(SMALLEST, STAY);
		sched_set_normal(current, 0);
		KUNIT_EXPECT_EQ(test, chains(), SMALLEST);
		KUNIT_EXPECT_EQ(test, count_nth(MANY, ID), MANY / STAY);
		klp_shadow_free_all(ID, NULL);
	}
	KUNIT_EXPECT_EQ(test, moving.missed, 0U);
	KUNIT_EXPECT_EQ(test, moving.ghosts, 0U);
	/* Otherwise it has shown nothing. */
	KUNIT_EXPECT_GT(test, moving.looks, 0U);
	kunit_info(test, "%u looks in %u rounds\n", moving.looks, round);
}

/* === The suite === */

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
	KUNIT_CASE(g5_g8_lost_race_for_the_record),
	KUNIT_CASE(g6_callers_flags_before_the_lock),
	KUNIT_CASE(g6_whole_life_under_a_lock),
	KUNIT_CASE(g7_free_removes_one),
	KUNIT_CASE(g7_memory_outlives_its_readers),
	KUNIT_CASE(g8_free_all_takes_all_of_the_id),
	KUNIT_CASE(g8_walks_within_walks),
	KUNIT_CASE(g8_walk_keeps_the_record),
	KUNIT_CASE(g8_idle_records_are_few),
	KUNIT_CASE(g9_any_parent),
	KUNIT_CASE(g9_any_id),
	KUNIT_CASE(g9_ids_by_the_thousand_on_null),
	KUNIT_CASE(g9_size_zero),
	KUNIT_CASE(g9_sizes_that_cannot_be),
	KUNIT_CASE(g10_aligned_like_the_49th_byte),
	KUNIT_CASE(g11_nth_allocation_fails),
	KUNIT_CASE(g11_resize_fails),
	KUNIT_CASE(table_collisions),
	KUNIT_CASE(table_replace),
	KUNIT_CASE(table_spreads_strides),
	KUNIT_CASE(table_grows_and_shrinks),
	KUNIT_CASE(table_lookups_during_moves),
	KUNIT_CASE(table_counts_right),
	{}
};

static int klp_shadow_suite_init(struct kunit_suite *suite)
{
	struct klp_shadow *record = klp_shadow_id_new(0, GFP_KERNEL);

	if (!record)
		return -ENOMEM;
	record_parent = record->obj;
	kfree(record);

	return register_trace_kmalloc(watch_kmalloc, NULL);
}

static void klp_shadow_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_kmalloc(watch_kmalloc, NULL);
	tracepoint_synchronize_unregister();
}

/* Whatever a test has left, also one that gave up: the next begins with nothing. */
static void klp_shadow_case_exit(struct kunit *test)
{
	watch_end();
	klp_shadow_free_all(ID, NULL);
	klp_shadow_free_all(ID_OTHER, NULL);
	KUNIT_EXPECT_EQ(test, take_census().variables, 0UL);
	KUNIT_EXPECT_LE(test, take_census().records, (unsigned long)MAX_IDLE);
	KUNIT_EXPECT_TRUE(test, chains_become(SMALLEST));
}

static struct kunit_suite klp_shadow_suite = {
	.name = "klp_shadow",
	.suite_init = klp_shadow_suite_init,
	.suite_exit = klp_shadow_suite_exit,
	.exit = klp_shadow_case_exit,
	.test_cases = klp_shadow_cases,
};

kunit_test_suite(klp_shadow_suite);
