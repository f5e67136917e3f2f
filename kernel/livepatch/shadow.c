// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables: a store that maps <parent, id> to data.
 *
 * Copyright (C) 2014 Josh Poimboeuf <jpoimboe@redhat.com>
 * Copyright (C) 2014 Seth Jennings <sjenning@redhat.com>
 * Copyright (C) 2017 Joe Lawrence <joe.lawrence@redhat.com>
 *
 * This file has the public calls of the id-based API. Below them are the hash table,
 * shadow_table.c, and the freeing of removed variables, shadow_reclaim.c; above them
 * is the typed API, shadow_type.c. The guarantees G1, G2, ... are in
 * Documentation/livepatch/shadow-vars.rst. Names in brackets are litmus tests in
 * Documentation/litmus-tests/livepatch-shadow.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/export.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <trace/events/klp_shadow.h>

#include "shadow_table.h"

/*
 * Existing livepatches keep lists, mutexes and spinlocks in the data and rely on
 * its alignment. (G10) The variables of a running kernel's own store have the
 * same layout.
 */
#ifdef CONFIG_64BIT
static_assert(offsetof(struct klp_shadow, rcu) == 16);
static_assert(offsetof(struct klp_shadow, obj) == 32);
static_assert(offsetof(struct klp_shadow, id) == 40);
static_assert(offsetof(struct klp_shadow, data) == 48);
#endif

/*
 * Every variable is in one of these lists, chosen by its id and the CPU that added it,
 * so that removal by id does not visit the whole table. Guarded by klp_shadow_lock.
 */
static struct hlist_head klp_shadow_ids[KLP_SHADOW_LISTS][KLP_SHADOW_GROUPS];

static unsigned int klp_shadow_group(unsigned long id)
{
	return hash_long(id, ilog2(KLP_SHADOW_GROUPS));
}

static struct hlist_head *klp_shadow_id_head(unsigned int group, unsigned int list)
{
	return &klp_shadow_ids[list % KLP_SHADOW_LISTS][group];
}

/* === Aliases === */

/*
 * A variable that has been moved cannot be linked into the chain of its new parent:
 * lookups may still visit it in the old one. An alias is linked there instead, and
 * leads to the variable. Its memory is the data of a struct klp_shadow, which is
 * reclaimed like a variable because lookups read all of the alias itself.
 */
static struct klp_shadow *klp_shadow_alias_alloc(void *parent, unsigned long id, gfp_t gfp_flags)
{
	struct klp_shadow *memory, *alias;

	memory = kzalloc(sizeof(*memory) + sizeof(*alias), gfp_flags);
	if (!memory)
		return NULL;

	/* Not a variable, for klp_shadow_reclaim_list(). */
	memory->obj = KLP_SHADOW_ALIAS;
	alias = (struct klp_shadow *)memory->data;
	alias->obj = KLP_SHADOW_ALIAS;
	alias->id = id;
	alias->parent = parent;

	return alias;
}

/* @entry has left the table: reclaim its memory if it is an alias. */
static void klp_shadow_alias_remove(struct klp_shadow *entry, struct llist_head *removed)
{
	struct klp_shadow *memory;

	if (entry->obj != KLP_SHADOW_ALIAS)
		return;
	memory = container_of((void *)entry, struct klp_shadow, data);
	__llist_add(&memory->reclaim, removed);
}

/* === Adding and removing, with the lock held === */

/* Make a complete variable visible to lookups. Its pair is not in the table. */
void klp_shadow_link(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	/* At the front, so that an iterator that has started does not visit it. */
	hlist_add_head(&shadow->id_link,
		       klp_shadow_id_head(klp_shadow_group(shadow->id), raw_smp_processor_id()));
	/* Last: a lookup sees what the constructor wrote. (G2) [add+get] */
	klp_shadow_table_add(shadow);
}

/* Hide a variable from lookups that begin later. Its alias is added to @removed. */
void klp_shadow_unlink(struct klp_shadow *shadow, struct llist_head *removed)
{
	struct klp_shadow *entry = klp_shadow_table_entry(shadow);

	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_table_del(entry);
	klp_shadow_alias_remove(entry, removed);
	hlist_del(&shadow->id_link);
}

