// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Torture test of shadow variables: all calls of the id-based API run concurrently,
 * for a given time or until the module is removed.
 *
 * The data of a variable is computed from its parent, its id and a generation, so
 * every reader can verify it. A pair is a parent and an id. The threads are
 *
 *  - readers, which look up slots, and residents: variables that always exist;
 *  - writers, which add and remove the variables of slots. A slot is a pair and a
 *    sequence number, from which readers know what they have to find;
 *  - purgers, which remove all variables of an id from all slots;
 *  - racers, which all add the same pairs at the same time;
 *  - a filler, which adds thousands of variables and removes them again, so that
 *    the table is resized;
 *  - a mover, which moves one variable round a ring of parents (the wanderer), and
 *    another one back and forth between two parents (the commuter);
 *  - callers, which do the work of readers and writers in interrupts.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/livepatch_shadow.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/torture.h>

#define MAX_KEYS	32
#define MAX_IDS		8

torture_param(uint, duration, 30, "Seconds to run; 0: until the module is removed");
torture_param(uint, readers, 2, "Number of threads that look variables up");
torture_param(uint, writers, 2, "Number of threads that add and remove variables");
torture_param(uint, racers, 2, "Number of threads that add the same pairs at the same time");
torture_param(uint, keys, MAX_KEYS, "Number of parents of slots, 1 to " __stringify(MAX_KEYS));
torture_param(uint, ids, MAX_IDS, "Number of ids of slots, 1 to " __stringify(MAX_IDS));
torture_param(uint, fill, 9000, "Variables to add and remove, to resize the table; 0: none");
torture_param(bool, move, true, "Move variables");
torture_param(bool, may_fail, false, "Allocations may fail");
torture_param(uint, onoff_interval, 0, "Time between CPU hotplugs (jiffies), 0=disable");

/* Large, as the ids that livepatches derive from the number of a bug. */
#define ID_RESIDENT	(20260701UL << 6)
#define ID_RACE		(ID_RESIDENT + 1)
#define ID_FILL		(ID_RESIDENT + 2)
#define ID_WANDERER	(ID_RESIDENT + 3)
#define ID_COMMUTER	(ID_RESIDENT + 4)
#define ID_SLOT		(ID_RESIDENT + 1000)
#define ID_PRIVATE	(ID_RESIDENT + 100000)
/*
 * Ids that only one thread uses. The store keeps ids in hashed lists: with this many
 * per thread, ids of different threads share a list.
 */
#define PRIVATE_IDS	32

#define RACE_KEYS	4
#define PURGERS		2

/* === Mistakes and counts === */

static atomic_t torture_mistakes;

/* Print the first mistake found by each check, and count all. */
#define torture_mistake(what, obj, id, gen)						\
do {											\
	atomic_inc(&torture_mistakes);							\
	pr_err_once("mistake: %s: <%p, %lx>, generation %ld, CPU %d\n", what, obj, id,	\
		    gen, raw_smp_processor_id());					\
} while (0)

#define LOST	"a variable that exists is not found"
#define STALE	"a variable that does not exist is found"

enum torture_stat {
	LOOKUPS, ADDS, FREES, FREE_ALLS, RACES, FILLS, MOVES, HARD_IRQS, SOFT_IRQS,
	NO_MEMORIES, STATS
};

static const char * const torture_stats[STATS] = {
	"lookups", "adds", "frees", "free_alls", "races", "fills", "moves",
	"hard interrupts", "soft interrupts", "failed allocations",
};

/* Per CPU: atomic counters would order the accesses of the store and hide its races. */
static DEFINE_PER_CPU(unsigned long [STATS], torture_counts);

static void torture_count(enum torture_stat stat)
{
	this_cpu_inc(torture_counts[stat]);
}

static unsigned long torture_counted(enum torture_stat stat)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(torture_counts[stat], cpu));

	return sum;
}

static void torture_print_counts(unsigned int seconds)
{
	char line[400];
	int stat, n = 0;

	for (stat = 0; stat < STATS; stat++)
		n += scnprintf(line + n, sizeof(line) - n, ", %s %lu", torture_stats[stat],
			       torture_counted(stat));
	pr_info("%u s%s%s", seconds, line, onoff_interval ? ", " : "\n");
	if (onoff_interval)
		torture_onoff_stats();
}

