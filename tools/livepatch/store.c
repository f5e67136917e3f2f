// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the store while it changes, without its lock.
 *
 * A chain is a list of entries, each with the address of the link that leads to it. An entry
 * is taken only if that address is the one of the link that was followed, and if its parent
 * and id belong into the chain: so the walk was never led into freed memory or another
 * chain. If an entry does not pass, the walk goes back by one entry and reads the link
 * again. That entry may be freed by now, so the end of the chain counts only in the head, or
 * in an entry that has just passed. Entries are added at the front, and the order of others
 * does not change. Therefore a walk that reaches the end has met all variables that existed
 * all the time. In memory that does not change, entries that pass cannot form a circle; for
 * memory that does, steps are limited.
 *
 * Our store has several tables while it is resized. The reader follows them in the order in
 * which entries move, so it misses none, and it drops those that it meets twice. If a resize
 * ends during the read, it reads all again, because the next resize may move entries to a table
 * that it has passed. It notices that the tables are replaced, at the end of a resize, and that
 * the number of resizes has changed, a grace period later.
 *
 * The takeover module moves variables from the kernel's own store to ours and back. Our store
 * has all of them only if the other one is empty before and after the read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "btf.h"
#include "store.h"

#define STOCK_BITS		12
#define LAYOUT_MAGIC		"klpshado"
#define LAYOUT_VERSION		1
#define MAX_BITS		27

#define GOLDEN_RATIO_32		0x61C88647ULL
#define GOLDEN_RATIO_64		0x61C8864680B583EBULL

/* Bytes of a struct klp_shadow that are read at once, and heads. */
#define ENTRY_SIZE		128
#define HEADS			512

/* A walk is given up after as many failed checks, and one more for each entry of the chain. */
#define MAX_RETRIES		100
/* Walks of a chain, with a pause before each but the first; such pauses, and steps, in all. */
#define MAX_WALKS		4
#define MAX_PAUSES		200
/* After as many torn chains memory is not that of a store: one try for each of the others. */
#define MAX_TORN		100
#define MAX_STEPS		0x10000000

#define MAX_TABLES		8
/* Reads of everything, with pauses between them that grow by as many ms: 2 s in all. */
#define MAX_READS		20
#define PAUSE_STEP		10
#define MAX_TYPES		4096

/* struct klp_shadow_layout of kernel/livepatch/shadow_layout.c. */
struct layout {
	char magic[8];
	u32 version;
	u32 size;
	u64 first;
	u64 alias;
	u64 entries;
	u64 resizes;
	u64 patches;
	u16 offsets[20];
};

struct table {
	u64 address;
	u64 link;		/* leads to the table */
	u64 heads;
	unsigned int bits;
	u64 salt;
	bool first;
};

struct reader {
	const struct store *store;
	struct snapshot *snapshot;
	u64 *path;		/* nodes of the chain that were visited */
	size_t depth;
	size_t room;
	unsigned int steps;
	unsigned int pauses;
};

static void pause_ms(unsigned int ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

/* === Finding the store === */

static void find_stock(struct store *store, const struct symbol *hash, const struct btf *btf)
{
	static const struct {
		const char *name;
		int offset;
	} expected[] = { { "node", 0 }, { "obj", 32 }, { "id", 40 }, { "data", 48 } };
	unsigned int i;

	if (hash->next && hash->next - hash->address < sizeof(u64) << STOCK_BITS)
		die("klp_shadow_hash has a size that is unknown; nothing was read");
	for (i = 0; btf && i < sizeof(expected) / sizeof(*expected); i++) {
		if (btf_size(btf, "klp_shadow") >= 0 &&
		    btf_offset(btf, "klp_shadow", expected[i].name) != expected[i].offset)
			die("struct klp_shadow has a layout that is unknown; nothing was read");
	}
	store->stock = true;
	store->first = hash->address;
	store->shadow_obj = 32;
	store->shadow_id = 40;
	store->shadow_data = 48;
}

static bool offsets_fit(const struct store *store)
{
	const u32 offsets[] = { store->shadow_node + 8, store->shadow_target,
				store->shadow_parent, store->shadow_obj, store->shadow_id };
	unsigned int i;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		if (offsets[i] + sizeof(u64) > store->shadow_data)
			return false;
	}

	return store->shadow_data <= ENTRY_SIZE;
}

