/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For how long interrupts are kept off. Where HOLD_STORE is defined, that
 * store's spin_lock_irqsave(), spin_lock_irq() and their counterparts measure it.
 */
#ifndef _KLP_SHADOW_BENCH_HOLD_H
#define _KLP_SHADOW_BENCH_HOLD_H

#include <linux/spinlock.h>
#include <linux/types.h>

enum hold_store { HOLD_OURS, HOLD_STOCK, HOLD_NONE, HOLD_STORES };

void hold_begin(void);
void hold_end(enum hold_store store);
void hold_reset(enum hold_store store);
u64 hold_longest(enum hold_store store, unsigned long *count);
u64 hold_all_but(enum hold_store store, unsigned int one_in);
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
