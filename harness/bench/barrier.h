/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SMP barriers of a production x86_64 kernel. User-mode Linux uses the barriers for
 * devices instead, which cost several times as much as a lookup.
 */
#ifndef _KLP_SHADOW_BENCH_BARRIER_H
#define _KLP_SHADOW_BENCH_BARRIER_H

#include <asm/barrier.h>
#include <linux/compiler.h>

#ifdef CONFIG_UML

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

#endif /* _KLP_SHADOW_BENCH_BARRIER_H */
