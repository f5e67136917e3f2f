/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of shadow variables, as kernel/livepatch/shadow.c sees it. */
#ifndef _LIVEPATCH_SHADOW_TABLE_H
#define _LIVEPATCH_SHADOW_TABLE_H

#include "shadow.h"

/* In an RCU read-side critical section, or with klp_shadow_lock held. */
struct klp_shadow *klp_shadow_table_find(void *obj, unsigned long id);

void klp_shadow_table_add(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_table_del(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);

/**
 * struct klp_shadow_walk - a position in a walk over all variables of an id
 * @id:		the id
 * @bucket:	next bucket to look at
 */
struct klp_shadow_walk {
	unsigned long id;
	unsigned int bucket;
};

bool klp_shadow_table_del_some(struct klp_shadow_walk *walk, struct klp_shadow **dead)
	__must_hold(&klp_shadow_lock);

#endif /* _LIVEPATCH_SHADOW_TABLE_H */
