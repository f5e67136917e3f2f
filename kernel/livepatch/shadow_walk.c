// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Iterating over all variables of the store, for debugfs and for the check of parents.
 *
 * Each variable that exists all the time is visited once, while others come and go. The
 * lock is held for KLP_SHADOW_BATCH list entries.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "shadow_walk.h"

/* Stop before the end, or after it. */
void klp_shadow_walk_stop(struct klp_shadow_walk *walk)
{
	spin_lock_irq(&klp_shadow_lock);
	klp_shadow_iter_stop(&walk->iter);
	spin_unlock_irq(&klp_shadow_lock);
}

/* Begin, also again. */
void klp_shadow_walk_start(struct klp_shadow_walk *walk)
{
	klp_shadow_walk_stop(walk);
	memset(walk, 0, sizeof(*walk));
	walk->iter.all_ids = true;
}

/* Visit more variables. Returns false at the end. */
static bool klp_shadow_walk_fill(struct klp_shadow_walk *walk)
{
	struct klp_shadow_iter *iter = &walk->iter;
	unsigned int budget = KLP_SHADOW_BATCH;
	struct klp_shadow *shadow;

	walk->next = 0;
	walk->nr = 0;
	if (iter->list == KLP_SHADOW_LISTS) {
		if (iter->group == KLP_SHADOW_GROUPS - 1)
			return false;
		*iter = (struct klp_shadow_iter){ .all_ids = true, .group = iter->group + 1 };
	}

	spin_lock_irq(&klp_shadow_lock);
	while ((shadow = klp_shadow_iter_next(iter, &budget))) {
		walk->records[walk->nr++] = (struct klp_shadow_record){
			.obj = shadow->obj,
			.id = shadow->id,
			.bytes = ksize(shadow),
		};
	}
	spin_unlock_irq(&klp_shadow_lock);
	cond_resched();

	return true;
}

/* The next variable, or NULL at the end. Sleeps. */
struct klp_shadow_record *klp_shadow_walk_next(struct klp_shadow_walk *walk)
{
	while (walk->next == walk->nr) {
		if (!klp_shadow_walk_fill(walk))
			return NULL;
	}

	return &walk->records[walk->next++];
}
