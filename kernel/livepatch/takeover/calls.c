// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The id-based API while variables are in two tables: that of the stock store, and ours.
 * The kernel's functions are redirected to these until all variables are in ours, and
 * again before the variables are given back. They work in all modes.
 *
 * A variable is in one of the tables whenever klp_shadow_lock is not held, so writers look
 * into both under the lock, in any order. Lookups without it look first where variables
 * move away from, then where they move to:
 *
 *  - only the last variable of a chain is moved, so no other variable is cut off;
 *  - it is linked in the other table first, and then cut off. A lookup that misses it in
 *    the first table has read a link that was written after the cut, and finds it in the
 *    second one: smp_wmb() of the mover, in klp_shadow_rehash_one() or klp_store_give(),
 *    pairs with smp_rmb() here [resize-cut+get, first-shrink+get];
 *  - a lookup that visits the variable while it is moved continues in a chain of the other
 *    table. The variables behind it have been moved before, with a barrier since, so what
 *    the lookup misses there is in the second table, as above
 *    [resize-stand+get, resize-join+get, resize-link+get];
 *  - a removed variable keeps its link to the next one, where a lookup continues.
 *
 * A change of mode is followed by a grace period: before additions go to the other table,
 * and before variables are moved, all lookups look into both.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/bug.h>
#include <linux/lockdep.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../shadow_table.h"
#include "takeover.h"

/* Written with klp_shadow_lock held; read under RCU or with the lock held. */
static enum klp_takeover_mode klp_calls_mode = KLP_STOCK;

/* Guarded by klp_shadow_lock. */
static bool klp_calls_adds_to_ours;

/* Lookups that begin after the next grace period look where @mode says. */
void klp_calls_set_mode(enum klp_takeover_mode mode)
{
	spin_lock_irq(&klp_shadow_lock);
	/* Pairs with smp_load_acquire() in klp_calls_lookup(), for klp_store_leave(). */
	smp_store_release(&klp_calls_mode, mode);
	spin_unlock_irq(&klp_shadow_lock);
}

/* Add new variables to our table, or to that of the stock store. */
void klp_calls_add_to_ours(bool ours)
{
	spin_lock_irq(&klp_shadow_lock);
	klp_calls_adds_to_ours = ours;
	spin_unlock_irq(&klp_shadow_lock);
}

static void *klp_calls_stock_lookup(void *obj, unsigned long id)
{
	struct klp_shadow *shadow = klp_stock_find(obj, id);

	return shadow ? shadow->data : NULL;
}

static void *klp_calls_lookup(void *obj, unsigned long id)
{
	enum klp_takeover_mode mode;
	void *data = NULL;

	/*
	 * The mode is read in the read-side critical section, so a grace period after a
	 * change of mode waits for all lookups that have read another one.
	 */
	rcu_read_lock();
	/* Pairs with smp_store_release() in klp_calls_set_mode(). */
	mode = smp_load_acquire(&klp_calls_mode);
	switch (mode) {
	case KLP_STOCK:
		data = klp_calls_stock_lookup(obj, id);
		break;
	case KLP_ADOPT:
		data = klp_calls_stock_lookup(obj, id);
		if (data)
			break;
		/* Pairs with smp_wmb() in klp_shadow_rehash_one(). */
		smp_rmb();
		fallthrough;
	case KLP_OURS:
		data = __klp_shadow_lookup(obj, id);
		break;
	case KLP_RETURN:
		data = klp_store_lookup(obj, id);
		if (data)
			break;
		/* Pairs with smp_wmb() in klp_store_give(). */
		smp_rmb();
		data = klp_calls_stock_lookup(obj, id);
		break;
	}
	rcu_read_unlock();

	return data;
}

/* The variable, in whichever table it is. No variable moves while the lock is held. */
static struct klp_shadow *klp_calls_find(void *obj, unsigned long id, bool *ours)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *shadow = klp_shadow_find(obj, id);

	lockdep_assert_held(&klp_shadow_lock);

	*ours = shadow;
	return shadow ?: klp_stock_find(obj, id);
}

