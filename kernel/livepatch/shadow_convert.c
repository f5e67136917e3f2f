// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Converting the variables of a replaced livepatch to the size that the new one
 * declares.
 *
 * While the transition lasts, tasks run the old code and the new one. The old
 * code goes on with variables as it knows them. To the accessors of the new code
 * none exists, and it can add none: type->from says so. It may free them, though,
 * for parents die in any task.
 *
 * When the transition has completed, nobody uses the old variables any more.
 * First, all of them leave the list of their id and wait, so that one can tell
 * from the variable itself, under the lock, whether it is an old one or a new one.
 * Then each is replaced by a new one, with the lock held for that one alone. Those
 * that are removed meanwhile stay on the list of those that wait, and are given
 * back when their turn comes.
 */
#include <linux/livepatch_shadow.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "shadow_convert.h"
#include "shadow_table.h"
#include "shadow_type.h"

/* Move up to KLP_SHADOW_BATCH variables to *@waiting. Returns false at the end. */
static bool klp_shadow_wait_batch(struct klp_shadow_iter *iter, struct klp_shadow **waiting)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	struct klp_shadow *shadow;
	bool more;

	spin_lock_irq(&klp_shadow_lock);
	while ((shadow = klp_shadow_iter_next(iter, &budget))) {
		hlist_del(&shadow->id_link);
		shadow->next_waiting = *waiting;
		shadow->wait = KLP_SHADOW_WAITS;
		*waiting = shadow;
	}
	more = iter->slot < KLP_SHADOW_SLOTS;
	spin_unlock_irq(&klp_shadow_lock);

	return more;
}

/* Replace @old, which waits, with @new, whose data is zeroed. */
static int klp_shadow_convert(struct klp_shadow_type *type, struct klp_shadow *old,
			      struct klp_shadow *new)
	__must_hold(&klp_shadow_lock)
{
	int err;

	lockdep_assert_held(&klp_shadow_lock);

	if (!new)
		return -ENOMEM;

	err = type->convert(old->obj, new->data, old->data, type->from->size);
	if (err)
		return err;

	new->obj = old->obj;
	new->id = old->id;
	klp_shadow_link_id(new);
	klp_shadow_table_replace(old, new);

	return 0;
}

/**
 * klp_shadow_convert_all() - convert the variables that wait for a declaration
 * @type:	declaration with variables of type->from
 * @result:	counts what became of them, from zero
 *
 * Accessors of @type find the variables afterwards. One that cannot be converted
 * is freed, with the destructor and the releasing function of type->from. (G16)
 *
 * Context: Process context, sleeps. The caller holds klp_shadow_users_lock: @type stays
 * the latest. Patched functions of the livepatch that has declared type->from cannot run
 * any more, and what else is left of it finds nothing.
 */
void klp_shadow_convert_all(struct klp_shadow_type *type, struct klp_shadow_conversion *result)
{
	struct klp_shadow *old, *next, *waiting = NULL, *new = NULL;
	struct klp_shadow_iter iter = { .id = type->id };
	struct klp_shadow_type *from = type->from;
	klp_shadow_release_t release;
	bool used;
	int err;

	lockdep_assert_held(&klp_shadow_users_lock);

	while (klp_shadow_wait_batch(&iter, &waiting))
		cond_resched();

	spin_lock_irq(&klp_shadow_lock);
	type->converting = true;
	spin_unlock_irq(&klp_shadow_lock);

	for (old = waiting; old; old = next) {
		HLIST_HEAD(removed);

		next = old->next_waiting;
		/* Zeroed without the lock, also after a conversion that failed. */
		if (new)
			memset(new->data, 0, type->size);
		else
			new = kzalloc(sizeof(*new) + type->size, GFP_KERNEL | __GFP_NOWARN);

		used = false;
		spin_lock_irq(&klp_shadow_lock);
		if (klp_shadow_waits(old)) {
			err = klp_shadow_convert(type, old, new);
			if (err) {
				klp_shadow_remove(old, from->dtor, from->release, &removed);
				result->err = result->err ?: err;
				result->failed++;
			} else {
				result->done++;
				used = true;
			}
		}
		spin_unlock_irq(&klp_shadow_lock);

		if (used)
			new = NULL;
		klp_shadow_reclaim_list(&removed, NULL);
		release = old->wait == KLP_SHADOW_DROPPED_RELEASE ? from->release : NULL;
		klp_shadow_reclaim(old, release);
		cond_resched();
	}
	kfree(new);

	spin_lock_irq(&klp_shadow_lock);
	type->converting = false;
	/* Whoever sees this sees the new variables. */
	smp_store_release(&type->from, NULL);
	spin_unlock_irq(&klp_shadow_lock);
}
