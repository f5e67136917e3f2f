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

/* A store that takes over that of a running kernel keeps its lock. */
#ifndef klp_shadow_lock
#define klp_shadow_lock		klp_shadow_state.lock
#endif

/* Number of variables handled in one section with the lock held. */
#define KLP_SHADOW_BATCH	32

/**
 * struct klp_shadow - a shadow variable, or an alias of one
 * @node:	link in the table; readers follow it under RCU, written with
 *		klp_shadow_lock held; unhashed if an alias has replaced it
 * @id_link:	link in the list of the id, guarded by klp_shadow_lock
 * @rcu:	for kfree_rcu() after removal
 * @reclaim:	link in a list after removal
 * @type:	its release callback is pending after removal, or NULL
 * @target:	variable that an alias leads to; constant once the alias is linked
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
			struct klp_shadow_type *type;
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
#define KLP_SHADOW_LISTS	8

/* Ids share lists: an id has those of its group. */
#define KLP_SHADOW_GROUPS	64

/**
 * struct klp_shadow_iter - iterator over the variables of an id, or of a group of ids
 * @id:		identifier, unless @all_ids
 * @group:	group of ids; derived from @id, unless @all_ids
 * @all_ids:	visit the variables of all ids of @group
 * @list:	index of the list that is visited
 * @started:	@pos are in the lists
 * @pos:	an entry of each list, which is not a variable
 */
struct klp_shadow_iter {
	unsigned long id;
	unsigned int group;
	bool all_ids;
	unsigned int list;
	bool started;
	char pos[KLP_SHADOW_LISTS][sizeof(struct klp_shadow)] __aligned(8);
};

void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, struct klp_shadow_type *type,
		     int *err);
void klp_shadow_link(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_unlink(struct klp_shadow *shadow, struct llist_head *removed)
	__must_hold(&klp_shadow_lock);
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		       struct klp_shadow_type *type, struct llist_head *removed)
	__must_hold(&klp_shadow_lock);

struct klp_shadow *klp_shadow_iter_next(struct klp_shadow_iter *iter, unsigned int *budget)
	__must_hold(&klp_shadow_lock);
void klp_shadow_iter_stop(struct klp_shadow_iter *iter) __must_hold(&klp_shadow_lock);
bool klp_shadow_free_batch(struct klp_shadow_iter *iter, klp_shadow_dtor_t dtor,
			   struct klp_shadow_type *type);

void klp_shadow_drop(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		     struct klp_shadow_type *type, struct llist_head *removed)
	__must_hold(&klp_shadow_lock);
void klp_shadow_reclaim(struct klp_shadow *shadow);
void klp_shadow_reclaim_list(struct llist_head *removed);
void klp_shadow_drain(struct module *mod);

#ifdef CONFIG_KLP_SHADOW_TYPES
bool klp_shadow_may_add(void *obj, struct klp_shadow_type *type) __must_hold(&klp_shadow_lock);
struct module *klp_shadow_type_module(const struct klp_shadow_type *type);
bool klp_shadow_type_uses(const struct klp_shadow_type *type, const struct module *mod);
#else
static inline bool klp_shadow_may_add(void *obj, struct klp_shadow_type *type)
{
	return true;
}

static inline struct module *klp_shadow_type_module(const struct klp_shadow_type *type)
{
	return NULL;
}

static inline bool klp_shadow_type_uses(const struct klp_shadow_type *type,
					const struct module *mod)
{
	return true;
}
#endif

#endif /* _LIVEPATCH_SHADOW_H */
