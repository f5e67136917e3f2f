/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Iterating over all variables of the store. */
#ifndef _LIVEPATCH_SHADOW_WALK_H
#define _LIVEPATCH_SHADOW_WALK_H

#include "shadow.h"

/* A variable when the walk came to it. */
struct klp_shadow_record {
	void *obj;
	unsigned long id;
	size_t bytes;	/* memory that it takes */
};

/**
 * struct klp_shadow_walk - iterates over all variables
 * @iter:	in the lists of one group of ids
 * @records:	variables that were visited last
 * @nr:		number of @records
 * @next:	index of the first one that has not been returned
 *
 * Zeroed at first. The caller serializes the calls.
 */
struct klp_shadow_walk {
	struct klp_shadow_iter iter;
	struct klp_shadow_record records[KLP_SHADOW_BATCH];
	unsigned int nr;
	unsigned int next;
};

void klp_shadow_walk_start(struct klp_shadow_walk *walk);
struct klp_shadow_record *klp_shadow_walk_next(struct klp_shadow_walk *walk);
void klp_shadow_walk_stop(struct klp_shadow_walk *walk);

#endif /* _LIVEPATCH_SHADOW_WALK_H */
