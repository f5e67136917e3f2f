// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables: a store that maps <parent, id> to data.
 *
 * Copyright (C) 2014 Josh Poimboeuf <jpoimboe@redhat.com>
 * Copyright (C) 2014 Seth Jennings <sjenning@redhat.com>
 * Copyright (C) 2017 Joe Lawrence <joe.lawrence@redhat.com>
 *
 * This file has the public calls of the id-based API; shadow_table.c has the hash
 * table below them. The guarantees G1, G2, ... are in
 * Documentation/livepatch/shadow-vars.rst. Names in brackets are litmus tests in
 * Documentation/litmus-tests/livepatch-shadow.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

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
#define KLP_SHADOW_ID_BITS	6

static struct hlist_head klp_shadow_ids[KLP_SHADOW_SLOTS][BIT(KLP_SHADOW_ID_BITS)];

static struct hlist_head *klp_shadow_id_head(unsigned long id, unsigned int slot)
{
	return &klp_shadow_ids[slot % KLP_SHADOW_SLOTS][hash_long(id, KLP_SHADOW_ID_BITS)];
}

/* === Reclaim === */

/* Removed variables without and with a release callback. Lockless. */
static LLIST_HEAD(klp_shadow_to_free);
static LLIST_HEAD(klp_shadow_to_release);

/*
 * Ordered, so that the modules of unregistered patches are put in the order of
 * their unregistering. Separate from resizes, which must not wait for release
 * callbacks.
 */
struct workqueue_struct *klp_shadow_release_wq __ro_after_init;

/* Its holder has released everything that was in the list before. */
static DEFINE_MUTEX(klp_shadow_release_mutex);

/* Separate from release callbacks, which may sleep for long. */
static void klp_shadow_free_work_fn(struct work_struct *work)
{
	struct klp_shadow *shadow, *next;

	llist_for_each_entry_safe(shadow, next, llist_del_all(&klp_shadow_to_free), reclaim) {
		kfree_rcu(shadow, rcu);
		cond_resched();
	}
}

/* Call all pending release callbacks. Returns true if one of them was in @mod. */
bool klp_shadow_release_all(struct module *mod)
{
	struct klp_shadow *shadow, *next;
	struct llist_node *list;
	bool called = false;

	mutex_lock(&klp_shadow_release_mutex);
	list = llist_reverse_order(llist_del_all(&klp_shadow_to_release));
	if (list)
		/* Lookups that began before the removal may still use it. (G14) */
		synchronize_rcu();
	llist_for_each_entry_safe(shadow, next, list, reclaim) {
		called |= mod && within_module((unsigned long)shadow->release, mod);
		shadow->release(shadow->obj, shadow->data);
		kfree(shadow);
		cond_resched();
	}
	mutex_unlock(&klp_shadow_release_mutex);

	return called;
}

static void klp_shadow_release_work_fn(struct work_struct *work)
{
	klp_shadow_release_all(NULL);
}

static DECLARE_WORK(klp_shadow_free_work, klp_shadow_free_work_fn);
static DECLARE_WORK(klp_shadow_release_work, klp_shadow_release_work_fn);

static void klp_shadow_reclaim_irq_fn(struct irq_work *work)
{
	if (!llist_empty(&klp_shadow_to_free))
		schedule_work(&klp_shadow_free_work);
	if (!llist_empty(&klp_shadow_to_release))
		queue_work(klp_shadow_release_wq, &klp_shadow_release_work);
}

static struct irq_work klp_shadow_reclaim_irq = IRQ_WORK_INIT(klp_shadow_reclaim_irq_fn);

/*
 * Free a removed variable, or one that was never added: after a grace period,
 * because lookups that began before the removal may still use it. (G7) [free+get]
 *
 * A caller with interrupts off may hold the lock of a run queue or a timer, which
 * kfree(), kfree_rcu() and queue_work() may take: an interrupt queues work. (G6)
 */
void klp_shadow_reclaim(struct klp_shadow *shadow, klp_shadow_release_t release)
{
	bool queue;

	if (release) {
		shadow->release = release;
		queue = llist_add(&shadow->reclaim, &klp_shadow_to_release);
	} else if (irqs_disabled()) {
		queue = llist_add(&shadow->reclaim, &klp_shadow_to_free);
	} else {
		kfree_rcu(shadow, rcu);
		return;
	}
	if (queue)
		irq_work_queue(&klp_shadow_reclaim_irq);
}

/* Free what was removed while klp_shadow_lock was held. */
void klp_shadow_reclaim_list(struct hlist_head *removed, klp_shadow_release_t release)
{
	struct klp_shadow *shadow;
	struct hlist_node *next;

	hlist_for_each_entry_safe(shadow, next, removed, id_link)
		klp_shadow_reclaim(shadow, shadow->obj == KLP_SHADOW_ALIAS ? NULL : release);

	klp_shadow_table_maybe_resize();
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
	memory->obj = KLP_SHADOW_ALIAS;

	alias = (struct klp_shadow *)memory->data;
	alias->obj = KLP_SHADOW_ALIAS;
	alias->id = id;
	alias->parent = parent;

	return alias;
}

/* @entry has left the table: reclaim its memory if it is an alias. */
static void klp_shadow_alias_remove(struct klp_shadow *entry, struct hlist_head *removed)
{
	struct klp_shadow *memory;

	if (entry->obj != KLP_SHADOW_ALIAS)
		return;
	memory = container_of((void *)entry, struct klp_shadow, data);
	hlist_add_head(&memory->id_link, removed);
}

/* === Adding and removing, with the lock held === */

/* At the front, so that an iterator that has started does not visit it. */
void klp_shadow_link_id(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);
	hlist_add_head(&shadow->id_link, klp_shadow_id_head(shadow->id, raw_smp_processor_id()));
}

