// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of shadow variables: chains that lookups walk without a lock, in an
 * array that grows and shrinks with what is in it.
 *
 * Writers hold klp_shadow_lock. Lookups are RCU readers: a variable is linked
 * only when it is complete, with a store-release that the reader's
 * rcu_dereference() pairs with, and it is freed only a grace period after it
 * was unlinked, so whatever a lookup reaches is whole and stays allocated until
 * its read-side critical section ends. Names in brackets are those of litmus
 * tests, in Documentation/litmus-tests/livepatch-shadow. [add+get, free+get]
 *
 * A resize makes a second table, publishes it as the future of the first, and
 * moves variables over one by one. From then on, what is added goes to the
 * future table. Each chain of a table ends in a marker that points to the table,
 * so a lookup that comes to the end of a chain knows whose. [resize-init+get] It
 * never misses a variable that is there all the time, because
 *
 *  - only the last variable of a chain is ever moved: no other one is cut off;
 *  - it is put into the future table first, and only then cut off with a marker
 *    of that table. A lookup that comes to this marker goes on in the table that
 *    it points to, and finds the variable there: a write barrier stands between
 *    the two writes, and the marker's address between the two reads
 *    [resize-cut+get, resize-marker+get];
 *  - a lookup that stands on the moved variable goes on in some chain of the
 *    future table. At its end it sees that marker, and begins with the right
 *    chain of that table. What it looks for may have been moved before: the
 *    pointer that led the lookup over was written after that move's barrier
 *    [resize-stand+get, resize-join+get, resize-link+get];
 *  - a removed variable goes on pointing to what came after it, and a lookup that
 *    stands on it is led on as from any other;
 *  - a lookup that ends where it began has met nothing that was moved. What it
 *    looks for has been put into the future table right away, if anywhere, and
 *    before the lookup began. So the lookup sees that there is such a table
 *    [resize-add+get];
 *  - the first table is replaced when it is empty, and freed a grace period
 *    later, by which time every lookup that may have started with it is over.
 *    Only then may the next resize begin: no lookup meets more than two tables
 *    [resize-replace+get, resize-free+get].
 *
 * Who looks up with klp_shadow_lock held need not be an RCU reader: tables are
 * published and replaced under the lock.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/bits.h>
#include <linux/error-injection.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/list_nulls.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rculist_nulls.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "shadow_table.h"

/* Enough for what most machines ever have, in 2 KiB. */
#define KLP_SHADOW_MIN_BITS	8
#define KLP_SHADOW_MIN_CHAINS	BIT(KLP_SHADOW_MIN_BITS)

/*
 * The next larger table. The kernel's own has had so many chains ever since;
 * with fewer, lookups among a thousand would be slower than they were.
 */
#define KLP_SHADOW_NEXT_BITS	12

/* The largest: kvmalloc() gives less than 2 GiB. */
#define KLP_SHADOW_MAX_BITS	27

static struct klp_shadow_table klp_shadow_smallest = {
	.shift = 64 - KLP_SHADOW_MIN_BITS,
	.chains = {
		[0 ... KLP_SHADOW_MIN_CHAINS - 1] = { KLP_SHADOW_END(&klp_shadow_smallest) },
	},
};

struct klp_shadow_table __rcu *klp_shadow_table __read_mostly =
	RCU_INITIALIZER(&klp_shadow_smallest);

/* How much is in the table; guarded by klp_shadow_lock. */
static unsigned long klp_shadow_count;

/*
 * What is done about it. Written with klp_shadow_lock held, but for the step
 * from WANTS_RESIZE to RESIZES: who makes it, without the lock, is the one who
 * queues the work. Nobody else leaves WANTS_RESIZE.
 */
static enum {
	KLP_SHADOW_FITS,
	KLP_SHADOW_WANTS_RESIZE,
	KLP_SHADOW_RESIZES,
} klp_shadow_state;

/* Unbound: it must get on while callers keep their processors busy. */
static struct workqueue_struct *klp_shadow_wq __ro_after_init;

/* === Writers === */

static struct hlist_nulls_head *klp_shadow_chain_of(struct klp_shadow_table *table,
						    struct klp_shadow *shadow)
{
	return klp_shadow_chain(table, klp_shadow_hash(shadow->obj, shadow->id));
}

/* The table that variables are added to. */
static struct klp_shadow_table *klp_shadow_newest_table(void)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_table *table, *future;

	table = rcu_dereference_protected(klp_shadow_table, lockdep_is_held(&klp_shadow_lock));
	future = rcu_dereference_protected(table->future, lockdep_is_held(&klp_shadow_lock));

	/* While a resize goes on, the one that it moves to. [resize-add+get] */
	return future ?: table;
}

/* How many variables a table is made for. */
static unsigned long klp_shadow_capacity(unsigned int bits)
{
	if (bits == KLP_SHADOW_MIN_BITS)
		return KLP_SHADOW_MIN_CHAINS / 4;

	return bits < KLP_SHADOW_MAX_BITS ? BIT(bits) : ULONG_MAX;
}

/*
 * The size that the table should have. It grows when there are more variables
 * than it is made for, and shrinks when there are less than half of what the next
 * smaller one is made for.
 */
