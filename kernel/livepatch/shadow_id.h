/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All variables of an id. */
#ifndef _LIVEPATCH_SHADOW_ID_H
#define _LIVEPATCH_SHADOW_ID_H

#include <linux/gfp.h>

#include "shadow.h"

struct klp_shadow *klp_shadow_id_new(unsigned long id, gfp_t gfp_flags);

struct klp_shadow *klp_shadow_id_find(unsigned long id) __must_hold(&klp_shadow_lock);
void klp_shadow_id_add(struct klp_shadow *record) __must_hold(&klp_shadow_lock);
void klp_shadow_id_link(struct klp_shadow *record, struct klp_shadow *shadow)
	__must_hold(&klp_shadow_lock);
void klp_shadow_id_unlink(struct klp_shadow *shadow, struct list_head *dead)
	__must_hold(&klp_shadow_lock);

bool klp_shadow_id_walk_begin(struct klp_shadow *walk, unsigned long id)
	__must_hold(&klp_shadow_lock);
struct klp_shadow *klp_shadow_id_walk_next(struct klp_shadow *walk)
	__must_hold(&klp_shadow_lock);

bool klp_shadow_id_is_record(const struct klp_shadow *shadow);

void klp_shadow_id_wait(struct klp_shadow *shadow, struct klp_shadow **list,
			struct list_head *dead)
	__must_hold(&klp_shadow_lock);
bool klp_shadow_id_waits(const struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_shadow_id_drop(struct klp_shadow *shadow, bool release)
	__must_hold(&klp_shadow_lock);
bool klp_shadow_id_to_release(const struct klp_shadow *shadow);

#endif /* _LIVEPATCH_SHADOW_ID_H */
