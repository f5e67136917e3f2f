// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of shim.h: common ones first, then those of each variant. */
#include "shim.h"

#include <stdarg.h>
#include <sys/mman.h>

struct shim_stats shim_stats;
__thread struct shim_cpu shim_cpu;
bool (*shim_alloc_fails)(size_t size, gfp_t gfp, bool table);
long shim_available = 1L << 20;
struct workqueue_struct *shim_system_wq;
u64 shim_random = 0x243f6a8885a308d3ULL;

/* Relaxed, because tests with several threads read statistics only at the end. */
#define STAT(field)	__atomic_fetch_add(&shim_stats.field, 1, __ATOMIC_RELAXED)

void shim_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "FAILED: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

void shim_warn(const char *fmt, ...)
{
	/* Printing may take any lock of the console, so not in an interrupt. */
	shim_assert(!shim_cpu.in_irq);
#ifdef SHIM_MODEL
	shim_assert(!shim_any_lock_held());
#endif
	STAT(warns);
}

void shim_print(bool deferred, const char *fmt, ...)
{
#ifdef SHIM_MODEL
	shim_assert(deferred && !shim_any_lock_held());
#endif
	STAT(prints);
}

#ifdef SHIM_MODEL
static void shim_rcu_run(void);
#endif

/* Restore the state of interrupts. Those that were raised while off run now. */
void shim_irq_enter(bool off)
{
	struct irq_work *work;

	while (!off && (work = shim_cpu.irq_work)) {
		shim_cpu.irq_work = work->next;
		shim_cpu.irqs_off = true;
		shim_cpu.in_irq = true;
		__atomic_store_n(&work->pending, 0, __ATOMIC_SEQ_CST);
		work->func(work);
		shim_cpu.in_irq = false;
	}
	shim_cpu.irqs_off = off;
#ifdef SHIM_MODEL
	if (!off) {
		shim_rcu_run();
		shim_hook(HOOK_UNLOCK);
	}
#endif
}

bool irq_work_queue(struct irq_work *work)
{
	bool off;

#ifdef SHIM_MODEL
	shim_assert(!shim_any_lock_held());
#endif
	if (__atomic_exchange_n(&work->pending, 1, __ATOMIC_SEQ_CST))
		return false;
	STAT(irqs);
	off = shim_irq_save();
	work->next = shim_cpu.irq_work;
	shim_cpu.irq_work = work;
	if (!shim_cpu.in_irq)
		shim_irq_restore(off);

	return true;
}

#ifndef SHIM_BENCH
bool shim_lock_irqsave(spinlock_t *lock)
{
	bool off = shim_irq_save();

	shim_lock(lock);

	return off;
}

void shim_unlock_irqrestore(spinlock_t *lock, bool off)
{
	shim_unlock(lock);
	shim_irq_restore(off);
}
#endif

/*
 * With interrupts off, the store may neither allocate nor free, nor wake anything up: its
 * caller may hold locks that these take. The interrupts that the store raises may.
 */
static void shim_assert_may_free(void)
{
#ifdef SHIM_MODEL
	shim_assert(!shim_any_lock_held());
#endif
	shim_assert(!irqs_disabled() || in_hardirq());
}

#if defined(SHIM_MODEL)

/* === Coroutines === */

#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#define STACK_SIZE	(256 << 10)
#define TASKS		8

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "print_legend=0:detect_stack_use_after_return=0";
}

struct shim_task {
	ucontext_t ctx;
	struct shim_task *resumer;
	void (*fn)(void *arg);
	void *arg;
	long budget;
	unsigned int sections;		/* nested read-side sections */
	unsigned int locks;
	struct shim_cpu cpu;
	unsigned long since;		/* when the outermost section began */
	bool live, running;
	void *fake_stack;
	char *stack;
};

static struct shim_task tasks[TASKS] = { { .live = true, .running = true } };
static char stacks[TASKS][STACK_SIZE] __aligned(16);
static const void *main_stack;
static size_t main_stack_size;
struct shim_task *shim_current = tasks;
void (*shim_main_hook)(enum shim_hook where);
void (*shim_write_hook)(void);
static unsigned int locks_held;
bool shim_lock_busy;

