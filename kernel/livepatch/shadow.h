/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the shadow store share; nobody else includes this. */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * Serializes all writers of the store, the constructors and the destructors.
 * Lookups do not take it. It is the innermost lock of every caller, and a
 * spinlock_t: destructors of existing livepatches call kfree(), which must not
 * be done under a raw spinlock where spinlocks sleep (PREEMPT_RT).
 */
extern spinlock_t klp_shadow_lock;

/* Variables that are dealt with in one go with the lock held. */
#define KLP_SHADOW_BATCH	32

/**
 * struct klp_shadow - one shadow variable
 * @node:	in the table; readers follow it, writers hold klp_shadow_lock
 * @id_link:	in the list of its id, guarded by klp_shadow_lock; on the caller's
 *		private list once the variable has left the table
 * @rcu:	for kfree_rcu(), once the lock is dropped and nobody uses @id_link
 *		any more
 * @obj:	parent; never dereferenced; constant while in the table
 * @id:		identifier; constant while in the table
 * @data:	what klp_shadow_get() returns; belongs to the livepatch
 */
struct klp_shadow {
	struct hlist_nulls_node node;
	union {
		struct list_head id_link;
		struct rcu_head rcu;
	};
	void *obj;
	unsigned long id;
	char data[];
};

#endif /* _LIVEPATCH_SHADOW_H */