/*
 * Remove a variable: it is added to @removed for klp_shadow_reclaim_list(). The release
 * callback is that of @type, which may be NULL.
 */
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		       struct klp_shadow_type *type, struct llist_head *removed)
{
	klp_shadow_unlink(shadow, removed);
	klp_shadow_drop(shadow, dtor, type, removed);
}

/* Marks entries of iterators: an address that no parent has. */
#define KLP_SHADOW_ITER		((void *)klp_shadow_ids)

static void klp_shadow_iter_start(struct klp_shadow_iter *iter)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *pos;

	if (!iter->all_ids)
		iter->group = klp_shadow_group(iter->id);
	for (iter->list = 0; iter->list < KLP_SHADOW_LISTS; iter->list++) {
		pos = (struct klp_shadow *)iter->pos[iter->list];
		pos->obj = KLP_SHADOW_ITER;
		hlist_add_head(&pos->id_link, klp_shadow_id_head(iter->group, iter->list));
	}
	iter->list = 0;
	iter->started = true;
}

/*
 * The next variable, or NULL: if *@budget is used up, or at the end, after the last
 * list. The lock may be dropped between calls. Variables added later are not
 * visited, so that the iteration ends however many there are.
 */
struct klp_shadow *klp_shadow_iter_next(struct klp_shadow_iter *iter, unsigned int *budget)
{
	struct klp_shadow *pos, *shadow;
	struct hlist_node *next;

	lockdep_assert_held(&klp_shadow_lock);

	if (!iter->started)
		klp_shadow_iter_start(iter);
	while (iter->list < KLP_SHADOW_LISTS && *budget) {
		--*budget;
		pos = (struct klp_shadow *)iter->pos[iter->list];
		next = pos->id_link.next;
		hlist_del(&pos->id_link);
		if (!next) {
			iter->list++;
			continue;
		}
		hlist_add_behind(&pos->id_link, next);
		shadow = hlist_entry(next, struct klp_shadow, id_link);
		/* Other ids and iterators may share the list. */
		if (shadow->obj != KLP_SHADOW_ITER && (iter->all_ids || shadow->id == iter->id))
			return shadow;
	}

	return NULL;
}

/* Leave the lists before the end. */
void klp_shadow_iter_stop(struct klp_shadow_iter *iter)
{
	struct klp_shadow *pos;

	lockdep_assert_held(&klp_shadow_lock);

	for (; iter->started && iter->list < KLP_SHADOW_LISTS; iter->list++) {
		pos = (struct klp_shadow *)iter->pos[iter->list];
		hlist_del(&pos->id_link);
	}
}

/* Remove up to KLP_SHADOW_BATCH variables. Returns false at the end. */
bool klp_shadow_free_batch(struct klp_shadow_iter *iter, klp_shadow_dtor_t dtor,
			   struct klp_shadow_type *type)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	struct klp_shadow *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);
	bool more;

	/* RCU: klp_shadow_drain() waits until these are listed for it. */
	rcu_read_lock();
	spin_lock_irqsave(&klp_shadow_lock, flags);
	while ((shadow = klp_shadow_iter_next(iter, &budget)))
		klp_shadow_remove(shadow, dtor, type, &removed);
	more = iter->list < KLP_SHADOW_LISTS;
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed);
	rcu_read_unlock();

	return more;
}

/* === Public calls === */

/**
 * klp_shadow_get() - look a shadow variable up
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 *
 * The data stays valid until the variable is freed. A caller that cannot exclude a
 * concurrent free encloses the call and every use of the data in rcu_read_lock()
 * and rcu_read_unlock().
 *
 * Context: Any, including NMI. Takes no lock, does not sleep or allocate.
 * Return: The data of variable <@obj, @id>, or NULL if there is none.
 */
void *klp_shadow_get(void *obj, unsigned long id)
{
	return klp_shadow_lookup(obj, id);
}
EXPORT_SYMBOL_GPL(klp_shadow_get);

