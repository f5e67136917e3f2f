/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internal definitions of the shadow variable store. */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/cache.h>
#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/livepatch_shadow.h>
#include <linux/llist.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct module;
struct workqueue_struct;

/**
 * struct klp_shadow_state - the lock, and the counters it guards
 * @lock:	serializes all changes of the store, constructors and destructors
 * @resize:	whether the table is being resized; written with @lock held, except
 *		for the step from PENDING to RUNNING
 * @entries:	number of entries in all tables, guarded by @lock
 * @aliases:	number of entries that are aliases, guarded by @lock
 * @min:	fewest entries of a table of this size, guarded by @lock
 * @max:	most entries of a table of this size, guarded by @lock
 *
 * One cache line, because CPUs that add and remove fight for the lock anyway.
 *
 * Lookups do not take the lock. Only the locks of constructors and destructors nest
 * inside it. It is a spinlock_t because destructors of existing livepatches call
 * kfree(), which is forbidden under a raw spinlock on PREEMPT_RT.
 */
struct klp_shadow_state {
	spinlock_t lock;	/* see above */
	enum {
		KLP_SHADOW_IDLE,
		KLP_SHADOW_PENDING,
		KLP_SHADOW_RUNNING,
	} resize;
	unsigned long entries;
	unsigned long aliases;
	unsigned long min;
	unsigned long max;
} ____cacheline_aligned_in_smp;

extern struct klp_shadow_state klp_shadow_state;

#define klp_shadow_lock		klp_shadow_state.lock

/* Release callbacks run here; NULL if it could not be allocated at boot. */
extern struct workqueue_struct *klp_shadow_release_wq;

/* Number of variables handled in one section with the lock held. */
#define KLP_SHADOW_BATCH	32

/**
 * struct klp_shadow - a shadow variable, or an alias of one
 * @node:	link in the table; readers follow it under RCU, written with
 *		klp_shadow_lock held; unhashed if an alias has replaced it
 * @id_link:	link in the list of the id, guarded by klp_shadow_lock; after removal
 *		in a list of the remover
 * @rcu:	for kfree_rcu() after removal
 * @reclaim:	link in a lockless list after removal
 * @release:	release callback of a variable in such a list
 * @next_waiting:	next variable waiting for conversion; belongs to the converter
 * @wait:	a &enum klp_shadow_wait while waiting, guarded by klp_shadow_lock
 * @target:	variable that an alias leads to; written with klp_shadow_lock held
 * @parent:	parent of an alias; constant
 * @obj:	parent, never dereferenced; KLP_SHADOW_ALIAS in an alias
 * @id:		identifier; constant
 * @data:	data of the livepatch
 *
 * @obj is written with klp_shadow_lock held and read under RCU.
 */
struct klp_shadow {
	struct hlist_nulls_node node;
	union {
		struct hlist_node id_link;
		struct rcu_head rcu;
		struct {
			struct llist_node reclaim;
			klp_shadow_release_t release;
		};
		struct {
			struct klp_shadow *next_waiting;
			unsigned long wait;
		};
		struct {
			struct klp_shadow *target;
			void *parent;
		};
	};
	void *obj;
	unsigned long id;
	char data[];
};

/* The list of an id is split by CPU, so that CPUs do not write each other's variables. */
#define KLP_SHADOW_SLOTS	8

/**
 * struct klp_shadow_iter - iterator over the variables of an id
 * @id:		identifier
 * @slot:	list that is visited
 * @started:	@pos are in the lists
 * @pos:	an entry of each list, which is not a variable
 */
struct klp_shadow_iter {
	unsigned long id;
	unsigned int slot;
	bool started;
	char pos[KLP_SHADOW_SLOTS][sizeof(struct klp_shadow)] __aligned(8);
};

/* Values of klp_shadow.wait; no list link is equal to one of them. */
enum klp_shadow_wait {
	KLP_SHADOW_WAITS = 1,
	KLP_SHADOW_DROPPED,
	KLP_SHADOW_DROPPED_RELEASE,
};

static inline bool klp_shadow_waits(const struct klp_shadow *shadow)
{
	return shadow->wait == KLP_SHADOW_WAITS;
}

void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, bool *existed);
void klp_shadow_link_id(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_link(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor, bool release,
		       struct hlist_head *removed)
	__must_hold(&klp_shadow_lock);

struct klp_shadow *klp_shadow_iter_next(struct klp_shadow_iter *iter, unsigned int *budget)
	__must_hold(&klp_shadow_lock);
bool klp_shadow_free_batch(struct klp_shadow_iter *iter, klp_shadow_dtor_t dtor,
			   klp_shadow_release_t release);

void klp_shadow_reclaim(struct klp_shadow *shadow, klp_shadow_release_t release);
void klp_shadow_reclaim_list(struct hlist_head *removed, klp_shadow_release_t release);
bool klp_shadow_release_all(struct module *mod);

#endif /* _LIVEPATCH_SHADOW_H */
