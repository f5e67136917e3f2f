/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a kernel, read by its addresses, and its symbols. */
#ifndef _KLP_SHADOW_MEMORY_H
#define _KLP_SHADOW_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define __noreturn	__attribute__((__noreturn__))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))

typedef unsigned long long u64;
typedef long long s64;
typedef unsigned int u32;
typedef unsigned short u16;

/* Exit statuses. */
enum {
	EXIT_OK,
	EXIT_NONE,		/* no variable matches */
	EXIT_ERROR,
	EXIT_INCOMPLETE,	/* not all of the store could be read */
};

/* Print an error, and exit with EXIT_ERROR. */
void __noreturn __printf(1, 2) die(const char *format, ...);
void *xrealloc(void *old, size_t number, size_t size);

/* A part of memory: where it is in the file, and its physical address or -1. */
struct segment {
	u64 start;
	u64 end;
	u64 zeros;		/* from here to the end it is not in the file, and zero */
	u64 offset;
	u64 physical;
};

struct memory {
	int fd;
	bool swapped;		/* of the other byte order */
	struct segment *segments;
	unsigned int nr_segments;
};

/* The symbols that are needed. */
enum {
	SYMBOL_LAYOUT,
	SYMBOL_HASH,
	SYMBOL_ENABLE,
	SYMBOL_SLAB_CACHES,
	SYMBOL_VMEMMAP_BASE,	/* x86 */
	SYMBOL_VMEMMAP,		/* s390, powerpc */
	NR_SYMBOLS
};

struct symbol {
	u64 address;	/* 0 if there is none */
	u64 next;		/* address of the symbol behind it */
};

void memory_open(struct memory *memory, const char *path);
/* Read all of it, or return false. */
bool memory_read(const struct memory *memory, u64 address, void *buffer, size_t size);
bool memory_read_u64(const struct memory *memory, u64 address, u64 *value);
/* Read a printable string of at most @size - 1 characters. */
bool memory_read_string(const struct memory *memory, u64 address, char *string, size_t size);
bool memory_physical(const struct memory *memory, u64 address, u64 *physical);

u64 get_u64(const struct memory *memory, const void *from);
u32 get_u32(const struct memory *memory, const void *from);
u16 get_u16(const struct memory *memory, const void *from);

/* Read the file of symbols. */
void symbols_find(const char *path, struct symbol symbols[NR_SYMBOLS]);

#endif /* _KLP_SHADOW_MEMORY_H */