static bool find_ours(struct store *store, u64 address)
{
	const struct memory *memory = store->memory;
	u16 *offsets[] = {
		&store->table_next, &store->table_bits, &store->table_salt, &store->table_chains,
		&store->shadow_node, &store->shadow_target, &store->shadow_parent,
		&store->shadow_obj, &store->shadow_id, &store->shadow_data,
		&store->patch_list, &store->patch_mod, &store->patch_types,
		&store->patch_nr_types, &store->patch_registered, &store->module_name,
		&store->type_sizeof, &store->type_name, &store->type_id, &store->type_size,
	};
	struct layout layout;
	unsigned int i;

	if (!memory_read(memory, address, &layout, sizeof(layout)) ||
	    memcmp(layout.magic, LAYOUT_MAGIC, sizeof(layout.magic)))
		return false;
	if (get_u32(memory, &layout.version) != LAYOUT_VERSION ||
	    get_u32(memory, &layout.size) != sizeof(layout))
		die("the store has layout version %u, and this program knows %u; use the klp-shadow of this kernel's source",
		    get_u32(memory, &layout.version), LAYOUT_VERSION);
	store->first = get_u64(memory, &layout.first);
	store->alias = get_u64(memory, &layout.alias);
	store->entries = get_u64(memory, &layout.entries);
	store->resizes = get_u64(memory, &layout.resizes);
	store->patches = get_u64(memory, &layout.patches);
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		*offsets[i] = get_u16(memory, &layout.offsets[i]);

	return offsets_fit(store);
}

bool store_find(struct store *store, const struct memory *memory,
		const struct symbol symbols[NR_SYMBOLS], const struct btf *btf)
{
	*store = (struct store){ .memory = memory };
	if (symbols[SYMBOL_LAYOUT].address) {
		store->stock_heads = symbols[SYMBOL_HASH].address;
		return find_ours(store, symbols[SYMBOL_LAYOUT].address);
	} else if (symbols[SYMBOL_HASH].address) {
		find_stock(store, &symbols[SYMBOL_HASH], btf);
	} else if (symbols[SYMBOL_ENABLE].address) {
		die("no known store of shadow variables; the kernel is too old or too new");
	} else {
		die("no shadow variables; the kernel was built without CONFIG_LIVEPATCH");
	}

	return true;
}

/* === Chains === */

static u64 chain_of(const struct store *store, const struct table *table, u64 parent, u64 id)
{
	u64 hash;

	if (store->stock)
		return (parent * GOLDEN_RATIO_64) >> (64 - STOCK_BITS);
	parent += id * GOLDEN_RATIO_32;
	if (table->first)
		return (parent * GOLDEN_RATIO_64) >> (64 - table->bits);
	hash = (parent + table->salt) * GOLDEN_RATIO_64;

	return (u32)(hash ^ hash >> 32) >> (32 - table->bits);
}

static bool is_end(const struct store *store, u64 link)
{
	return store->stock ? !link : link & 1;
}

/* Take the entry at @node if @link leads there and it belongs into the chain. */
static bool read_entry(const struct store *store, const struct table *table, u64 chain,
		       u64 link, u64 node, struct variable *variable, u64 *next)
{
	const struct memory *memory = store->memory;
	char entry[ENTRY_SIZE], again[ENTRY_SIZE];
	u64 address = node - store->shadow_node;

	if (node % sizeof(u64) || !memory_read(memory, address, entry, store->shadow_data))
		return false;
	if (get_u64(memory, entry + store->shadow_node + 8) != link)
		return false;
	*next = get_u64(memory, entry + store->shadow_node);
	variable->id = get_u64(memory, entry + store->shadow_id);
	variable->parent = get_u64(memory, entry + store->shadow_obj);
	variable->address = address;
	variable->node = node;
	if (!store->stock && variable->parent == store->alias) {
		variable->parent = get_u64(memory, entry + store->shadow_parent);
		variable->address = get_u64(memory, entry + store->shadow_target);
		/* Other data is in their place when an alias has been removed: is it still linked? */
		if (!memory_read(memory, address, again, store->shadow_data) ||
		    get_u64(memory, again + store->shadow_node + 8) != link)
			return false;
	}

	return chain_of(store, table, variable->parent, variable->id) == chain;
}

