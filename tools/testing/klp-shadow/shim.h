/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel facilities that the shadow store uses, in user space. Included before
 * all else; the Makefile makes a header that includes this one for each kernel header
 * in its list SHIMMED, and takes the others from the kernel tree.
 *
 * There are three variants:
 *
 *  - SHIM_MODEL: one thread and coroutines, so that runs are reproducible. A hook is
 *    called wherever another CPU could run. A grace period ends with the last read-side
 *    section that had begun before it. To sleep or allocate in a wrong context, or to
 *    drop a lock that is not held, is a failure.
 *  - SHIM_THREADS: threads under ThreadSanitizer. Every marked access is a C11 atomic,
 *    RCU included: ThreadSanitizer sees neither the volatile accesses nor the fences
 *    of Debian's liburcu and would report each read-side section as a race.
 *  - SHIM_BENCH: threads at full speed. Read-side sections cost nothing, as those of a
 *    kernel without preemption. The lock is an atomic instruction and a plain store,
 *    saving interrupts reads the flags register, and turning them off is a write to
 *    a thread-local variable. Memory comes from glibc, whose calloc(), free() and
 *    deferred free cost about as much as the kernel's: with free memory, ratios would be
 *    larger than in any kernel.
 */
#ifndef _KLP_SHADOW_SHIM_H
#define _KLP_SHADOW_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sched.h>

#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/overflow.h>

/* === Compiler and helpers === */

#define CONFIG_64BIT	1
#define HZ		1000
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)

#define ____cacheline_aligned	__attribute__((aligned(64)))
#define ____cacheline_aligned_in_smp ____cacheline_aligned
#define __ro_after_init
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#undef __used
#define __used		__attribute__((used))
#undef __section
#define __section(s)	__attribute__((section(s)))
#undef __aligned
#define __aligned(n)	__attribute__((aligned(n)))
#ifndef fallthrough
#define fallthrough	__attribute__((fallthrough))
#endif
#undef noinline
#define noinline	__attribute__((noinline))
#define __list_add_valid(new, prev, next)	true
#define ASSERT_EXCLUSIVE_ACCESS(x)
#define ALLOW_ERROR_INJECTION(fn, type)
#undef clamp
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define order_base_2(n)		((unsigned long)(n) > 1 ? ilog2((unsigned long)(n) - 1) + 1 : 0)
#define core_initcall(fn) \
	static void __attribute__((constructor)) fn ## _call(void) { shim_assert(!fn()); }

enum shim_hook { HOOK_READ, HOOK_WRITE, HOOK_LOCK, HOOK_UNLOCK, HOOK_ALLOC, HOOK_SLEEP };

static inline void shim_traced(int unused, ...)
{
}

#ifdef SHIM_MODEL
void shim_hook(enum shim_hook where);
#else
#define shim_hook(where)	do { } while (0)
#endif

/* A fault of the store, or of its caller. Ends the process. */
void __printf(1, 2) __attribute__((noreturn)) shim_fail(const char *fmt, ...);
#define shim_assert(cond) \
	do { if (unlikely(!(cond))) shim_fail("%s:%d: %s", __func__, __LINE__, #cond); } while (0)

/* === Marked accesses and barriers === */

#undef READ_ONCE
#undef WRITE_ONCE
#undef smp_mb
#undef smp_rmb
#undef smp_wmb
#undef smp_store_release
#undef smp_load_acquire

#ifdef SHIM_THREADS
/*
 * ThreadSanitizer does not support fences. Instead, marked stores after smp_wmb() are
 * releases until the thread drops a lock, and all marked loads are acquires. Loads also
 * acquire the accesses of earlier lock holders, because in the kernel a store with the
 * lock held is ordered after those for all CPUs. This is stronger than the kernel's
 * memory model; the litmus tests cover the difference.
 */
extern __thread int shim_order;
extern char shim_lock_order;
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define READ_ONCE(x) \
({									\
	typeof(x) __v = __atomic_load_n(&(x), __ATOMIC_ACQUIRE);	\
									\
	__tsan_acquire(&shim_lock_order);				\
	__v;								\
})
#define WRITE_ONCE(x, v) \
	(shim_order ? __atomic_store_n(&(x), (v), __ATOMIC_RELEASE) : \
		      __atomic_store_n(&(x), (v), __ATOMIC_RELAXED))
#define smp_mb()		do { shim_order = 1; barrier(); } while (0)
#define smp_wmb()		smp_mb()
#define smp_rmb()		barrier()
#else
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) \
	do { shim_hook(HOOK_WRITE); *(volatile typeof(x) *)&(x) = (v); } while (0)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() \
	do { shim_hook(HOOK_WRITE); __atomic_thread_fence(__ATOMIC_RELEASE); } while (0)
#define smp_rmb() \
	do { shim_hook(HOOK_READ); __atomic_thread_fence(__ATOMIC_ACQUIRE); } while (0)
#endif
/* Nothing, as on x86, where taking a lock is a full barrier. */
#define smp_mb__after_spinlock()	do { } while (0)

#define smp_store_release(p, v) \
	do { shim_hook(HOOK_WRITE); __atomic_store_n(p, v, __ATOMIC_RELEASE); } while (0)
#define smp_load_acquire(p) \
	({ shim_hook(HOOK_READ); __atomic_load_n(p, __ATOMIC_ACQUIRE); })
#define cmpxchg(p, old, new) \
({									\
	typeof(*(p)) __old = (old);					\
									\
	__atomic_compare_exchange_n(p, &__old, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old;								\
})
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

#define atomic_long_read(v) \
	({ shim_hook(HOOK_READ); __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED); })
#define atomic_long_read_acquire(v) \
	({ shim_hook(HOOK_READ); __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE); })
