// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls on several CPUs: one constructor call (G5), complete data (G2), removal by id (G8). */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID_RACE		0x5d070001UL
#define ID_RESIDENT	0x5d070002UL
#define ID_PURGED	0x5d070003UL
#define ID_SLOW		0x5d070004UL
#define ID_PATTERN	0x5d070005UL
#define ID_OWN		0x5d070100UL	/* first of the ids that only one thread uses */

#define THREADS		8	/* at most */
#define KEYS		4
#define RESIDENTS	64
#define PURGED		600
#define PATTERN		512
#define PATTERN_BYTES	100	/* less than the bytes that poison freed memory */
#define TIME_MS		600

static int objs[PURGED];
static struct test_thread threads[THREADS];
static unsigned int n_threads;

/* Run @work in all threads and wait for it. If one cannot be created, none runs. */
static int run_all(void (*work)(void *arg))
{
	long i;

	for (i = 0; i < n_threads; i++) {
		if (test_thread_create(&threads[i], i, work, (void *)i)) {
			while (i--)
				kthread_stop(threads[i].task);
			return -ENOMEM;
		}
	}
	for (i = 0; i < n_threads; i++)
		wake_up_process(threads[i].task);
	for (i = 0; i < n_threads; i++)
		test_thread_join(&threads[i]);

	return 0;
}

/* --- All threads add the same pairs --- */

static atomic_t arrived;
static bool race_over;
static unsigned int rounds, bad_pointers, bad_ctors, lost;
static atomic_t race_ctors;
static void *got[THREADS][KEYS];

static int race_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	atomic_inc(&race_ctors);
	/*
	 * Give other threads time to arrive. Sometimes more, because the host may run
	 * virtual CPUs one after another.
	 */
	if (rounds % 4)
		udelay(5);
	else
		mdelay(1);

	return 0;
}

/* A barrier: wait until all threads have called this @nth times. */
static void meet(int *nth)
{
	int all = ++*nth * n_threads;

	atomic_inc(&arrived);
	while (atomic_read(&arrived) < all)
		cond_resched();
}

static void judge_round(void)
{
	unsigned int key, t;

	rounds++;
	if (atomic_xchg(&race_ctors, 0) != KEYS)
		bad_ctors++;
	for (key = 0; key < KEYS; key++) {
		void *found = klp_shadow_get(&objs[key], ID_RACE);

		if (!found)
			lost++;
		for (t = 0; t < n_threads; t++)
			bad_pointers += got[t][key] != found;
		klp_shadow_free(&objs[key], ID_RACE, NULL);
		/* If there was a second variable of the pair, it is found now. */
		if (klp_shadow_get(&objs[key], ID_RACE)) {
			bad_ctors++;
			klp_shadow_free_all(ID_RACE, NULL);
		}
	}
}

static void race(void *arg)
{
	unsigned long end = jiffies + msecs_to_jiffies(TIME_MS);
	long self = (long)arg;
	unsigned int key;
	int nth = 0;

	for (;;) {
		meet(&nth);
		if (READ_ONCE(race_over))
			return;
		for (key = 0; key < KEYS; key++)
			got[self][key] = klp_shadow_get_or_alloc(&objs[key], ID_RACE, 32,
								 GFP_ATOMIC, race_ctor, NULL);
		meet(&nth);
		if (self == 0) {
			judge_round();
			if (time_after(jiffies, end))
				WRITE_ONCE(race_over, true);
		}
	}
}

static void test_race(void)
{
	int ret = run_all(race);

	check(!ret && rounds >= 10, "G5 threads race for the same pairs: %u rounds", rounds);
	check(!bad_ctors, "G5 one constructor runs for each pair: %u rounds differ", bad_ctors);
	check(!lost && !bad_pointers, "G5 all get the same variable: %u lost, %u differ", lost,
	      bad_pointers);
}

/* --- A slow constructor: lookups miss, and other callers wait for its result --- */

static bool constructing, coming;
static unsigned int looks, misses, second_ctors;
static void *slow, *late;