/* Number of constructor and destructor calls. */
static atomic_long_t torture_constructed, torture_destroyed;

static long torture_left(void)
{
	return atomic_long_read(&torture_constructed) - atomic_long_read(&torture_destroyed);
}

/* === Variables === */

/* The data of each variable. */
struct torture_var {
	void *obj;
	unsigned long id;
	unsigned long gen;
	unsigned long destroyed;	/* destructor calls; not read by lookups */
	unsigned long fill[];		/* computed from the above, as is its length */
};

/* The argument of the constructor. */
struct torture_birth {
	unsigned long id;
	unsigned long gen;
	struct torture_random_state *rnd;
	atomic_t *ctors;		/* incremented, if not NULL */
};

/* Mostly a small size, sometimes about a page. */
static unsigned int torture_words(unsigned long gen)
{
	return gen % 61 == 60 ? 500 : 1 + gen % 24;
}

static size_t torture_size(unsigned long gen)
{
	return offsetof(struct torture_var, fill[torture_words(gen)]);
}

static unsigned long torture_word(void *obj, unsigned long id, unsigned long gen, unsigned int i)
{
	return ((unsigned long)obj ^ id * 31) + gen * GOLDEN_RATIO_32 + i + 1;
}

static bool torture_whole(const struct torture_var *var, void *obj, unsigned long id)
{
	unsigned long gen = var->gen;
	unsigned int i;

	if (var->obj != obj || var->id != id)
		return false;
	for (i = 0; i < torture_words(gen); i++) {
		if (var->fill[i] != torture_word(obj, id, gen, i))
			return false;
	}

	return true;
}

static void torture_must_be_whole(const struct torture_var *var, void *obj, unsigned long id)
{
	if (!torture_whole(var, obj, id))
		torture_mistake("a variable is not whole", obj, id, var->gen);
}

/*
 * Extend the window of a race. Sometimes by milliseconds, because the host may run
 * the CPUs of a virtual machine one after another; by microseconds in interrupts.
 */
static void torture_delay(struct torture_random_state *rnd, unsigned int often)
{
	unsigned int n = torture_random(rnd) % 4096;

	if (n < often && !irqs_disabled() && !in_interrupt())
		mdelay(1 + n % 2);
	else if (n < 16 * often)
		udelay(n % 32);
}

static int torture_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct torture_birth *birth = ctor_data;
	struct torture_var *var = shadow_data;
	unsigned int i, words = torture_words(birth->gen);

	if (memchr_inv(var, 0, torture_size(birth->gen)))
		torture_mistake("the data of a new variable is not zero", obj, birth->id,
				birth->gen);
	if (klp_shadow_get(obj, birth->id))
		torture_mistake("a variable is found during its construction", obj, birth->id,
				birth->gen);

	var->obj = obj;
	var->id = birth->id;
	var->gen = birth->gen;
	/* Time for lookups, which would see the half-written data in a broken store. */
	if (!(torture_random(birth->rnd) % (birth->ctors ? 8 : 512)))
		mdelay(1);
	else if (!(torture_random(birth->rnd) % 8))
		udelay(5);
	for (i = 0; i < words; i++)
		var->fill[i] = torture_word(obj, birth->id, birth->gen, i);

	if (birth->ctors)
		atomic_inc(birth->ctors);
	atomic_long_inc(&torture_constructed);

	return 0;
}

static void torture_dtor(void *obj, void *shadow_data)
{
	struct torture_var *var = shadow_data;

	if (var->destroyed++)
		torture_mistake("a variable was destroyed twice", obj, var->id, var->gen);
	torture_must_be_whole(var, obj, var->id);
	if (klp_shadow_get(obj, var->id))
		torture_mistake("a variable is found during its destruction", obj, var->id,
				var->gen);
	atomic_long_inc(&torture_destroyed);
}

/* __GFP_NORETRY: if memory is scarce, fail without the OOM killer. */
static gfp_t torture_gfp(void)
{
	return may_fail ? GFP_KERNEL | __GFP_NORETRY : GFP_KERNEL;
}

static gfp_t torture_any_gfp(struct torture_random_state *rnd)
{
	return torture_random(rnd) % 2 ? torture_gfp() : GFP_ATOMIC;
}

static void torture_no_memory(void *obj, unsigned long id, unsigned long gen)
{
	torture_count(NO_MEMORIES);
	if (!may_fail)
		torture_mistake("an allocation failed", obj, id, gen);
}

