/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hash table of the shadow variable store. The lookup is inline because it takes
 * only a few nanoseconds. shadow_table.c explains why it finds every variable.
 */
#ifndef _LIVEPATCH_SHADOW_TABLE_H
#define _LIVEPATCH_SHADOW_TABLE_H

#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/rculist.h>
#include <linux/rculist_nulls.h>

#include "shadow.h"

/* The first table has the size that the kernel's table has had since 2017. */
#ifndef KLP_SHADOW_FIRST_BITS
#define KLP_SHADOW_FIRST_BITS	12
#endif

/**
 * struct klp_shadow_table - an array of chains
 * @next:	of the first table, the larger table in use; of that one, the table that
 *		its entries move to; otherwise NULL. Under RCU, written with
 *		klp_shadow_lock held
 * @bits:	binary logarithm of the number of chains; constant
 * @salt:	added to the hashed value; constant
 * @chains:	read under RCU, written with klp_shadow_lock held
 */
struct klp_shadow_table {
	struct klp_shadow_table __rcu *next;
	unsigned int bits;
	u64 salt;
	struct hlist_nulls_head chains[] ____cacheline_aligned;
};

/*
 * Static, so that its address is a constant of the lookup. @next points to the
 * table itself while aliases exist and there is no larger table.
 */
extern struct klp_shadow_table klp_shadow_first;

extern unsigned long klp_shadow_resizes;
extern unsigned long klp_shadow_failed_resizes;

/* End marker of each chain of the first table. */
#define KLP_SHADOW_FIRST_END	((struct hlist_nulls_node *)NULLS_MARKER(0))

/* klp_shadow.obj of an alias. Not the address of any parent. */
#define KLP_SHADOW_ALIAS	((void *)&klp_shadow_first)

/*
 * Most variables in the field are attached to NULL, so the id is hashed as well.
 * Multiplying it keeps small ids apart from the distances between objects.
 */
static __always_inline unsigned long klp_shadow_key(void *obj, unsigned long id)
{
	return (unsigned long)obj + id * GOLDEN_RATIO_32;
}

void *klp_shadow_lookup_slow(void *obj, unsigned long id);

/* Returns the data of a variable, or NULL. Called under RCU or with klp_shadow_lock held. */
static __always_inline void *__klp_shadow_lookup(void *obj, unsigned long id)
{
	unsigned long chain = hash_long(klp_shadow_key(obj, id), KLP_SHADOW_FIRST_BITS);
	struct hlist_nulls_head *head;
	struct hlist_nulls_node *node;
	struct klp_shadow *shadow;

	/* In bytes, so that the offset of the chains takes no instruction. */
	head = (void *)klp_shadow_first.chains + chain * sizeof(*head);
	/* Skips aliases: klp_shadow_first.next is set while there are any. */
	hlist_nulls_for_each_entry_rcu(shadow, node, head, node) {
		if (READ_ONCE(shadow->obj) == obj && shadow->id == id)
			return shadow->data;
	}
	if (likely(node == KLP_SHADOW_FIRST_END && !rcu_access_pointer(klp_shadow_first.next)))
		return NULL;

	return klp_shadow_lookup_slow(obj, id);
}

static __always_inline void *klp_shadow_lookup(void *obj, unsigned long id)
{
	void *data;

	/* Readers of the table need no more than RCU. (G1) */
	rcu_read_lock();
	data = __klp_shadow_lookup(obj, id);
	rcu_read_unlock();

	return data;
}

/* The variable, or NULL. */
static inline struct klp_shadow *klp_shadow_find(void *obj, unsigned long id)
{
	void *data = __klp_shadow_lookup(obj, id);

	return data ? container_of(data, struct klp_shadow, data) : NULL;
}

/*
 * Most calls that remove find nothing to remove, and need not take the lock. A caller that
 * looks up two parents finds a variable that moves from one to the other. Does not wait
 * for a constructor that is running.
 */
static inline bool klp_shadow_absent(void *obj, unsigned long id)
{
	bool absent = !klp_shadow_lookup(obj, id);

	/* Pairs with smp_wmb() in klp_shadow_move(). [move+get] */
	smp_rmb();

	return absent;
}

struct klp_shadow *klp_shadow_table_entry(struct klp_shadow *shadow)
	__must_hold(&klp_shadow_lock);
void klp_shadow_table_add(struct klp_shadow *entry) __must_hold(&klp_shadow_lock);
void klp_shadow_table_del(struct klp_shadow *entry) __must_hold(&klp_shadow_lock);
void klp_shadow_table_queue_resize(void);
struct hlist_nulls_head *klp_shadow_chain(struct klp_shadow_table *table, void *obj,
					  unsigned long id);

/* Resize the table if entries that were added or removed require it. */
static inline void klp_shadow_table_maybe_resize(void)
{
	if (unlikely(READ_ONCE(klp_shadow_state.resize) == KLP_SHADOW_PENDING))
		klp_shadow_table_queue_resize();
}

#endif /* _LIVEPATCH_SHADOW_TABLE_H */
