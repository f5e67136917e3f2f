// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Torture test of shadow variables: all calls of the public API run concurrently,
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
 *
 * Constructors and destructors run with klp_shadow_lock held and interrupts off, so
 * mistakes are only recorded where they are found. The main thread prints them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/livepatch_shadow.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

static unsigned int duration = 30;
module_param(duration, uint, 0444);
MODULE_PARM_DESC(duration, "seconds to run; 0: until the module is removed");

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the random numbers; 0: choose one");

static unsigned int readers = 2;
module_param(readers, uint, 0444);
MODULE_PARM_DESC(readers, "threads that look variables up");

static unsigned int writers = 2;
module_param(writers, uint, 0444);
MODULE_PARM_DESC(writers, "threads that add and remove variables");

static unsigned int racers = 2;
module_param(racers, uint, 0444);
MODULE_PARM_DESC(racers, "threads that add the same pairs at the same time; not 1");

static unsigned int keys = 32;
module_param(keys, uint, 0444);
MODULE_PARM_DESC(keys, "number of parents");

static unsigned int ids = 8;
module_param(ids, uint, 0444);
MODULE_PARM_DESC(ids, "number of ids whose variables are added and removed");

static unsigned int free_all_ms = 5;
module_param(free_all_ms, uint, 0444);
MODULE_PARM_DESC(free_all_ms, "milliseconds between calls of klp_shadow_free_all(); 0: no calls");

static unsigned int hard_callers = 1;
module_param(hard_callers, uint, 0444);
MODULE_PARM_DESC(hard_callers, "threads that cause calls in hard interrupts");

static unsigned int soft_callers = 1;
module_param(soft_callers, uint, 0444);
MODULE_PARM_DESC(soft_callers, "threads that cause calls in soft interrupts");

static unsigned int movers = 1;
module_param(movers, uint, 0444);
MODULE_PARM_DESC(movers, "threads that move variables: 0 or 1");

static unsigned int fill = 9000;
module_param(fill, uint, 0444);
MODULE_PARM_DESC(fill, "variables to add and remove, to resize the table; 0: none");

static bool may_fail;
module_param(may_fail, bool, 0444);
MODULE_PARM_DESC(may_fail, "allocations may fail without being reported");

#define HEARTBEAT_S	5

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

enum torture_kind {
	LOST,
	STALE,
	EARLY,
	LATE,
	UNZEROED,
	BROKEN,
	CHANGED,
	SECOND,
	DIFFERENT,
	TWICE,
	MISCOUNT,
	NO_MEMORY,
	UNBALANCED,
	IDLE,
	KINDS
};

static const char * const torture_kinds[KINDS] = {
	[LOST] = "a variable that exists is not found",
	[STALE] = "a variable that does not exist is found",
	[EARLY] = "a variable is found during its construction",
	[LATE] = "a variable is found during its destruction",
	[UNZEROED] = "the data of a new variable is not zero",
	[BROKEN] = "a variable is not whole",
	[CHANGED] = "a variable changed while a reader was using it",
	[SECOND] = "a pair was constructed more than once",
	[DIFFERENT] = "racers got different variables",
	[TWICE] = "a variable was destroyed twice",
	[MISCOUNT] = "free_all removed more or less than there was",
	[NO_MEMORY] = "an allocation failed",
	[UNBALANCED] = "constructed and destroyed variables do not balance",
	[IDLE] = "a part has done nothing",
};

#define TOLD	3	/* mistakes of a kind that are printed in detail */

static struct torture_mistake {
	atomic_t count;
	struct {
		void *obj;
		unsigned long id;
		unsigned long gen;
		int cpu;
		bool known;
	} first[TOLD];
	unsigned int told;	/* printed so far; used by the main thread only */
} torture_mistakes[KINDS];

static void torture_mistake(enum torture_kind kind, void *obj, unsigned long id, unsigned long gen)
{
	struct torture_mistake *m = &torture_mistakes[kind];
	unsigned int n = atomic_inc_return(&m->count) - 1;

	if (n >= TOLD)
		return;
	m->first[n].obj = obj;
	m->first[n].id = id;
	m->first[n].gen = gen;
	m->first[n].cpu = raw_smp_processor_id();
	/* All members before @known. Pairs with smp_load_acquire() in torture_tell(). */
	smp_store_release(&m->first[n].known, true);
}

/* Print the mistakes found since the last call. Returns the number of all mistakes. */
static unsigned int torture_tell(void)
{
	unsigned int kind, sum = 0;

	for (kind = 0; kind < KINDS; kind++) {
		struct torture_mistake *m = &torture_mistakes[kind];

		sum += atomic_read(&m->count);
		/* Pairs with smp_store_release() in torture_mistake(). */
		while (m->told < TOLD && smp_load_acquire(&m->first[m->told].known)) {
			pr_err("mistake: %s: <%p, %lx>, generation %ld, CPU %d\n",
			       torture_kinds[kind], m->first[m->told].obj, m->first[m->told].id,
			       m->first[m->told].gen, m->first[m->told].cpu);
			m->told++;
		}
	}

	return sum;
}