/* Add a variable that does not exist, by either of the two calls that add. */
static struct torture_var *torture_add(void *obj, unsigned long id, unsigned long gen, gfp_t gfp,
				       struct torture_random_state *rnd)
{
	struct torture_birth birth = { .id = id, .gen = gen, .rnd = rnd };
	struct torture_var *var;

	if (torture_random(rnd) % 2)
		var = klp_shadow_alloc(obj, id, torture_size(gen), gfp, torture_ctor, &birth);
	else
		var = klp_shadow_get_or_alloc(obj, id, torture_size(gen), gfp, torture_ctor,
					      &birth);
	if (var)
		torture_count(ADDS);
	else
		torture_no_memory(obj, id, gen);

	return var;
}

static void torture_free(void *obj, unsigned long id)
{
	klp_shadow_free(obj, id, torture_dtor);
	torture_count(FREES);
}

static void torture_free_all(unsigned long id)
{
	klp_shadow_free_all(id, torture_dtor);
	torture_count(FREE_ALLS);
}

static void *torture_get(void *obj, unsigned long id)
{
	torture_count(LOOKUPS);

	return klp_shadow_get(obj, id);
}

/* @var is NULL if the variable must not exist. */
static void torture_expect(void *obj, unsigned long id, void *var, unsigned long gen)
{
	void *found = torture_get(obj, id);

	if (var && found != var)
		torture_mistake(LOST, obj, id, gen);
	else if (!var && found)
		torture_mistake(STALE, obj, id, gen);
}

/* === Slots === */

/*
 * The two low bits of a slot's sequence number are the state of its variable: absent
 * (0), being added (1), present (2), being removed (3). The other bits are the
 * generation. The thread that makes it odd owns the slot: only this thread changes
 * the number, and adds or removes the variable.
 */
#define SEQ_BUSY	1
#define SEQ_PRESENT	2
#define SEQ_STATE	3
#define seq_gen(seq)	((seq) >> 2)

static struct torture_slot {
	void *obj;
	unsigned long id;
	void *var;	/* if present; written by the owner */
	atomic_long_t seq;
} torture_slots[MAX_IDS][MAX_KEYS];

static atomic_t torture_purges[MAX_IDS];	/* purgers of the id at work */
static struct torture_var *torture_residents[MAX_KEYS];
static char torture_parents[MAX_KEYS][64];	/* addresses only */

/* One of the parents is NULL, as in most livepatches in the field. */
static void *torture_obj(unsigned int key)
{
	return key ? torture_parents[key] : NULL;
}

static struct torture_slot *torture_random_slot(struct torture_random_state *rnd)
{
	return &torture_slots[torture_random(rnd) % ids][torture_random(rnd) % keys];
}

/* Own a slot whose sequence number was read as @seq; false if it has changed. */
static bool torture_seize(struct torture_slot *slot, unsigned long seq)
{
	return !(seq & SEQ_BUSY) && atomic_long_cmpxchg(&slot->seq, seq, seq + 1) == seq;
}

static void torture_slot_add(struct torture_slot *slot, unsigned long seq, gfp_t gfp,
			     struct torture_random_state *rnd)
{
	/* After seizing the slot. Pairs with smp_mb__after_atomic() in torture_purge(). */
	bool purged = atomic_read(&torture_purges[slot->id - ID_SLOT]);
	unsigned long gen = seq_gen(seq);
	void *var;

	torture_expect(slot->obj, slot->id, NULL, gen);
	var = torture_add(slot->obj, slot->id, gen, gfp, rnd);
	if (var && purged) {
		/* A purger may have removed it already. */
		torture_free(slot->obj, slot->id);
		var = NULL;
	}
	torture_expect(slot->obj, slot->id, var, gen);
	slot->var = var;
	atomic_long_set_release(&slot->seq, seq + (var ? SEQ_PRESENT : SEQ_STATE + 1));
}

static void torture_write(gfp_t gfp, struct torture_random_state *rnd)
{
	struct torture_slot *slot = torture_random_slot(rnd);
	unsigned long seq = atomic_long_read(&slot->seq);

	if (!torture_seize(slot, seq))
		return;
	if (!(seq & SEQ_PRESENT)) {
		torture_slot_add(slot, seq, gfp, rnd);
		return;
	}
	torture_free(slot->obj, slot->id);
	torture_expect(slot->obj, slot->id, NULL, seq_gen(seq));
	atomic_long_set_release(&slot->seq, seq + SEQ_PRESENT);
}

