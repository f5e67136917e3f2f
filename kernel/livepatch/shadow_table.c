// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of shadow variables: chains that lookups walk without a lock, in an
 * array that grows and shrinks with what is in it.
 *
 * Writers hold klp_shadow_lock. Lookups are RCU readers: a variable is linked
 * only when it is complete, with a store-release that the reader's
 * rcu_dereference() pairs with, and it is freed only a grace period after it
 * was unlinked, so whatever a lookup reaches is whole and stays allocated until
 * its read-side critical section ends.
 *
 * A resize makes a second table, publishes it as the future of the first, and
 * moves variables over one by one. From then on, what is added goes to the
 * future table. A lookup walks its chain in the first table and, if it has not
 * found what it looks for, the one in the future table. It never misses a
 * variable that is there, because
 *
 *  - only the last variable of a chain is ever moved, so that no other one is
 *    cut off: a lookup in front of it comes to the end a step earlier;
 *  - it is linked in the future table before it is unlinked from the first, and
 *    both stores release: a lookup that comes to the end where it was reads
 *    first that end, then the future table, and finds it there;
 *  - a lookup that stands on the moved variable goes on in a chain of the future
 *    table. That leads to an end as well, after which it walks the right one;
 *  - the first table is replaced when it is empty, and freed a grace period
 *    later, by which time every lookup that may have started with it is over.
 *    Only then may the next resize begin: no lookup meets more than two tables.
 */
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "shadow_table.h"

/**
 * struct klp_shadow_table - an array of chains
 * @mask:	number of chains, a power of two, less one; constant
 * @future:	table that the variables are moving to, or NULL; RCU
 * @chains:	written with klp_shadow_lock held, read under RCU
 */
struct klp_shadow_table {
	unsigned long mask;
	struct klp_shadow_table __rcu *future;
	struct hlist_head chains[];
};

/* Enough for what most machines ever have, in 2 KiB. */
#define KLP_SHADOW_MIN_CHAINS	256UL

static struct klp_shadow_table klp_shadow_smallest = {
	.mask = KLP_SHADOW_MIN_CHAINS - 1,
	.chains = { [KLP_SHADOW_MIN_CHAINS - 1] = HLIST_HEAD_INIT },
};

/* Where lookups begin; written by the resize work only. */
static struct klp_shadow_table __rcu *klp_shadow_table =
	RCU_INITIALIZER(&klp_shadow_smallest);

/*
 * Random, so that no choice of parents and ids makes long chains. Set before
 * there is anything in the table.
 */
static u64 klp_shadow_obj_factor __ro_after_init = GOLDEN_RATIO_64;
static u64 klp_shadow_id_factor __ro_after_init = GOLDEN_RATIO_64 * 3;

/* Guarded by klp_shadow_lock: how much is in the table, and what is done about it. */
static unsigned long klp_shadow_count;
static enum {
	KLP_SHADOW_FITS,
	KLP_SHADOW_WANTS_RESIZE,
	KLP_SHADOW_RESIZES,
} klp_shadow_state;

/* Unbound: it must get on while callers keep their processors busy. */
static struct workqueue_struct *klp_shadow_wq __ro_after_init;

/* === Lookups and writers === */

/*
 * Two multiplications let both keys reach the high bits; the third spreads
 * regular strides, which a single one may turn into few distinct values. Most
 * real variables hang on NULL, so the id has to do as well as the parent.
 */
static unsigned long klp_shadow_hash(void *obj, unsigned long id)
{
	u64 hash = (unsigned long)obj * klp_shadow_obj_factor + id * klp_shadow_id_factor;

	hash ^= hash >> 32;
	hash *= GOLDEN_RATIO_64;

	return hash >> 32;
}

/**
 * klp_shadow_table_find() - look a variable up
 * @obj:	parent
 * @id:		identifier
 *
 * Context: Any, NMI included; in an RCU read-side critical section or with
 * klp_shadow_lock held. Takes no lock.
 * Return: the variable, or NULL.
 */