static int slow_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	memset(shadow_data, 0x11, PATTERN / 2);
	WRITE_ONCE(constructing, true);
	if (ctor_data) {
		spin_until(READ_ONCE(looks) > 100, 1000);
	} else {
		spin_until(READ_ONCE(coming), 1000);
		/* Give the other call time to reach the lock. */
		mdelay(20);
	}
	memset(shadow_data, 0x11, PATTERN);

	return 0;
}

static int second_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	second_ctors++;

	return 0;
}

static void add_slowly(void *arg)
{
	slow = klp_shadow_get_or_alloc(objs, ID_SLOW, PATTERN, GFP_KERNEL, slow_ctor, arg);
}

static void look_early(void *arg)
{
	spin_until(READ_ONCE(constructing), 3000);
	while (looks <= 100) {
		misses += !klp_shadow_get(objs, ID_SLOW);
		WRITE_ONCE(looks, looks + 1);
	}
}

static void add_late(void *arg)
{
	spin_until(READ_ONCE(constructing), 3000);
	WRITE_ONCE(coming, true);
	late = klp_shadow_get_or_alloc(objs, ID_SLOW, PATTERN, GFP_KERNEL, second_ctor, NULL);
}

static void test_slow(void)
{
	int ret;

	if (num_online_cpus() < 2) {
		check(true, "G2 G5 during a construction # SKIP needs two processors");
		return;
	}
	ret = test_run_both(add_slowly, look_early, &slow);
	check(!ret && looks && misses == looks,
	      "G2 lookups miss a variable under construction: %u of %u", misses, looks);
	check(slow && klp_shadow_get(objs, ID_SLOW) == slow && !memchr_inv(slow, 0x11, PATTERN),
	      "G2 lookups find it afterwards");
	klp_shadow_free_all(ID_SLOW, NULL);

	constructing = false;
	ret = test_run_both(add_slowly, add_late, NULL);
	check(!ret && slow && late == slow && klp_shadow_get(objs, ID_SLOW) == slow &&
	      !memchr_inv(slow, 0x11, PATTERN),
	      "G5 a call during a construction gets its result");
	check(!second_ctors, "G5 that call runs no constructor");
	klp_shadow_free(objs, ID_SLOW, NULL);
	check(!klp_shadow_get(objs, ID_SLOW), "G5 there was one variable");
	klp_shadow_free_all(ID_SLOW, NULL);
}

/* --- Readers, while one thread adds and frees --- */

static bool pattern_over;
static atomic_t whole_reads, broken_reads, missed_reads;
static unsigned int patterns;

static int pattern_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	memset(shadow_data, (long)ctor_data, PATTERN);

	return 0;
}

static void pattern(void *arg)
{
	unsigned long end = jiffies + msecs_to_jiffies(TIME_MS);
	u8 *data;

	if (!arg) {
		while (time_before(jiffies, end)) {
			long byte = 1 + patterns % PATTERN_BYTES;

			if (klp_shadow_alloc(objs, ID_PATTERN, PATTERN, GFP_KERNEL, pattern_ctor,
					     (void *)byte))
				patterns++;
			udelay(5);
			cond_resched();
			klp_shadow_free(objs, ID_PATTERN, NULL);
		}
		WRITE_ONCE(pattern_over, true);
		return;
	}
	while (!READ_ONCE(pattern_over)) {
		rcu_read_lock();
		data = klp_shadow_get(objs, ID_PATTERN);
		if (!data)
			atomic_inc(&missed_reads);
		else if (!*data || *data > PATTERN_BYTES || memchr_inv(data, *data, PATTERN))
			atomic_inc(&broken_reads);
		else
			atomic_inc(&whole_reads);
		rcu_read_unlock();
		cond_resched();
	}
}

static void test_pattern(void)
{
	int ret = run_all(pattern);

	check(!ret && patterns > 10 && atomic_read(&whole_reads),
	      "G2 readers beside a writer: %u variables, %d reads, %d misses", patterns,
	      atomic_read(&whole_reads), atomic_read(&missed_reads));
	check(!atomic_read(&broken_reads), "G2 G7 readers find complete data: %d times not",
	      atomic_read(&broken_reads));
}