static void add_variable(struct snapshot *snapshot, const struct variable *variable)
{
	if (snapshot->nr == snapshot->room) {
		snapshot->room = snapshot->room ? 2 * snapshot->room : 4096;
		snapshot->variables = xrealloc(snapshot->variables, snapshot->room,
					       sizeof(*variable));
	}
	snapshot->variables[snapshot->nr++] = *variable;
}

static void push(struct reader *reader, u64 node, const struct variable *variable)
{
	if (reader->depth == reader->room) {
		reader->room = reader->room ? 2 * reader->room : 256;
		reader->path = xrealloc(reader->path, reader->room, sizeof(*reader->path));
	}
	reader->path[reader->depth++] = node;
	add_variable(reader->snapshot, variable);
}

/* Walk a chain to its end. If false, entries up to some point are in the snapshot. */
static bool walk_chain(struct reader *reader, const struct table *table, u64 chain)
{
	const struct store *store = reader->store;
	struct snapshot *snapshot = reader->snapshot;
	u64 head = table->heads + chain * sizeof(u64);
	u64 link = head, node, next;
	struct variable variable;
	size_t retries = 0, most = 0;
	bool known = false;

	reader->depth = 0;
	for (;;) {
		link = reader->depth ? reader->path[reader->depth - 1] : head;
		if (!known && !memory_read_u64(store->memory, link, &node))
			return false;
		if (is_end(store, node) && (known || !reader->depth))
			return true;
		if (++reader->steps > MAX_STEPS)
			return false;
		known = !is_end(store, node) &&
			read_entry(store, table, chain, link, node, &variable, &next);
		if (known) {
			push(reader, node, &variable);
			node = next;
			if (most < reader->depth)
				most = reader->depth;
			continue;
		}
		if (++retries > MAX_RETRIES + most || snapshot->torn > MAX_TORN)
			return false;
		if (reader->depth) {
			reader->depth--;
			snapshot->nr--;
		}
	}
}

static void read_chain(struct reader *reader, const struct table *table, u64 chain)
{
	size_t before = reader->snapshot->nr;
	unsigned int i;

	for (i = 0; i < MAX_WALKS; i++) {
		reader->snapshot->nr = before;
		if (walk_chain(reader, table, chain))
			return;
		if (reader->pauses >= MAX_PAUSES || reader->steps > MAX_STEPS)
			break;
		reader->pauses++;
		pause_ms(1);
	}
	reader->snapshot->torn++;
}

/* === Tables === */

/* Whether a table is still linked. Another one at its address has another salt. */
static bool in_place(const struct store *store, const struct table *table)
{
	u64 address, salt;

	if (table->first)
		return true;

	return memory_read_u64(store->memory, table->link, &address) &&
	       address == table->address &&
	       memory_read_u64(store->memory, table->address + store->table_salt, &salt) &&
	       salt == table->salt;
}

static void read_block(struct reader *reader, const struct table *table, u64 chain, u64 n)
{
	const struct store *store = reader->store;
	u64 heads[HEADS], head, i;

	if (!memory_read(store->memory, table->heads + chain * sizeof(*heads), heads,
			 n * sizeof(*heads))) {
		reader->snapshot->torn += n;
		return;
	}
	for (i = 0; i < n; i++) {
		head = get_u64(store->memory, &heads[i]);
		if (is_end(store, head))
			continue;
		/* In our store no head is 0. */
		if (head)
			read_chain(reader, table, chain + i);
		else
			reader->snapshot->torn++;
	}
}

/* False if the table was freed, and other memory has been read. */
static bool read_chains(struct reader *reader, const struct table *table)
{
	u64 chains = 1ULL << table->bits, chain, n;
	unsigned int torn;

	for (chain = 0; chain < chains; chain += n) {
		n = chains - chain < HEADS ? chains - chain : HEADS;
		torn = reader->snapshot->torn;
		read_block(reader, table, chain, n);
		if (reader->snapshot->torn != torn && !in_place(reader->store, table))
			return false;
	}

	return true;
}

