// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads under ThreadSanitizer: readers, writers, moves and resizes at the same time,
 * with allocations that fail. Each writer publishes the state that readers must find.
 *
 * threads [seconds]
 */
#include "shim.h"

#include <time.h>

#include "shadow_table.h"

#define RESIDENTS	24
#define PAIRS		4
#define FILL		400

enum { RESIDENT = 1, TOGGLE, RACE, BOUNCE, WALK, CONVERT, CONVERTED, BULK };

struct data {
	void *parent;
	unsigned long gen;
};

#define load(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define store(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define add(x, n)	__atomic_add_fetch(&(x), (n), __ATOMIC_ACQ_REL)

static bool stop, failing;
static __thread u64 random_state = 88172645463325252ULL;
static unsigned long lookups, rounds;

static unsigned long next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;

	return (random_state ^= random_state << 17) >> 8;
}

static void *parent(unsigned long n)
{
	return (void *)(0xffff888000000000UL + 192 * n);
}

static void maximum(unsigned long *max, unsigned long v)
{
	unsigned long old = load(*max);

	while (old < v && !__atomic_compare_exchange_n(max, &old, v, false, __ATOMIC_ACQ_REL,
						       __ATOMIC_ACQUIRE))
		;
}

static bool alloc_fails(size_t size, gfp_t gfp, bool table)
{
	return load(failing) && !(next_random() % (table ? 4 : 64));
}

static int set_gen(void *obj, void *data, void *gen)
{
	*(struct data *)data = (struct data) { obj, *(unsigned long *)gen };

	return 0;
}

/* With interrupts off in one of four cases. */
#define MAYBE_OFF(statement) \
	do {								\
		unsigned long __off = !(next_random() % 4), __flags;	\
									\
		if (__off)						\
			local_irq_save(__flags);			\
		statement;						\
		if (__off)						\
			local_irq_restore(__flags);			\
	} while (0)

/* === Variables that always exist === */

static void read_resident(void)
{
	unsigned long n = next_random() % RESIDENTS;
	struct data *data = klp_shadow_get(parent(n), RESIDENT);

	shim_assert(data && data->parent == parent(n) && data->gen == n);
}

/* === Results of later lookups are never older === */

static struct toggle {
	unsigned long freed;	/* newest generation whose removal has begun */
	unsigned long seen;	/* newest generation that a lookup has found */
	unsigned long gone;	/* newest generation found, then missed by a later lookup */
} toggles[PAIRS];

static void toggle(unsigned long *gen)
{
	unsigned long n = ++*gen % PAIRS;
	struct toggle *t = &toggles[n];

	if (klp_shadow_alloc(parent(n), TOGGLE, sizeof(struct data), GFP_KERNEL, set_gen, gen)) {
		maximum(&t->seen, *gen);
		sched_yield();
		store(t->freed, *gen);
		klp_shadow_free(parent(n), TOGGLE, NULL);
		maximum(&t->gone, *gen);
	}
}

static void read_toggle(void)
{
	unsigned long n = next_random() % PAIRS;
	struct toggle *t = &toggles[n];
	unsigned long gone = load(t->gone), seen = load(t->seen);
	struct data *data = klp_shadow_get(parent(n), TOGGLE);

	if (data) {
		shim_assert(data->gen >= seen && data->gen > gone);
		maximum(&t->seen, data->gen);
	} else {
		shim_assert(load(t->freed) >= seen);
		maximum(&t->gone, seen);
	}
}

/* === One constructor and one destructor for each variable === */

static long live[PAIRS], constructed, destroyed;

static int race_ctor(void *obj, void *data, void *n)
{
	shim_assert(add(live[(unsigned long)n], 1) == 1);
	*(struct data *)data = (struct data) { obj, (unsigned long)n };
	add(constructed, 1);

	return 0;
}

static void race_dtor(void *obj, void *data)
{
	unsigned long n = ((struct data *)data)->gen;

	shim_assert(n < PAIRS && obj == parent(n) && add(live[n], -1) == 0);
	add(destroyed, 1);
}