static void klp_calls_remove(struct klp_shadow *shadow, bool ours, klp_shadow_dtor_t dtor,
			     struct llist_head *removed)
	__must_hold(&klp_shadow_lock)
{
	if (ours) {
		klp_shadow_remove(shadow, dtor, NULL, removed);
		return;
	}
	klp_stock_unlink(shadow);
	klp_shadow_drop(shadow, dtor, NULL, removed);
}

/* Called without the lock: free what was removed, and resize the table if necessary. */
static void klp_calls_finish(struct llist_head *removed)
{
	/* klp_store_leave() waits for a grace period, and then for a resize that this queues. */
	rcu_read_lock();
	klp_shadow_reclaim_list(removed);
	rcu_read_unlock();
}

/*
 * As klp_shadow_add(), whose comments give the reasons. Sets *@existed to whether there was
 * such a variable before the call.
 */
static void *klp_calls_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			   klp_shadow_ctor_t ctor, void *ctor_data, bool *existed)
{
	struct klp_shadow *new, *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);
	int err = 0;
	void *data;
	bool ours;

	data = klp_calls_lookup(obj, id);
	*existed = data;
	if (data)
		return data;
	if (size > KMALLOC_MAX_SIZE - sizeof(*new))
		return NULL;
	new = kzalloc(sizeof(*new) + size, gfp_flags | __GFP_NOWARN);
	if (!new)
		return NULL;
	new->obj = obj;
	new->id = id;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	/* Pairs with smp_mb() in klp_shadow_free(), to which others are redirected already. */
	smp_mb__after_spinlock();
	shadow = klp_calls_find(obj, id, &ours);
	if (!shadow && ctor)
		err = ctor(obj, new->data, ctor_data);
	if (!shadow && !err) {
		if (klp_calls_adds_to_ours)
			klp_shadow_link(new);
		else
			klp_stock_link(new);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	if (!shadow && !err) {
		klp_calls_finish(&removed);
		return new->data;
	}
	klp_shadow_reclaim(new);
	*existed = shadow;
	if (shadow)
		return shadow->data;
	printk_deferred(KERN_ERR pr_fmt("constructor of shadow variable <%p, %#lx> failed: %d\n"),
			obj, id, err);

	return NULL;
}

void *klp_calls_get(void *obj, unsigned long id)
{
	return klp_calls_lookup(obj, id);
}

void *klp_calls_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		      klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;
	void *data;

	data = klp_calls_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
	if (WARN(existed, "shadow variable <%p, %#lx> already exists\n", obj, id))
		return NULL;

	return data;
}

void *klp_calls_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			     klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;

	return klp_calls_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
}

void klp_calls_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);
	bool ours;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_calls_find(obj, id, &ours);
	if (shadow)
		klp_calls_remove(shadow, ours, dtor, &removed);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_calls_finish(&removed);
}

/*
 * Holds the lock as long as the stock store does in any case: a variable that moves
 * while the lock is dropped would be missed.
 */
void klp_calls_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_iter iter = { .id = id };
	unsigned int chain, budget = UINT_MAX;
	struct hlist_nulls_node *node, *next;
	struct klp_shadow *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);

	spin_lock_irqsave(&klp_shadow_lock, flags);
	for (chain = 0; chain < KLP_STOCK_CHAINS; chain++) {
		for (node = klp_kernel.hash[chain].first; node; node = next) {
			next = node->next;
			shadow = container_of(node, struct klp_shadow, node);
			if (shadow->id == id)
				klp_calls_remove(shadow, false, dtor, &removed);
		}
	}
	while ((shadow = klp_shadow_iter_next(&iter, &budget)))
		klp_calls_remove(shadow, true, dtor, &removed);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_calls_finish(&removed);
}