static unsigned int klp_shadow_wanted_bits(void)
	__must_hold(&klp_shadow_lock)
{
	unsigned int bits = klp_shadow_bits(klp_shadow_newest_table());
	unsigned int smaller = bits > KLP_SHADOW_NEXT_BITS ? bits - 1 : KLP_SHADOW_MIN_BITS;
	unsigned long count = klp_shadow_count;

	lockdep_assert_held(&klp_shadow_lock);

	if (count <= klp_shadow_capacity(bits)) {
		if (bits == smaller || count >= klp_shadow_capacity(smaller) / 2)
			return bits;
		if (count <= klp_shadow_capacity(KLP_SHADOW_MIN_BITS))
			return KLP_SHADOW_MIN_BITS;
		/* Not to one that would be full at once. */
		count += count / 2;
	}

	return clamp_t(unsigned int, order_base_2(count + 1), KLP_SHADOW_NEXT_BITS,
		       KLP_SHADOW_MAX_BITS);
}

static void klp_shadow_count_add(long n)
	__must_hold(&klp_shadow_lock)
{
	klp_shadow_count += n;
	if (READ_ONCE(klp_shadow_state) == KLP_SHADOW_FITS &&
	    klp_shadow_wanted_bits() != klp_shadow_bits(klp_shadow_newest_table()))
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

	hlist_nulls_add_head_rcu(&shadow->node, klp_shadow_chain_of(table, shadow));
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

	/* Leaves it to be seen that the variable is in no chain any more. */
	hlist_nulls_del_init_rcu(&shadow->node);
	klp_shadow_count_add(-1);
}

/**
 * klp_shadow_table_replace() - put a variable in the place of another one
 * @old:	variable in the table
 * @new:	complete variable of the same pair, not in the table
 *
 * Lookups find the one or the other. Earlier ones may go on using @old until a grace
 * period has passed; as a removed one, it goes on pointing to what comes after it.
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_table_replace(struct klp_shadow *old, struct klp_shadow *new)
{
	struct hlist_nulls_node **pprev = old->node.pprev, *next = old->node.next;

	lockdep_assert_held(&klp_shadow_lock);

	new->node.next = next;
	new->node.pprev = pprev;
	/* As adding does, but in the middle of a chain. [add+get] */
	smp_store_release(pprev, &new->node);
	if (!is_a_nulls(next))
		WRITE_ONCE(next->pprev, &new->node.next);
	WRITE_ONCE(old->node.pprev, NULL);
}

/* === Resizing === */

/*
 * The last variable of a chain, without the lock: it may have been removed. Adds
 * to *@seen how many there are.
 */
static struct hlist_nulls_node *klp_shadow_last(struct hlist_nulls_head *chain,
						unsigned long *seen)
{
	struct hlist_nulls_node *node = rcu_dereference(hlist_nulls_first_rcu(chain));
	struct hlist_nulls_node *last = NULL;

	while (!is_a_nulls(node)) {
		last = node;
		node = rcu_dereference(hlist_nulls_next_rcu(node));
		++*seen;
	}

	return last;
}

/*
 * Move the last variable of a chain. What a lookup sees of it is argued at the
 * top of this file. Returns the last variable of what is left, or NULL.
 */
static struct hlist_nulls_node *klp_shadow_move_last(struct hlist_nulls_node *last,
						     struct hlist_nulls_head *chain,
						     struct klp_shadow_table *to)
	__must_hold(&klp_shadow_lock)
{
	struct hlist_nulls_node **end = last->pprev, *first;
	struct hlist_nulls_head *head;

	lockdep_assert_held(&klp_shadow_lock);

	/*
	 * Not hlist_nulls_add_head_rcu(), which takes nobody to stand on it. What it is
	 * linked to was added under the same lock, so that a lookup that stands on it
	 * sees that whole. [resize-link+get]
	 */
	head = klp_shadow_chain_of(to, hlist_nulls_entry(last, struct klp_shadow, node));
	first = head->first;
	WRITE_ONCE(last->next, first);
	WRITE_ONCE(last->pprev, &head->first);
	rcu_assign_pointer(hlist_nulls_first_rcu(head), last);
	if (!is_a_nulls(first))
		WRITE_ONCE(first->pprev, &last->next);

	/*
	 * A release would order the first of the writes to *@end alone. The next
	 * comes when the variable that it belongs to is moved in turn.
	 * [resize-cut+get, resize-stand+get, resize-join+get]
	 */
	smp_wmb();
	WRITE_ONCE(*end, KLP_SHADOW_END(to));

	return end == &chain->first ? NULL : container_of(end, struct hlist_nulls_node, next);
}

/*
 * Move what is in some chains, from *@chain on, KLP_SHADOW_BATCH variables with
 * the lock held and no more. Chains are walked before the lock is taken: they are
 * long when there are many more variables than chains. 1024 empty ones are enough
 * for one go. Returns true while there is more to move.
 */
