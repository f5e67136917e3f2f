// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables: a store that maps <parent pointer, id> to data.
 *
 * This file has the five calls; shadow_table.c finds, links and unlinks,
 * shadow_id.c knows which variables an id has, shadow_move.c moves them, and
 * shadow_type.c has them live as long as they are declared. The promises have
 * labels, G1 ... G16, which are spelled out in
 * Documentation/livepatch/shadow-vars.rst; a label in a comment here says that
 * the code below it is what keeps that promise. Names in brackets are those of
 * litmus tests, in Documentation/litmus-tests/livepatch-shadow.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/bug.h>
#include <linux/export.h>
#include <linux/livepatch_shadow.h>
#include <linux/lockdep.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "shadow_id.h"
#include "shadow_move.h"
#include "shadow_release.h"
#include "shadow_table.h"

DEFINE_SPINLOCK(klp_shadow_lock);

/*
 * Existing livepatches keep lists, mutexes and spinlocks in the data and rely
 * on the alignment that they get from kmalloc() at this offset. (G10)
 */
#ifdef CONFIG_64BIT
static_assert(offsetof(struct klp_shadow, obj) == 32);
static_assert(offsetof(struct klp_shadow, id) == 40);
static_assert(offsetof(struct klp_shadow, data) == 48);
#endif

/**
 * klp_shadow_get() - find a shadow variable
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 *
 * The pointer stays good until the variable is freed. Whoever cannot rule out
 * that somebody else frees it brackets the call and every use of the result
 * with rcu_read_lock() and rcu_read_unlock().
 *
 * Context: Any, including NMI. Takes no lock, does not sleep or allocate.
 * Return: the data of variable <@obj, @id>, or NULL when there is none.
 */
void *klp_shadow_get(void *obj, unsigned long id)
{
	struct klp_shadow *shadow;

	/* Chains are walked as RCU reader: that is all it needs. (G1) */
	rcu_read_lock();
	shadow = klp_shadow_table_find(obj, id);
	if (shadow)
		shadow = klp_shadow_resolve(shadow);
	rcu_read_unlock();

	return shadow ? shadow->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get);

/*
 * Under the lock: either the variable that has got there first, or @new after
 * its construction. NULL with an error of the constructor in *@err, or with
 * none when the id has no record yet and *@record is none either; if that is
 * put to use, it is *@record no more.
 */
static struct klp_shadow *klp_shadow_insert(struct klp_shadow *new, struct klp_shadow **record,
					    klp_shadow_ctor_t ctor, void *ctor_data, int *err)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *shadow, *of_id;

	lockdep_assert_held(&klp_shadow_lock);

	/* Nobody else can add the pair from here on: one construction. (G5) */
	shadow = klp_shadow_table_find(new->obj, new->id);
	if (shadow)
		return klp_shadow_resolve(shadow);

	of_id = klp_shadow_id_find(new->id);
	if (!of_id && !*record)
		return NULL;

	if (ctor) {
		*err = ctor(new->obj, new->data, ctor_data);
		if (*err)
			return NULL;
	}

	if (!of_id) {
		of_id = *record;
		*record = NULL;
		klp_shadow_id_add(of_id);
	}
	klp_shadow_id_link(of_id, new);
	/* Comes last, so a lookup sees what the constructor did. (G2) [add+get] */
	klp_shadow_table_add(new);

	return new;
}

/**
 * klp_shadow_add() - find a shadow variable, or add it, and tell which
 * @obj:	parent
 * @id:		identifier
 * @size:	bytes of data of a new variable
 * @gfp_flags:	how to allocate
 * @ctor:	constructor of a new variable, or NULL
 * @ctor_data:	handed to @ctor
 * @existed:	becomes true if the returned variable is not by this call
 *
 * Context: As klp_shadow_get_or_alloc().
 * Return: As klp_shadow_get_or_alloc().
 */
