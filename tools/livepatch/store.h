/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the store of shadow variables. */
#ifndef _KLP_SHADOW_STORE_H
#define _KLP_SHADOW_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"

struct btf;

#define NAME_LENGTH	64

/* Where the store is. All offsets are in bytes. */
struct store {
	const struct memory *memory;
	bool stock;		/* the kernel's own */
	u64 first;		/* first table; of the stock store its chains */
	u64 stock_heads;	/* chains of the stock store beside ours, 0 if there is none */
	u64 alias;		/* parent of an entry that is an alias */
	u64 entries;		/* counter */
	u64 resizes;		/* counter */
	u64 patches;		/* list, 0 if there is none */
	u16 table_next, table_bits, table_salt, table_chains;
	u16 shadow_node, shadow_target, shadow_parent, shadow_obj, shadow_id, shadow_data;
	u16 patch_list, patch_mod, patch_types, patch_nr_types, patch_registered;
	u16 module_name;
	u16 type_sizeof, type_name, type_id, type_size;
};

struct variable {
	u64 address;	/* of its struct klp_shadow */
	u64 node;	/* of the entry that is in the chain */
	u64 parent;
	u64 id;
};

/* A shadow type of a registered livepatch. */
struct type {
	u64 id;
	u64 size;
	char name[NAME_LENGTH];
	char patch[NAME_LENGTH];
};

/*
 * Every variable that existed all the time while the store was read is here, unless its
 * chain is one of @torn.
 */
struct snapshot {
	struct variable *variables;	/* sorted by id and parent, which are unique */
	size_t nr;
	size_t room;
	struct type *types;
	size_t nr_types;
	u64 chains;	/* in the table that variables are added to */
	unsigned int torn;	/* chains that could not be read to their end */
	bool moving;		/* tables were replaced all the time, or: */
	bool two_stores;	/* the kernel's own store had variables as well */
	bool types_torn;	/* the list of livepatches could not be read to its end */
};

/* False if it is the store of a module that has just gone, or is damaged. */
bool store_find(struct store *store, const struct memory *memory,
		const struct symbol symbols[NR_SYMBOLS], const struct btf *btf);
void store_read(const struct store *store, struct snapshot *snapshot);
/* Whether the variable still seems to be there, after its data has been read. */
bool store_has(const struct store *store, const struct variable *variable);
void snapshot_free(struct snapshot *snapshot);
static inline bool snapshot_complete(const struct snapshot *snapshot)
{
	return !snapshot->torn && !snapshot->moving && !snapshot->types_torn;
}

#endif /* _KLP_SHADOW_STORE_H */