/*
 * Remove an id from all slots. Threads that add a variable after torture_purges has
 * been incremented see that, and do not expect the variable to remain. Threads that
 * began earlier are waited for.
 */
static void torture_purge(unsigned int i)
{
	DECLARE_BITMAP(mine, MAX_KEYS) = { 0 };
	struct torture_slot *slot;
	unsigned long seq;
	unsigned int key;

	atomic_inc(&torture_purges[i]);
	/* Pairs with atomic_long_cmpxchg() in torture_seize(), before torture_slot_add(). */
	smp_mb__after_atomic();
	for (key = 0; key < keys; key++) {
		slot = &torture_slots[i][key];
		while ((atomic_long_read(&slot->seq) & SEQ_STATE) == SEQ_BUSY)
			usleep_range(20, 100);
		seq = atomic_long_read(&slot->seq);
		/* If that fails, another thread is removing the variable. */
		if ((seq & SEQ_STATE) == SEQ_PRESENT && torture_seize(slot, seq))
			__set_bit(key, mine);
	}

	torture_free_all(ID_SLOT + i);

	for_each_set_bit(key, mine, keys) {
		slot = &torture_slots[i][key];
		seq = atomic_long_read(&slot->seq);
		torture_expect(slot->obj, slot->id, NULL, seq_gen(seq));
		atomic_long_set_release(&slot->seq, seq + 1);
	}
	smp_mb__before_atomic(); /* The removals are visible before the decrement. */
	atomic_dec(&torture_purges[i]);
}

/* === Variables that are moved === */

#define PLACES		8

struct torture_traveller {
	unsigned long id;
	unsigned int places;
	char parents[PLACES];		/* addresses only */
	struct torture_var *var;
	unsigned long moves;		/* written by the mover */
};

static struct torture_traveller torture_wanderer = { .id = ID_WANDERER, .places = PLACES };
static struct torture_traveller torture_commuter = { .id = ID_COMMUTER, .places = 2 };

static void *torture_place(struct torture_traveller *t, unsigned long moves)
{
	return &t->parents[moves % t->places];
}

/* The variable is found on the parent of the last move, or of the next one. (G13) */
static void torture_read_traveller(struct torture_traveller *t)
{
	/* Pairs with smp_store_release() in torture_move(). */
	unsigned long moves = smp_load_acquire(&t->moves);
	struct torture_var *var = torture_get(torture_place(t, moves), t->id);

	if (!var) {
		smp_rmb(); /* Pairs with smp_wmb() in klp_shadow_move(). */
		var = torture_get(torture_place(t, moves + 1), t->id);
	}
	smp_rmb(); /* The number of moves is read after the lookups. */
	if (var ? var != t->var : READ_ONCE(t->moves) == moves)
		torture_mistake(LOST, torture_place(t, moves), t->id, moves);
}

static void torture_move(struct torture_traveller *t, struct torture_random_state *rnd)
{
	void *from = torture_place(t, t->moves), *to = torture_place(t, t->moves + 1);
	int err;

	do {
		cond_resched();
		err = klp_shadow_move(from, to, t->id, torture_any_gfp(rnd));
		if (err == -ENOMEM)
			torture_no_memory(from, t->id, t->moves);
	} while (err == -ENOMEM && may_fail);
	if (err) {
		torture_mistake(LOST, from, t->id, t->moves);
		return;
	}
	torture_expect(from, t->id, NULL, t->moves);
	torture_expect(to, t->id, t->var, t->moves);
	torture_count(MOVES);
	/* After the move. Pairs with smp_load_acquire() in torture_read_traveller(). */
	smp_store_release(&t->moves, t->moves + 1);
}

/* === Lookups === */