struct klp_shadow *klp_shadow_table_find(void *obj, unsigned long id)
{
	unsigned long hash = klp_shadow_hash(obj, id);
	struct klp_shadow_table *table;
	struct klp_shadow *shadow;

	table = rcu_dereference_check(klp_shadow_table, lockdep_is_held(&klp_shadow_lock));
	do {
		hlist_for_each_entry_rcu(shadow, &table->chains[hash & table->mask], node,
					 lockdep_is_held(&klp_shadow_lock)) {
			if (shadow->obj == obj && shadow->id == id)
				return shadow;
		}
		/*
		 * The end of the chain before the future table: pairs with the
		 * store-releases in klp_shadow_move().
		 */
		smp_rmb();
		table = rcu_dereference_check(table->future, lockdep_is_held(&klp_shadow_lock));
	} while (unlikely(table));

	return NULL;
}

/* The table that variables are added to. */
static struct klp_shadow_table *klp_shadow_newest_table(void)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_table *table, *future;

	table = rcu_dereference_protected(klp_shadow_table, lockdep_is_held(&klp_shadow_lock));
	future = rcu_dereference_protected(table->future, lockdep_is_held(&klp_shadow_lock));

	return future ?: table;
}

/*
 * The number of chains that the table should have: between one and two for a
 * variable after a resize, which comes when there is less than one or more than
 * eight.
 */
static unsigned long klp_shadow_wanted_chains(void)
	__must_hold(&klp_shadow_lock)
{
	unsigned long chains = klp_shadow_newest_table()->mask + 1;

	lockdep_assert_held(&klp_shadow_lock);

	if (klp_shadow_count <= chains &&
	    (klp_shadow_count >= chains / 8 || chains == KLP_SHADOW_MIN_CHAINS))
		return chains;

	return max(roundup_pow_of_two(klp_shadow_count + 1), KLP_SHADOW_MIN_CHAINS);
}

static void klp_shadow_count_add(long n)
	__must_hold(&klp_shadow_lock)
{
	klp_shadow_count += n;
	if (klp_shadow_state == KLP_SHADOW_FITS &&
	    klp_shadow_wanted_chains() != klp_shadow_newest_table()->mask + 1)
		WRITE_ONCE(klp_shadow_state, KLP_SHADOW_WANTS_RESIZE);
}

/**
 * klp_shadow_table_add() - make a variable visible to lookups
 * @shadow:	complete variable, whose pair is not in the table
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_table_add(struct klp_shadow *shadow)
{
	struct klp_shadow_table *table = klp_shadow_newest_table();

	lockdep_assert_held(&klp_shadow_lock);

	hlist_add_head_rcu(&shadow->node,
			   &table->chains[klp_shadow_hash(shadow->obj, shadow->id) & table->mask]);
	klp_shadow_count_add(1);
}

/**
 * klp_shadow_table_del() - hide a variable from lookups that begin from now on
 * @shadow:	variable in the table
 *
 * Earlier lookups may go on using it until a grace period has passed.
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_table_del(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	hlist_del_rcu(&shadow->node);
	klp_shadow_count_add(-1);
}

/* === Resizing === */

/*
 * Move the last variable of a chain. What a lookup sees of it is argued at the
 * top of this file.
 */
static void klp_shadow_move(struct hlist_node *node, struct klp_shadow_table *to)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *shadow = hlist_entry(node, struct klp_shadow, node);
	struct hlist_head *chain = &to->chains[klp_shadow_hash(shadow->obj, shadow->id) & to->mask];
	struct hlist_node *first = chain->first;
	struct hlist_node **from = node->pprev;

	WRITE_ONCE(node->next, first);
	WRITE_ONCE(node->pprev, &chain->first);
	if (first)
		WRITE_ONCE(first->pprev, &node->next);
	smp_store_release(&chain->first, node);
	smp_store_release(from, NULL);
}