static void race(void)
{
	unsigned long n = next_random() % PAIRS;
	struct data *data;

	if (next_random() % 2)
		MAYBE_OFF(klp_shadow_free(parent(n), RACE, race_dtor));
	rcu_read_lock();
	MAYBE_OFF(data = klp_shadow_get_or_alloc(parent(n), RACE, sizeof(*data), GFP_ATOMIC,
						 race_ctor, (void *)n));
	shim_assert(!data || data->gen == n);
	rcu_read_unlock();
}

/* === Moves === */

static unsigned long walk_started, walk_ended;

/* Move one variable back and forth between two parents, and one round 64 parents. */
static void move(unsigned long *gen)
{
	int err;

	MAYBE_OFF(err = klp_shadow_move(parent(*gen % 2), parent((*gen + 1) % 2), BOUNCE,
					GFP_ATOMIC));
	if (!err)
		++*gen;
	shim_assert(!err || err == -ENOMEM);

	store(walk_started, walk_ended + 1);
	err = klp_shadow_move(parent(walk_ended % 64), parent((walk_ended + 1) % 64), WALK,
			      GFP_KERNEL);
	shim_assert(!err || err == -ENOMEM);
	if (!err)
		store(walk_ended, walk_ended + 1);
}

static void read_moved(void)
{
	unsigned long n = load(walk_ended), tries = 0;
	struct data *data;

	do {
		data = klp_shadow_get(parent(0), BOUNCE);
		smp_rmb();
		data = data ?: klp_shadow_get(parent(1), BOUNCE);
		smp_rmb();
		shim_assert(++tries < 100000);
	} while (!data);
	shim_assert(data->gen == BOUNCE);

	data = klp_shadow_get(parent(n % 64), WALK);
	smp_rmb();
	data = data ?: klp_shadow_get(parent((n + 1) % 64), WALK);
	smp_rmb();
	if (data)
		shim_assert(data->gen == WALK);
	else
		shim_assert(load(walk_started) >= n + 2);
}

/* === Conversions === */

/* Convert variables to another id or back, in the way of klp_shadow_convert(). */
static void convert(void)
{
	unsigned long n = next_random() % PAIRS, id = CONVERT;
	struct klp_shadow *old, *new;
	LLIST_HEAD(list);

	new = kzalloc(sizeof(*new) + sizeof(struct data), GFP_KERNEL);
	if (!new)
		return;
	rcu_read_lock();
	spin_lock_irq(&klp_shadow_lock);
	old = klp_shadow_find(parent(n), id);
	if (!old) {
		id = CONVERTED;
		old = klp_shadow_find(parent(n), id);
	}
	shim_assert(old);
	memcpy(new->data, old->data, sizeof(struct data));
	new->obj = old->obj;
	new->id = id == CONVERT ? CONVERTED : CONVERT;
	klp_shadow_link(new);
	klp_shadow_unlink(old, &list);
	klp_shadow_drop(old, NULL, NULL, &list);
	spin_unlock_irq(&klp_shadow_lock);
	klp_shadow_reclaim_list(&list);
	rcu_read_unlock();
}

/* One of two lookups finds the variable, or it was converted back between them. */
static void read_converted(void)
{
	unsigned long n = next_random() % PAIRS, tries = 0;
	struct data *data;

	do {
		data = klp_shadow_get(parent(n), CONVERT);
		smp_rmb();
		data = data ?: klp_shadow_get(parent(n), CONVERTED);
		smp_rmb();
		shim_assert(++tries < 100000);
	} while (!data);
	shim_assert(data->gen == n && data->parent == parent(n));
}

/* === Resizes, removal by id, and release callbacks === */

static unsigned long removed, released;
static struct module mod;

static void bulk_dtor(void *obj, void *data)
{
	removed++;
}

static void bulk_release(void *obj, void *data)
{
	shim_assert(!irqs_disabled() && ((struct data *)data)->parent == obj);
	/* The grace period is over: ThreadSanitizer reports a reader that uses the data. */
	*(struct data *)data = (struct data) { };
	add(released, 1);
}

static struct klp_shadow_type bulk_type = { .name = "bulk", .release = bulk_release };

