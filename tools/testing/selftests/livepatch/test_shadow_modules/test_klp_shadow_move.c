// SPDX-License-Identifier: GPL-2.0-or-later
/* G13: moving a variable to another parent. */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "test_klp_shadow.h"

#define ID		0x5d0c0000UL
#define ROUNDS		20000UL
#define PARENT(n)	((void *)(0x5d0c0000UL + 8 * (n)))

static unsigned int dtors;
static void *dtor_obj;

static void note_dtor(void *obj, void *shadow_data)
{
	dtors++;
	dtor_obj = obj;
}

static void test_one(void)
{
	void *data = klp_shadow_alloc(PARENT(0), ID, 24, GFP_KERNEL, NULL, NULL);
	void *other = klp_shadow_alloc(PARENT(9), ID, 24, GFP_KERNEL, NULL, NULL);

	check(data && other, "G13 two variables can be added");
	check(!klp_shadow_move(PARENT(0), PARENT(1), ID, GFP_KERNEL) &&
	      klp_shadow_get(PARENT(1), ID) == data && !klp_shadow_get(PARENT(0), ID),
	      "G13 a variable moves, and its data stays where it is");
	check(!klp_shadow_move(PARENT(1), PARENT(2), ID, GFP_ATOMIC) &&
	      !klp_shadow_move(PARENT(2), PARENT(0), ID, GFP_ATOMIC) &&
	      klp_shadow_get(PARENT(0), ID) == data && !klp_shadow_get(PARENT(2), ID),
	      "G13 a variable can be moved again, and back");
	check(klp_shadow_move(PARENT(1), PARENT(3), ID, GFP_KERNEL) == -ENOENT,
	      "G13 moving an absent variable fails");
	check(klp_shadow_move(PARENT(0), PARENT(9), ID, GFP_KERNEL) == -EEXIST &&
	      klp_shadow_move(PARENT(0), PARENT(0), ID, GFP_KERNEL) == -EEXIST &&
	      klp_shadow_get(PARENT(0), ID) == data && klp_shadow_get(PARENT(9), ID) == other,
	      "G13 moving to a parent that has a variable of the id fails");
	check(klp_shadow_get_or_alloc(PARENT(0), ID, 24, GFP_KERNEL, NULL, NULL) == data,
	      "G13 get_or_alloc finds a variable that was moved");

	klp_shadow_free(PARENT(0), ID, note_dtor);
	check(dtors == 1 && dtor_obj == PARENT(0) && !klp_shadow_get(PARENT(0), ID),
	      "G13 free of a moved variable passes the new parent to the destructor");
	check(!klp_shadow_move(PARENT(9), PARENT(1), ID, GFP_KERNEL),
	      "G13 the other variable moves");
	klp_shadow_free_all(ID, note_dtor);
	check(dtors == 2 && dtor_obj == PARENT(1) && !klp_shadow_get(PARENT(1), ID),
	      "G13 free_all of a moved variable passes the new parent to the destructor");
}

/* The variable is on parent number @round, or has just been moved to the next one. */
static unsigned long round;
static void *moved;
static unsigned long looks, on_neither, strange, failed;

static void move_on(void *unused)
{
	unsigned long n;

	for (n = 0; n < ROUNDS; n++) {
		while (klp_shadow_move(PARENT(n), PARENT(n + 1), ID, GFP_KERNEL)) {
			if (++failed == ROUNDS)
				goto out;
		}
		/* Ordered before the next move: look_on() relies on it. */
		smp_store_mb(round, n + 1);
	}
out:
	WRITE_ONCE(round, ROUNDS);
}

static void look_on(void *unused)
{
	unsigned long n;
	void *data;

	while ((n = READ_ONCE(round)) < ROUNDS) {
		rcu_read_lock();
		/* The first lookup comes after reading round. */
		smp_rmb();
		data = klp_shadow_get(PARENT(n), ID);
		if (!data) {
			/* Pairs with smp_wmb() in klp_shadow_move(). */
			smp_rmb();
			data = klp_shadow_get(PARENT(n + 1), ID);
		}
		/* If round is unchanged after both lookups, at most one move has begun. */
		smp_rmb();
		if (READ_ONCE(round) == n) {
			looks++;
			on_neither += !data;
		}
		strange += data && data != moved;
		rcu_read_unlock();
		if (!(n % 64))
			cond_resched();
	}
}

static void test_race(void)
{
	moved = klp_shadow_alloc(PARENT(0), ID, 24, GFP_KERNEL, NULL, NULL);
	if (!moved || test_run_both(move_on, look_on, NULL)) {
		check(false, "G13 a variable can be added and threads created");
	} else {
		check(!failed && klp_shadow_get(PARENT(ROUNDS), ID) == moved,
		      "G13 a variable moves %lu times", ROUNDS);
		check(looks && !on_neither && !strange,
		      "G13 readers find it on the old or the new parent: %lu lookups", looks);
	}
	klp_shadow_free_all(ID, NULL);
}

/*
 * The variable moves back and forth between two parents. A reader may miss it on both, because
 * it was moved back between the lookups, and retries.
 */
#define TRIES	100000

static unsigned long retries;

static void move_to_and_fro(void *unused)
{
	unsigned long n;

	for (n = 0; n < 2 * ROUNDS; n++) {
		while (klp_shadow_move(PARENT(n % 2), PARENT((n + 1) % 2), ID, GFP_KERNEL)) {
			if (++failed == ROUNDS)
				goto out;
		}
	}
out:
	WRITE_ONCE(round, ROUNDS);
}

static void *look_at_both(void)
{
	unsigned int tries;
	void *data;

	for (tries = 0; tries < TRIES; tries++) {
		data = klp_shadow_get(PARENT(0), ID);
		if (data)
			return data;
		/* Pairs with smp_wmb() in klp_shadow_move(). */
		smp_rmb();
		data = klp_shadow_get(PARENT(1), ID);
		if (data)
			return data;
		/* The variable may have been moved back between the lookups. */
		smp_rmb();
		retries++;
	}

	return NULL;
}

static void look_to_and_fro(void *unused)
{
	void *data;

	do {
		rcu_read_lock();
		data = look_at_both();
		rcu_read_unlock();
		looks++;
		on_neither += !data;
		strange += data && data != moved;
		if (!(looks % 64))
			cond_resched();
	} while (READ_ONCE(round) < ROUNDS);
}

static void test_to_and_fro(void)
{
	failed = 0;
	round = 0;
	looks = 0;
	on_neither = 0;
	strange = 0;
	moved = klp_shadow_alloc(PARENT(0), ID, 24, GFP_KERNEL, NULL, NULL);
	if (!moved || test_run_both(move_to_and_fro, look_to_and_fro, NULL)) {
		check(false, "G13 another variable can be added and threads created");
	} else {
		check(!failed && klp_shadow_get(PARENT(0), ID) == moved,
		      "G13 a variable moves back and forth %lu times", ROUNDS);
		check(looks && !on_neither && !strange,
		      "G13 readers that retry find it: %lu lookups, %lu retries", looks, retries);
	}
	klp_shadow_free_all(ID, NULL);
}

static int __init test_init(void)
{
	test_one();
	test_race();
	test_to_and_fro();
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: moving them");
MODULE_LICENSE("GPL");