enum torture_stat {
	LOOKUPS,
	FINDS,
	ADDS,
	FREES,
	FREE_ALLS,
	RACES,
	FILLS,
	MOVES,
	RETRIES,
	HARD_IRQS,
	SOFT_IRQS,
	NO_MEMORIES,
	STATS
};

static const char * const torture_stats[STATS] = {
	[LOOKUPS] = "lookups",
	[FINDS] = "found",
	[ADDS] = "adds",
	[FREES] = "frees",
	[FREE_ALLS] = "free_alls",
	[RACES] = "races",
	[FILLS] = "fills",
	[MOVES] = "moves",
	[RETRIES] = "retries",
	[HARD_IRQS] = "hard interrupts",
	[SOFT_IRQS] = "soft interrupts",
	[NO_MEMORIES] = "failed allocations",
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

/* Number of constructor and destructor calls. */
static atomic_long_t torture_constructed, torture_destroyed;

/* === Variables === */

/**
 * struct torture_var - the data of each variable
 * @obj:	parent
 * @id:		identifier
 * @gen:	generation
 * @destroyed:	number of destructor calls; not read by lookups
 * @fill:	computed from @obj, @id and @gen, as is its length; written last
 */
struct torture_var {
	void *obj;
	unsigned long id;
	unsigned long gen;
	unsigned long destroyed;
	unsigned long fill[];
};

/**
 * struct torture_birth - argument of the constructor
 * @id:		identifier of the variable
 * @gen:	its generation
 * @rnd:	random numbers of the thread that adds it
 * @ctors:	incremented by the constructor, if not NULL
 */
struct torture_birth {
	unsigned long id;
	unsigned long gen;
	struct rnd_state *rnd;
	atomic_t *ctors;
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

static u32 torture_random(struct rnd_state *rnd, u32 below)
{
	return prandom_u32_state(rnd) % below;
}

/*
 * Extend the window of a race. Sometimes by milliseconds, because the host may run
 * the CPUs of a virtual machine one after another; by microseconds in interrupts.
 */
static void torture_delay(struct rnd_state *rnd, unsigned int often)
{
	u32 n = torture_random(rnd, 4096);

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

	if (var->obj || var->id || var->gen || var->destroyed)
		torture_mistake(UNZEROED, obj, birth->id, birth->gen);
	for (i = 0; i < words; i++) {
		if (var->fill[i]) {
			torture_mistake(UNZEROED, obj, birth->id, birth->gen);
			break;
		}
	}
	if (klp_shadow_get(obj, birth->id))
		torture_mistake(EARLY, obj, birth->id, birth->gen);

	var->obj = obj;
	var->id = birth->id;
	var->gen = birth->gen;
	/* Time for lookups, which would see the half-written data in a broken store. */
	if (!torture_random(birth->rnd, birth->ctors ? 8 : 512))
		mdelay(1);
	else if (!torture_random(birth->rnd, 8))
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
		torture_mistake(TWICE, obj, var->id, var->gen);
	if (!torture_whole(var, obj, var->id))
		torture_mistake(BROKEN, obj, var->id, var->gen);
	if (klp_shadow_get(obj, var->id))
		torture_mistake(LATE, obj, var->id, var->gen);
	atomic_long_inc(&torture_destroyed);
}

/* __GFP_NORETRY: if memory is scarce, fail without the OOM killer. */
static gfp_t torture_gfp(void)
{
	return may_fail ? GFP_KERNEL | __GFP_NORETRY : GFP_KERNEL;
}

/* Add a variable that does not exist, by either of the two calls that add. */
static struct torture_var *torture_add(void *obj, unsigned long id, unsigned long gen, gfp_t gfp,
				       struct rnd_state *rnd)
{
	struct torture_birth birth = { .id = id, .gen = gen, .rnd = rnd };
	struct torture_var *var;

	if (torture_random(rnd, 2))
		var = klp_shadow_alloc(obj, id, torture_size(gen), gfp, torture_ctor, &birth);
	else
		var = klp_shadow_get_or_alloc(obj, id, torture_size(gen), gfp, torture_ctor,
					      &birth);
	if (var) {
		torture_count(ADDS);
	} else {
		torture_count(NO_MEMORIES);
		if (!may_fail)
			torture_mistake(NO_MEMORY, obj, id, gen);
	}

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
	void *var = klp_shadow_get(obj, id);

	torture_count(LOOKUPS);
	if (var)
		torture_count(FINDS);

	return var;
}

static void torture_must_exist(void *obj, unsigned long id, void *var, unsigned long gen)
{
	if (torture_get(obj, id) != var)
		torture_mistake(LOST, obj, id, gen);
}

static void torture_must_not_exist(void *obj, unsigned long id, unsigned long gen)
{
	if (torture_get(obj, id))
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

struct torture_slot {
	atomic_long_t seq;
};

static struct torture_slot *torture_slots;	/* [ids][keys] */
static atomic_t *torture_purges;		/* [ids]: purgers of the id at work */
static struct torture_var **torture_residents;	/* [keys] */
static char *torture_parents;			/* [keys][PARENT_SIZE], addresses only */

#define PARENT_SIZE	64

/* One of the parents is NULL, as in most livepatches in the field. */
static void *torture_obj(unsigned int key)
{
	return key ? torture_parents + key * PARENT_SIZE : NULL;
}

static struct torture_slot *torture_slot(unsigned int key, unsigned int i)
{
	return &torture_slots[i * keys + key];
}

/* Own a slot whose sequence number was read as @seq; false if it has changed. */
static bool torture_seize(struct torture_slot *slot, unsigned long seq)
{
	return !(seq & SEQ_BUSY) && atomic_long_cmpxchg(&slot->seq, seq, seq + 1) == seq;
}

static void torture_slot_add(unsigned int key, unsigned int i, unsigned long seq, gfp_t gfp,
			     struct rnd_state *rnd)
{
	struct torture_slot *slot = torture_slot(key, i);
	unsigned long id = ID_SLOT + i, gen = seq_gen(seq);
	/* After seizing the slot. Pairs with smp_mb__after_atomic() in torture_purge(). */
	bool purged = atomic_read(&torture_purges[i]);
	void *obj = torture_obj(key);
	void *var;

	torture_must_not_exist(obj, id, gen);
	var = torture_add(obj, id, gen, gfp, rnd);
	if (!var) {
		torture_must_not_exist(obj, id, gen);
	} else if (!purged) {
		torture_must_exist(obj, id, var, gen);
	} else {
		/* A purger may have removed it already. */
		torture_free(obj, id);
		torture_must_not_exist(obj, id, gen);
		var = NULL;
	}
	atomic_long_set_release(&slot->seq, seq + (var ? SEQ_PRESENT : SEQ_STATE + 1));
}

static void torture_slot_remove(unsigned int key, unsigned int i, unsigned long seq)
{
	unsigned long id = ID_SLOT + i;
	void *obj = torture_obj(key);

	torture_free(obj, id);
	torture_must_not_exist(obj, id, seq_gen(seq));
	atomic_long_set_release(&torture_slot(key, i)->seq, seq + SEQ_PRESENT);
}

static void torture_write(gfp_t gfp, struct rnd_state *rnd)
{
	unsigned int key = torture_random(rnd, keys), i = torture_random(rnd, ids);
	struct torture_slot *slot = torture_slot(key, i);
	unsigned long seq = atomic_long_read(&slot->seq);

	if (!torture_seize(slot, seq))
		return;
	if (seq & SEQ_PRESENT)
		torture_slot_remove(key, i, seq);
	else
		torture_slot_add(key, i, seq, gfp, rnd);
}

/*
 * Remove an id from all slots. Threads that add a variable after torture_purges has
 * been incremented see that, and do not expect the variable to remain. Threads that
 * began earlier are waited for.
 */
static void torture_purge(unsigned int i, unsigned long *mine)
{
	struct torture_slot *slot;
	unsigned long seq, id = ID_SLOT + i;
	unsigned int key;

	bitmap_zero(mine, keys);
	atomic_inc(&torture_purges[i]);
	/* Pairs with atomic_long_cmpxchg() in torture_seize(), before torture_slot_add(). */
	smp_mb__after_atomic();
	for (key = 0; key < keys; key++) {
		slot = torture_slot(key, i);
		while ((atomic_long_read(&slot->seq) & SEQ_STATE) == SEQ_BUSY)
			usleep_range(20, 100);
		seq = atomic_long_read(&slot->seq);
		/* If that fails, another thread is removing the variable. */
		if ((seq & SEQ_STATE) == SEQ_PRESENT && torture_seize(slot, seq))
			__set_bit(key, mine);
	}

	torture_free_all(id);

	for_each_set_bit(key, mine, keys) {
		slot = torture_slot(key, i);
		seq = atomic_long_read(&slot->seq);
		torture_must_not_exist(torture_obj(key), id, seq_gen(seq));
		atomic_long_set_release(&slot->seq, seq + 1);
	}
	smp_mb__before_atomic(); /* The removals are visible before the decrement. */
	atomic_dec(&torture_purges[i]);
}

/* === The wanderer, a variable that is moved round a ring of parents === */

#define PLACES	8

static char torture_places[PLACES];		/* its parents, addresses only */
static struct torture_var *torture_wanderer;
static unsigned long torture_moved;		/* number of moves; written by the mover */

static void *torture_place(unsigned long moved)
{
	return &torture_places[moved % PLACES];
}

/* The variable is found on the parent of the last move, or of the next one. (G13) */
static void torture_read_wanderer(void)
{
	/* Pairs with smp_store_release() in torture_move(). */
	unsigned long moved = smp_load_acquire(&torture_moved);
	struct torture_var *var = torture_get(torture_place(moved), ID_WANDERER);

	if (!var) {
		smp_rmb(); /* Pairs with smp_wmb() in klp_shadow_move(). */
		var = torture_get(torture_place(moved + 1), ID_WANDERER);
	}
	smp_rmb(); /* torture_moved is read after the lookups. */
	if (var ? var != torture_wanderer : READ_ONCE(torture_moved) == moved)
		torture_mistake(LOST, torture_place(moved), ID_WANDERER, moved);
}

/* Returns false after a mistake: the variable can no longer be moved. */
static bool torture_move(gfp_t gfp)
{
	void *from = torture_place(torture_moved), *to = torture_place(torture_moved + 1);
	int err = klp_shadow_move(from, to, ID_WANDERER, gfp);

	if (err == -ENOMEM && may_fail) {
		torture_count(NO_MEMORIES);
		return true;
	}
	if (err) {
		torture_mistake(err == -ENOMEM ? NO_MEMORY : LOST, from, ID_WANDERER,
				torture_moved);
		return false;
	}
	torture_must_not_exist(from, ID_WANDERER, torture_moved);
	torture_must_exist(to, ID_WANDERER, torture_wanderer, torture_moved);
	torture_count(MOVES);
	/* After the move. Pairs with smp_load_acquire() in torture_read_wanderer(). */
	smp_store_release(&torture_moved, torture_moved + 1);

	return true;
}

/* === The commuter, a variable that is moved to another parent and back === */

#define COMMUTER_TRIES	10000

static char torture_ends[2];			/* its parents, addresses only */
static struct torture_var *torture_commuter;
static unsigned int torture_end;		/* index of its parent; used by the mover only */

/*
 * A reader may miss the variable on both parents, because it is moved back in between.
 * The reader repeats the lookups until one of them finds it. (G13)
 */
static void torture_read_commuter(void)
{
	struct torture_var *var;
	unsigned int tries;

	for (tries = 0; tries < COMMUTER_TRIES; tries++) {
		var = torture_get(&torture_ends[tries % 2], ID_COMMUTER);
		if (var == torture_commuter)
			return;
		if (var)
			break;
		smp_rmb(); /* Pairs with smp_wmb() in klp_shadow_move(). */
		if (tries)
			torture_count(RETRIES);
	}
	torture_mistake(LOST, &torture_ends[0], ID_COMMUTER, tries);
}

/* Returns false after a mistake: the variable can no longer be moved. */
static bool torture_commute(gfp_t gfp)
{
	void *from = &torture_ends[torture_end], *to = &torture_ends[!torture_end];
	int err = klp_shadow_move(from, to, ID_COMMUTER, gfp);

	if (err == -ENOMEM && may_fail) {
		torture_count(NO_MEMORIES);
		return true;
	}
	if (err) {
		torture_mistake(err == -ENOMEM ? NO_MEMORY : LOST, from, ID_COMMUTER,
				torture_end);
		return false;
	}
	torture_must_not_exist(from, ID_COMMUTER, torture_end);
	torture_must_exist(to, ID_COMMUTER, torture_commuter, torture_end);
	torture_count(MOVES);
	torture_end = !torture_end;

	return true;
}

/* === Readers === */

/* Called under RCU: the data that was found must not change. */
static void torture_use(struct torture_var *var, void *obj, unsigned long id,
			struct rnd_state *rnd)
{
	unsigned long gen = var->gen;

	if (!torture_whole(var, obj, id)) {
		torture_mistake(BROKEN, obj, id, gen);
		return;
	}
	torture_delay(rnd, 64);
	if (READ_ONCE(var->gen) != gen || !torture_whole(var, obj, id))
		torture_mistake(CHANGED, obj, id, gen);
}

static void torture_read_resident(struct rnd_state *rnd)
{
	unsigned int key = torture_random(rnd, keys);
	void *obj = torture_obj(key);
	struct torture_var *var = torture_get(obj, ID_RESIDENT);

	if (!var || var != torture_residents[key])
		torture_mistake(LOST, obj, ID_RESIDENT, 0);
	else if (!torture_whole(var, obj, ID_RESIDENT))
		torture_mistake(BROKEN, obj, ID_RESIDENT, 0);
}

static void torture_read_slot(struct rnd_state *rnd)
{
	unsigned int key = torture_random(rnd, keys), i = torture_random(rnd, ids);
	struct torture_slot *slot = torture_slot(key, i);
	unsigned long before, after, id = ID_SLOT + i;
	void *obj = torture_obj(key);
	struct torture_var *var;

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
		/* A generation that existed between the two reads. */
		if (var->gen < seq_gen(before) || var->gen > seq_gen(after))
			torture_mistake(BROKEN, obj, id, seq_gen(before));
		torture_use(var, obj, id, rnd);
	}
	rcu_read_unlock();
}

static void torture_read(struct rnd_state *rnd)
{
	switch (torture_random(rnd, 8)) {
	case 0:
		torture_read_resident(rnd);
		break;
	case 1:
		torture_read_wanderer();
		break;
	case 2:
		torture_read_commuter();
		break;
	default:
		torture_read_slot(rnd);
	}
}

/* === Threads === */

/**
 * struct torture_thread - a thread and its data
 * @task:	the thread
 * @work:	main function; returns after torture_stop is set
 * @index:	index among all threads
 * @nr:		index among the threads with the same @work
 * @rounds:	number of completed rounds of work
 * @rnd:	random numbers
 * @irq_rnd:	callers: random numbers for their interrupts
 * @irq:	callers: interrupt on the same CPU
 * @tasklet:	callers: soft interrupt
 * @soft:	callers: make the calls in a soft interrupt
 * @mine:	purgers: bitmap of the slots that the thread owns
 */
struct torture_thread {
	struct task_struct *task;
	void (*work)(struct torture_thread *self);
	unsigned int index;
	unsigned int nr;
	unsigned long rounds;
	struct rnd_state rnd;
	struct rnd_state irq_rnd;
	struct irq_work irq;
	struct tasklet_struct tasklet;
	bool soft;
	unsigned long *mine;
};

static struct torture_thread *torture_threads;
static unsigned int torture_thread_count;
static struct task_struct *torture_main_task;
/*
 * A kthread that is stopped before it has run never runs, and racers would wait for
 * it forever. So nothing is stopped before all threads have begun.
 */
static DECLARE_COMPLETION(torture_thread_begun);
static DECLARE_COMPLETION(torture_all_begun);
static bool torture_stop;

static void torture_reader(struct torture_thread *self)
{
	/* Readers and writers never sleep: leave time for other threads and user space. */
	set_user_nice(current, MAX_NICE);
	while (!READ_ONCE(torture_stop)) {
		torture_read(&self->rnd);
		self->rounds++;
		cond_resched();
	}
}

/* All calls except klp_shadow_move(), with ids of this thread only, in any context. */
static void torture_private(struct torture_thread *self, struct rnd_state *rnd)
{
	unsigned long id = ID_PRIVATE + self->index * PRIVATE_IDS +
			   torture_random(rnd, PRIVATE_IDS);
	unsigned long gen = torture_random(rnd, 1000);
	unsigned int key, n = 1 + torture_random(rnd, min(keys, 4U));
	void *var;

	for (key = 0; key < n; key++) {
		void *obj = torture_obj(key);

		torture_must_not_exist(obj, id, gen);
		var = torture_add(obj, id, gen, GFP_ATOMIC, rnd);
		if (!var)
			continue;
		torture_must_exist(obj, id, var, gen);
		if (klp_shadow_get_or_alloc(obj, id, 0, GFP_ATOMIC, NULL, NULL) != var)
			torture_mistake(DIFFERENT, obj, id, gen);
	}
	torture_free(torture_obj(0), id);
	torture_must_not_exist(torture_obj(0), id, gen);
	torture_free_all(id);
	for (key = 0; key < n; key++)
		torture_must_not_exist(torture_obj(key), id, gen);
}

static void torture_writer(struct torture_thread *self)
{
	set_user_nice(current, MAX_NICE);
	while (!READ_ONCE(torture_stop)) {
		torture_write(torture_random(&self->rnd, 2) ? torture_gfp() : GFP_ATOMIC,
			      &self->rnd);
		if (!torture_random(&self->rnd, 64))
			torture_private(self, &self->rnd);
		torture_delay(&self->rnd, 4);
		self->rounds++;
		cond_resched();
	}
}

static void torture_purger(struct torture_thread *self)
{
	while (!READ_ONCE(torture_stop)) {
		torture_purge(torture_random(&self->rnd, ids), self->mine);
		self->rounds++;
		fsleep(free_all_ms * 1000UL);
	}
}

/* --- Racers --- */

static atomic_t race_arrived;
static atomic_t race_ctors[RACE_KEYS];
static struct torture_var **race_vars;	/* [racers][RACE_KEYS] */
static char race_objs[RACE_KEYS];
static bool race_over;

/* A barrier: wait until all racers have called this @nth times. */
static void torture_meet(unsigned int *nth)
{
	int all = ++*nth * racers;

	/* Fully ordered: accesses before the barrier are visible to all racers after it. */
	if (atomic_inc_return(&race_arrived) == all)
		return;
	/* Compare the difference, because the counter may wrap. */
	while (atomic_read_acquire(&race_arrived) - all < 0)
		cond_resched();
}

/* Called between two barriers, so no other thread adds or removes the pairs. */
static void torture_judge_race(unsigned long gen)
{
	unsigned int key, i;

	for (key = 0; key < RACE_KEYS; key++) {
		void *obj = &race_objs[key];
		struct torture_var *var = torture_get(obj, ID_RACE);
		int ctors = atomic_xchg(&race_ctors[key], 0);

		for (i = 0; i < racers; i++) {
			struct torture_var *got = race_vars[i * RACE_KEYS + key];

			if (got ? got != var : !may_fail)
				torture_mistake(DIFFERENT, obj, ID_RACE, gen);
		}
		if (ctors != !!var)
			torture_mistake(SECOND, obj, ID_RACE, gen);
		if (var && !torture_whole(var, obj, ID_RACE))
			torture_mistake(BROKEN, obj, ID_RACE, gen);
		if (gen % 2)
			torture_free(obj, ID_RACE);
	}
	if (!(gen % 2))
		torture_free_all(ID_RACE);
	for (key = 0; key < RACE_KEYS; key++)
		torture_must_not_exist(&race_objs[key], ID_RACE, gen);
	torture_count(RACES);
}

static void torture_racer(struct torture_thread *self)
{
	unsigned int key, nth = 0;
	struct torture_birth birth = { .id = ID_RACE, .rnd = &self->rnd };

	for (;;) {
		schedule_timeout_interruptible(1);
		torture_meet(&nth);
		if (race_over)
			return;
		for (key = 0; key < RACE_KEYS; key++) {
			birth.ctors = &race_ctors[key];
			race_vars[self->nr * RACE_KEYS + key] =
				klp_shadow_get_or_alloc(&race_objs[key], ID_RACE,
							torture_size(birth.gen), torture_gfp(),
							torture_ctor, &birth);
		}
		torture_meet(&nth);
		if (self->nr == 0) {
			torture_judge_race(birth.gen);
			race_over = READ_ONCE(torture_stop);
		}
		birth.gen++;
		self->rounds++;
	}
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
	struct torture_var *var = torture_get(torture_fill_obj(i), ID_FILL);

	if (!var)
		torture_mistake(LOST, torture_fill_obj(i), ID_FILL, i);
	else if (var->gen != i || !torture_whole(var, torture_fill_obj(i), ID_FILL))
		torture_mistake(BROKEN, torture_fill_obj(i), ID_FILL, i);
}

static void torture_drain(struct torture_thread *self, unsigned long n, bool gaps)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		klp_shadow_free(torture_fill_obj(i), ID_FILL, torture_fill_dtor);
		torture_count(FREES);
		torture_must_not_exist(torture_fill_obj(torture_random(&self->rnd, i + 1)),
				       ID_FILL, i);
		if (!gaps && i + 1 < n)
			torture_must_be_filled(i + 1 + torture_random(&self->rnd, n - i - 1));
		cond_resched();
	}
}

