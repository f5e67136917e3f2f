/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the shadow store share; nobody else includes this. */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * Serializes all writers of the store, the constructors and the destructors.
 * Lookups do not take it. It is the innermost lock of every caller, and a
 * spinlock_t: destructors of existing livepatches call kfree(), which must not
 * be done under a raw spinlock where spinlocks sleep (PREEMPT_RT).
 */
extern spinlock_t klp_shadow_lock;

/**
 * struct klp_shadow - one shadow variable
 * @node:	in the table; readers follow it, writers hold klp_shadow_lock
 * @rcu:	for kfree_rcu(), once the variable has left the table and the lock
 *		is dropped; nothing uses it before
 * @next_dead:	link of the caller's private list between leaving the table
 *		and kfree_rcu()
 * @obj:	parent; never dereferenced; constant while in the table
 * @id:		identifier; constant while in the table
 * @data:	what klp_shadow_get() returns; belongs to the livepatch
 */
struct klp_shadow {
	struct hlist_node node;
	union {
		struct rcu_head rcu;
		struct klp_shadow *next_dead;
	};
	void *obj;
	unsigned long id;
	char data[];
};

#endif /* _LIVEPATCH_SHADOW_H */
