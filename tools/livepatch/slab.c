// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An address has a page frame, that has a struct page, and the struct page of a slab points to
 * its cache. Layouts are taken from BTF, and a pointer counts only if it is that of a cache
 * in the list of all caches.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "btf.h"
#include "slab.h"

#define MAX_CACHES	65536
/* Reads of the list of caches, which may change meanwhile. */
#define MAX_READS	5
#define NO_CACHE	((u32)-1)

/* What is known of a page. */
struct known {
	u64 frame;		/* its number + 1; 0 if this is free */
	u32 cache;
};

struct slabs {
	const struct memory *memory;
	u64 vmemmap;
	u64 page_size;		/* in bytes; 64 KiB on most machines with powerpc */
	int page_struct;	/* size of struct page */
	int compound;
	int slab_cache;
	struct slab_cache *caches;
	u32 nr_caches;
	struct known *known;	/* hash table of 1 << bits */
	unsigned int bits;
	size_t nr_known;
};

struct offsets {
	int list, name, size, object_size;
};

static bool read_u32(const struct memory *memory, u64 address, u32 *value)
{
	char buffer[sizeof(*value)];

	if (!memory_read(memory, address, buffer, sizeof(buffer)))
		return false;
	*value = get_u32(memory, buffer);

	return true;
}

static bool read_cache(const struct memory *memory, const struct offsets *offsets,
		       struct slab_cache *cache)
{
	u64 name;

	return memory_read_u64(memory, cache->address + offsets->name, &name) &&
	       memory_read_string(memory, name, cache->name, sizeof(cache->name)) &&
	       read_u32(memory, cache->address + offsets->size, &cache->size) &&
	       read_u32(memory, cache->address + offsets->object_size, &cache->object_size);
}

static bool read_caches(struct slabs *slabs, u64 list, const struct offsets *offsets)
{
	u64 link = list, next, back;
	struct slab_cache *cache;

	slabs->nr_caches = 0;
	for (;;) {
		if (!memory_read_u64(slabs->memory, link, &next) ||
		    !memory_read_u64(slabs->memory, next + 8, &back) || back != link)
			return false;
		if (next == list)
			return true;
		if (slabs->nr_caches == MAX_CACHES)
			return false;
		slabs->caches = xrealloc(slabs->caches, slabs->nr_caches + 1, sizeof(*cache));
		cache = &slabs->caches[slabs->nr_caches];
		*cache = (struct slab_cache){ .address = next - offsets->list };
		if (read_cache(slabs->memory, offsets, cache))
			slabs->nr_caches++;
		link = next;
	}
}

static int by_address(const void *a, const void *b)
{
	const struct slab_cache *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;

	return 0;
}

struct slabs *slabs_open(const struct memory *memory, const struct symbol symbols[NR_SYMBOLS],
			 const struct btf *btf)
{
	struct offsets offsets;
	struct slabs *slabs;
	unsigned int i;
	u64 vmemmap;

	vmemmap = symbols[SYMBOL_VMEMMAP_BASE].address;
	if (!vmemmap)
		vmemmap = symbols[SYMBOL_VMEMMAP].address;
	if (!btf || !vmemmap || !symbols[SYMBOL_SLAB_CACHES].address)
		return NULL;

	slabs = xrealloc(NULL, 1, sizeof(*slabs));
	*slabs = (struct slabs){ .memory = memory };
	/* Memory of another machine is taken to have pages of the same size. */
	slabs->page_size = sysconf(_SC_PAGESIZE);
	slabs->page_struct = btf_size(btf, "page");
	slabs->compound = btf_offset(btf, "page", "compound_head");
	if (slabs->compound < 0)
		slabs->compound = btf_offset(btf, "page", "compound_info");
	slabs->slab_cache = btf_offset(btf, "slab", "slab_cache");
	offsets.list = btf_offset(btf, "kmem_cache", "list");
	offsets.name = btf_offset(btf, "kmem_cache", "name");
	offsets.size = btf_offset(btf, "kmem_cache", "size");
	offsets.object_size = btf_offset(btf, "kmem_cache", "object_size");
	if (slabs->page_struct <= 0 || slabs->compound < 0 || slabs->slab_cache < 0 ||
	    offsets.list < 0 || offsets.name < 0 || offsets.size < 0 || offsets.object_size < 0 ||
	    !memory_read_u64(memory, vmemmap, &slabs->vmemmap)) {
		slabs_close(slabs);
		return NULL;
	}
	for (i = 0; !read_caches(slabs, symbols[SYMBOL_SLAB_CACHES].address, &offsets); i++) {
		if (i + 1 == MAX_READS) {
			slabs_close(slabs);
			return NULL;
		}
	}
	if (slabs->nr_caches)
		qsort(slabs->caches, slabs->nr_caches, sizeof(*slabs->caches), by_address);

	return slabs;
}

void slabs_close(struct slabs *slabs)
{
	if (!slabs)
		return;
	free(slabs->caches);
	free(slabs->known);
	free(slabs);
}

/* The first page of one that consists of several. */
static u64 head_page(const struct slabs *slabs, u64 page)
{
	u64 info;

	if (!memory_read_u64(slabs->memory, page + slabs->compound, &info))
		return 0;
	if (!(info & 1))
		return page;
	info--;

	/* Since Linux 7.0 it may be a mask: ones, and zeros below. */
	return ~info & (~info + 1) ? info : page & info;
}

static u32 cache_of_frame(const struct slabs *slabs, u64 frame)
{
	struct slab_cache key, *found;
	u64 page;

	page = head_page(slabs, slabs->vmemmap + frame * slabs->page_struct);
	if (!page || !slabs->nr_caches ||
	    !memory_read_u64(slabs->memory, page + slabs->slab_cache, &key.address))
		return NO_CACHE;
	found = bsearch(&key, slabs->caches, slabs->nr_caches, sizeof(key), by_address);

	return found ? (u32)(found - slabs->caches) : NO_CACHE;
}

static struct known *find_known(struct slabs *slabs, u64 frame)
{
	size_t mask = ((size_t)1 << slabs->bits) - 1, i;

	i = (frame * 0x61C8864680B583EBULL) >> (64 - slabs->bits);
	while (slabs->known[i].frame && slabs->known[i].frame != frame + 1)
		i = (i + 1) & mask;

	return &slabs->known[i];
}

static void grow_known(struct slabs *slabs)
{
	size_t old_size = slabs->known ? (size_t)1 << slabs->bits : 0, i;
	struct known *old = slabs->known;

	slabs->bits = slabs->bits ? slabs->bits + 1 : 10;
	slabs->known = calloc((size_t)1 << slabs->bits, sizeof(*old));
	if (!slabs->known)
		die("out of memory");
	for (i = 0; i < old_size; i++) {
		if (old[i].frame)
			*find_known(slabs, old[i].frame - 1) = old[i];
	}
	free(old);
}

const struct slab_cache *slabs_find(struct slabs *slabs, u64 address)
{
	struct known *known;
	u64 physical, frame;
	u32 cache;

	if (!slabs || !memory_physical(slabs->memory, address, &physical))
		return NULL;
	if (2 * (slabs->nr_known + 1) > ((size_t)1 << slabs->bits) || !slabs->known)
		grow_known(slabs);
	frame = physical / slabs->page_size;
	known = find_known(slabs, frame);
	if (!known->frame) {
		known->frame = frame + 1;
		known->cache = cache_of_frame(slabs, frame);
		slabs->nr_known++;
	}
	cache = known->cache;

	return cache == NO_CACHE ? NULL : &slabs->caches[cache];
}
