// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of shadow variables: a fixed array of chains.
 *
 * Writers hold klp_shadow_lock. Lookups are RCU readers: a variable is linked
 * only when it is complete, with a store-release that the reader's
 * rcu_dereference() pairs with, and it is freed only a grace period after it
 * was unlinked, so whatever a lookup reaches is whole and stays allocated until
 * its read-side critical section ends.
 */
#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/rculist.h>

#include "shadow_table.h"

#define KLP_SHADOW_BITS		12
#define KLP_SHADOW_BUCKETS	BIT(KLP_SHADOW_BITS)

/* Buckets that klp_shadow_table_del_some() looks at in one go. */
#define KLP_SHADOW_WALK_BUCKETS	64

/* Guarded by klp_shadow_lock for writing, RCU for reading. */
static struct hlist_head klp_shadow_buckets[KLP_SHADOW_BUCKETS];

/*
 * Most real variables hang on NULL and differ in the id alone, so the id must
 * spread them as well as the parent does.
 */
static struct hlist_head *klp_shadow_bucket(void *obj, unsigned long id)
{
	return &klp_shadow_buckets[hash_long((unsigned long)obj + hash_long(id, BITS_PER_LONG),
					     KLP_SHADOW_BITS)];
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
	struct klp_shadow *shadow;

	hlist_for_each_entry_rcu(shadow, klp_shadow_bucket(obj, id), node,
				 lockdep_is_held(&klp_shadow_lock)) {
		if (shadow->obj == obj && shadow->id == id)
			return shadow;
	}

	return NULL;
}

/**
 * klp_shadow_table_add() - make a variable visible to lookups
 * @shadow:	complete variable, whose pair is not in the table
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_table_add(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);
	hlist_add_head_rcu(&shadow->node, klp_shadow_bucket(shadow->obj, shadow->id));
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
}

/**
 * klp_shadow_table_del_some() - take a bounded number of buckets' share of an id out
 * @walk:	position; starts with the id and bucket 0
 * @dead:	list that the variables are put on, linked by next_dead
 *
 * Context: klp_shadow_lock held; it may be dropped between two calls.
 * Return: true while there is more to look at.
 */
bool klp_shadow_table_del_some(struct klp_shadow_walk *walk, struct klp_shadow **dead)
{
	unsigned int end = min_t(unsigned int, walk->bucket + KLP_SHADOW_WALK_BUCKETS,
				 KLP_SHADOW_BUCKETS);
	struct hlist_node *next;
	struct klp_shadow *shadow;

	lockdep_assert_held(&klp_shadow_lock);

	for (; walk->bucket < end; walk->bucket++) {
		hlist_for_each_entry_safe(shadow, next, &klp_shadow_buckets[walk->bucket], node) {
			if (shadow->id != walk->id)
				continue;
			hlist_del_rcu(&shadow->node);
			shadow->next_dead = *dead;
			*dead = shadow;
		}
	}

	return walk->bucket < KLP_SHADOW_BUCKETS;
}
