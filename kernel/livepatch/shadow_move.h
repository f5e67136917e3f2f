/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables and what stands for them in the table, for the files of the store. */
#ifndef _LIVEPATCH_SHADOW_MOVE_H
#define _LIVEPATCH_SHADOW_MOVE_H

#include "shadow.h"

struct klp_shadow *klp_shadow_entry(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_entry_del(struct klp_shadow *entry, struct klp_shadow_dead *dead)
	__must_hold(&klp_shadow_lock);
void klp_shadow_entry_replace(struct klp_shadow *entry, struct klp_shadow *new,
			      struct klp_shadow_dead *dead)
	__must_hold(&klp_shadow_lock);
void klp_shadow_aliases_free(struct rcu_head *aliases);

#endif /* _LIVEPATCH_SHADOW_MOVE_H */