/* Inline: a call of it would pass eight arguments. */
static __always_inline void *__klp_shadow_add(void *obj, unsigned long id, size_t size,
					      gfp_t gfp_flags, klp_shadow_ctor_t ctor,
					      void *ctor_data, struct klp_shadow_type *type,
					      int *err)
{
	struct klp_shadow *new, *shadow;
	unsigned long flags;
	bool may_add;
	void *data;

	data = klp_shadow_lookup(obj, id);
	*err = data ? -EEXIST : -ENOMEM;
	if (data)
		return data;

	/* Also keeps the sum below from wrapping. (G9) */
	if (size > KMALLOC_MAX_SIZE - sizeof(*new))
		return NULL;

	/*
	 * Before the lock, with the caller's flags. (G6) The caller handles NULL;
	 * a report for each failure of a hot path would flood the log. (G11)
	 */
	new = kzalloc(sizeof(*new) + size, gfp_flags | __GFP_NOWARN);
	if (!new)
		return NULL;
	new->obj = obj;
	new->id = id;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	/* Pairs with klp_shadow_free(). [free+add, free-flag+add] */
	smp_mb__after_spinlock();
	/* Only the holder of the lock adds the pair: one constructor call. (G5) */
	shadow = klp_shadow_find(obj, id);
	may_add = !type || klp_shadow_may_add(obj, type);
	if (shadow)
		*err = -EEXIST;
	else if (!may_add)
		*err = -EAGAIN;
	else
		*err = ctor ? ctor(obj, new->data, ctor_data) : 0;
	if (!*err) {
		klp_shadow_link(new);
		shadow = new;
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	if (shadow == new) {
		trace_klp_shadow_added(obj, id, size);
		klp_shadow_table_maybe_resize();
		return new->data;
	}

	klp_shadow_reclaim(new);
	if (shadow)
		return shadow->data;

	/* Deferred: the caller may hold a lock of the console or a run queue. (G3) */
	if (may_add)
		printk_deferred(KERN_ERR
				pr_fmt("constructor of shadow variable <%p, %#lx> failed: %d\n"),
				obj, id, *err);

	return NULL;
}

/*
 * Look a variable up or add it, if @type allows that. *@err is 0 if this call has added
 * it, -EAGAIN if it was not allowed, or the error of the constructor.
 */
void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, struct klp_shadow_type *type,
		     int *err)
{
	return __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, type, err);
}

/**
 * klp_shadow_alloc() - add a shadow variable that does not exist yet
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @size:	size of the data in bytes; may be 0
 * @gfp_flags:	GFP flags for the allocation; GFP_ATOMIC in atomic context
 * @ctor:	constructor; NULL if zeroed data is enough
 * @ctor_data:	passed to @ctor
 *
 * The data is zeroed, then @ctor is called, then lookups see the variable. @ctor is
 * called once for a variable, under klp_shadow_lock with interrupts off. Of the
 * calls of this API it may use lookups only.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock.
 * Return: The data, aligned as kmalloc() memory plus 48 bytes on 64-bit kernels.
 * NULL with a WARN if the variable exists, which does not change; NULL with an
 * error in the log if @ctor fails; NULL silently if there is no memory or @size
 * is larger than kmalloc() supports.
 */
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data)
{
	void *data;
	int err;

	data = __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, NULL, &err);
	/* Without the lock, because WARN() prints. (G4) */
	if (WARN(data && err, "shadow variable <%p, %#lx> already exists\n", obj, id))
		return NULL;

	return data;
}
EXPORT_SYMBOL_GPL(klp_shadow_alloc);

/**
 * klp_shadow_get_or_alloc() - look a shadow variable up, or add it
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @size:	size of the data of a new variable, in bytes; may be 0
 * @gfp_flags:	GFP flags for the allocation; GFP_ATOMIC in atomic context
 * @ctor:	constructor of a new variable; NULL if zeroed data is enough
 * @ctor_data:	passed to @ctor
 *
 * Looks up as klp_shadow_get(), and adds as klp_shadow_alloc(). Racing callers get
 * the same variable, constructed once. @size is not compared with the size of an
 * existing variable.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock if the variable does not exist.
 * Return: The data. NULL with an error in the log if @ctor fails; NULL silently if
 * there is no memory or @size is larger than kmalloc() supports.
 */
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data)
{
	int err;

	return __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, NULL, &err);
}
EXPORT_SYMBOL_GPL(klp_shadow_get_or_alloc);

