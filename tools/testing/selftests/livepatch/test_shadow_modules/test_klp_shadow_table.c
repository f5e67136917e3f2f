// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many variables: lookups while the table grows and shrinks (G1, G7, G8), thousands of
 * ids on one parent, and parents that may collide (G9). The kernel logs how the table is
 * resized, which the script checks.
 */
#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>

#include "test_klp_shadow.h"

#define ID_MANY		0x5d030001UL
#define ID_RESIDENT	0x5d030002UL
#define ID_ABSENT	0x5d030003UL
#define ID_COLLIDE	0x5d030004UL
#define ID_OWN		0x5d030100UL	/* first of the ids that only one thread uses */
#define ID_OF_FIX(n)	(0x5d0400000UL + ((unsigned long)(n) << 6))

#define THREADS		8	/* at most */
#define RESIDENTS	64
#define OWN		64
#define STRIDES		48

static unsigned long variables = 10000;
module_param(variables, ulong, 0444);
MODULE_PARM_DESC(variables, "number of variables to fill the table with");

static unsigned long ids = 2000;
module_param(ids, ulong, 0444);
MODULE_PARM_DESC(ids, "number of ids to attach to NULL");

static unsigned int rounds = 3;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "number of times to fill and empty the table");

static unsigned long keep;
module_param(keep, ulong, 0444);
MODULE_PARM_DESC(keep, "add this number of variables and run no tests");

static struct test_thread threads[THREADS];
static bool over;
static atomic_long_t looks, lost, ghosts, turns, wrong_turns;
static unsigned long not_added, not_found, left;

/* Parents are never dereferenced, so they can be any addresses. */
static void *parent(unsigned long i)
{
	return (void *)(0x7100000000UL + i * 192);
}

static void *add(void *obj, unsigned long id, unsigned long value)
{
	unsigned long *p = klp_shadow_alloc(obj, id, sizeof(*p), GFP_KERNEL, NULL, NULL);

	if (p)
		*p = value;
	else
		not_added++;

	return p;
}

static bool is_there(void *obj, unsigned long id, unsigned long value)
{
	unsigned long *p = klp_shadow_get(obj, id);

	return p && *p == value;
}

/* --- Growing and shrinking during other calls --- */

static void look_for_residents(void)
{
	unsigned long i;

	for (i = 0; i < RESIDENTS; i++) {
		if (!is_there(parent(i), ID_RESIDENT, i))
			atomic_long_inc(&lost);
		if (klp_shadow_get(parent(i), ID_ABSENT))
			atomic_long_inc(&ghosts);
		atomic_long_inc(&looks);
	}
}

/* Resizes do not affect variables that only this thread adds and frees. */
static void come_and_go(unsigned long id)
{
	unsigned long i;
	void *p;

	for (i = 0; i < OWN; i++) {
		p = klp_shadow_get_or_alloc(parent(i), id, 0, GFP_KERNEL, NULL, NULL);
		if (!p || klp_shadow_get(parent(i), id) != p)
			atomic_long_inc(&wrong_turns);
	}
	look_for_residents();
	for (i = 0; i < OWN; i++) {
		if (!klp_shadow_get(parent(i), id))
			atomic_long_inc(&wrong_turns);
		klp_shadow_free(parent(i), id, NULL);
		if (klp_shadow_get(parent(i), id))
			atomic_long_inc(&wrong_turns);
	}
	atomic_long_inc(&turns);
}

static void live_on(void *arg)
{
	while (!READ_ONCE(over)) {
		look_for_residents();
		if (arg)
			come_and_go(ID_OWN + (unsigned long)arg);
		cond_resched();
	}
}

static void fill_and_drain(unsigned int round)
{
	unsigned long i;

	for (i = 0; i < variables; i++) {
		add(parent(i), ID_MANY, i);
		cond_resched();
	}
	for (i = 0; i < variables; i++) {
		not_found += !is_there(parent(i), ID_MANY, i);
		cond_resched();
	}
	if (round % 2) {
		klp_shadow_free_all(ID_MANY, NULL);
	} else {
		for (i = 0; i < variables; i++) {
			klp_shadow_free(parent(i), ID_MANY, NULL);
			cond_resched();
		}
	}
	for (i = 0; i < variables; i++) {
		left += !!klp_shadow_get(parent(i), ID_MANY);
		cond_resched();
	}
}