bool shim_is_main(void)
{
	return shim_current == tasks;
}

bool shim_any_lock_held(void)
{
	return locks_held;
}

static void switch_to(struct shim_task *to)
{
	struct shim_task *from = shim_current;

	__sanitizer_start_switch_fiber(from->live ? &from->fake_stack : NULL,
				       to == tasks ? main_stack : to->stack,
				       to == tasks ? main_stack_size : STACK_SIZE);
	shim_current = to;
	swapcontext(&from->ctx, &to->ctx);
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
}

static void task_main(void)
{
	const void *stack;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &stack, &size);
	if (shim_current->resumer == tasks) {
		main_stack = stack;
		main_stack_size = size;
	}
	shim_current->fn(shim_current->arg);
	shim_current->live = false;
	shim_current->running = false;
	switch_to(shim_current->resumer);
}

struct shim_task *shim_task_start(void (*fn)(void *arg), void *arg)
{
	struct shim_task *task;

	for (task = tasks; task->live; task++)
		shim_assert(task < tasks + TASKS - 1);
	*task = (struct shim_task) {
		.fn = fn, .arg = arg, .live = true, .stack = stacks[task - tasks],
	};
	getcontext(&task->ctx);
	task->ctx.uc_stack.ss_sp = task->stack;
	task->ctx.uc_stack.ss_size = STACK_SIZE;
	makecontext(&task->ctx, task_main, 0);

	return task;
}

/* Each coroutine is a separate CPU. */
bool shim_task_step(struct shim_task *task, long budget)
{
	struct shim_cpu cpu = shim_cpu;

	if (!task->live || task->running)
		return task->live;
	task->budget = budget;
	task->resumer = shim_current;
	task->running = true;
	shim_cpu = task->cpu;
	switch_to(task);
	task->cpu = shim_cpu;
	shim_cpu = cpu;

	return task->live;
}

static void task_yield(void)
{
	shim_current->running = false;
	switch_to(shim_current->resumer);
}

void shim_hook(enum shim_hook where)
{
	/* No hooks are called in lookups of the write hook. */
	static struct shim_task *in_write_hook;

	if (where == HOOK_READ)
		shim_stats.reads++;
	if (in_write_hook == shim_current)
		return;
	if (where == HOOK_WRITE) {
		if (shim_write_hook && !in_write_hook) {
			in_write_hook = shim_current;
			shim_write_hook();
			in_write_hook = NULL;
		}
	} else if (shim_is_main()) {
		if (where != HOOK_READ && shim_main_hook && !locks_held)
			shim_main_hook(where);
	} else if (!shim_current->locks && !irqs_disabled() && --shim_current->budget <= 0) {
		task_yield();
	}
}

/* === Locks === */

void shim_lock(spinlock_t *lock)
{
	/* In the hook of the main coroutine, another CPU may take the lock first. */
	shim_hook(HOOK_LOCK);
	while (lock->locked && !shim_is_main())
		task_yield();
	shim_assert(!lock->locked);
	lock->locked = 1;
	lock->owner = shim_current;
	shim_current->locks++;
	locks_held++;
}

void shim_unlock(spinlock_t *lock)
{
	shim_assert(shim_lock_is_held(lock));
	lock->locked = 0;
	shim_current->locks--;
	locks_held--;
}

bool shim_lock_is_held(const spinlock_t *lock)
{
	return lock->locked && lock->owner == shim_current;
}

void mutex_lock(struct mutex *mutex)
{
	might_sleep();
	shim_hook(HOOK_SLEEP);
	while (mutex->lock.locked)
		task_yield();
	mutex->lock.locked = 1;
}

void mutex_unlock(struct mutex *mutex)
{
	shim_assert(mutex->lock.locked);
	mutex->lock.locked = 0;
}

unsigned long shim_wait_prepare(struct wait_queue_head *queue)
{
	might_sleep();
	shim_assert(!locks_held && !shim_current->sections && !shim_is_main());

	return queue->wakeups;
}

void shim_wait(struct wait_queue_head *queue, unsigned long wakeups)
{
	while (queue->wakeups == wakeups)
		task_yield();
}

void wake_up_all(struct wait_queue_head *queue)
{
	shim_assert_may_free();
	queue->wakeups++;
}