void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		     klp_shadow_ctor_t ctor, void *ctor_data, bool *existed)
{
	struct klp_shadow *new, *shadow, *record = NULL;
	unsigned long flags;
	void *data;
	int err = 0;

	data = klp_shadow_get(obj, id);
	*existed = data;
	if (data)
		return data;

	/* Also keeps the sum below from wrapping. (G9) */
	if (size > KMALLOC_MAX_SIZE - sizeof(*new))
		return NULL;

	/*
	 * Before the lock, with the caller's flags (G6). The caller gets NULL
	 * and knows what to do; a report for each failure on a patched hot path
	 * under memory pressure helps nobody. (G11)
	 */
	new = kzalloc(sizeof(*new) + size, gfp_flags | __GFP_NOWARN);
	if (!new)
		return NULL;
	new->obj = obj;
	new->id = id;

	do {
		spin_lock_irqsave(&klp_shadow_lock, flags);
		shadow = klp_shadow_insert(new, &record, ctor, ctor_data, &err);
		data = shadow ? shadow->data : NULL;
		spin_unlock_irqrestore(&klp_shadow_lock, flags);
	} while (!shadow && !err && (record = klp_shadow_id_new(id, gfp_flags | __GFP_NOWARN)));

	/* Somebody else may have added the record, or the variable. */
	kfree(record);
	if (shadow == new) {
		klp_shadow_table_resize_if_wanted();
		return data;
	}

	/* No lookup has ever seen it: no grace period. */
	kfree(new);
	*existed = data;

	/*
	 * Deferred, because the caller may hold locks that the console needs,
	 * a run queue's for one. (G3)
	 */
	if (err)
		printk_deferred(KERN_ERR
				pr_fmt("constructor of shadow variable <%p, %lx> failed: %d\n"),
				obj, id, err);

	return data;
}

/**
 * klp_shadow_alloc() - add a shadow variable that must not exist yet
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @size:	bytes of data; may be 0
 * @gfp_flags:	how to allocate; GFP_ATOMIC where the caller must not sleep
 * @ctor:	constructor; NULL when zeroed data is enough
 * @ctor_data:	handed to @ctor
 *
 * The data is zeroed, then @ctor runs, then lookups can see the variable.
 * @ctor runs exactly once for a variable, under klp_shadow_lock with
 * interrupts off; klp_shadow_get() is the one call of these that it may use.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock.
 * Return: the data, aligned as kmalloc() aligns a block plus 48 bytes on a
 * 64-bit kernel. NULL with a WARN when the variable exists, which is left as
 * it is; NULL with an error line in the log when @ctor fails; NULL without a
 * word when there is no memory or @size is more than kmalloc() can ever give.
 */
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;
	void *data;

	data = klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
	/* Not under the lock: a WARN prints. (G4) */
	if (WARN(existed, "shadow variable <%p, %lx> exists already\n", obj, id))
		return NULL;

	return data;
}
EXPORT_SYMBOL_GPL(klp_shadow_alloc);

/**
 * klp_shadow_get_or_alloc() - find a shadow variable, or add it
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @size:	bytes of data of a new variable; may be 0
 * @gfp_flags:	how to allocate; GFP_ATOMIC where the caller must not sleep
 * @ctor:	constructor of a new variable; NULL when zeroed data is enough
 * @ctor_data:	handed to @ctor
 *
 * Finds like klp_shadow_get() and otherwise adds like klp_shadow_alloc().
 * However many callers race, one variable is made, one constructor runs, and
 * all of them get that variable. The size of an existing variable is not
 * compared with @size.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock when the variable is absent.
 * Return: the data. NULL with an error line in the log when @ctor fails; NULL
 * without a word when there is no memory or @size is more than kmalloc() can
 * ever give.
 */
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;

	return klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
}
EXPORT_SYMBOL_GPL(klp_shadow_get_or_alloc);

/**
 * klp_shadow_remove() - hide a variable from lookups that begin from now on
 * @shadow:	variable that has not been removed
 * @dtor:	destructor, or NULL
 * @dead:	gets it, perhaps with the record of an id that has not had one for
 *		long; not one that waits for its conversion, which sees to that
 *
 * Context: klp_shadow_lock held; klp_shadow_bury() follows when it is dropped.
 */
void klp_shadow_remove(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		       struct klp_shadow_dead *dead)
{
	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_entry_del(klp_shadow_entry(shadow), dead);
	if (klp_shadow_id_waits(shadow)) {
		klp_shadow_id_drop(shadow, dead->release);
	} else {
		klp_shadow_id_unlink(shadow, &dead->list);
		list_add(&shadow->id_link, &dead->list);
	}
	if (dtor)
		dtor(shadow->obj, shadow->data);
}

