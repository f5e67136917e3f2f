/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of shadow variables, as the other files of the store see it. The
 * lookup stands here to be inlined: it takes a few nanoseconds in all. Why it
 * misses nothing is argued in shadow_table.c.
 */
#ifndef _LIVEPATCH_SHADOW_TABLE_H
#define _LIVEPATCH_SHADOW_TABLE_H

#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/rculist.h>
#include <linux/rculist_nulls.h>

#include "shadow.h"

/**
 * struct klp_shadow_table - an array of chains
 * @shift:	what of a hash is not the number of a chain; constant
 * @future:	table that the variables are moving to, or NULL; RCU
 * @chains:	written with klp_shadow_lock held, read under RCU
 */
struct klp_shadow_table {
	unsigned int shift;
	struct klp_shadow_table __rcu *future;
	struct hlist_nulls_head chains[];
};

/* The end of each chain of a table. */
#define KLP_SHADOW_END(table)	((struct hlist_nulls_node *)((void *)(table) + 1))

/* Where lookups begin; written by the resize work only, with the lock held; RCU. */
extern struct klp_shadow_table __rcu *klp_shadow_table;

/*
 * Most real variables hang on NULL, so the id has to do as well as the parent. The
 * golden ratio spreads parents at any stride that is a power of two, and the
 * objects of slabs, about as well as chance would; so does the other number for
 * ids, and both together for a few ids on each of many parents.
 */
static __always_inline u64 klp_shadow_hash(void *obj, unsigned long id)
{
	return (unsigned long)obj * GOLDEN_RATIO_64 + id * 0xd6e8feb86659fd93ULL;
}

static __always_inline struct hlist_nulls_head *
klp_shadow_chain(struct klp_shadow_table *table, u64 hash)
{
	return &table->chains[hash >> table->shift];
}

/* The binary logarithm of the number of chains. */
static inline unsigned int klp_shadow_bits(const struct klp_shadow_table *table)
{
	return 64 - table->shift;
}

/**
 * klp_shadow_table_find() - look a variable up
 * @obj:	parent
 * @id:		identifier
 *
 * Context: Any, NMI included; in an RCU read-side critical section or with
 * klp_shadow_lock held. Takes no lock.
 * Return: the variable or its alias, see klp_shadow_resolve(), or NULL.
 */
static __always_inline struct klp_shadow *klp_shadow_table_find(void *obj, unsigned long id)
{
	u64 hash = klp_shadow_hash(obj, id);
	struct klp_shadow_table *table, *end;
	struct hlist_nulls_node *node;
	struct klp_shadow *shadow;

	table = rcu_dereference_check(klp_shadow_table, lockdep_is_held(&klp_shadow_lock));
	do {
		hlist_nulls_for_each_entry_rcu(shadow, node, klp_shadow_chain(table, hash), node) {
			if (READ_ONCE(shadow->obj) == obj && shadow->id == id)
				return shadow;
		}
		/* Another table's end: it has been moved meanwhile. [resize-marker+get] */
		end = (void *)node - 1;
		if (likely(end == table))
			end = rcu_dereference_check(table->future,
						    lockdep_is_held(&klp_shadow_lock));
		table = end;
	} while (unlikely(table));

	return NULL;
}

/*
 * The variable, from what was found: itself, but for one that was moved. What an
 * alias has in the union is constant.
 */
static __always_inline struct klp_shadow *klp_shadow_resolve(struct klp_shadow *entry)
{
	/* Races with plain writes that leave it different from NULL. */
	return likely(data_race(READ_ONCE(entry->not_alias))) ? entry : entry->variable;
}

void klp_shadow_table_add(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_table_del(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_table_replace(struct klp_shadow *old, struct klp_shadow *new)
	__must_hold(&klp_shadow_lock);

/* After dropping klp_shadow_lock, when something was added or removed. */
void klp_shadow_table_resize_if_wanted(void);

#endif /* _LIVEPATCH_SHADOW_TABLE_H */