static void torture_read_slot(struct torture_random_state *rnd)
{
	struct torture_slot *slot = torture_random_slot(rnd);
	unsigned long before, after, id = slot->id;
	struct torture_var *var;
	void *obj = slot->obj;

	rcu_read_lock();
	before = atomic_long_read_acquire(&slot->seq);
	var = torture_get(obj, id);
	smp_rmb(); /* The sequence number is read again after the lookup. */
	after = atomic_long_read(&slot->seq);

	if (before == after && (before & SEQ_STATE) == 0 && var)
		torture_mistake(STALE, obj, id, seq_gen(before));
	if (before == after && (before & SEQ_STATE) == SEQ_PRESENT && !var)
		torture_mistake(LOST, obj, id, seq_gen(before));
	if (var) {
		unsigned long gen = var->gen;

		if (gen < seq_gen(before) || gen > seq_gen(after))
			torture_mistake("a variable has another generation", obj, id, gen);
		torture_must_be_whole(var, obj, id);
		torture_delay(rnd, 64);
		if (READ_ONCE(var->gen) != gen || !torture_whole(var, obj, id))
			torture_mistake("a variable changed under RCU", obj, id, gen);
	}
	rcu_read_unlock();
}

static void torture_read(struct torture_random_state *rnd)
{
	unsigned int key;

	switch (torture_random(rnd) % 8) {
	case 0:
		key = torture_random(rnd) % keys;
		torture_expect(torture_obj(key), ID_RESIDENT, torture_residents[key], 0);
		torture_must_be_whole(torture_residents[key], torture_obj(key), ID_RESIDENT);
		break;
	case 1:
		torture_read_traveller(&torture_wanderer);
		break;
	case 2:
		torture_read_traveller(&torture_commuter);
		break;
	default:
		torture_read_slot(rnd);
	}
}

/* === Threads === */

struct torture_thread {
	void (*round)(struct torture_thread *self);
	unsigned int nr;		/* index among the threads with the same @round */
	unsigned int pause;		/* between rounds, in microseconds */
	unsigned long rounds;		/* number of completed rounds */
	struct torture_random_state rnd;
	struct irq_work irq;		/* callers: interrupt on the same CPU */
	struct tasklet_struct tasklet;	/* callers: soft interrupt */
	struct torture_var *raced[RACE_KEYS];	/* racers: variables that were returned */
	struct task_struct *task;
};

static struct torture_thread *torture_threads;
static unsigned int torture_thread_count;
static struct task_struct *torture_main_task;

static void torture_reader(struct torture_thread *self)
{
	torture_read(&self->rnd);
}

/* All calls except klp_shadow_move(), with ids of this thread only, in any context. */
static void torture_private(struct torture_thread *self)
{
	unsigned long id = ID_PRIVATE + (self - torture_threads) * PRIVATE_IDS +
			   torture_random(&self->rnd) % PRIVATE_IDS;
	unsigned long gen = torture_random(&self->rnd) % 1000;
	unsigned int key, n = 1 + torture_random(&self->rnd) % min(keys, 4U);
	void *var;

	for (key = 0; key < n; key++) {
		void *obj = torture_obj(key);

		torture_expect(obj, id, NULL, gen);
		var = torture_add(obj, id, gen, GFP_ATOMIC, &self->rnd);
		if (!var)
			continue;
		torture_expect(obj, id, var, gen);
		if (klp_shadow_get_or_alloc(obj, id, 0, GFP_ATOMIC, NULL, NULL) != var)
			torture_mistake("a variable is added to an existing one", obj, id, gen);
	}
	torture_free(torture_obj(0), id);
	torture_expect(torture_obj(0), id, NULL, gen);
	torture_free_all(id);
	for (key = 0; key < n; key++)
		torture_expect(torture_obj(key), id, NULL, gen);
}

static void torture_writer(struct torture_thread *self)
{
	torture_write(torture_any_gfp(&self->rnd), &self->rnd);
	if (!(torture_random(&self->rnd) % 64))
		torture_private(self);
	torture_delay(&self->rnd, 4);
}

static void torture_purger(struct torture_thread *self)
{
	torture_purge(torture_random(&self->rnd) % ids);
}

/* --- Racers --- */

static atomic_t race_arrived;
static atomic_t race_ctors[RACE_KEYS];
static char race_objs[RACE_KEYS];

/* A barrier: wait until racers have called this @all times. False if the test ends. */
static bool torture_meet(int all)
{
	/* Fully ordered: accesses before the barrier are visible to all racers after it. */
	int arrived = atomic_inc_return(&race_arrived);

	/* Compare the difference, because the counter may wrap. */
	while (arrived - all < 0) {
		if (torture_must_stop())
			return false;
		cond_resched();
		arrived = atomic_read_acquire(&race_arrived);
	}

	return true;
}

