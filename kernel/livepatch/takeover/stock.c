// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of the stock store, read and written as that store does it: 4096 chains that
 * end in NULL, chosen by a hash of the parent alone. Members of a variable that both stores
 * use are at the same offsets.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "takeover.h"

struct hlist_nulls_node *klp_stock_cursor;

static struct hlist_nulls_head *klp_stock_chain(void *obj)
{
	return &klp_kernel.hash[hash_long((unsigned long)obj, KLP_STOCK_BITS)];
}

/*
 * Called under RCU or with klp_shadow_lock held. A variable that is moved at the same time
 * may lead the walk to a chain of the module's table, and it ends there.
 */
struct klp_shadow *klp_stock_find(void *obj, unsigned long id)
{
	struct hlist_nulls_node *node = READ_ONCE(klp_stock_chain(obj)->first);
	struct klp_shadow *shadow;

	/* The address in a link orders the reads behind it. */
	for (; !klp_stock_is_end(node); node = READ_ONCE(node->next)) {
		shadow = container_of(node, struct klp_shadow, node);
		if (READ_ONCE(shadow->obj) == obj && shadow->id == id)
			return shadow;
	}

	return NULL;
}

/*
 * A variable that is given back is still in a chain of the module's table. Lookups that visit
 * it there continue in the chain of the stock store.
 */
void klp_stock_link(struct klp_shadow *shadow)
{
	struct hlist_nulls_head *head = klp_stock_chain(shadow->obj);
	struct hlist_nulls_node *node = &shadow->node, *first = head->first;

	lockdep_assert_held(&klp_shadow_lock);

	WRITE_ONCE(node->next, first);
	WRITE_ONCE(node->pprev, &head->first);
	/*
	 * Pairs with the address in the link: lookups see a complete variable. As
	 * hlist_add_head_rcu() of the stock store.
	 */
	smp_store_release(&head->first, node);
	if (first)
		WRITE_ONCE(first->pprev, &node->next);
}

/* @shadow keeps its link to the next variable, for lookups that visit it. */
void klp_stock_unlink(struct klp_shadow *shadow)
{
	struct hlist_nulls_node *node = &shadow->node;
	struct hlist_nulls_node *next = node->next, **pprev = node->pprev;
	struct hlist_nulls_head *head = klp_stock_chain(shadow->obj);

	lockdep_assert_held(&klp_shadow_lock);

	if (node == klp_stock_cursor)
		klp_stock_cursor = pprev == &head->first ? NULL :
				   container_of(pprev, struct hlist_nulls_node, next);
	WRITE_ONCE(*pprev, next);
	if (next)
		WRITE_ONCE(next->pprev, pprev);
	WRITE_ONCE(node->pprev, NULL);
}

/* === Whether the layout is the known one === */

struct klp_stock_probe {
	void *data;
	bool locked;
};

static int klp_stock_probe_ctor(void *obj, void *data, void *ctor_data)
{
	struct klp_stock_probe *probe = ctor_data;

	probe->data = data;
	probe->locked = spin_is_locked(&klp_shadow_lock);

	return 0;
}

static bool klp_stock_is_gone(void *obj, unsigned long id)
{
	bool gone;

	rcu_read_lock();
	gone = !klp_stock_find(obj, id);
	rcu_read_unlock();

	return gone;
}

static bool klp_stock_destroyed;

static void klp_stock_probe_dtor(void *obj, void *data)
{
	klp_stock_destroyed = spin_is_locked(&klp_shadow_lock);
}

/* Whether a variable that the stock store has added is where it should be. */
static bool klp_stock_is_there(void *obj, unsigned long id, void *data)
{
	struct klp_shadow *shadow = container_of(data, struct klp_shadow, data);
	bool there;

	/* Before the chain is walked, which another layout would lead astray. */
	if (shadow->obj != obj || shadow->id != id)
		return false;
	spin_lock_irq(&klp_shadow_lock);
	there = klp_stock_find(obj, id) == shadow && *shadow->node.pprev == &shadow->node &&
		(!shadow->node.next || shadow->node.next->pprev == &shadow->node.next);
	spin_unlock_irq(&klp_shadow_lock);

	return there;
}

/*
 * Add variables by the functions of the kernel, which nothing redirects yet, and look where
 * they are.
 */
int klp_stock_check(void)
{
	typeof(klp_shadow_alloc) *alloc = (void *)klp_kernel_symbol("klp_shadow_alloc");
	typeof(klp_shadow_free) *free = (void *)klp_kernel_symbol("klp_shadow_free");
	static char parents[5];
	/* An address in this module: no livepatch has the id, or these parents but NULL. */
	unsigned long id = (unsigned long)parents;
	struct klp_range hash;
	unsigned int i;
	bool known;

	if (!alloc || !free)
		return -ENODEV;
	klp_kernel_function((unsigned long)klp_kernel.hash, &hash);
	/* Up to the next symbol, which may be aligned. */
	known = ALIGN_DOWN(hash.end - hash.start, PAGE_SIZE) ==
		KLP_STOCK_CHAINS * sizeof(struct hlist_nulls_head);
	for (i = 0; known && i < ARRAY_SIZE(parents); i++) {
		/* Most variables are attached to NULL. */
		void *obj = i ? &parents[i] : NULL;
		struct klp_stock_probe probe = {};
		void *data;

		data = alloc(obj, id, 1, GFP_KERNEL, klp_stock_probe_ctor, &probe);
		if (!data)
			return -ENOMEM;
		known = data == probe.data && probe.locked && klp_stock_is_there(obj, id, data);
		klp_stock_destroyed = false;
		free(obj, id, klp_stock_probe_dtor);
		known &= klp_stock_destroyed && klp_stock_is_gone(obj, id);
	}
	if (known)
		return 0;

	pr_err("this kernel is not known: its shadow variables have another layout\n");
	return -ENODEV;
}
