// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The typed calls, and the conversion of variables to a type that succeeds another.
 *
 * An id always has one layout. A type with a new layout has a new id, and names the
 * ids whose variables it can be converted from. While a livepatch with the successor
 * replaces one with the predecessor, variables of both ids exist: the two types are
 * linked. (Livepatches that do not replace each other use separate variables.)
 * Typed calls that free or move the variable of a parent act on both, and code with the
 * successor adds none to a parent that has an old one. After the transition the old
 * ones are converted one by one.
 */
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/livepatch_shadow.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <trace/events/klp_shadow.h>

#include "shadow_table.h"
#include "shadow_type.h"

/* === Links === */

/* Whether variables of another id can be converted to a type. */
bool klp_shadow_converts(const struct klp_shadow_type *type, unsigned long id)
{
	unsigned int i;

	for (i = 0; i < type->nr_predecessors; i++) {
		if (type->predecessors[i] == id)
			return true;
	}

	return false;
}

/* Whether variables of @from are converted to @to when the livepatch of @to has replaced it. */
bool klp_shadow_succeeds(const struct klp_shadow_type *to, const struct klp_shadow_type *from)
{
	const struct klp_shadow_patch *new = to->patch, *old = from->patch;

	lockdep_assert_held(&klp_shadow_lock);

	return klp_shadow_converts(to, from->id) && new->replace && new->seq > old->seq &&
	       new->registered && old->registered && !new->forced && !old->forced;
}

/* Whether variables of the two types may be on the same parent, in a transition. */
bool klp_shadow_linked(const struct klp_shadow_type *type, const struct klp_shadow_type *other)
{
	return klp_shadow_succeeds(type, other) || klp_shadow_succeeds(other, type);
}

/*
 * The type after @prev that is linked to @type, or NULL. @prev is NULL at first. Walks the
 * whole list; type->linked tells whether there is any.
 */
struct klp_shadow_type *klp_shadow_find_linked(struct klp_shadow_type *type,
					       struct klp_shadow_type *prev)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *other;

	lockdep_assert_held(&klp_shadow_lock);

	patch = prev ? prev->patch :
		list_first_entry(&klp_shadow_patches, struct klp_shadow_patch, list);
	list_for_each_entry_from(patch, &klp_shadow_patches, list) {
		klp_shadow_for_each_type(other, patch) {
			if (prev && patch == prev->patch && other <= prev)
				continue;
			if (klp_shadow_linked(type, other))
				return other;
		}
	}

	return NULL;
}

static struct klp_shadow_type *klp_shadow_next_linked(struct klp_shadow_type *type,
						      struct klp_shadow_type *prev)
	__must_hold(&klp_shadow_lock)
{
	/* Usually not: only a transition to a successor links types. */
	return type->linked ? klp_shadow_find_linked(type, prev) : NULL;
}

/*
 * Whether types are linked to @type. Pairs with the release in klp_shadow_update(): if
 * none is any more, a variable of a predecessor has become one of @type. [linked+free]
 */
static bool klp_shadow_is_linked(struct klp_shadow_type *type)
{
	return smp_load_acquire(&type->linked);	/* see above */
}

/* Whether a parent may get a variable of a type: it has none that waits for conversion. */
bool klp_shadow_may_add(void *obj, struct klp_shadow_type *type)
{
	struct klp_shadow_type *other = NULL;

	lockdep_assert_held(&klp_shadow_lock);

	if (!type->open)
		return false;
	while ((other = klp_shadow_next_linked(type, other))) {
		if (klp_shadow_succeeds(type, other) && klp_shadow_find(obj, other->id))
			return false;
	}

	return true;
}

/* === Typed calls === */

void *__klp_shadow_type_alloc(void *obj, struct klp_shadow_type *type, gfp_t gfp_flags,
			      void *ctor_data)
{
	void *data;
	int err;

	if (!__klp_shadow_type_is_open(type))
		return NULL;
	data = klp_shadow_add(obj, type->id, type->size, gfp_flags, type->ctor, ctor_data, type,
			      &err);
	/* Without the lock, because WARN() prints. (G4) */
	if (WARN(data && err, "shadow variable '%s' of %p already exists\n", type->name, obj))
		return NULL;

	return data;
}
EXPORT_SYMBOL_GPL(__klp_shadow_type_alloc);