/* Called between two barriers, so no other thread adds or removes the pairs. */
static void torture_judge_race(struct torture_thread *first)
{
	unsigned long gen = first->rounds;
	unsigned int key, i;

	for (key = 0; key < RACE_KEYS; key++) {
		void *obj = &race_objs[key];
		struct torture_var *var = torture_get(obj, ID_RACE);

		for (i = 0; i < racers; i++) {
			void *got = first[i].raced[key];

			if (got ? got != var : !may_fail)
				torture_mistake("racers got different variables", obj, ID_RACE,
						gen);
		}
		if (atomic_xchg(&race_ctors[key], 0) != !!var)
			torture_mistake("a pair was constructed more than once", obj, ID_RACE, gen);
		if (var)
			torture_must_be_whole(var, obj, ID_RACE);
		if (gen % 2)
			torture_free(obj, ID_RACE);
	}
	if (!(gen % 2))
		torture_free_all(ID_RACE);
	for (key = 0; key < RACE_KEYS; key++)
		torture_expect(&race_objs[key], ID_RACE, NULL, gen);
	torture_count(RACES);
}

static void torture_racer(struct torture_thread *self)
{
	struct torture_birth birth = { .id = ID_RACE, .gen = self->rounds, .rnd = &self->rnd };
	unsigned int key, met = 2 * self->rounds;

	if (!torture_meet((met + 1) * racers))
		return;
	for (key = 0; key < RACE_KEYS; key++) {
		birth.ctors = &race_ctors[key];
		self->raced[key] = klp_shadow_get_or_alloc(&race_objs[key], ID_RACE,
							   torture_size(birth.gen), torture_gfp(),
							   torture_ctor, &birth);
	}
	if (torture_meet((met + 2) * racers) && self->nr == 0)
		torture_judge_race(self);
}

/* --- Filler --- */

static unsigned long fill_destroyed;

static void *torture_fill_obj(unsigned long i)
{
	return (void *)((i + 1) * 192);
}

static void torture_fill_dtor(void *obj, void *shadow_data)
{
	fill_destroyed++;
	torture_dtor(obj, shadow_data);
}

static void torture_must_be_filled(unsigned long i)
{
	void *obj = torture_fill_obj(i);
	struct torture_var *var = torture_get(obj, ID_FILL);

	if (!var || var->gen != i)
		torture_mistake(LOST, obj, ID_FILL, i);
	else
		torture_must_be_whole(var, obj, ID_FILL);
}

static void torture_filler(struct torture_thread *self)
{
	struct torture_random_state *rnd = &self->rnd;
	unsigned long i, n, added = 0;
	unsigned int failed = 0;

	fill_destroyed = 0;
	for (n = 0; added < fill && failed < 100 && !torture_must_stop(); n++) {
		if (torture_add(torture_fill_obj(n), ID_FILL, n, torture_gfp(), rnd)) {
			added++;
			failed = 0;
		} else {
			failed++;
		}
		if (added == n + 1)
			torture_must_be_filled(torture_random(rnd) % (n + 1));
		cond_resched();
	}
	/* One by one, or the rest at once. */
	for (i = 0; i < n && self->rounds % 2; i++) {
		klp_shadow_free(torture_fill_obj(i), ID_FILL, torture_fill_dtor);
		torture_count(FREES);
		torture_expect(torture_fill_obj(torture_random(rnd) % (i + 1)), ID_FILL, NULL, i);
		if (added == n && i + 1 < n)
			torture_must_be_filled(i + 1 + torture_random(rnd) % (n - i - 1));
		cond_resched();
	}
	klp_shadow_free_all(ID_FILL, torture_fill_dtor);
	torture_count(FREE_ALLS);
	torture_expect(torture_fill_obj(n / 2), ID_FILL, NULL, n / 2);
	if (fill_destroyed != added)
		torture_mistake("free_all removed more or less than there was",
				torture_fill_obj(n), ID_FILL, added);
	torture_count(FILLS);
}

/* --- Mover --- */

static void torture_mover(struct torture_thread *self)
{
	unsigned int i;

	/* Both variables end on the parents they were added to, which their data names. */
	for (i = 0; i < PLACES; i++) {
		torture_move(&torture_wanderer, &self->rnd);
		torture_move(&torture_commuter, &self->rnd);
		torture_delay(&self->rnd, 4);
	}
}