/* === RCU === */

static unsigned long now;
static struct rcu_head *callbacks, **callbacks_end = &callbacks;

void rcu_read_lock(void)
{
	if (!shim_current->sections++)
		shim_current->since = ++now;
}

void rcu_read_unlock(void)
{
	shim_assert(shim_current->sections);
	if (--shim_current->sections)
		return;
	shim_rcu_run();
	shim_hook(HOOK_UNLOCK);
}

bool rcu_read_lock_held(void)
{
	return shim_current->sections;
}

/* Whether all read-side sections that had begun before @since have ended. */
static bool rcu_elapsed(unsigned long since)
{
	struct shim_task *task;

	for (task = tasks; task < tasks + TASKS; task++) {
		if (task->live && task->sections && task->since <= since)
			return false;
	}

	return !locks_held && !irqs_disabled();
}

/* The time of the call is in func of the callback. The head itself is poisoned. */
void shim_kfree_rcu(struct rcu_head *head, void *ptr)
{
	struct {
		struct rcu_head head;
		void *ptr;
	} *callback = malloc(sizeof(*callback));

	shim_assert_may_free();
	head->next = (void *)0x5a5a5a5aUL;
	head->func = (void *)0x5a5a5a5aUL;
	callback->ptr = ptr;
	callback->head.func = (void *)++now;
	callback->head.next = NULL;
	*callbacks_end = &callback->head;
	callbacks_end = &callback->head.next;
	shim_rcu_run();
}

static void shim_rcu_run(void)
{
	struct rcu_head *head;

	while ((head = callbacks) && rcu_elapsed((unsigned long)head->func)) {
		callbacks = head->next;
		if (!callbacks)
			callbacks_end = &callbacks;
		shim_free(*(void **)(head + 1));
		free(head);
	}
}

void synchronize_rcu(void)
{
	unsigned long since = ++now;

	might_sleep();
	shim_assert(!shim_current->sections && !shim_is_main());
	do {
		shim_hook(HOOK_SLEEP);
		if (!rcu_elapsed(since))
			task_yield();
	} while (!rcu_elapsed(since));
	shim_rcu_run();
}

/* === Memory === */

/*
 * Words in front of each block: the size if it is a table, to count the memory of tables,
 * and a magic number that shim_free() checks. Blocks are aligned for cache lines.
 */
#define HEADER	8

static unsigned long table_bytes;

unsigned long shim_table_bytes(void)
{
	return table_bytes;
}

void *shim_alloc(size_t size, gfp_t gfp, bool table)
{
	unsigned long *mem;

	shim_assert(!locks_held && size && size <= (table ? 1UL << 31 : KMALLOC_MAX_SIZE));
	shim_assert(!(gfp & __GFP_DIRECT_RECLAIM) || !irqs_disabled());
	if (table)
		STAT(table_tries);
	else
		STAT(tries);
	shim_hook(HOOK_ALLOC);
	if (shim_alloc_fails && shim_alloc_fails(size, gfp, table))
		return NULL;
	if (posix_memalign((void **)&mem, 64, size + HEADER * sizeof(*mem)))
		shim_fail("out of memory");
	mem[0] = table ? size : 0;
	mem[1] = 0x600dULL;
	table_bytes += mem[0];
	memset(mem + HEADER, gfp & __GFP_ZERO ? 0 : 0xa5, size);
	STAT(allocs);

	return mem + HEADER;
}

void shim_free(const void *ptr)
{
	unsigned long *mem = (unsigned long *)ptr - HEADER;

	if (!ptr)
		return;
	shim_assert_may_free();
	shim_assert(mem[1] == 0x600dULL);
	table_bytes -= mem[0];
	STAT(frees);
	free(mem);
}

/* === Work === */

struct workqueue_struct {
	const char *name;
	struct work_struct *first;
	struct shim_task *task;		/* NULL if idle */
};

static struct workqueue_struct workqueues[4];

struct workqueue_struct *shim_workqueue(const char *name)
{
	struct workqueue_struct *wq = workqueues;

	while (wq->name)
		wq++;
	wq->name = name;

	return wq;
}

static void work_main(void *arg)
{
	struct work_struct *work = arg;

	work->func(work);
}