static void torture_filler(struct torture_thread *self)
{
	while (!READ_ONCE(torture_stop)) {
		unsigned long n, added = 0;
		unsigned int failed = 0;

		fill_destroyed = 0;
		for (n = 0; added < fill && failed < 100 && !READ_ONCE(torture_stop); n++) {
			if (torture_add(torture_fill_obj(n), ID_FILL, n, torture_gfp(),
					&self->rnd)) {
				added++;
				failed = 0;
			} else {
				failed++;
			}
			if (added == n + 1)
				torture_must_be_filled(torture_random(&self->rnd, n + 1));
			cond_resched();
		}
		if (self->rounds++ % 2) {
			torture_drain(self, n, added < n);
		} else {
			klp_shadow_free_all(ID_FILL, torture_fill_dtor);
			torture_count(FREE_ALLS);
			torture_must_not_exist(torture_fill_obj(n / 2), ID_FILL, n / 2);
		}
		if (fill_destroyed != added)
			torture_mistake(MISCOUNT, torture_fill_obj(n), ID_FILL, added);
		torture_count(FILLS);
		/* Give the table time to shrink. */
		fsleep(200000);
	}
}

/* --- Mover --- */

static void torture_mover(struct torture_thread *self)
{
	set_user_nice(current, MAX_NICE);
	/* Both variables end on the parents they were added to, which their data names. */
	while (!READ_ONCE(torture_stop) || torture_moved % PLACES || torture_end) {
		if (!torture_move(torture_random(&self->rnd, 2) ? torture_gfp() : GFP_ATOMIC) ||
		    !torture_commute(torture_random(&self->rnd, 2) ? torture_gfp() : GFP_ATOMIC))
			return;
		self->rounds++;
		torture_delay(&self->rnd, 4);
		cond_resched();
	}
}