/**
 * klp_shadow_free() - remove a shadow variable
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @dtor:	destructor; NULL if there is nothing to undo
 *
 * Does nothing if there is no such variable. Otherwise lookups that begin later
 * miss it, then @dtor is called under klp_shadow_lock with interrupts off, and the
 * memory is freed after a grace period. Of the calls of this API @dtor may use
 * lookups only.
 *
 * Context: Any but NMI. Takes klp_shadow_lock if the variable exists or another call
 * holds the lock. Does not sleep.
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);

	/*
	 * Most parents have none: look before the lock is taken. Either this finds the
	 * variable of a concurrent caller, or that caller sees earlier writes of this one.
	 */
	if (!klp_shadow_lookup(obj, id)) {
		/* Pairs with klp_shadow_add(). [free+add, free-flag+add] */
		smp_mb();
		if (!spin_is_locked(&klp_shadow_lock)) {
			/* Pairs with the unlock of a section that has ended. */
			smp_rmb();
			if (!klp_shadow_lookup(obj, id))
				return;
		}
	}

	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_shadow_find(obj, id);
	if (shadow)
		klp_shadow_remove(shadow, dtor, NULL, &removed);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed);
}
EXPORT_SYMBOL_GPL(klp_shadow_free);

/**
 * klp_shadow_free_all() - remove every shadow variable of an id
 * @id:		identifier; any value
 * @dtor:	destructor; NULL if there is nothing to undo
 *
 * Removes each <*, @id> that exists when the call begins, as klp_shadow_free()
 * does. The lock is dropped after every 32 list entries. Variables added later
 * stay, also in place of removed ones: to remove all of them, first stop all
 * allocations for the id. Variables of another id are visited, not removed, if the
 * ids share one of 64 groups of lists.
 *
 * Context: Any but NMI. Takes and drops klp_shadow_lock repeatedly. Does not
 * sleep.
 */
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_iter iter = { .id = id };

	while (klp_shadow_free_batch(&iter, dtor, NULL))
		;
}
EXPORT_SYMBOL_GPL(klp_shadow_free_all);

/**
 * klp_shadow_move() - move a shadow variable to another parent
 * @from:	parent that has the variable; any pointer value
 * @to:		parent that has none with the identifier; any pointer value
 * @id:		identifier; any value
 * @gfp_flags:	GFP flags for the allocation; GFP_ATOMIC in atomic context
 *
 * The data stays where it is and pointers to it stay valid. A reader that misses
 * the variable on @from, executes smp_rmb(), and then looks at @to finds it there
 * unless it has been moved again. For a short time it is found on both.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock if the variable exists.
 * Return: 0; -ENOENT if @from has no such variable; -EEXIST if @to has one, also if
 * both are the same; -ENOMEM. The variable stays on @from after an error.
 */
int klp_shadow_move(void *from, void *to, unsigned long id, gfp_t gfp_flags)
{
	struct klp_shadow *alias, *entry, *shadow;
	unsigned long flags;
	LLIST_HEAD(removed);
	int err = 0;

	if (klp_shadow_absent(from, id))
		return -ENOENT;

	/* Before the lock, with the caller's flags (G6), without a report (G11). */
	alias = klp_shadow_alias_alloc(to, id, gfp_flags | __GFP_NOWARN);
	if (!alias)
		return -ENOMEM;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_shadow_find(from, id);
	if (!shadow) {
		err = -ENOENT;
	} else if (klp_shadow_find(to, id)) {
		err = -EEXIST;
	} else {
		entry = klp_shadow_table_entry(shadow);
		alias->target = shadow;
		klp_shadow_table_add(alias);
		/*
		 * Pairs with smp_rmb() of a reader that misses on @from: it finds the
		 * alias on @to. (G13) [move+get, alias+get]
		 */
		smp_wmb();
		klp_shadow_table_del(entry);
		klp_shadow_alias_remove(entry, &removed);
		/* A reader may still visit the variable: it matches either parent. */
		WRITE_ONCE(shadow->obj, to);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	if (err)
		klp_shadow_alias_remove(alias, &removed);
	else
		trace_klp_shadow_moved(from, to, id);
	klp_shadow_reclaim_list(&removed);

	return err;
}
EXPORT_SYMBOL_GPL(klp_shadow_move);
