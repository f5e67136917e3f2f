/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Included first in the files of each copy of a store. */
#ifndef _KLP_SHADOW_BENCH_STORE_H
#define _KLP_SHADOW_BENCH_STORE_H

#include <asm/barrier.h>
#include <linux/compiler.h>

#ifdef CONFIG_UML

/*
 * The SMP barriers of a production x86_64 kernel. User-mode Linux uses the barriers for
 * devices instead, which cost several times as much as a lookup.
 */
#undef __smp_mb
#undef __smp_rmb
#undef __smp_wmb
#undef __smp_store_release
#undef __smp_load_acquire

#define __smp_mb()	asm volatile("lock addl $0,-4(%%rsp)" : : : "memory", "cc")
#define __smp_rmb()	barrier()
#define __smp_wmb()	barrier()

#define __smp_store_release(p, v)			\
do {							\
	compiletime_assert_atomic_type(*p);		\
	barrier();					\
	WRITE_ONCE(*p, v);				\
} while (0)

#define __smp_load_acquire(p)				\
({							\
	typeof(*p) ___p1 = READ_ONCE(*p);		\
	compiletime_assert_atomic_type(*p);		\
	barrier();					\
	___p1;						\
})

#endif /* CONFIG_UML */

void hold_begin(void);
void hold_end(void);

#ifdef HOLD

/* Measure how long interrupts are off. */
#include <linux/spinlock.h>

#undef spin_lock_irqsave
#define spin_lock_irqsave(lock, flags)					\
do {									\
	raw_spin_lock_irqsave(spinlock_check(lock), flags);		\
	hold_begin();							\
} while (0)

#define spin_unlock_irqrestore(lock, flags)				\
do {									\
	hold_end();							\
	(spin_unlock_irqrestore)(lock, flags);				\
} while (0)

#define spin_lock_irq(lock)						\
do {									\
	(spin_lock_irq)(lock);						\
	hold_begin();							\
} while (0)

#define spin_unlock_irq(lock)						\
do {									\
	hold_end();							\
	(spin_unlock_irq)(lock);					\
} while (0)

#endif /* HOLD */

#endif /* _KLP_SHADOW_BENCH_STORE_H */