#define atomic_long_inc(v)	((void)__atomic_fetch_add(&(v)->counter, 1, __ATOMIC_RELAXED))
#define smp_mb__before_atomic()	smp_mb()
#define atomic_long_dec(v)	((void)__atomic_fetch_sub(&(v)->counter, 1, __ATOMIC_RELAXED))

/* === Interrupts and locks === */

/* State of a simulated CPU. Each thread is one, and each nested call of a test. */
struct shim_cpu {
	unsigned int id;
	bool irqs_off;
	bool in_irq;
	struct irq_work *irq_work;
};

extern __thread struct shim_cpu shim_cpu;

#define raw_smp_processor_id()	(shim_cpu.id)
#define in_hardirq()		(shim_cpu.in_irq)
void shim_irq_enter(bool off);
#ifdef SHIM_BENCH
static inline bool irqs_disabled(void)
{
	unsigned long flags;

	asm volatile("pushf; pop %0" : "=rm" (flags) : : "memory");

	return shim_cpu.irqs_off;
}
#else
#define irqs_disabled()		(shim_cpu.irqs_off)
#endif

static inline bool shim_irq_save(void)
{
	bool off = irqs_disabled();

	shim_cpu.irqs_off = true;

	return off;
}

#ifdef SHIM_BENCH
static inline void shim_irq_restore(bool off)
{
	if (off)
		return;
	shim_cpu.irqs_off = false;
	barrier();
	if (unlikely(shim_cpu.irq_work))
		shim_irq_enter(off);
}
#else
#define shim_irq_restore(off)	shim_irq_enter(off)
#endif
#define local_irq_save(f)	((f) = shim_irq_save())
#define local_irq_restore(f)	shim_irq_restore(f)

typedef struct {
#ifdef SHIM_THREADS
	pthread_mutex_t mutex;
#else
	int locked;
#endif
#ifndef SHIM_BENCH
	void *owner;
#endif
} spinlock_t;

#ifdef SHIM_THREADS
#define __SPIN_LOCK_UNLOCKED(l)	{ .mutex = PTHREAD_MUTEX_INITIALIZER }
#else
#define __SPIN_LOCK_UNLOCKED(l)	{ }
#endif
#define DEFINE_SPINLOCK(l)	spinlock_t l = __SPIN_LOCK_UNLOCKED(l)

void shim_lock(spinlock_t *lock);
void shim_unlock(spinlock_t *lock);
bool shim_lock_is_held(const spinlock_t *lock);

bool shim_lock_irqsave(spinlock_t *lock);
void shim_unlock_irqrestore(spinlock_t *lock, bool off);
#define spin_lock_irqsave(l, f)		((f) = shim_lock_irqsave(l))
#define spin_unlock_irqrestore(l, f)	shim_unlock_irqrestore(l, f)
#define spin_lock_irq(l) \
	do { shim_assert(!irqs_disabled()); (void)shim_lock_irqsave(l); } while (0)
#define spin_unlock_irq(l)		spin_unlock_irqrestore(l, false)
/* In the kernel, an interrupt could deadlock with the task that it has interrupted. */
#define spin_lock(l) \
	do { shim_assert(!in_hardirq()); shim_lock(l); } while (0)
#define spin_unlock(l) \
	do { shim_unlock(l); shim_hook(HOOK_UNLOCK); } while (0)
