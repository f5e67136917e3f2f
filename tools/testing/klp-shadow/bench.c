// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Speed of the store, of the kernel's store and of a floor: an RCU hash table of ideal
 * size that cannot be resized, and calls no constructors. All run in this process with
 * the same lock, allocator and RCU. Each round measures all stores in turn, so that
 * disturbances affect all of them.
 *
 * bench [rounds [operation|all [N...]]]: medians in ns, and medians of the ratios per round.
 */
#include "shim.h"

#include <time.h>

#include "shadow_table.h"

#define STORE_CALLS(store)							\
	void *store ## _shadow_get(void *obj, unsigned long id);		\
	void *store ## _shadow_alloc(void *obj, unsigned long id, size_t size,	\
				     gfp_t gfp_flags, klp_shadow_ctor_t ctor,	\
				     void *ctor_data);				\
	void store ## _shadow_free(void *obj, unsigned long id,			\
				   klp_shadow_dtor_t dtor)

STORE_CALLS(stock);
STORE_CALLS(floor);
int floor_resize(unsigned long n);

#define ID		((1234567UL << 6) | 1)
#define SIZE		8
#define MAX_N		(1UL << 20)
#define MAX_ROUNDS	2001
#define RUN_NS		200000

static void *parents[MAX_N];
static unsigned long n;

/* The parents in random order. Many, so that branches cannot be predicted. */
static void *visits[MAX_N];
static unsigned long visit_count;
static __thread unsigned long pos;
static __thread int thread;

static inline void *next_parent(unsigned long carry)
{
	pos += 1 + carry;
	if (pos >= visit_count)
		pos = 0;

	return visits[pos];
}

/* The path of a typed free that finds nothing to free. */
static noinline void ours_type_free(void *obj, unsigned long id)
{
	if (!klp_shadow_absent(obj, id))
		klp_shadow_free(obj, id, NULL);
}

#define klp_type_free(obj, id, dtor)	ours_type_free(obj, id)
#define stock_type_free			stock_shadow_free
#define floor_type_free			floor_shadow_free

/* Always 0, but depends on @data, so the next lookup waits for this one. */
#define CARRY(data)	((unsigned long)(data) & 1)

#define LOOP(store, name, statements)						\
	static noinline void store ## _ ## name(unsigned long count)		\
	{									\
		unsigned long offset = 64 + 8 * thread, carry = 0;		\
										\
		while (count--) {						\
			void *obj = next_parent(carry);				\
			statements;						\
		}								\
		(void)offset;							\
	}

