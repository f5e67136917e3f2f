/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the shadow store share; nobody else includes this. */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/livepatch_shadow.h>
#include <linux/llist.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * Serializes all writers of the store, the constructors and the destructors.
 * Lookups do not take it. Inside it are only the locks that constructors and
 * destructors take. It is a spinlock_t: destructors of existing livepatches call
 * kfree(), which must not be done under a raw spinlock where spinlocks sleep
 * (PREEMPT_RT).
 */
extern spinlock_t klp_shadow_lock;

/* Variables that are dealt with in one go with the lock held. */
#define KLP_SHADOW_BATCH	32

/**
 * struct klp_shadow - one shadow variable, or an alias of one
 * @node:	in the table; readers follow it, writers hold klp_shadow_lock
 * @id_link:	in the list of its id, guarded by klp_shadow_lock; on the caller's
 *		private list once the variable has left the table
 * @rcu:	for kfree_rcu(), once the lock is dropped and nobody uses @id_link
 *		any more
 * @released:	in the list of those that wait for @release, in place of @rcu
 * @release:	what to call before the memory is given back
 * @next_waiting:	in the list of those that wait for their conversion, in
 *		place of @id_link; guarded by klp_shadow_lock, and the list by who converts
 * @wait:	not a link then, but one of a few values; see shadow_id.c
 * @variable:	of an alias, constant: where the data is
 * @not_alias:	NULL in an alias, and never in a variable: whatever the
 *		others have there is not NULL while lookups may see it
 * @obj:	parent; never dereferenced; constant while in the table
 * @id:		identifier; constant while in the table
 * @data:	what klp_shadow_get() returns; belongs to the livepatch
 */
struct klp_shadow {
	struct hlist_nulls_node node;
	union {
		struct list_head id_link;
		struct rcu_head rcu;
		struct {
			struct llist_node released;
			klp_shadow_release_t release;
		};
		struct {
			struct klp_shadow *next_waiting;
			const char *wait;
		};
		struct {
			struct klp_shadow *variable;
			void *not_alias;
		};
	};
	void *obj;
	unsigned long id;
	char data[];
};

/*
 * What has been removed under the lock, to be given back without it. Lists of
 * the caller alone.
 */
struct klp_shadow_dead {
	struct list_head list;		/* variables and records, by id_link */
	struct rcu_head *aliases;	/* by next */
	klp_shadow_release_t release;	/* of the variables, or NULL */
};

#define KLP_SHADOW_DEAD(name, fn)	{ .list = LIST_HEAD_INIT((name).list), .release = (fn) }

/* What alloc and get_or_alloc share. */
void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, bool *existed);

/* Without the lock. */
void klp_shadow_bury(struct klp_shadow_dead *dead);

/* Lookups that begin from here on miss the variable. */
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		       struct klp_shadow_dead *dead)
	__must_hold(&klp_shadow_lock);

/* Remove the variables of an id in pieces: false from either when there are no more. */
bool klp_shadow_remove_begin(struct klp_shadow *walk, unsigned long id);
bool klp_shadow_remove_some(struct klp_shadow *walk, klp_shadow_dtor_t dtor,
			    klp_shadow_release_t release);

#endif /* _LIVEPATCH_SHADOW_H */
