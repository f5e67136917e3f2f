/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Iterating over all variables of the store. */
#ifndef _LIVEPATCH_SHADOW_READER_H
#define _LIVEPATCH_SHADOW_READER_H

#include "shadow.h"

/* What a reader has seen of a variable. */
struct klp_shadow_record {
	void *obj;
	unsigned long id;
	size_t bytes;	/* memory that it takes */
};

/**
 * struct klp_shadow_reader - iterates over all variables
 * @iter:	in the lists of one group of ids
 * @records:	variables that were visited last
 * @nr:		number of @records
 * @next:	index of the first one that has not been returned
 *
 * Zeroed at first. The caller serializes the calls.
 */
struct klp_shadow_reader {
	struct klp_shadow_iter iter;
	struct klp_shadow_record records[KLP_SHADOW_BATCH];
	unsigned int nr;
	unsigned int next;
};

void klp_shadow_reader_start(struct klp_shadow_reader *reader);
struct klp_shadow_record *klp_shadow_reader_next(struct klp_shadow_reader *reader);
void klp_shadow_reader_stop(struct klp_shadow_reader *reader);

#endif /* _LIVEPATCH_SHADOW_READER_H */
