/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measure how long interrupts are off. If HOLD_STORE is defined, the locking functions
 * that the store calls are replaced by ones that measure.
 */
#ifndef _KLP_SHADOW_BENCH_HOLD_H
#define _KLP_SHADOW_BENCH_HOLD_H

#include <linux/spinlock.h>
#include <linux/types.h>

enum hold_store { HOLD_OURS, HOLD_STOCK, HOLD_NONE, HOLD_STORES };

/**
 * struct hold - the longest sections with interrupts off
 * @wall:	longest by wall-clock time, which includes preemption by the host
 * @cpu:	longest by bench_clock()
 * @count:	number of sections
 */
struct hold {
	u64 wall;
	u64 cpu;
	unsigned long count;
};

void hold_begin(void);
void hold_end(enum hold_store store);
void hold_reset(enum hold_store store);
struct hold hold_read(enum hold_store store);
void hold_nothing(unsigned long count);

#ifdef HOLD_STORE

#undef spin_lock_irqsave
#define spin_lock_irqsave(lock, flags)					\
do {									\
	raw_spin_lock_irqsave(spinlock_check(lock), flags);		\
	hold_begin();							\
} while (0)

#define spin_unlock_irqrestore(lock, flags)				\
do {									\
	hold_end(HOLD_STORE);						\
	(spin_unlock_irqrestore)(lock, flags);				\
} while (0)

#define spin_lock_irq(lock)						\
do {									\
	(spin_lock_irq)(lock);						\
	hold_begin();							\
} while (0)

#define spin_unlock_irq(lock)						\
do {									\
	hold_end(HOLD_STORE);						\
	(spin_unlock_irq)(lock);					\
} while (0)

#endif /* HOLD_STORE */

#endif /* _KLP_SHADOW_BENCH_HOLD_H */