/* --- Removal by id, while other ids of the same parents are added and freed --- */

static bool purge_over;
static unsigned int purges, purge_dtors, purge_wrong, purge_left;
static atomic_t resident_reads, resident_lost, own_rounds, own_lost;
static unsigned int *residents[RESIDENTS];

static void purge_dtor(void *obj, void *shadow_data)
{
	purge_dtors++;
}

static void purge(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(TIME_MS);
	unsigned int i, added;

	while (purges < 2 || time_before(jiffies, end)) {
		added = 0;
		for (i = 0; i < PURGED; i++)
			added += !!klp_shadow_alloc(&objs[i], ID_PURGED, 0, GFP_KERNEL, NULL, NULL);
		purge_dtors = 0;
		klp_shadow_free_all(ID_PURGED, purge_dtor);
		purge_wrong += added != PURGED || purge_dtors != added;
		for (i = 0; i < PURGED; i++)
			purge_left += !!klp_shadow_get(&objs[i], ID_PURGED);
		purges++;
		cond_resched();
	}
	WRITE_ONCE(purge_over, true);
}

static void look_for_residents(void)
{
	unsigned int i;

	for (i = 0; i < RESIDENTS; i++) {
		unsigned int *p = klp_shadow_get(&objs[i], ID_RESIDENT);

		atomic_inc(&resident_reads);
		if (!p || p != residents[i] || *p != i)
			atomic_inc(&resident_lost);
	}
}

static void live_beside(unsigned long id)
{
	while (!READ_ONCE(purge_over)) {
		unsigned int i;

		for (i = 0; i < RESIDENTS; i++) {
			unsigned long *p = klp_shadow_get_or_alloc(&objs[i], id, sizeof(*p),
								   GFP_KERNEL, NULL, NULL);

			if (p)
				*p = id + i;
		}
		look_for_residents();
		for (i = 0; i < RESIDENTS; i++) {
			unsigned long *p = klp_shadow_get(&objs[i], id);

			if (!p || *p != id + i)
				atomic_inc(&own_lost);
			klp_shadow_free(&objs[i], id, NULL);
			if (klp_shadow_get(&objs[i], id))
				atomic_inc(&own_lost);
		}
		atomic_inc(&own_rounds);
		cond_resched();
	}
}

static void purge_or_live(void *arg)
{
	if (arg)
		live_beside(ID_OWN + (long)arg);
	else
		purge();
}

static void test_purge(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < RESIDENTS; i++) {
		residents[i] = klp_shadow_alloc(&objs[i], ID_RESIDENT, sizeof(*residents[i]),
						GFP_KERNEL, NULL, NULL);
		if (residents[i])
			*residents[i] = i;
	}
	ret = run_all(purge_or_live);
	check(!ret && purges >= 2 && atomic_read(&own_rounds) && atomic_read(&resident_reads),
	      "G8 free_all during other calls: %u times, %d rounds of the others", purges,
	      atomic_read(&own_rounds));
	check(!purge_wrong, "G8 free_all destroys all existing variables: %u times not",
	      purge_wrong);
	check(!purge_left, "G8 free_all leaves no variable: %u left", purge_left);
	check(!atomic_read(&resident_lost), "G8 G1 lookups find variables of other ids: %d missed",
	      atomic_read(&resident_lost));
	check(!atomic_read(&own_lost), "G8 other ids can be added and freed: %d times not",
	      atomic_read(&own_lost));
	look_for_residents();
	check(!atomic_read(&resident_lost), "G8 variables of other ids remain");
	klp_shadow_free_all(ID_RESIDENT, NULL);
}

static int __init test_init(void)
{
	unsigned int i;

	n_threads = clamp_t(unsigned int, num_online_cpus(), 2, THREADS);
	test_race();
	test_slow();
	test_pattern();
	test_purge();
	for (i = 0; i < THREADS; i++)
		klp_shadow_free_all(ID_OWN + i, NULL);
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: races");
MODULE_LICENSE("GPL");