bool shim_queue_work(struct workqueue_struct *wq, struct work_struct *work, unsigned long delay)
{
	struct work_struct **end = &wq->first;

	shim_assert_may_free();
	if (work->pending)
		return false;
	work->pending = true;
	work->delay = delay;
	work->next = NULL;
	while (*end)
		end = &(*end)->next;
	*end = work;
	STAT(queued);
	shim_stats.delay = delay;

	return true;
}

bool shim_workers_step(long budget)
{
	struct workqueue_struct *wq;
	struct work_struct *work;
	bool busy = false;

	for (wq = workqueues; wq < workqueues + ARRAY_SIZE(workqueues); wq++) {
		work = wq->first;
		if (!wq->task && work) {
			wq->first = work->next;
			work->pending = false;
			wq->task = shim_task_start(work_main, work);
		}
		if (wq->task && !shim_task_step(wq->task, budget))
			wq->task = NULL;
		busy |= wq->task || wq->first;
	}

	return busy;
}

#else /* threads */

/* === Locks === */

#ifdef SHIM_THREADS
__thread int shim_order;
char shim_lock_order;

void shim_lock(spinlock_t *lock)
{
	pthread_mutex_lock(&lock->mutex);
	__tsan_release(&shim_lock_order);
	__atomic_store_n(&lock->owner, &shim_cpu, __ATOMIC_RELAXED);
}

void shim_unlock(spinlock_t *lock)
{
	shim_assert(shim_lock_is_held(lock));
	shim_order = 0;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock->mutex);
}

bool shim_lock_is_held(const spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == &shim_cpu;
}
#else
static noinline void lock_slow(spinlock_t *lock)
{
	unsigned int spins = 0;

	do {
		while (READ_ONCE(lock->locked)) {
			__builtin_ia32_pause();
			if (!(++spins % 4096))
				sched_yield();
		}
	} while (cmpxchg(&lock->locked, 0, 1));
}

static inline void lock_inline(spinlock_t *lock)
{
	if (unlikely(cmpxchg(&lock->locked, 0, 1)))
		lock_slow(lock);
}

void shim_lock(spinlock_t *lock)
{
	lock_inline(lock);
}

void shim_unlock(spinlock_t *lock)
{
	smp_store_release(&lock->locked, 0);
}

/* Not inlined, as in the kernel. */
bool shim_lock_irqsave(spinlock_t *lock)
{
	bool off = shim_irq_save();

	lock_inline(lock);

	return off;
}

void shim_unlock_irqrestore(spinlock_t *lock, bool off)
{
	smp_store_release(&lock->locked, 0);
	shim_irq_restore(off);
}
#endif

void mutex_lock(struct mutex *mutex)
{
	might_sleep();
	shim_lock(&mutex->lock);
}

void mutex_unlock(struct mutex *mutex)
{
	shim_unlock(&mutex->lock);
}

unsigned long shim_wait_prepare(struct wait_queue_head *queue)
{
	might_sleep();

	return __atomic_load_n(&queue->wakeups, __ATOMIC_ACQUIRE);
}

void shim_wait(struct wait_queue_head *queue, unsigned long wakeups)
{
	shim_online(false);
	while (__atomic_load_n(&queue->wakeups, __ATOMIC_ACQUIRE) == wakeups)
		sched_yield();
	shim_online(true);
}

void wake_up_all(struct wait_queue_head *queue)
{
	shim_assert_may_free();
	__atomic_add_fetch(&queue->wakeups, 1, __ATOMIC_RELEASE);
}

/* === Memory === */