/**
 * klp_shadow_bury() - give back what has been removed
 * @dead:	what klp_shadow_remove() has put there
 *
 * Lookups that began before the removal may still be there, hence the grace
 * period (G7) [free+get]. kfree_rcu() queues work (G6).
 *
 * Context: Any but NMI, without klp_shadow_lock.
 */
void klp_shadow_bury(struct klp_shadow_dead *dead)
{
	struct klp_shadow *shadow, *next;

	list_for_each_entry_safe(shadow, next, &dead->list, id_link) {
		if (dead->release && !klp_shadow_id_is_record(shadow))
			klp_shadow_release_later(shadow, dead->release);
		else
			kfree_rcu(shadow, rcu);
	}
	klp_shadow_aliases_free(dead->aliases);

	klp_shadow_table_resize_if_wanted();
}

/**
 * klp_shadow_free() - remove a shadow variable
 * @obj:	parent; any pointer value, never dereferenced
 * @id:		identifier; any value
 * @dtor:	destructor; NULL when there is nothing to undo
 *
 * Does nothing when there is no such variable. Otherwise lookups that begin
 * after the removal miss it, then @dtor runs under klp_shadow_lock with
 * interrupts off, and the memory is given back a grace period later.
 * klp_shadow_get() is the one call of these that @dtor may use.
 *
 * Context: Any but NMI. Takes klp_shadow_lock. Does not sleep.
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow *entry;
	unsigned long flags;
	struct klp_shadow_dead dead = KLP_SHADOW_DEAD(dead, NULL);

	spin_lock_irqsave(&klp_shadow_lock, flags);
	entry = klp_shadow_table_find(obj, id);
	if (entry)
		klp_shadow_remove(klp_shadow_resolve(entry), dtor, &dead);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_bury(&dead);
}
EXPORT_SYMBOL_GPL(klp_shadow_free);

/**
 * klp_shadow_remove_begin() - begin to remove the variables of an id
 * @walk:	position
 * @id:		identifier
 *
 * Context: Any but NMI, without klp_shadow_lock.
 * Return: false if there are none; otherwise klp_shadow_remove_some() is to be
 * called until it says so.
 */
bool klp_shadow_remove_begin(struct klp_shadow *walk, unsigned long id)
{
	unsigned long flags;
	bool more;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	more = klp_shadow_id_walk_begin(walk, id);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return more;
}

/**
 * klp_shadow_remove_some() - remove KLP_SHADOW_BATCH variables of an id
 * @walk:	position
 * @dtor:	destructor, or NULL
 * @release:	releasing function, or NULL
 *
 * Context: Any but NMI, without klp_shadow_lock.
 * Return: false when all that were there at the beginning are removed.
 */
bool klp_shadow_remove_some(struct klp_shadow *walk, klp_shadow_dtor_t dtor,
			    klp_shadow_release_t release)
{
	struct klp_shadow *shadow = walk;
	struct klp_shadow_dead dead = KLP_SHADOW_DEAD(dead, release);
	unsigned long flags;
	int i;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	for (i = 0; shadow && i < KLP_SHADOW_BATCH; i++) {
		shadow = klp_shadow_id_walk_next(walk);
		if (shadow)
			klp_shadow_remove(shadow, dtor, &dead);
		else
			klp_shadow_id_unlink(walk, &dead.list);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_bury(&dead);

	return shadow;
}

/**
 * klp_shadow_free_all() - remove every shadow variable of an id
 * @id:		identifier; any value
 * @dtor:	destructor; NULL when there is nothing to undo
 *
 * Removes each <*, @id> that there is when it begins, as klp_shadow_free()
 * does, and no other. What it takes is in proportion to these. The lock is
 * dropped after every 32 of them; a variable that somebody adds with the same
 * @id meanwhile stays, even in place of one that has just been removed. Who
 * needs none left makes sure first that nobody adds any more.
 *
 * Context: Any but NMI. Takes and drops klp_shadow_lock repeatedly. Does not
 * sleep.
 */
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow walk;
	bool more;

	for (more = klp_shadow_remove_begin(&walk, id); more;)
		more = klp_shadow_remove_some(&walk, dtor, NULL);
}
EXPORT_SYMBOL_GPL(klp_shadow_free_all);
