/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of shadow variables, as the other files of the store see it. */
#ifndef _LIVEPATCH_SHADOW_TABLE_H
#define _LIVEPATCH_SHADOW_TABLE_H

#include "shadow.h"

/* In an RCU read-side critical section, or with klp_shadow_lock held. */
struct klp_shadow *klp_shadow_table_find(void *obj, unsigned long id);

void klp_shadow_table_add(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_table_del(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);

/* After dropping klp_shadow_lock, when something was added or removed. */
void klp_shadow_table_resize_if_wanted(void);

#endif /* _LIVEPATCH_SHADOW_TABLE_H */