#ifdef SHIM_MODEL
/* Set by tests to simulate that another CPU holds the lock. */
extern bool shim_lock_busy;
#define spin_is_locked(l)		(shim_lock_busy || (l)->locked)
#elif defined(SHIM_THREADS)
#define spin_is_locked(l)		(!!__atomic_load_n(&(l)->owner, __ATOMIC_ACQUIRE))
#else
#define spin_is_locked(l)		(!!READ_ONCE((l)->locked))
#endif
#ifdef SHIM_BENCH
#define lockdep_is_held(l)		true
#define lockdep_assert_held(l)		do { (void)(l); } while (0)
#else
#define lockdep_is_held(l)		shim_lock_is_held(l)
#define lockdep_assert_held(l)		shim_assert(shim_lock_is_held(l))
#endif

struct mutex {
	spinlock_t lock;
};

#ifdef SHIM_THREADS
#define DEFINE_MUTEX(m)	struct mutex m = { { .mutex = PTHREAD_MUTEX_INITIALIZER } }
#else
#define DEFINE_MUTEX(m)	struct mutex m
#endif
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* A waiter that misses its wake-up sleeps forever, as in the kernel. */
struct wait_queue_head {
	unsigned long wakeups;
};

#define DECLARE_WAIT_QUEUE_HEAD(q)	struct wait_queue_head q
unsigned long shim_wait_prepare(struct wait_queue_head *queue);
void shim_wait(struct wait_queue_head *queue, unsigned long wakeups);
void wake_up_all(struct wait_queue_head *queue);
#define wait_event(q, cond) \
	do {								\
		unsigned long __w = shim_wait_prepare(&(q));		\
									\
		if (cond)						\
			break;						\
		shim_wait(&(q), __w);					\
	} while (1)

/* === RCU === */

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

#ifdef SHIM_BENCH
#define rcu_read_lock()		barrier()
#define rcu_read_unlock()	barrier()
#define rcu_read_lock_held()	true
#else
void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_lock_held(void);
#endif
#undef synchronize_rcu
void synchronize_rcu(void);
void shim_kfree_rcu(struct rcu_head *head, void *ptr);
void shim_rcu_drain(void);	/* frees what this thread has given to kfree_rcu() */

#define kfree_rcu(ptr, member) \
	do { typeof(ptr) __p = (ptr); shim_kfree_rcu(&__p->member, __p); } while (0)

#if defined(SHIM_THREADS)
#define rcu_dereference_raw(p)	READ_ONCE(p)
#else
#define rcu_dereference_raw(p)	({ shim_hook(HOOK_READ); READ_ONCE(p); })
#endif
#ifdef SHIM_BENCH
#define rcu_dereference_check(p, cond)	READ_ONCE(p)
#define rcu_dereference_protected(p, cond)	(p)
#else
#define rcu_dereference_check(p, cond) \
	({ shim_assert(rcu_read_lock_held() || (cond)); rcu_dereference_raw(p); })
#define rcu_dereference_protected(p, cond)	({ shim_assert(cond); (p); })
#endif
#define rcu_dereference(p)		rcu_dereference_check(p, false)
#define rcu_access_pointer(p)		rcu_dereference_raw(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define rcu_replace_pointer(p, v, c) \
	({ typeof(p) __r = rcu_dereference_protected(p, c); rcu_assign_pointer(p, v); __r; })

/* === Memory === */

#ifdef SHIM_MODEL
#define KMALLOC_MAX_SIZE	4096UL
#else
#define KMALLOC_MAX_SIZE	(4UL << 20)
#endif

void *shim_alloc(size_t size, gfp_t gfp, bool table);
void shim_free(const void *ptr);
#define kmalloc(size, gfp)	shim_alloc(size, gfp, false)
#define kzalloc(size, gfp)	shim_alloc(size, (gfp) | __GFP_ZERO, false)
#define kvmalloc(size, gfp)	shim_alloc(size, gfp, true)
#define kvzalloc(size, gfp)	shim_alloc(size, (gfp) | __GFP_ZERO, true)
#define kfree(ptr)		shim_free(ptr)
#define kvfree(ptr)		shim_free(ptr)

extern long shim_available;		/* pages */
#define si_mem_available()	(shim_available)
extern u64 shim_random;
#define get_random_u64()	(shim_random)

/* === Work === */

struct work_struct {
	void (*func)(struct work_struct *work);
	struct work_struct *next;
	bool pending;
	unsigned long delay;
};

struct delayed_work {
	struct work_struct work;
};

struct workqueue_struct;
typedef void (*work_func_t)(struct work_struct *work);