/* Make a complete variable visible to lookups. Its pair is not in the table. */
void klp_shadow_link(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_link_id(shadow);
	/* Last: a lookup sees what the constructor wrote. (G2) [add+get] */
	klp_shadow_table_add(shadow);
}

/*
 * Hide a variable from lookups that begin later. It is added to @removed, for
 * klp_shadow_reclaim_list(); one that waits for its conversion is left to that.
 */
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor, bool release,
		       struct hlist_head *removed)
{
	struct klp_shadow *entry = klp_shadow_table_entry(shadow);

	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_table_del(entry);
	klp_shadow_alias_remove(entry, removed);

	if (klp_shadow_waits(shadow)) {
		shadow->wait = release ? KLP_SHADOW_DROPPED_RELEASE : KLP_SHADOW_DROPPED;
	} else {
		hlist_del(&shadow->id_link);
		hlist_add_head(&shadow->id_link, removed);
	}
	if (dtor)
		dtor(shadow->obj, shadow->data);
}

/* Marks entries of iterators: an address that no parent has. */
#define KLP_SHADOW_ITER		((void *)klp_shadow_ids)

static void klp_shadow_iter_start(struct klp_shadow_iter *iter)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *pos;

	for (iter->slot = 0; iter->slot < KLP_SHADOW_SLOTS; iter->slot++) {
		pos = (struct klp_shadow *)iter->pos[iter->slot];
		pos->obj = KLP_SHADOW_ITER;
		hlist_add_head(&pos->id_link, klp_shadow_id_head(iter->id, iter->slot));
	}
	iter->slot = 0;
	iter->started = true;
}

/*
 * The next variable, or NULL: if *@budget is used up, or at the end, after the last
 * slot. The lock may be dropped between calls. Variables added later are not
 * visited, so that the iteration ends however many there are.
 */
struct klp_shadow *klp_shadow_iter_next(struct klp_shadow_iter *iter, unsigned int *budget)
{
	struct klp_shadow *pos, *shadow;
	struct hlist_node *next;

	lockdep_assert_held(&klp_shadow_lock);

	if (!iter->started)
		klp_shadow_iter_start(iter);
	while (iter->slot < KLP_SHADOW_SLOTS && *budget) {
		--*budget;
		pos = (struct klp_shadow *)iter->pos[iter->slot];
		next = pos->id_link.next;
		hlist_del(&pos->id_link);
		if (!next) {
			iter->slot++;
			continue;
		}
		hlist_add_behind(&pos->id_link, next);
		shadow = hlist_entry(next, struct klp_shadow, id_link);
		/* Other ids and iterators may share the list. */
		if (shadow->id == iter->id && shadow->obj != KLP_SHADOW_ITER)
			return shadow;
	}

	return NULL;
}

/* Remove up to KLP_SHADOW_BATCH variables. Returns false at the end. */
bool klp_shadow_free_batch(struct klp_shadow_iter *iter, klp_shadow_dtor_t dtor,
			   klp_shadow_release_t release)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	struct klp_shadow *shadow;
	unsigned long flags;
	HLIST_HEAD(removed);
	bool more;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	while ((shadow = klp_shadow_iter_next(iter, &budget)))
		klp_shadow_remove(shadow, dtor, release, &removed);
	more = iter->slot < KLP_SHADOW_SLOTS;
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed, release);

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

/* Inline: a call of it would pass seven arguments. */
static __always_inline void *__klp_shadow_add(void *obj, unsigned long id, size_t size,
					      gfp_t gfp_flags, klp_shadow_ctor_t ctor,
					      void *ctor_data, bool *existed)
{
	struct klp_shadow *new, *shadow;
	unsigned long flags;
	void *data;
	int err = 0;

	data = klp_shadow_lookup(obj, id);
	*existed = data;
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
	if (!shadow && ctor)
		err = ctor(obj, new->data, ctor_data);
	if (!shadow && !err) {
		klp_shadow_link(new);
		shadow = new;
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	if (shadow == new) {
		klp_shadow_table_maybe_resize();
		return new->data;
	}

	klp_shadow_reclaim(new, NULL);
	if (shadow) {
		*existed = true;
		return shadow->data;
	}

	/* Deferred: the caller may hold a lock of the console or a run queue. (G3) */
	printk_deferred(KERN_ERR pr_fmt("constructor of shadow variable <%p, %#lx> failed: %d\n"),
			obj, id, err);

	return NULL;
}

/* Look a variable up or add it. Sets *@existed if this call did not add it. */
void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, bool *existed)
{
	return __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, existed);
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
 * calls of this API it may use klp_shadow_get() only.
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
	bool existed;
	void *data;

	data = __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
	/* Without the lock, because WARN() prints. (G4) */
	if (WARN(existed, "shadow variable <%p, %#lx> already exists\n", obj, id))
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
	bool existed;

	return __klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
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
 * klp_shadow_get() only.
 *
 * Context: Any but NMI. Takes klp_shadow_lock if the variable exists or another call
 * holds the lock. Does not sleep.
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow *shadow;
	unsigned long flags;
	HLIST_HEAD(removed);

	/*
	 * Most parents have none. Without the lock this must not miss a variable that
	 * a concurrent caller adds, unless it sees the earlier writes of this caller.
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
		klp_shadow_remove(shadow, dtor, false, &removed);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed, NULL);
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
	HLIST_HEAD(removed);
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
	klp_shadow_reclaim_list(&removed, NULL);

	return err;
}
EXPORT_SYMBOL_GPL(klp_shadow_move);

static int __init klp_shadow_init(void)
{
	klp_shadow_release_wq = alloc_ordered_workqueue("klp_shadow_release", 0);

	return klp_shadow_release_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_init);