/* A bounded piece of moving. True while there is more to move. */
static bool klp_shadow_move_some(struct klp_shadow_table *from, struct klp_shadow_table *to,
				 unsigned long *chain)
	__must_hold(&klp_shadow_lock)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	struct hlist_node *node, **pprev;

	lockdep_assert_held(&klp_shadow_lock);

	for (; *chain <= from->mask; ++*chain) {
		if (!budget--)
			return true;
		node = from->chains[*chain].first;
		while (node && node->next)
			node = node->next;
		while (node) {
			pprev = node->pprev;
			klp_shadow_move(node, to);
			if (pprev == &from->chains[*chain].first)
				break;
			if (!budget--)
				return true;
			node = container_of(pprev, struct hlist_node, next);
		}
	}

	return false;
}

static struct klp_shadow_table *klp_shadow_table_new(unsigned long chains)
{
	struct klp_shadow_table *table;

	/* Nobody has it in use: the last resize away from it has ended. */
	if (chains == KLP_SHADOW_MIN_CHAINS)
		return &klp_shadow_smallest;

	table = kvzalloc(struct_size(table, chains, chains), GFP_KERNEL | __GFP_NOWARN);
	if (table)
		table->mask = chains - 1;

	return table;
}

static void klp_shadow_resize(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_shadow_resize_work, klp_shadow_resize);

static void klp_shadow_resize(struct work_struct *work)
{
	struct klp_shadow_table *from, *to;
	unsigned long chain, chains;
	bool more;

	for (;;) {
		/* Nobody but this work writes it. */
		from = rcu_dereference_protected(klp_shadow_table, true);

		spin_lock_irq(&klp_shadow_lock);
		chains = klp_shadow_wanted_chains();
		klp_shadow_state = chains == from->mask + 1 ? KLP_SHADOW_FITS : KLP_SHADOW_RESIZES;
		spin_unlock_irq(&klp_shadow_lock);
		if (chains == from->mask + 1)
			return;

		to = klp_shadow_table_new(chains);
		if (!to) {
			/* Longer chains meanwhile, nothing worse. */
			queue_delayed_work(klp_shadow_wq, &klp_shadow_resize_work, HZ);
			return;
		}

		spin_lock_irq(&klp_shadow_lock);
		rcu_assign_pointer(from->future, to);
		spin_unlock_irq(&klp_shadow_lock);

		chain = 0;
		do {
			spin_lock_irq(&klp_shadow_lock);
			more = klp_shadow_move_some(from, to, &chain);
			spin_unlock_irq(&klp_shadow_lock);
			cond_resched();
		} while (more);

		spin_lock_irq(&klp_shadow_lock);
		rcu_assign_pointer(klp_shadow_table, to);
		spin_unlock_irq(&klp_shadow_lock);

		/* Lookups that began with @from still walk it, and go on to @to. */
		synchronize_rcu();
		if (from == &klp_shadow_smallest)
			RCU_INIT_POINTER(from->future, NULL);
		else
			kvfree(from);
	}
}

/*
 * A caller may hold locks that queueing work needs, a run queue's for one;
 * an interrupt of its own does not.
 */
static void klp_shadow_queue_resize(struct irq_work *work)
{
	queue_delayed_work(klp_shadow_wq, &klp_shadow_resize_work, 0);
}

static struct irq_work klp_shadow_resize_irq = IRQ_WORK_INIT(klp_shadow_queue_resize);

/**
 * klp_shadow_table_resize_if_wanted() - have the table resized, if it should be
 *
 * Context: Any but NMI, without klp_shadow_lock. Does not sleep or allocate.
 */
void klp_shadow_table_resize_if_wanted(void)
{
	/* Before there is a workqueue the table does without. */
	if (unlikely(READ_ONCE(klp_shadow_state) == KLP_SHADOW_WANTS_RESIZE) && klp_shadow_wq)
		irq_work_queue(&klp_shadow_resize_irq);
}

static int __init klp_shadow_table_init(void)
{
	klp_shadow_obj_factor = get_random_u64() | 1;
	klp_shadow_id_factor = get_random_u64() | 1;
	klp_shadow_wq = alloc_workqueue("klp_shadow", WQ_UNBOUND, 1);

	return klp_shadow_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_table_init);