#define DECLARE_WORK(w, f)		struct work_struct w = { .func = (f) }
#define DECLARE_DELAYED_WORK(w, f)	struct delayed_work w = { { .func = (f) } }
#define WQ_UNBOUND			0
struct workqueue_struct *shim_workqueue(const char *name);
#define alloc_workqueue(name, flags, ...)		((void)(flags), shim_workqueue(name))
bool shim_queue_work(struct workqueue_struct *wq, struct work_struct *work, unsigned long delay);
#define queue_work(wq, w)		shim_queue_work(wq, w, 0)
#define queue_delayed_work(wq, w, d)	shim_queue_work(wq, &(w)->work, d)
extern struct workqueue_struct *shim_system_wq;
#define system_unbound_wq	shim_system_wq
#define schedule_work(w)		queue_work(shim_system_wq, w)

struct irq_work {
	void (*func)(struct irq_work *work);
	struct irq_work *next;
	int pending;
};

#define IRQ_WORK_INIT(f)	{ .func = (f) }
bool irq_work_queue(struct irq_work *work);

#ifdef SHIM_BENCH
#define cond_resched()		shim_quiescent()
#else
#define cond_resched()		shim_hook(HOOK_SLEEP)
#endif
/* Delays in the patches of harness/busted. */
#ifdef SHIM_MODEL
#define udelay(us)		shim_hook(HOOK_READ)
#else
#define udelay(us)		usleep(us)
#endif
#define mdelay(ms)		udelay(1000 * (ms))
#define might_sleep()		shim_assert(!irqs_disabled())

/* === Messages === */

#define KERN_ERR	""
void __printf(2, 3) shim_print(bool deferred, const char *fmt, ...);
void __printf(1, 2) shim_warn(const char *fmt, ...);
#define printk(fmt, ...)		shim_print(false, fmt, ##__VA_ARGS__)
#define printk_deferred(fmt, ...)	shim_print(true, fmt, ##__VA_ARGS__)
#define pr_err(fmt, ...)		printk(fmt, ##__VA_ARGS__)
#define pr_debug(fmt, ...)		do { if (0) printk(fmt, ##__VA_ARGS__); } while (0)
#define WARN(cond, fmt, ...) \
	({ bool __w = !!(cond); if (unlikely(__w)) shim_warn(fmt, ##__VA_ARGS__); __w; })
#define WARN_ON(cond)		WARN(cond, "%s\n", #cond)

/* === Modules === */

struct module {
	long refs;
};

static inline void __module_get(struct module *mod)
{
	if (mod)
		__atomic_fetch_add(&mod->refs, 1, __ATOMIC_SEQ_CST);
}

static inline void module_put(struct module *mod)
{
	if (mod)
		__atomic_fetch_sub(&mod->refs, 1, __ATOMIC_SEQ_CST);
}

/* === For the tests === */

extern struct shim_stats {
	unsigned long allocs, frees;	/* all allocations that succeeded, all frees */
	unsigned long tries;		/* allocations of variables and aliases, failed ones too */
	unsigned long table_tries;
	unsigned long warns, prints;
	unsigned long queued, delay;	/* works that were queued; delay of the last one */
	unsigned long irqs;		/* irq_works that were queued */
	unsigned long reads;		/* HOOK_READs */
} shim_stats;

/* Set by tests: an allocation fails if this returns true. */
extern bool (*shim_alloc_fails)(size_t size, gfp_t gfp, bool table);

#ifdef SHIM_MODEL
/*
 * Coroutines. The main one is a CPU in process context; the others are readers, and a
 * worker for each workqueue. A hook returns from a coroutine to the one that has resumed
 * it, if the budget is used up and no lock is held.
 */
struct shim_task;
extern struct shim_task *shim_current;
struct shim_task *shim_task_start(void (*fn)(void *arg), void *arg);
bool shim_task_step(struct shim_task *task, long budget);	/* false when it is over */
bool shim_workers_step(long budget);				/* false when all are idle */
bool shim_is_main(void);
bool shim_any_lock_held(void);
unsigned long shim_table_bytes(void);
extern void (*shim_main_hook)(enum shim_hook where);		/* outside coroutines */
extern void (*shim_write_hook)(void);				/* before each marked store */
#else
void shim_workers_wait(void);		/* until all are idle */
void shim_online(bool on);
#endif

#ifdef SHIM_BENCH
/*
 * Each thread counts its quiescent states, when it is in no read-side section. A grace
 * period is over when each thread that is online has counted two.
 */
struct shim_qs {
	unsigned long count;
	bool online;
} ____cacheline_aligned;

extern __thread struct shim_qs *shim_qs;

static inline void shim_quiescent(void)
{
	__atomic_store_n(&shim_qs->count, shim_qs->count + 1, __ATOMIC_RELEASE);
}
#endif

#endif /* _KLP_SHADOW_SHIM_H */