void *__klp_shadow_type_get_or_alloc(void *obj, struct klp_shadow_type *type, gfp_t gfp_flags,
				     void *ctor_data)
{
	int err;

	if (!__klp_shadow_type_is_open(type))
		return NULL;

	return klp_shadow_add(obj, type->id, type->size, gfp_flags, type->ctor, ctor_data, type,
			      &err);
}
EXPORT_SYMBOL_GPL(__klp_shadow_type_get_or_alloc);

/* Before that, variables of the id are not those of the type. */
static bool klp_shadow_type_registered(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_lock)
{
	lockdep_assert_held(&klp_shadow_lock);

	return type->patch && type->patch->registered;
}

static void klp_shadow_type_remove(void *obj, struct klp_shadow_type *type,
				   struct llist_head *removed)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *shadow;

	lockdep_assert_held(&klp_shadow_lock);

	shadow = klp_shadow_find(obj, type->id);
	if (shadow)
		klp_shadow_remove(shadow, type->dtor, type, removed);
}

void __klp_shadow_type_free(void *obj, struct klp_shadow_type *type)
{
	struct klp_shadow_type *other = NULL;
	unsigned long flags;
	LLIST_HEAD(removed);

	/* Most parents have none, and patched code calls this for each that it frees. */
	if (!klp_shadow_is_linked(type) && klp_shadow_absent(obj, type->id))
		return;

	/* RCU: klp_shadow_drain() waits until these are listed for it. */
	rcu_read_lock();
	spin_lock_irqsave(&klp_shadow_lock, flags);
	if (klp_shadow_type_registered(type))
		klp_shadow_type_remove(obj, type, &removed);
	while ((other = klp_shadow_next_linked(type, other)))
		klp_shadow_type_remove(obj, other, &removed);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(__klp_shadow_type_free);

void __klp_shadow_type_free_all(struct klp_shadow_type *type)
{
	struct klp_shadow_iter iter = { .id = type->id };
	unsigned long flags;
	bool registered;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	registered = klp_shadow_type_registered(type);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
	while (registered && klp_shadow_free_batch(&iter, type->dtor, type))
		;
}
EXPORT_SYMBOL_GPL(__klp_shadow_type_free_all);

/* The same in process context. */
void klp_shadow_type_free_all(struct klp_shadow_type *type)
{
	struct klp_shadow_iter iter = { .id = type->id };

	might_sleep();
	while (klp_shadow_free_batch(&iter, type->dtor, type))
		cond_resched();
}

/* The least id, not less than *@id, of types that are linked to @type. False if there is none. */
static bool klp_shadow_linked_id(struct klp_shadow_type *type, unsigned long *id)
{
	struct klp_shadow_type *other = NULL;
	unsigned long flags, least = ULONG_MAX;
	bool found = false;

	if (!klp_shadow_is_linked(type))
		return false;
	spin_lock_irqsave(&klp_shadow_lock, flags);
	while ((other = klp_shadow_next_linked(type, other))) {
		if (other->id >= *id) {
			least = min(least, other->id);
			found = true;
		}
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
	*id = least;

	return found;
}

/* The result of several moves: the first error, or that one of them was done. */
static int klp_shadow_moved(int err, int next)
{
	return next != -ENOENT && (!err || err == -ENOENT) ? next : err;
}

/* Whether each parent has a variable of @type, or of one that is linked to it. */
static bool klp_shadow_both_have(void *from, void *to, struct klp_shadow_type *type)
{
	struct klp_shadow_type *other = NULL;
	bool from_has, to_has;
	unsigned long flags;

	if (!klp_shadow_is_linked(type))
		return false;
	spin_lock_irqsave(&klp_shadow_lock, flags);
	from_has = klp_shadow_find(from, type->id);
	to_has = klp_shadow_find(to, type->id);
	while ((other = klp_shadow_next_linked(type, other))) {
		from_has |= !!klp_shadow_find(from, other->id);
		to_has |= !!klp_shadow_find(to, other->id);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	return from_has && to_has;
}

int __klp_shadow_type_move(void *from, void *to, struct klp_shadow_type *type, gfp_t gfp_flags)
{
	unsigned long id = 0;
	int err = -ENOENT;

	/* One of both types would be freed by the conversion. */
	if (klp_shadow_both_have(from, to, type))
		return -EEXIST;

	/* Types may be unlinked meanwhile: by their ids, no other one is left out. */
	while (klp_shadow_linked_id(type, &id)) {
		err = klp_shadow_moved(err, klp_shadow_move(from, to, id, gfp_flags));
		if (id++ == ULONG_MAX)
			break;
	}

	/* Last, because a variable of a predecessor may have become one of @type. */
	return klp_shadow_moved(err, klp_shadow_move(from, to, type->id, gfp_flags));
}
EXPORT_SYMBOL_GPL(__klp_shadow_type_move);

/* === Conversion === */

/* Convert @old to @new, whose data is zeroed, or remove it. Returns whether @new is used. */
static bool klp_shadow_convert_one(struct klp_shadow *old, struct klp_shadow *new,
				   struct klp_shadow_type *from, struct klp_shadow_type *to,
				   struct llist_head *removed,
				   struct klp_shadow_conversion *result)
	__must_hold(&klp_shadow_lock)
{
	int err = -ENOMEM;

	lockdep_assert_held(&klp_shadow_lock);

	/* Added by code with the predecessor to a parent that had a new one. */
	if (klp_shadow_find(old->obj, to->id)) {
		klp_shadow_remove(old, from->dtor, from, removed);
		return false;
	}
	if (new)
		err = to->convert(old->obj, new->data, old->data, from->id);
	if (err) {
		klp_shadow_remove(old, from->dtor, from, removed);
		result->failed++;
		result->err = result->err ?: err;
		return false;
	}

	new->obj = old->obj;
	new->id = to->id;
	/* First, so that a lookup of the new one does not miss it after the old has gone. */
	klp_shadow_link(new);
	/* What the old data refers to belongs to the new: no destructor, no release. */
	klp_shadow_unlink(old, removed);
	klp_shadow_drop(old, NULL, NULL, removed);
	result->done++;

	return true;
}

/**
 * klp_shadow_convert() - convert all variables of a type to its successor
 * @from:	the predecessor; patched code no longer uses its variables
 * @to:		the successor
 * @result:	counts what became of the variables, from zero
 *
 * A variable that cannot be converted is freed with the callbacks of @from. (G16)
 *
 * Context: Process context, sleeps. Both livepatches stay.
 */
void klp_shadow_convert(struct klp_shadow_type *from, struct klp_shadow_type *to,
			struct klp_shadow_conversion *result)
{
	struct klp_shadow_iter iter = { .id = from->id };
	struct klp_shadow *old, *new = NULL;
	unsigned int budget;
	bool converted, more;

	do {
		LLIST_HEAD(removed);

		/* Zeroed without the lock, also after a conversion that failed. */
		if (new)
			memset(new->data, 0, to->size);
		else
			new = kzalloc(sizeof(*new) + to->size, GFP_KERNEL | __GFP_NOWARN);

		/* RCU: klp_shadow_drain() waits until these are listed for it. */
		rcu_read_lock();
		spin_lock_irq(&klp_shadow_lock);
		budget = KLP_SHADOW_BATCH;
		old = klp_shadow_iter_next(&iter, &budget);
		more = iter.list < KLP_SHADOW_LISTS;
		converted = old && klp_shadow_convert_one(old, new, from, to, &removed, result);
		spin_unlock_irq(&klp_shadow_lock);
		if (converted) {
			trace_klp_shadow_converted(old->obj, from->id, to->id);
			new = NULL;
		}
		klp_shadow_reclaim_list(&removed);
		rcu_read_unlock();
		cond_resched();
	} while (more);
	kfree(new);
}