/* --- Callers --- */

static void torture_interrupt(struct torture_thread *self, bool lookups_only)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		torture_read(&self->irq_rnd);
		if (!lookups_only)
			torture_write(GFP_ATOMIC, &self->irq_rnd);
	}
	if (!lookups_only)
		torture_private(self, &self->irq_rnd);
}

static void torture_soft_irq(struct tasklet_struct *tasklet)
{
	struct torture_thread *self = container_of(tasklet, struct torture_thread, tasklet);

	torture_interrupt(self, false);
	torture_count(SOFT_IRQS);
}

static void torture_hard_irq(void *data)
{
	struct torture_thread *self = data;

	if (self->soft) {
		tasklet_schedule(&self->tasklet);
		return;
	}
	/* klp_shadow_lock is a sleeping lock on PREEMPT_RT. */
	torture_interrupt(self, IS_ENABLED(CONFIG_PREEMPT_RT));
	if (in_hardirq())
		torture_count(HARD_IRQS);
}

static void torture_own_irq(struct irq_work *work)
{
	torture_hard_irq(container_of(work, struct torture_thread, irq));
}

static void torture_caller(struct torture_thread *self)
{
	unsigned int cpu;
	int after;

	while (!READ_ONCE(torture_stop)) {
		after = torture_random(&self->rnd, nr_cpu_ids);
		/* If the CPU goes offline now, the cross call fails, which is harmless. */
		cpu = cpumask_next(after - 1, cpu_online_mask);
		/*
		 * An idle CPU may handle the cross call in its idle loop, where PREEMPT_RT
		 * warns if a soft interrupt is raised.
		 */
		if (self->soft || cpu >= nr_cpu_ids || cpu == raw_smp_processor_id())
			irq_work_queue(&self->irq);
		else
			smp_call_function_single(cpu, torture_hard_irq, self, true);
		irq_work_sync(&self->irq);
		self->rounds++;
		usleep_range(100, 1000);
	}
	tasklet_kill(&self->tasklet);
}