static void test_resize(void)
{
	unsigned int n = clamp_t(unsigned int, num_online_cpus(), 2, THREADS), started, round;
	unsigned long i;

	for (i = 0; i < RESIDENTS; i++)
		add(parent(i), ID_RESIDENT, i);
	/* The first thread only looks up. */
	for (started = 0; started < n; started++) {
		if (test_thread_create(&threads[started], started, live_on,
				       (void *)(unsigned long)started))
			break;
		wake_up_process(threads[started].task);
	}
	for (round = 0; round < rounds && started == n; round++)
		fill_and_drain(round);
	WRITE_ONCE(over, true);
	while (started--)
		test_thread_join(&threads[started]);

	check(round && round == rounds && !not_added,
	      "G1 the table is filled with %lu variables and emptied, %u times", variables, round);
	check(atomic_long_read(&looks) && !atomic_long_read(&lost) && !atomic_long_read(&ghosts),
	      "G1 lookups find existing variables only: %ld lookups, %ld lost, %ld ghosts",
	      atomic_long_read(&looks), atomic_long_read(&lost), atomic_long_read(&ghosts));
	check(atomic_long_read(&turns) && !atomic_long_read(&wrong_turns),
	      "G7 other variables can be added and freed: %ld rounds, %ld times not",
	      atomic_long_read(&turns), atomic_long_read(&wrong_turns));
	check(!not_found, "G1 each variable is found: %lu are not", not_found);
	check(!left, "G8 all variables are removed: %lu are not", left);
	klp_shadow_free_all(ID_RESIDENT, NULL);
}

/* --- Thousands of ids on one parent --- */

static void test_ids(void)
{
	unsigned long i, missing = 0, stale = 0, others = 0;

	not_added = 0;
	for (i = 0; i < ids; i++) {
		add(NULL, ID_OF_FIX(i), i);
		cond_resched();
	}
	for (i = 0; i < ids; i++) {
		missing += !is_there(NULL, ID_OF_FIX(i), i);
		cond_resched();
	}
	check(ids && !not_added && !missing, "G9 %lu ids on NULL are found: %lu are not", ids,
	      missing);

	for (i = 0; i < ids; i++) {
		if (i % 2)
			klp_shadow_free(NULL, ID_OF_FIX(i), NULL);
		else
			klp_shadow_free_all(ID_OF_FIX(i), NULL);
		stale += !!klp_shadow_get(NULL, ID_OF_FIX(i));
		others += i + 1 < ids && !is_there(NULL, ID_OF_FIX(i + 1), i + 1);
		cond_resched();
	}
	check(!stale && !others, "G8 only the freed id is removed: %lu are not, %lu others are",
	      stale, others);
}

/* --- Parents and ids that differ in a few bits only --- */

static void *distant(unsigned long stride, unsigned long i)
{
	return (void *)(i << stride | 1UL << 63);
}

static void test_collisions(void)
{
	unsigned long stride, i, id, missing = 0, stale = 0;

	not_added = 0;
	for (stride = 0; stride < STRIDES; stride++)
		for (i = 0; i < OWN; i++)
			add(distant(stride, i), ID_COLLIDE + (stride << 32), i);
	for (stride = 0; stride < STRIDES; stride++) {
		id = ID_COLLIDE + (stride << 32);
		for (i = 0; i < OWN; i++)
			missing += !is_there(distant(stride, i), id, i);
		klp_shadow_free_all(id, NULL);
		for (i = 0; i < OWN; i++)
			stale += !!klp_shadow_get(distant(stride, i), id);
	}
	check(!not_added && !missing && !stale,
	      "G9 parents and ids at strides of powers of two: %lu not found, %lu not removed",
	      missing, stale);
}

static int __init test_init(void)
{
	unsigned long i;

	if (keep) {
		for (i = 0; i < keep; i++)
			add(parent(i), ID_MANY, i);
		return 0;
	}
	test_resize();
	test_ids();
	test_collisions();
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
	klp_shadow_free_all(ID_MANY, NULL);
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: many variables");
MODULE_LICENSE("GPL");
