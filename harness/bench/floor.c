// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The floor, a lower limit of the costs: an RCU hash table that has the ideal size from
 * the start. It cannot be resized, does not check with the lock held whether a variable
 * exists, and calls no constructors.
 */
#include <linux/hash.h>
#include <linux/livepatch_shadow.h>
#include <linux/log2.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "bench.h"

struct floor_var {
	struct hlist_node node;
	struct rcu_head rcu;
	void *obj;
	unsigned long id;
	char data[];
};

struct floor_table {
	unsigned int bits;
	struct hlist_head buckets[];
};

static struct floor_table __rcu *floor_table;
static DEFINE_SPINLOCK(floor_lock);

/* Make an empty table for @n variables. The old one is not in use. */
int COPY_NAME(resize)(unsigned long n);
int COPY_NAME(resize)(unsigned long n)
{
	unsigned int bits = max(order_base_2(n), 1);
	struct floor_table *table;

	table = kvzalloc(struct_size(table, buckets, 1UL << bits), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	table->bits = bits;
	kvfree(rcu_replace_pointer(floor_table, table, true));

	return 0;
}

/*
 * Mix the product, as in our large tables. Multiplying alone would be better for the
 * parents of this benchmark, which are evenly spaced, but needs four probes for others.
 */
static struct hlist_head *floor_bucket(struct floor_table *table, void *obj)
{
	u64 hash = (unsigned long)obj * GOLDEN_RATIO_64;

	return &table->buckets[(u32)(hash ^ hash >> 32) >> (32 - table->bits)];
}

static struct floor_var *floor_find(struct floor_table *table, void *obj, unsigned long id)
{
	struct floor_var *var;

	hlist_for_each_entry_rcu(var, floor_bucket(table, obj), node,
				 lockdep_is_held(&floor_lock)) {
		if (var->obj == obj && var->id == id)
			return var;
	}

	return NULL;
}

void *klp_shadow_get(void *obj, unsigned long id)
{
	struct floor_var *var;

	rcu_read_lock();
	var = floor_find(rcu_dereference(floor_table), obj, id);
	rcu_read_unlock();

	return var ? var->data : NULL;
}

void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			 klp_shadow_ctor_t ctor, void *ctor_data)
{
	struct floor_table *table = rcu_dereference_raw(floor_table);
	struct floor_var *var;
	unsigned long flags;

	var = kzalloc(sizeof(*var) + size, gfp_flags);
	if (!var)
		return NULL;
	var->obj = obj;
	var->id = id;

	spin_lock_irqsave(&floor_lock, flags);
	hlist_add_head_rcu(&var->node, floor_bucket(table, obj));
	spin_unlock_irqrestore(&floor_lock, flags);

	return var->data;
}

void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct floor_var *var;
	unsigned long flags;

	spin_lock_irqsave(&floor_lock, flags);
	var = floor_find(rcu_dereference_protected(floor_table, lockdep_is_held(&floor_lock)),
			 obj, id);
	if (var)
		hlist_del_rcu(&var->node);
	spin_unlock_irqrestore(&floor_lock, flags);

	if (var)
		kfree_rcu(var, rcu);
}