/* --- Starting and stopping threads --- */

static int torture_thread(void *data)
{
	struct torture_thread *self = data;

	complete(&torture_thread_begun);
	self->work(self);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);

	return 0;
}

static int torture_create(void (*work)(struct torture_thread *self), const char *name,
			  unsigned int n)
{
	unsigned int nr;

	for (nr = 0; nr < n; nr++) {
		struct torture_thread *self = &torture_threads[torture_thread_count];
		struct task_struct *task;

		self->index = torture_thread_count;
		self->nr = nr;
		self->work = work;
		self->soft = nr >= hard_callers;
		prandom_seed_state(&self->rnd, seed + 2 * self->index);
		prandom_seed_state(&self->irq_rnd, seed + 2 * self->index + 1);
		self->irq = IRQ_WORK_INIT_HARD(torture_own_irq);
		tasklet_setup(&self->tasklet, torture_soft_irq);
		self->mine = bitmap_zalloc(keys, GFP_KERNEL);
		if (!self->mine)
			return -ENOMEM;
		task = kthread_create(torture_thread, self, "torture_%s%u", name, nr);
		if (IS_ERR(task)) {
			bitmap_free(self->mine);
			return PTR_ERR(task);
		}
		self->task = task;
		torture_thread_count++;
	}

	return 0;
}