/* --- Callers --- */

static void torture_interrupt(struct torture_thread *self)
{
	/* klp_shadow_lock is a sleeping lock on PREEMPT_RT. */
	bool lookups_only = IS_ENABLED(CONFIG_PREEMPT_RT) && irqs_disabled();
	unsigned int i;

	for (i = 0; i < 8; i++) {
		torture_read(&self->rnd);
		if (!lookups_only)
			torture_write(GFP_ATOMIC, &self->rnd);
	}
	if (!lookups_only)
		torture_private(self);
}

static void torture_soft_irq(struct tasklet_struct *tasklet)
{
	torture_interrupt(container_of(tasklet, struct torture_thread, tasklet));
	torture_count(SOFT_IRQS);
}

static void torture_soft_caller(struct torture_thread *self)
{
	local_bh_disable();
	tasklet_schedule(&self->tasklet);
	local_bh_enable(); /* Runs the tasklet. */
}

static void torture_hard_irq(void *self)
{
	torture_interrupt(self);
	if (in_hardirq())
		torture_count(HARD_IRQS);
}

static void torture_own_irq(struct irq_work *work)
{
	torture_hard_irq(container_of(work, struct torture_thread, irq));
}

static void torture_hard_caller(struct torture_thread *self)
{
	int after = torture_random(&self->rnd) % nr_cpu_ids;
	unsigned int cpu = cpumask_next(after - 1, cpu_online_mask);

	/* If the CPU goes offline now, the cross call fails, which is harmless. */
	if (cpu >= nr_cpu_ids || cpu == raw_smp_processor_id())
		irq_work_queue(&self->irq);
	else
		smp_call_function_single(cpu, torture_hard_irq, self, true);
	irq_work_sync(&self->irq);
}

/* === Start and end === */

static int torture_thread(void *arg)
{
	struct torture_thread *self = arg;

	/* Threads that never sleep leave time for other threads and user space. */
	if (!self->pause)
		set_user_nice(current, MAX_NICE);
	while (!torture_must_stop()) {
		self->round(self);
		self->rounds++;
		if (self->pause)
			fsleep(self->pause);
		cond_resched();
	}
	torture_kthread_stopping("torture_thread");

	return 0;
}

static int torture_create(void (*round)(struct torture_thread *self), unsigned int n,
			  unsigned int pause)
{
	unsigned int nr;
	int err = 0;

	for (nr = 0; nr < n && !err; nr++) {
		struct torture_thread *self = &torture_threads[torture_thread_count++];

		self->round = round;
		self->nr = nr;
		self->pause = pause;
		self->irq = IRQ_WORK_INIT_HARD(torture_own_irq);
		tasklet_setup(&self->tasklet, torture_soft_irq);
		err = torture_create_kthread(torture_thread, self, self->task);
	}

	return err;
}

/* Add the variables that exist until the end. */
static int torture_begin(void)
{
	DEFINE_TORTURE_RANDOM(rnd);
	unsigned int key, i;

	for (key = 0; key < keys; key++) {
		for (i = 0; i < ids; i++) {
			torture_slots[i][key].obj = torture_obj(key);
			torture_slots[i][key].id = ID_SLOT + i;
		}
		torture_residents[key] = torture_add(torture_obj(key), ID_RESIDENT, 0, GFP_KERNEL,
						     &rnd);
		if (!torture_residents[key])
			return -ENOMEM;
	}
	torture_wanderer.var = torture_add(torture_place(&torture_wanderer, 0), ID_WANDERER, 0,
					   GFP_KERNEL, &rnd);
	torture_commuter.var = torture_add(torture_place(&torture_commuter, 0), ID_COMMUTER, 0,
					   GFP_KERNEL, &rnd);

	return torture_wanderer.var && torture_commuter.var ? 0 : -ENOMEM;
}

