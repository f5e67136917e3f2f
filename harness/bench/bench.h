/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the benchmark share. */
#ifndef _KLP_SHADOW_BENCH_H
#define _KLP_SHADOW_BENCH_H

#include <linux/types.h>

#define BENCH_ID	((1234567UL << 6) | 1)
#define BENCH_RARE_ID	((1234567UL << 6) | 2)
#define BENCH_SIZE	sizeof(u64)

enum bench_op {
	BENCH_GET,	/* of a present variable, each independent of the others */
	BENCH_CHAIN,	/* the same, but the next parent depends on the result */
	BENCH_ABSENT,	/* get of an absent variable */
	BENCH_PAIR,	/* alloc and free of a variable */
	BENCH_FILL,
	BENCH_DRAIN,
	BENCH_RARE,	/* alloc of BENCH_RARE_ID for one parent of a hundred */
	BENCH_OPS
};

/**
 * struct bench_job - what one CPU is to do, and what came of it
 * @index:	which of the CPUs it is
 * @cpus:	how many there are
 * @pos:	where in bench_parents to begin
 * @count:	how many operations
 * @hits:	how many of them found, made or removed a variable
 * @ns:		what they took
 */
struct bench_job {
	unsigned int index;
	unsigned int cpus;
	unsigned long pos;
	unsigned long count;
	unsigned long hits;
	u64 ns;
};

/**
 * struct bench_store - a store and its loops
 * @name:	in the output
 * @slow:	size from which on it is filled just once
 * @max:	size that it is not filled to any more
 * @run:	a loop for each operation; NULL for what it has not
 * @free_all:	NULL when it has none
 */
struct bench_store {
	const char *name;
	unsigned long slow;
	unsigned long max;
	void (*run[BENCH_OPS])(struct bench_job *job);
	void (*free_all)(unsigned long id);
};

extern const struct bench_store bench_ours, bench_stock, bench_floor;
extern const struct bench_store bench_kmalloc, bench_kmlock, bench_none;
extern const struct bench_store bench_hold_ours, bench_hold_stock;

/* The parents in random order. Nobody looks into them. */
extern void **bench_parents;
extern unsigned long bench_n;

/*
 * Address of the i-th parent: as if slabs of one page each were full of them, and
 * each page were somewhere in 16 GiB, as on a machine that has been up for long.
 */
static inline void *bench_parent(unsigned long i)
{
	unsigned long page = i / 21;

	/* Each step takes no two of 2^22 pages to the same. */
	page = (page ^ page >> 9) * 0x2545f5 & 0x3fffff;
	page = (page ^ page >> 12) * 0x3ac5d3 & 0x3fffff;

	return (void *)(0x7100000000UL + page * 4096 + i % 21 * 192);
}

int floor_resize(unsigned long n);

#endif /* _KLP_SHADOW_BENCH_H */