static int torture_create_all(void)
{
	unsigned int n = readers + writers + racers + PURGERS + 2 + hard_callers + soft_callers;
	int err;

	torture_threads = kvcalloc(n, sizeof(*torture_threads), GFP_KERNEL);
	if (!torture_threads)
		return -ENOMEM;
	err = torture_create(torture_reader, "reader", readers);
	err = err ?: torture_create(torture_writer, "writer", writers);
	err = err ?: torture_create(torture_racer, "racer", racers);
	err = err ?: torture_create(torture_purger, "purger", free_all_ms ? PURGERS : 0);
	err = err ?: torture_create(torture_filler, "filler", !!fill);
	err = err ?: torture_create(torture_mover, "mover", !!movers);
	err = err ?: torture_create(torture_caller, "caller", hard_callers + soft_callers);

	return err;
}

static void torture_stop_all(void)
{
	unsigned int i;

	WRITE_ONCE(torture_stop, true);
	for (i = 0; i < torture_thread_count; i++) {
		kthread_stop(torture_threads[i].task);
		bitmap_free(torture_threads[i].mine);
	}
}

/* === Main thread and module === */

static void torture_print_counts(unsigned long seconds)
{
	char line[400];
	int stat, n = 0;

	for (stat = 0; stat < STATS; stat++)
		n += scnprintf(line + n, sizeof(line) - n, ", %s %lu", torture_stats[stat],
			       torture_counted(stat));
	pr_info("%lu s%s\n", seconds, line);
}