#ifdef SHIM_THREADS
void *shim_alloc(size_t size, gfp_t gfp, bool table)
{
	if (shim_alloc_fails && shim_alloc_fails(size, gfp, table))
		return NULL;
	STAT(allocs);

	return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void shim_free(const void *ptr)
{
	if (!ptr)
		return;
	shim_assert_may_free();
	STAT(frees);
	free((void *)ptr);
}
#else
/* Huge pages, as for vmalloc() and the direct map of the kernel. */
static noinline void *alloc_large(size_t size)
{
	void *mem = aligned_alloc(2 << 20, round_up(size, 2UL << 20));

	if (mem)
		madvise(mem, size, MADV_HUGEPAGE);

	return mem;
}

void shim_free(const void *ptr)
{
	free((void *)ptr);
}

void *shim_alloc(size_t size, gfp_t gfp, bool table)
{
	void *mem;

	if (likely(size <= 960))
		return calloc(1, size);
	mem = alloc_large(size);
	if (gfp & __GFP_ZERO)
		memset(mem, 0, size);

	return mem;
}
#endif

/* === RCU === */

#ifdef SHIM_THREADS
#define READERS		64

static struct shim_reader {
	unsigned long since;
	char pad[56];
} readers[READERS];

static __thread struct shim_reader *reader;
static __thread unsigned int sections;
static unsigned int reader_count;
static unsigned long now = 1;

void rcu_read_lock(void)
{
	if (sections++)
		return;
	if (!reader) {
		reader = &readers[__atomic_fetch_add(&reader_count, 1, __ATOMIC_RELAXED)];
		shim_assert(reader < readers + READERS);
	}
	/* A full barrier before the loads of the section. */
	__atomic_exchange_n(&reader->since, __atomic_load_n(&now, __ATOMIC_SEQ_CST),
			    __ATOMIC_SEQ_CST);
}

static void rcu_free_many(void);

void rcu_read_unlock(void)
{
	if (--sections)
		return;
	__atomic_store_n(&reader->since, 0, __ATOMIC_RELEASE);
	rcu_free_many();
}

bool rcu_read_lock_held(void)
{
	return sections;
}

void synchronize_rcu(void)
{
	unsigned long since, start = __atomic_fetch_add(&now, 1, __ATOMIC_SEQ_CST);
	int i;

	shim_assert(!sections && !irqs_disabled());
	for (i = 0; i < READERS; i++) {
		while ((since = __atomic_load_n(&readers[i].since, __ATOMIC_SEQ_CST)) &&
		       since <= start)
			sched_yield();
	}
}

#define DEFERRED	4096

static __thread struct {
	unsigned int count;
	void *ptrs[DEFERRED];
} deferred;

void shim_rcu_drain(void)
{
	unsigned int i;

	if (deferred.count)
		synchronize_rcu();
	for (i = 0; i < deferred.count; i++)
		shim_free(deferred.ptrs[i]);
	deferred.count = 0;
}

static void rcu_free_many(void)
{
	if (deferred.count >= 64 && !sections && !irqs_disabled())
		shim_rcu_drain();
}

/* If the caller is a reader, memory is freed when its section ends. */
void shim_kfree_rcu(struct rcu_head *head, void *ptr)
{
	shim_assert_may_free();
	__atomic_store_n(&head->next, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&head->func, (void *)0x5a5a5a5aUL, __ATOMIC_RELAXED);
	rcu_free_many();
	shim_assert(deferred.count < DEFERRED);
	deferred.ptrs[deferred.count++] = ptr;
}

void shim_online(bool on)
{
}
#else
#define THREADS		8
#define DEFERRED	256

static struct shim_qs qs[THREADS];
__thread struct shim_qs *shim_qs;
static int thread_count;

/* As in the kernel, kfree_rcu() collects pointers in arrays and never waits. */
static __thread struct batch {
	struct batch *next;		/* younger batch */
	unsigned long since[THREADS];
	unsigned int count;
	void *ptrs[DEFERRED];
} *batch, *oldest;

void shim_online(bool on)
{
	if (!shim_qs) {
		shim_qs = &qs[__atomic_fetch_add(&thread_count, 1, __ATOMIC_RELAXED)];
		shim_assert(shim_qs < qs + THREADS);
		batch = oldest = calloc(1, sizeof(*batch));
	}
	smp_mb();
	WRITE_ONCE(shim_qs->online, on);
	smp_mb();
}

static void rcu_start(unsigned long *since)
{
	int i;

	smp_mb();
	for (i = 0; i < THREADS; i++)
		since[i] = READ_ONCE(qs[i].count);
}

static bool rcu_elapsed(const unsigned long *since)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		if (qs + i != shim_qs && READ_ONCE(qs[i].online) &&
		    READ_ONCE(qs[i].count) - since[i] < 2)
			return false;
	}
	smp_mb();

	return true;
}