static bool read_table(struct reader *reader, u64 link, u64 address)
{
	const struct store *store = reader->store;
	struct table table = {
		.address = address,
		.link = link,
		.heads = address + store->table_chains,
		.first = address == store->first,
	};
	char bits[sizeof(u32)];

	if (!memory_read(store->memory, address + store->table_bits, bits, sizeof(bits)) ||
	    !memory_read_u64(store->memory, address + store->table_salt, &table.salt))
		return false;
	table.bits = get_u32(store->memory, bits);
	if (!table.bits || table.bits > MAX_BITS)
		return false;
	reader->snapshot->chains = 1ULL << table.bits;

	return read_chains(reader, &table);
}

/* The table behind the first one, 0 if there is none. */
static bool read_large(const struct store *store, u64 *large)
{
	if (!memory_read_u64(store->memory, store->first + store->table_next, large))
		return false;
	/* While there are aliases, the first table follows itself. */
	if (*large == store->first)
		*large = 0;

	return true;
}

/*
 * Read the first table and those that follow it. False if they are replaced during the read,
 * or are no tables.
 */
static bool read_tables(struct reader *reader)
{
	const struct store *store = reader->store;
	u64 before, large, now, table, link = store->first + store->table_next;
	unsigned int i;

	if (!read_large(store, &before) || !read_table(reader, 0, store->first) ||
	    !read_large(store, &large) || (before && before != large))
		return false;
	table = large;
	for (i = 0; table; i++) {
		if (i == MAX_TABLES || !read_table(reader, link, table))
			return false;
		/* Shrinking into the first table, which leads back. */
		if (table == store->first)
			break;
		link = table + store->table_next;
		if (!memory_read_u64(store->memory, link, &table))
			return false;
	}

	return !large || (read_large(store, &now) && now == large);
}

static int by_pair(const void *a, const void *b)
{
	const struct variable *left = a, *right = b;

	if (left->id != right->id)
		return left->id < right->id ? -1 : 1;
	if (left->parent != right->parent)
		return left->parent < right->parent ? -1 : 1;

	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct variable *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;

	return 0;
}

/* Sort, and keep one of those that are equal. */
static void sort_unique(struct snapshot *snapshot, int (*compare)(const void *, const void *))
{
	struct variable *variables = snapshot->variables;
	size_t i, n = 0;

	if (snapshot->nr)
		qsort(variables, snapshot->nr, sizeof(*variables), compare);
	for (i = 0; i < snapshot->nr; i++) {
		if (!n || compare(&variables[n - 1], &variables[i]))
			variables[n++] = variables[i];
	}
	snapshot->nr = n;
}

/*
 * Remove what was met twice: before and after it was moved to another table or parent, or
 * added again.
 */
static void remove_twins(struct snapshot *snapshot)
{
	sort_unique(snapshot, by_address);
	sort_unique(snapshot, by_pair);
}

static void start(struct reader *reader)
{
	struct snapshot *snapshot = reader->snapshot;

	snapshot->nr = 0;
	snapshot->torn = 0;
	snapshot->chains = 0;
	snapshot->two_stores = false;
}

/* Note whether the kernel's own store, if there is one as well, has variables. */
static void check_stock(struct reader *reader)
{
	const struct store *store = reader->store;
	u64 heads[1 << STOCK_BITS];
	unsigned int i;

	if (!store->stock_heads)
		return;
	if (!memory_read(store->memory, store->stock_heads, heads, sizeof(heads)))
		reader->snapshot->two_stores = true;
	for (i = 0; i < 1 << STOCK_BITS && !reader->snapshot->two_stores; i++) {
		/* Of any kind: a chain that is being moved may have links of both stores. */
		if (heads[i])
			reader->snapshot->two_stores = true;
	}
}

/* Whether all was read: the store agrees, or its variables come and go. */
static bool read_once(struct reader *reader)
{
	const struct store *store = reader->store;
	u64 before, after, resizes, now;
	struct snapshot *snapshot = reader->snapshot;

	start(reader);
	check_stock(reader);
	if (!memory_read_u64(store->memory, store->resizes, &resizes) ||
	    !memory_read_u64(store->memory, store->entries, &before))
		return false;
	if (!read_tables(reader))
		return false;
	remove_twins(snapshot);
	if (!memory_read_u64(store->memory, store->entries, &after) ||
	    !memory_read_u64(store->memory, store->resizes, &now))
		return false;
	check_stock(reader);

	return !snapshot->two_stores && now == resizes &&
	       (before != after || before == snapshot->nr || snapshot->torn);
}