#define LOOPS(store)								\
	LOOP(store, get, store ## _shadow_get(obj, ID))				\
	LOOP(store, get_dep, carry = CARRY(store ## _shadow_get(obj, ID)))	\
	LOOP(store, absent, store ## _shadow_get(obj + 64, ID))			\
	LOOP(store, absent_dep, carry = CARRY(store ## _shadow_get(obj + 64, ID))) \
	LOOP(store, free_absent, store ## _shadow_free(obj + 64, ID, NULL))	\
	LOOP(store, type_free_absent, store ## _type_free(obj + 64, ID, NULL))	\
	LOOP(store, pair,							\
	     store ## _shadow_alloc(obj + offset, ID, SIZE, GFP_KERNEL, NULL, NULL); \
	     store ## _shadow_free(obj + offset, ID, NULL);			\
	     shim_quiescent())							\
	static void store ## _fill(unsigned long i)				\
	{									\
		store ## _shadow_alloc(parents[i], ID, SIZE, GFP_KERNEL, NULL, NULL); \
	}									\
	static void store ## _drain(unsigned long i)				\
	{									\
		store ## _shadow_free(parents[i], ID, NULL);			\
	}

LOOPS(klp)
LOOPS(stock)
LOOPS(floor)

#define STORES	3
#define OPS(name)	{ klp_ ## name, stock_ ## name, floor_ ## name }

static const struct op {
	const char *name;
	int threads;
	void (*run[STORES])(unsigned long count);
} ops[] = {
	{ "get_dep", 1, OPS(get_dep) },
	{ "get", 1, OPS(get) },
	{ "absent_dep", 1, OPS(absent_dep) },
	{ "absent", 1, OPS(absent) },
	{ "free_absent", 1, OPS(free_absent) },
	{ "type_free_absent", 1, OPS(type_free_absent) },
	{ "pair", 1, OPS(pair) },
	{ "pair", 2, OPS(pair) },
};

static void (*const fill[STORES])(unsigned long i) = OPS(fill);
static void (*const drain[STORES])(unsigned long i) = OPS(drain);

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* === The second thread === */

static struct {
	void (*run)(unsigned long count);
	unsigned long count;
	unsigned int wanted, ready, done;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
} second = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *second_main(void *arg)
{
	unsigned int served = 0;

	pin(1);
	thread = 1;
	shim_cpu.id = 1;
	shim_online(false);
	for (;;) {
		pthread_mutex_lock(&second.mutex);
		while (second.wanted == served)
			pthread_cond_wait(&second.cond, &second.mutex);
		pthread_mutex_unlock(&second.mutex);
		served++;
		pos = visit_count / 2;
		shim_online(true);
		__atomic_store_n(&second.ready, served, __ATOMIC_SEQ_CST);
		second.run(second.count);
		shim_online(false);
		__atomic_store_n(&second.done, served, __ATOMIC_SEQ_CST);
	}

	return NULL;
}

static double run(const struct op *op, int store, unsigned long count)
{
	u64 start;

	if (op->threads == 2) {
		pthread_mutex_lock(&second.mutex);
		second.run = op->run[store];
		second.count = count;
		second.wanted++;
		pthread_cond_signal(&second.cond);
		pthread_mutex_unlock(&second.mutex);
		while (__atomic_load_n(&second.ready, __ATOMIC_SEQ_CST) != second.wanted)
			;
	}
	start = now_ns();
	op->run[store](count);
	if (op->threads == 2) {
		shim_online(false);
		while (__atomic_load_n(&second.done, __ATOMIC_SEQ_CST) != second.wanted)
			;
		shim_online(true);
	}

	return (double)(now_ns() - start) / count;
}

/* === Rounds === */

static double ns[STORES][MAX_ROUNDS], ratio[STORES][MAX_ROUNDS];

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const double *values, int count)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, values, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);

	return sorted[count / 2];
}

static void measure(const struct op *op, int rounds, bool with_stock)
{
	unsigned long count[STORES];
	int r, i, store;

	for (store = 0; store < STORES; store++) {
		if (store == 1 && !with_stock)
			continue;
		run(op, store, 1000);
		count[store] = RUN_NS / run(op, store, 1000) + 1;
	}
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < STORES; i++) {
			store = (i + r) % STORES;
			if (store == 1 && !with_stock)
				continue;
			/* All stores visit the same parents in a round. */
			pos = (r * 7919UL) % visit_count;
			ns[store][r] = run(op, store, count[store]);
		}
		for (store = 1; store < STORES; store++)
			ratio[store][r] = ns[0][r] / ns[store][r];
	}
	printf("%lu,%s,%d,%.1f,", n, op->name, op->threads, median(ns[0], rounds));
	if (with_stock)
		printf("%.1f,%.3f,", median(ns[1], rounds), median(ratio[1], rounds));
	else
		printf(",,");
	printf("%.1f,%.3f\n", median(ns[2], rounds), median(ratio[2], rounds));
	fflush(stdout);
}

static unsigned long random_below(unsigned long limit)
{
	static u64 state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;

	return state % limit;
}

/* Addresses of objects of 192 bytes, in slabs whose pages are not in order. */
static void make_parents(void)
{
	unsigned long i, pages = DIV_ROUND_UP(n, 21);

	for (i = 0; i < n; i++) {
		unsigned long page = (i / 21) * 0x9e3779b1UL % (4 * pages + 1);

		parents[i] = (void *)(0xffff888000000000UL + page * 4096 + (i % 21) * 192);
	}
	visit_count = max(n, 1UL << 17);
	for (i = 0; i < visit_count; i++)
		visits[i] = parents[random_below(n)];
}

static void bench(int rounds, const char *only)
{
	bool with_stock = n <= 100000;
	unsigned long i;
	int store;

	make_parents();
	shim_assert(!floor_resize(n));
	for (store = 0; store < STORES; store++) {
		for (i = 0; i < n && (store != 1 || with_stock); i++) {
			fill[store](i);
			shim_quiescent();
		}
	}
	shim_workers_wait();
	for (i = 0; i < n; i++)
		shim_assert(klp_shadow_get(parents[i], ID) && floor_shadow_get(parents[i], ID));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(only, "all") || !strcmp(only, ops[i].name))
			measure(&ops[i], rounds, with_stock);
	}
	for (store = 0; store < STORES; store++) {
		for (i = 0; i < n && (store != 1 || with_stock); i++) {
			drain[store](i);
			shim_quiescent();
		}
	}
	shim_workers_wait();
}

int main(int argc, char **argv)
{
	static const unsigned long sizes[] = {
		1, 100, 1000, 4096, 10000, 100000, 1000000
	};
	int i, rounds = argc > 1 ? atoi(argv[1]) : 301;
	pthread_t other;

	shim_assert(rounds > 0 && rounds <= MAX_ROUNDS);
	pthread_create(&other, NULL, second_main, NULL);
	pin(0);
	shim_online(true);
	printf("n,op,threads,ours,stock,ours/stock,floor,ours/floor\n");
	for (i = 0; i < (argc > 3 ? argc - 3 : (int)ARRAY_SIZE(sizes)); i++) {
		n = argc > 3 ? min(strtoul(argv[3 + i], NULL, 0), MAX_N) : sizes[i];
		bench(rounds, argc > 2 ? argv[2] : "all");
	}

	return 0;
}
