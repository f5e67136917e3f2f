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
#include "shadow_id.h"
#include "shadow_move.h"
#include "shadow_release.h"
#include "shadow_table.h"
#include "shadow_type.h"

/* KLP_SHADOW_BATCH more variables wait. False when there are no more. */
static bool klp_shadow_wait_some(struct klp_shadow *walk, struct klp_shadow **waiting)
{
	struct klp_shadow *shadow = walk;
	struct klp_shadow_dead dead = KLP_SHADOW_DEAD(dead, NULL);
	int i;

	spin_lock_irq(&klp_shadow_lock);
	for (i = 0; shadow && i < KLP_SHADOW_BATCH; i++) {
		shadow = klp_shadow_id_walk_next(walk);
		if (shadow)
			klp_shadow_id_wait(shadow, waiting, &dead.list);
		else
			klp_shadow_id_unlink(walk, &dead.list);
	}
	spin_unlock_irq(&klp_shadow_lock);

	klp_shadow_bury(&dead);

	return shadow;
}

/*
 * Put *@new in the place of @old, which waits. Both this and *@record are NULL
 * afterwards, if they have been put to use.
 */
static int klp_shadow_convert(struct klp_shadow_type *type, struct klp_shadow *old,
			      struct klp_shadow **new, struct klp_shadow **record,
			      struct klp_shadow_dead *dead)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *shadow = *new, *of_id = klp_shadow_id_find(old->id);
	struct klp_shadow *entry = klp_shadow_entry(old);
	int err;

	lockdep_assert_held(&klp_shadow_lock);

	if (!shadow || (!of_id && !*record))
		return -ENOMEM;

	memset(shadow->data, 0, type->size);
	err = type->convert(old->obj, shadow->data, old->data, type->from->size);
	if (err)
		return err;

	if (!of_id) {
		of_id = *record;
		*record = NULL;
		klp_shadow_id_add(of_id);
	}
	shadow->obj = old->obj;
	shadow->id = old->id;
	klp_shadow_id_link(of_id, shadow);
	klp_shadow_entry_replace(entry, shadow, dead);
	*new = NULL;

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
	struct klp_shadow *old, *next, *waiting = NULL, *new = NULL, *record = NULL, walk;
	struct klp_shadow_type *from = type->from;
	bool more;
	int err;

	lockdep_assert_held(&klp_shadow_users_lock);

	for (more = klp_shadow_remove_begin(&walk, type->id); more; cond_resched())
		more = klp_shadow_wait_some(&walk, &waiting);

	spin_lock_irq(&klp_shadow_lock);
	type->converting = true;
	spin_unlock_irq(&klp_shadow_lock);

	for (old = waiting; old; old = next) {
		struct klp_shadow_dead dead = KLP_SHADOW_DEAD(dead, from->release);

		next = old->next_waiting;
		if (!new)
			new = kzalloc(sizeof(*new) + type->size, GFP_KERNEL | __GFP_NOWARN);
		if (!record)
			record = klp_shadow_id_new(type->id, GFP_KERNEL | __GFP_NOWARN);

		spin_lock_irq(&klp_shadow_lock);
		if (klp_shadow_id_waits(old)) {
			err = klp_shadow_convert(type, old, &new, &record, &dead);
			if (err) {
				klp_shadow_remove(old, from->dtor, &dead);
				result->err = result->err ?: err;
				result->failed++;
			} else {
				result->done++;
			}
		}
		spin_unlock_irq(&klp_shadow_lock);

		klp_shadow_bury(&dead);
		if (klp_shadow_id_to_release(old))
			klp_shadow_release_later(old, from->release);
		else
			kfree_rcu(old, rcu);
		cond_resched();
	}
	kfree(new);
	kfree(record);

	spin_lock_irq(&klp_shadow_lock);
	type->converting = false;
	/* Whoever sees this sees the new variables. */
	smp_store_release(&type->from, NULL);
	spin_unlock_irq(&klp_shadow_lock);
}