/* After all threads have stopped, check each slot, and remove all variables. */
static void torture_settle(void)
{
	long left = keys + 2;
	unsigned int key, i;

	torture_free_all(ID_RACE); /* Of a race that was not judged. */
	for (i = 0; i < ids; i++) {
		for (key = 0; key < keys; key++) {
			struct torture_slot *slot = &torture_slots[i][key];
			unsigned long seq = atomic_long_read(&slot->seq);

			torture_expect(slot->obj, slot->id, seq & SEQ_PRESENT ? slot->var : NULL,
				       seq_gen(seq));
			left += !!(seq & SEQ_PRESENT);
		}
	}
	if (torture_left() != left)
		torture_mistake("there are more or fewer variables than there should be", NULL,
				0UL, left);

	for (i = 0; i < ids; i++)
		torture_free_all(ID_SLOT + i);
	torture_free_all(ID_RESIDENT);
	torture_free_all(ID_WANDERER);
	torture_free_all(ID_COMMUTER);
	if (torture_left())
		torture_mistake("constructed and destroyed variables do not balance", NULL, 0UL,
				torture_left());
}

static void torture_cleanup(unsigned int seconds)
{
	/* After a mistake the test is too short for all parts to have done something. */
	bool found = atomic_read(&torture_mistakes);
	unsigned long i;

	if (torture_cleanup_begin())
		return;
	for (i = 0; i < torture_thread_count; i++) {
		torture_stop_kthread(torture_thread, torture_threads[i].task);
		tasklet_kill(&torture_threads[i].tasklet);
		if (!found && !torture_threads[i].rounds)
			torture_mistake("a thread has done nothing", NULL, i, 0L);
	}
	if (!found && ((racers && !torture_counted(RACES)) || !torture_counted(HARD_IRQS) ||
		       !torture_counted(SOFT_IRQS)))
		torture_mistake("there was no race or no interrupt", NULL, 0UL, 0L);
	if (torture_onoff_failures())
		torture_mistake("a CPU does not go offline or online", NULL, 0UL, 0L);
	torture_settle();
	torture_print_counts(seconds);
	pr_notice("%s: constructed %ld, destroyed %ld, left %ld, mistakes %d\n",
		  atomic_read(&torture_mistakes) ? "FAILURE" : "SUCCESS",
		  atomic_long_read(&torture_constructed), atomic_long_read(&torture_destroyed),
		  torture_left(), atomic_read(&torture_mistakes));
	kfree(torture_threads);
	torture_cleanup_end();
}

static int torture_main(void *unused)
{
	unsigned int tenths = 0;

	/* Stop at the first mistake: later ones may be caused by it. */
	while (!torture_must_stop() && !atomic_read(&torture_mistakes) &&
	       (!duration || tenths / 10 < duration)) {
		schedule_timeout_interruptible(HZ / 10);
		if (++tenths % 50 == 0)
			torture_print_counts(tenths / 10);
	}
	torture_cleanup(tenths / 10);
	torture_kthread_stopping("torture_main");

	return 0;
}

static int __init torture_init(void)
{
	int err = -ENOMEM;

	if (!keys || keys > MAX_KEYS || !ids || ids > MAX_IDS) {
		pr_err("keys must be 1 to %u, and ids 1 to %u\n", MAX_KEYS, MAX_IDS);
		return -EINVAL;
	}
	if (!torture_init_begin(KBUILD_MODNAME, 0))
		return -EBUSY;
	torture_threads = kcalloc(readers + writers + racers + PURGERS + 4,
				  sizeof(*torture_threads), GFP_KERNEL);
	if (torture_threads)
		err = torture_begin();
	err = err ?: torture_create(torture_reader, readers, 0);
	err = err ?: torture_create(torture_writer, writers, 0);
	err = err ?: torture_create(torture_racer, racers, 1000);
	err = err ?: torture_create(torture_purger, PURGERS, 5000);
	/* Pauses in which the table can shrink. */
	err = err ?: torture_create(torture_filler, !!fill, 200000);
	err = err ?: torture_create(torture_mover, move, 0);
	err = err ?: torture_create(torture_hard_caller, 1, 300);
	err = err ?: torture_create(torture_soft_caller, 1, 300);
	err = err ?: torture_onoff_init(0, onoff_interval, NULL);
	err = err ?: torture_create_kthread(torture_main, NULL, torture_main_task);
	torture_init_end();
	if (err)
		torture_cleanup(0);

	return err;
}

static void __exit torture_exit(void)
{
	torture_stop_kthread(torture_main, torture_main_task);
}

module_init(torture_init);
module_exit(torture_exit);
MODULE_DESCRIPTION("Torture test of shadow variables");
MODULE_LICENSE("GPL");