static void bulk(unsigned long *round)
{
	unsigned long n, added = 0, gen = ++*round, before = removed;
	struct klp_shadow_iter iter = { .id = BULK };

	for (n = 0; n < FILL; n++)
		added += !!klp_shadow_alloc(parent(n), BULK, sizeof(struct data), GFP_KERNEL,
					    set_gen, &gen);
	if (gen % 4 == 0)
		shim_workers_wait();
	if (gen % 2) {
		klp_shadow_free_all(BULK, bulk_dtor);
	} else {
		while (klp_shadow_free_batch(&iter, bulk_dtor, &bulk_type))
			;
		add(rounds, added);
	}
	/* The worker may run callbacks, too: all have returned when the drain does. */
	if (gen % 8 == 0) {
		klp_shadow_drain(gen % 16 ? &mod : NULL);
		shim_assert(load(released) == load(rounds));
	}
	shim_assert(removed - before == added);
	for (n = 0; n < FILL; n++)
		shim_assert(!klp_shadow_get(parent(n), BULK));
	if (gen % 3 == 0)
		shim_workers_wait();
}

/* Another task drains at the same time, as when a module is removed. */
static void drain(void)
{
	klp_shadow_drain(next_random() % 2 ? &mod : NULL);
	usleep(next_random() % 64);
}

/* === Threads === */

static void *reader_main(void *arg)
{
	random_state *= shim_cpu.id = (unsigned long)arg;
	while (!load(stop)) {
		/* One section per round, so that grace periods end. */
		rcu_read_lock();
		read_resident();
		read_toggle();
		read_moved();
		read_converted();
		rcu_read_unlock();
		add(lookups, 1);
	}

	return NULL;
}

#define WRITER(name, statement)							\
	static void *name ## _main(void *arg)					\
	{									\
		unsigned long gen = 0;						\
										\
		random_state *= shim_cpu.id = (unsigned long)arg;		\
		while (!load(stop)) {						\
			statement;						\
			(void)gen;						\
		}								\
		shim_rcu_drain();						\
										\
		return NULL;							\
	}
WRITER(toggle, toggle(&gen))
WRITER(race, race())
WRITER(move, move(&gen))
WRITER(convert, convert())
WRITER(bulk, bulk(&gen))
WRITER(drain, drain())

static void *(*const mains[])(void *arg) = {
	reader_main, reader_main, toggle_main, race_main, race_main, move_main, convert_main,
	bulk_main, drain_main,
};

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1 report_signal_unsafe=0";
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	static const unsigned long ids[] = {
		TOGGLE, RACE, BOUNCE, WALK, CONVERT, CONVERTED, BULK, RESIDENT,
	};
	pthread_t threads[ARRAY_SIZE(mains)];
	unsigned long n, id;

	shim_alloc_fails = alloc_fails;
	for (n = 0; n < RESIDENTS; n++)
		klp_shadow_alloc(parent(n), RESIDENT, sizeof(struct data), GFP_KERNEL, set_gen, &n);
	for (id = BOUNCE; id <= WALK; id++)
		klp_shadow_alloc(parent(0), id, sizeof(struct data), GFP_KERNEL, set_gen, &id);
	for (n = 0; n < PAIRS; n++)
		klp_shadow_alloc(parent(n), CONVERT, sizeof(struct data), GFP_KERNEL, set_gen, &n);

	/* A hang ends in SIGALRM, which is a failure. */
	alarm(seconds + 60);
	store(failing, true);
	for (n = 0; n < ARRAY_SIZE(mains); n++)
		shim_assert(!pthread_create(&threads[n], NULL, mains[n], (void *)(n + 1)));
	usleep(seconds * 1e6);
	store(stop, true);
	for (n = 0; n < ARRAY_SIZE(mains); n++)
		pthread_join(threads[n], NULL);

	store(failing, false);
	for (n = 0; n < ARRAY_SIZE(ids); n++)
		klp_shadow_free_all(ids[n], ids[n] == RACE ? race_dtor : NULL);
	klp_shadow_drain(NULL);
	shim_assert(released == rounds);
	shim_workers_wait();
	shim_rcu_drain();
	shim_assert(constructed == destroyed);
	if (shim_stats.allocs != shim_stats.frees)
		shim_fail("%lu allocated, %lu freed", shim_stats.allocs, shim_stats.frees);
	shim_assert(!klp_shadow_first.next && !klp_shadow_state.entries);
	printf("ok 1 threads: %lu lookups, %ld constructed, %lu moves, %lu released\n1..1\n",
	       lookups, constructed, walk_ended, released);

	return 0;
}
