/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Common definitions of the benchmark. */
#ifndef _KLP_SHADOW_BENCH_H
#define _KLP_SHADOW_BENCH_H

#include <linux/ktime.h>
#include <linux/types.h>

#define BENCH_ID	((1234567UL << 6) | 1)
#define BENCH_RARE_ID	((1234567UL << 6) | 2)
#define BENCH_SIZE	sizeof(u64)

/*
 * Operations "_dep" depend on the previous result, so they do not overlap. A lookup of an
 * absent variable has no such result; a barrier waits for the previous one.
 */
enum bench_op {
	BENCH_GET,
	BENCH_GET_DEP,
	BENCH_ABSENT,
	BENCH_ABSENT_DEP,
	BENCH_FREE_ABSENT,
	BENCH_FREE_ABSENT_DEP,
	BENCH_PAIR,		/* alloc and free of a variable */
	BENCH_FILL,
	BENCH_DRAIN,
	BENCH_RARE,		/* alloc of BENCH_RARE_ID for one parent of a hundred */
	BENCH_MOVE,		/* move of these variables to another parent */
	BENCH_OPS
};

/**
 * struct bench_job - operations of one CPU, and their result
 * @index:	number of the CPU
 * @cpus:	number of CPUs that run the same operations
 * @pos:	first index in bench_parents
 * @count:	number of operations
 * @hits:	number of operations that found, added or removed a variable
 * @ns:		time of all operations
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
 * struct bench_chains - lengths of the chains of a store
 * @entries:	number of entries
 * @compared:	number of entries that are compared if each is looked up once
 * @longest:	number of entries in the longest chain
 */
struct bench_chains {
	unsigned long entries;
	unsigned long compared;
	unsigned long longest;
};

/**
 * struct bench_store - a copy of a store and its loops
 * @name:	name in the output
 * @layout:	bytes from a multiple of 64 to the entry of each function
 * @slow:	with this number of variables or more, it is filled only once
 * @max:	largest number of variables
 * @init:	initcalls; may be NULL
 * @resize:	make the empty store ready for @n variables; may be NULL
 * @run:	a loop for each operation; NULL if the store does not have it
 * @free_all:	may be NULL
 * @chains:	count entries; our copy that measures locks only
 */
struct bench_store {
	const char *name;
	unsigned int layout;
	unsigned long slow;
	unsigned long max;
	int (*init)(void);
	int (*resize)(unsigned long n);
	void (*run[BENCH_OPS])(struct bench_job *job);
	void (*free_all)(unsigned long id);
	void (*chains)(struct bench_chains *chains);
};

/* A sequence of the parents of bench_n variables; never dereferenced. */
extern void **bench_parents;
extern unsigned long bench_seq;
extern unsigned long bench_n;

/*
 * Address of the i-th parent: in slabs of one page, which are spread over 16 GiB, as after
 * a long uptime.
 */
static inline void *bench_parent(unsigned long i)
{
	unsigned long page = i / 21;

	/* Each step is a permutation of the 2^22 pages. */
	page = (page ^ page >> 9) * 0x2545f5 & 0x3fffff;
	page = (page ^ page >> 12) * 0x3ac5d3 & 0x3fffff;

	return (void *)(0x7100000000UL + page * 4096 + i % 21 * 192);
}

/*
 * Clock of all measurements: CPU time of the host's thread that runs this CPU, which does
 * not include time in which the host runs other threads.
 */
static inline u64 bench_clock(void)
{
#if defined(CONFIG_UML) && defined(CONFIG_64BIT)
	long ret, time[2];

	/* clock_gettime(CLOCK_THREAD_CPUTIME_ID, time) */
	asm volatile("syscall" : "=a" (ret) : "0" (228L), "D" (3L), "S" (time)
		     : "rcx", "r11", "memory");

	return time[0] * NSEC_PER_SEC + time[1];
#else
	return ktime_get_ns();
#endif
}

#endif /* _KLP_SHADOW_BENCH_H */
