/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slab caches of addresses. */
#ifndef _KLP_SHADOW_SLAB_H
#define _KLP_SHADOW_SLAB_H

#include "memory.h"

struct btf;
struct slabs;

struct slab_cache {
	char name[64];
	u64 address;
	u32 size;		/* memory that an object takes */
	u32 object_size;	/* what its user may write to */
};

/* NULL if the kernel does not tell enough about itself: then no cache is known. */
struct slabs *slabs_open(const struct memory *memory, const struct symbol symbols[NR_SYMBOLS],
			 const struct btf *btf);
void slabs_close(struct slabs *slabs);
/* The cache that an address belongs to, or NULL. Valid until slabs_close(). */
const struct slab_cache *slabs_find(struct slabs *slabs, u64 address);

#endif /* _KLP_SHADOW_SLAB_H */