static void read_ours(struct reader *reader)
{
	unsigned int i;

	for (i = 0; i < MAX_READS; i++) {
		if (read_once(reader))
			return;
		pause_ms(PAUSE_STEP * i);
	}
	remove_twins(reader->snapshot);
	reader->snapshot->moving = true;
}

static void read_stock(struct reader *reader)
{
	struct table table = {
		.heads = reader->store->first,
		.bits = STOCK_BITS,
		.first = true,
	};

	start(reader);
	reader->snapshot->chains = 1ULL << table.bits;
	read_chains(reader, &table);
	remove_twins(reader->snapshot);
}

/* === Types === */

static bool read_type(const struct store *store, u64 address, const char *patch,
		      struct type *type)
{
	const struct memory *memory = store->memory;
	u64 name;

	memset(type, 0, sizeof(*type));
	strcpy(type->patch, patch);

	return memory_read_u64(memory, address + store->type_id, &type->id) &&
	       memory_read_u64(memory, address + store->type_size, &type->size) &&
	       memory_read_u64(memory, address + store->type_name, &name) &&
	       memory_read_string(memory, name, type->name, sizeof(type->name));
}

static bool read_patch(const struct store *store, u64 patch, struct snapshot *snapshot)
{
	const struct memory *memory = store->memory;
	char registered, number[sizeof(u32)], name[NAME_LENGTH];
	u64 module, types;
	u32 i, nr;

	if (!memory_read(memory, patch + store->patch_registered, &registered, 1) ||
	    !memory_read(memory, patch + store->patch_nr_types, number, sizeof(number)))
		return false;
	nr = get_u32(memory, number);
	if (!registered)
		return true;
	if (!memory_read_u64(memory, patch + store->patch_mod, &module) ||
	    !memory_read_u64(memory, patch + store->patch_types, &types) ||
	    !memory_read_string(memory, module + store->module_name, name, sizeof(name)) ||
	    nr > MAX_TYPES - snapshot->nr_types)
		return false;
	for (i = 0; i < nr; i++) {
		if (!read_type(store, types + (u64)i * store->type_sizeof, name,
			       &snapshot->types[snapshot->nr_types]))
			return false;
		snapshot->nr_types++;
	}

	return true;
}

/* The list is read to its end only if each link back is the one that was followed. */
static bool read_patches(const struct store *store, struct snapshot *snapshot)
{
	u64 list = store->patches, link = list, next, back;
	unsigned int i;

	snapshot->nr_types = 0;
	for (i = 0; i < MAX_TYPES; i++) {
		if (!memory_read_u64(store->memory, link, &next) ||
		    !memory_read_u64(store->memory, next + 8, &back) || back != link)
			return false;
		if (next == list)
			return true;
		if (!read_patch(store, next - store->patch_list, snapshot) ||
		    !memory_read_u64(store->memory, next + 8, &back) || back != link)
			return false;
		link = next;
	}

	return false;
}

static void read_types(const struct store *store, struct snapshot *snapshot)
{
	unsigned int i;

	if (!store->patches)
		return;
	snapshot->types = xrealloc(snapshot->types, MAX_TYPES, sizeof(*snapshot->types));
	for (i = 0; i < MAX_READS; i++) {
		if (read_patches(store, snapshot))
			return;
		pause_ms(PAUSE_STEP * i);
	}
	snapshot->types_torn = true;
}

bool store_has(const struct store *store, const struct variable *variable)
{
	const struct memory *memory = store->memory;
	u64 link, node, parent, id;

	/* Of one that was moved, parent and id are beside its data as well. */
	return memory_read_u64(memory, variable->node + 8, &link) &&
	       memory_read_u64(memory, link, &node) && node == variable->node &&
	       memory_read_u64(memory, variable->address + store->shadow_obj, &parent) &&
	       memory_read_u64(memory, variable->address + store->shadow_id, &id) &&
	       parent == variable->parent && id == variable->id;
}

void store_read(const struct store *store, struct snapshot *snapshot)
{
	struct reader reader = { .store = store, .snapshot = snapshot };

	*snapshot = (struct snapshot){};
	read_types(store, snapshot);
	if (store->stock)
		read_stock(&reader);
	else
		read_ours(&reader);
	free(reader.path);
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->variables);
	free(snapshot->types);
	*snapshot = (struct snapshot){};
}