static int torture_add_residents(void)
{
	struct rnd_state rnd;
	unsigned int key;

	prandom_seed_state(&rnd, seed);
	for (key = 0; key < keys; key++) {
		torture_residents[key] = torture_add(torture_obj(key), ID_RESIDENT, 0, GFP_KERNEL,
						     &rnd);
		if (!torture_residents[key])
			return -ENOMEM;
	}
	torture_wanderer = torture_add(torture_place(0), ID_WANDERER, 0, GFP_KERNEL, &rnd);
	torture_commuter = torture_add(&torture_ends[0], ID_COMMUTER, 0, GFP_KERNEL, &rnd);

	return torture_wanderer && torture_commuter ? 0 : -ENOMEM;
}

/* After all threads have stopped, check each slot, and the number of variables left. */
static void torture_settle(void)
{
	long left = keys + 2;
	unsigned int key, i;

	for (i = 0; i < ids; i++) {
		for (key = 0; key < keys; key++) {
			unsigned long seq = atomic_long_read(&torture_slot(key, i)->seq);
			void *obj = torture_obj(key);
			struct torture_var *var = torture_get(obj, ID_SLOT + i);

			if (var && !torture_whole(var, obj, ID_SLOT + i))
				torture_mistake(BROKEN, obj, ID_SLOT + i, seq_gen(seq));
			if ((seq & SEQ_STATE) == SEQ_PRESENT && !var)
				torture_mistake(LOST, obj, ID_SLOT + i, seq_gen(seq));
			if ((seq & SEQ_STATE) == 0 && var)
				torture_mistake(STALE, obj, ID_SLOT + i, seq_gen(seq));
			left += !!(seq & SEQ_PRESENT);
		}
	}
	if (atomic_long_read(&torture_constructed) - atomic_long_read(&torture_destroyed) != left)
		torture_mistake(UNBALANCED, NULL, 0, left);
}

static void torture_remove_all(void)
{
	unsigned int key, i;

	klp_shadow_free_all(ID_RESIDENT, torture_dtor);
	klp_shadow_free_all(ID_WANDERER, torture_dtor);
	klp_shadow_free_all(ID_COMMUTER, torture_dtor);
	for (i = 0; i < ids; i++)
		klp_shadow_free_all(ID_SLOT + i, torture_dtor);
	for (key = 0; key < keys; key++) {
		torture_must_not_exist(torture_obj(key), ID_RESIDENT, 0);
		for (i = 0; i < ids; i++)
			torture_must_not_exist(torture_obj(key), ID_SLOT + i, 0);
	}
}