static bool klp_shadow_move_some(struct klp_shadow_table *from, struct klp_shadow_table *to,
				 unsigned long *chain)
{
	struct hlist_nulls_node *last[KLP_SHADOW_BATCH];
	unsigned long chains[KLP_SHADOW_BATCH];
	unsigned long next, end = min(*chain + 1024, BIT(klp_shadow_bits(from))), seen = 0;
	unsigned int n = 0, i = 0, budget;

	/* What has been found must not be freed before it has been moved. */
	rcu_read_lock();
	for (next = *chain; next < end && seen < KLP_SHADOW_BATCH; next++) {
		chains[n] = next;
		last[n] = klp_shadow_last(&from->chains[next], &seen);
		if (last[n])
			n++;
	}
	/* If there was anything, come back and see that nothing is left. */
	*chain = n ? chains[0] : next;

	while (i < n) {
		spin_lock_irq(&klp_shadow_lock);
		for (budget = KLP_SHADOW_BATCH; i < n && budget; budget--) {
			/* Nothing is added to the chain, but removed it may be. */
			last[i] = hlist_nulls_unhashed(last[i]) ? NULL :
				  klp_shadow_move_last(last[i], &from->chains[chains[i]],
						       to);
			i += !last[i];
		}
		spin_unlock_irq(&klp_shadow_lock);
	}
	rcu_read_unlock();

	return *chain < BIT(klp_shadow_bits(from));
}

static noinline struct klp_shadow_table *klp_shadow_table_new(unsigned int bits)
{
	struct klp_shadow_table *table;
	unsigned long i;

	/*
	 * Nobody has the smallest in use: the last resize away from it has ended.
	 * Another one is not worth insisting on.
	 */
	if (bits == KLP_SHADOW_MIN_BITS)
		table = &klp_shadow_smallest;
	else
		table = kvmalloc(struct_size(table, chains, BIT(bits)),
				 GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!table)
		return NULL;

	table->shift = 64 - bits;
	RCU_INIT_POINTER(table->future, NULL);
	/* No lookup sees the chains before the table is published. [resize-init+get] */
	for (i = 0; i < BIT(bits); i++) {
		table->chains[i].first = KLP_SHADOW_END(table);
		if (!(i % 4096))
			cond_resched();
	}

	return table;
}

ALLOW_ERROR_INJECTION(klp_shadow_table_new, NULL);

static void klp_shadow_resize(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_shadow_resize_work, klp_shadow_resize);

static void klp_shadow_resize(struct work_struct *work)
{
	struct klp_shadow_table *from, *to;
	unsigned long chain, count;
	unsigned int bits;
	bool more;

	for (;;) {
		/* Nobody but this work writes it. */
		from = rcu_dereference_protected(klp_shadow_table, true);

		spin_lock_irq(&klp_shadow_lock);
		bits = klp_shadow_wanted_bits();
		count = klp_shadow_count;
		if (bits == klp_shadow_bits(from))
			WRITE_ONCE(klp_shadow_state, KLP_SHADOW_FITS);
		spin_unlock_irq(&klp_shadow_lock);
		if (bits == klp_shadow_bits(from))
			return;

		to = klp_shadow_table_new(bits);
		if (!to) {
			/* Longer chains meanwhile, nothing worse. */
			pr_debug("no memory for %lu chains of shadow variables\n", BIT(bits));
			queue_delayed_work(klp_shadow_wq, &klp_shadow_resize_work, HZ);
			return;
		}

		/*
		 * Its chains are initialised. What is added from now on goes there, and
		 * lookups that begin after that see where. [resize-init+get, resize-add+get]
		 */
		spin_lock_irq(&klp_shadow_lock);
		rcu_assign_pointer(from->future, to);
		spin_unlock_irq(&klp_shadow_lock);

		chain = 0;
		do {
			more = klp_shadow_move_some(from, to, &chain);
			cond_resched();
		} while (more);

		/* Who begins there sees all that has been moved there. [resize-replace+get] */
		spin_lock_irq(&klp_shadow_lock);
		rcu_assign_pointer(klp_shadow_table, to);
		spin_unlock_irq(&klp_shadow_lock);

		/* Lookups that began with @from still walk it. [resize-free+get] */
		synchronize_rcu();
		pr_debug("shadow variables moved from %lu to %lu chains, there were %lu\n",
			 BIT(klp_shadow_bits(from)), BIT(bits), count);
		if (from != &klp_shadow_smallest)
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
	/*
	 * Before there is a workqueue the table does without. One interrupt is
	 * enough: what runs in it may be patched, and come here again.
	 */
	if (unlikely(READ_ONCE(klp_shadow_state) == KLP_SHADOW_WANTS_RESIZE) && klp_shadow_wq &&
	    cmpxchg(&klp_shadow_state, KLP_SHADOW_WANTS_RESIZE, KLP_SHADOW_RESIZES) ==
	    KLP_SHADOW_WANTS_RESIZE)
		irq_work_queue(&klp_shadow_resize_irq);
}

static int __init klp_shadow_table_init(void)
{
	klp_shadow_wq = alloc_workqueue("klp_shadow", WQ_UNBOUND, 1);
	klp_shadow_table_resize_if_wanted();

	return klp_shadow_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_table_init);