void synchronize_rcu(void)
{
	unsigned long since[THREADS];

	rcu_start(since);
	shim_online(false);
	while (!rcu_elapsed(since))
		sched_yield();
	shim_online(true);
}

static noinline void batch_switch(void)
{
	struct batch *next;

	rcu_start(batch->since);
	if (oldest != batch && rcu_elapsed(oldest->since)) {
		next = oldest;
		oldest = next->next;
		while (next->count)
			shim_free(next->ptrs[--next->count]);
	} else {
		next = malloc(sizeof(*next));
		next->count = 0;
	}
	batch->next = next;
	batch = next;
}

void shim_rcu_drain(void)
{
	do {
		synchronize_rcu();
		batch_switch();
	} while (oldest->next != batch || batch->count || oldest->count);
}

void shim_kfree_rcu(struct rcu_head *head, void *ptr)
{
	bool off = shim_irq_save();

	if (unlikely(batch->count == DEFERRED))
		batch_switch();
	batch->ptrs[batch->count++] = ptr;
	shim_irq_restore(off);
}
#endif

/* === Work === */

struct workqueue_struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct work_struct *first;
	bool busy;
};

static void *worker(void *arg)
{
	struct workqueue_struct *wq = arg;
	struct work_struct *work;
	unsigned long delay;

	pthread_mutex_lock(&wq->mutex);
	for (;;) {
		while (!wq->first) {
			wq->busy = false;
			pthread_cond_broadcast(&wq->cond);
			pthread_cond_wait(&wq->cond, &wq->mutex);
		}
		work = wq->first;
		wq->first = work->next;
		wq->busy = true;
		work->pending = false;
		delay = work->delay;
		pthread_mutex_unlock(&wq->mutex);
		/* Delays are shortened, to keep tests fast. */
		if (delay)
			usleep(10 * delay);
		shim_online(true);
		work->func(work);
		shim_rcu_drain();
		shim_online(false);
		pthread_mutex_lock(&wq->mutex);
	}

	return NULL;
}

static struct workqueue_struct workqueues[4];

struct workqueue_struct *shim_workqueue(const char *name)
{
	struct workqueue_struct *wq = workqueues;

	while (wq->thread)
		wq++;
	pthread_mutex_init(&wq->mutex, NULL);
	pthread_cond_init(&wq->cond, NULL);
	shim_assert(!pthread_create(&wq->thread, NULL, worker, wq));

	return wq;
}

void shim_workers_wait(void)
{
	struct workqueue_struct *wq;

	shim_online(false);
	for (wq = workqueues; wq->thread; wq++) {
		pthread_mutex_lock(&wq->mutex);
		while (wq->busy)
			pthread_cond_wait(&wq->cond, &wq->mutex);
		pthread_mutex_unlock(&wq->mutex);
	}
	shim_online(true);
}

bool shim_queue_work(struct workqueue_struct *wq, struct work_struct *work, unsigned long delay)
{
	struct work_struct **end = &wq->first;
	bool queued;

	shim_assert_may_free();
	pthread_mutex_lock(&wq->mutex);
	queued = !work->pending;
	if (queued) {
		work->pending = true;
		work->delay = delay;
		work->next = NULL;
		while (*end)
			end = &(*end)->next;
		*end = work;
		wq->busy = true;
		pthread_cond_broadcast(&wq->cond);
	}
	pthread_mutex_unlock(&wq->mutex);

	return queued;
}

#endif /* threads */

static int shim_init(void)
{
	shim_system_wq = shim_workqueue("events");

	return 0;
}
core_initcall(shim_init);

/* === Shadow types: shadow_type.c is not compiled here === */

#ifdef CONFIG_KLP_SHADOW_TYPES
struct klp_shadow_type;

__attribute__((weak)) bool klp_shadow_may_add(void *obj, struct klp_shadow_type *type)
{
	return true;
}

__attribute__((weak)) struct module *klp_shadow_type_module(const struct klp_shadow_type *type)
{
	return NULL;
}

__attribute__((weak)) bool klp_shadow_type_uses(const struct klp_shadow_type *type,
						const struct module *mod)
{
	return true;
}
#endif