static void torture_look_for_idle(void)
{
	unsigned int i;

	for (i = 0; i < torture_thread_count; i++) {
		if (!torture_threads[i].rounds)
			torture_mistake(IDLE, NULL, i, 0);
	}
	if ((hard_callers && !torture_counted(HARD_IRQS)) ||
	    (soft_callers && !torture_counted(SOFT_IRQS)))
		torture_mistake(IDLE, NULL, torture_thread_count, 0);
}

static int torture_main(void *unused)
{
	unsigned long start = jiffies, heartbeat = start, seconds;
	unsigned int i, mistakes;
	long left;

	for (i = 0; i < torture_thread_count; i++)
		wake_up_process(torture_threads[i].task);
	for (i = 0; i < torture_thread_count; i++)
		wait_for_completion(&torture_thread_begun);
	complete(&torture_all_begun);

	/* Stop at the first mistake: later ones may be caused by it. */
	while (!kthread_should_stop() && !torture_tell() &&
	       (!duration || time_before(jiffies, start + (unsigned long)duration * HZ))) {
		schedule_timeout_interruptible(HZ / 10);
		if (time_after(jiffies, heartbeat + HEARTBEAT_S * HZ)) {
			torture_print_counts((jiffies - start) / HZ);
			heartbeat = jiffies;
		}
	}
	seconds = (jiffies - start) / HZ;
	torture_stop_all();
	if (!torture_tell())
		torture_look_for_idle();
	torture_settle();
	torture_remove_all();

	left = atomic_long_read(&torture_constructed) - atomic_long_read(&torture_destroyed);
	if (left)
		torture_mistake(UNBALANCED, NULL, 0, left);
	mistakes = torture_tell();
	for (i = 0; i < KINDS; i++) {
		if (atomic_read(&torture_mistakes[i].count))
			pr_err("%s: %d times\n", torture_kinds[i],
			       atomic_read(&torture_mistakes[i].count));
	}
	torture_print_counts(seconds);
	pr_notice("%s: constructed %ld, destroyed %ld, left %ld, mistakes %u, seed %lu\n",
		  mistakes ? "FAILURE" : "SUCCESS", atomic_long_read(&torture_constructed),
		  atomic_long_read(&torture_destroyed), left, mistakes, seed);

	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);

	return 0;
}

static void torture_free_memory(void)
{
	kvfree(torture_threads);
	kvfree(torture_slots);
	kvfree(torture_purges);
	kvfree(torture_residents);
	kvfree(torture_parents);
	kvfree(race_vars);
}

static int __init torture_init(void)
{
	int err = -ENOMEM;

	if (!keys || !ids || racers == 1) {
		pr_err("keys and ids must be at least 1, and racers not 1\n");
		return -EINVAL;
	}
	if (!seed)
		seed = get_random_u32();
	torture_slots = kvcalloc(array_size(keys, ids), sizeof(*torture_slots), GFP_KERNEL);
	torture_purges = kvcalloc(ids, sizeof(*torture_purges), GFP_KERNEL);
	torture_residents = kvcalloc(keys, sizeof(*torture_residents), GFP_KERNEL);
	torture_parents = kvcalloc(keys, PARENT_SIZE, GFP_KERNEL);
	race_vars = kvcalloc(racers, RACE_KEYS * sizeof(*race_vars), GFP_KERNEL);
	if (!torture_slots || !torture_purges || !torture_residents || !torture_parents ||
	    !race_vars)
		goto err_memory;
	err = torture_add_residents();
	if (err)
		goto err_residents;
	err = torture_create_all();
	if (err)
		goto err_threads;
	torture_main_task = kthread_create(torture_main, NULL, "torture_main");
	if (IS_ERR(torture_main_task)) {
		err = PTR_ERR(torture_main_task);
		goto err_threads;
	}
	pr_info("begins: duration %u s, readers %u, writers %u, racers %u, keys %u, ids %u, free_all_ms %u, hard_callers %u, soft_callers %u, fill %u, may_fail %d, seed %lu\n",
		duration, readers, writers, racers, keys, ids, free_all_ms, hard_callers,
		soft_callers, fill, may_fail, seed);
	wake_up_process(torture_main_task);
	wait_for_completion(&torture_all_begun);

	return 0;

err_threads:
	torture_stop_all();
err_residents:
	klp_shadow_free_all(ID_RESIDENT, torture_dtor);
	klp_shadow_free_all(ID_WANDERER, torture_dtor);
	klp_shadow_free_all(ID_COMMUTER, torture_dtor);
err_memory:
	torture_free_memory();

	return err;
}

static void __exit torture_exit(void)
{
	kthread_stop(torture_main_task);
	torture_free_memory();
}

module_init(torture_init);
module_exit(torture_exit);
MODULE_DESCRIPTION("Torture test of shadow variables");
MODULE_LICENSE("GPL");
