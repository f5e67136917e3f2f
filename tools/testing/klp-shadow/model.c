// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random sequences of all calls of the shadow store against a model: an array with the
 * expected variable of each <parent, id>. A sequence begins and ends with an empty store.
 * Resizes, readers and calls by other CPUs run between the steps of a call.
 *
 * model [seed [operations]]: a sequence that fails is reduced to the operations that make
 * it fail, and printed.
 */
#include "shim.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/livepatch_shadow.h>
#include "shadow_table.h"

#define PARENTS		64
#define IDS		6
#define READERS		2
#define SEQUENCE	2000		/* operations */

/* An operation with its arguments, which are random bytes. */
struct op {
	u8 kind, p, i, q, size, flags, n, nest;
};

enum {
	ALLOC, GET_OR_ALLOC, FREE, FREE_ALL, MOVE, GET, CONVERT, FILL, READER, READER_STEP,
	WORK, SETTLE, TABLE_FAILS,
};

/* Number of times that each kind of operation occurs in 64. */
static const u8 weights[] = { 11, 6, 10, 1, 9, 4, 2, 1, 5, 6, 7, 1, 1 };

#define IRQS_OFF	BIT(0)
#define FAILS		BIT(1)		/* the allocation fails */
#define CTOR		BIT(2)
#define CTOR_FAILS	(BIT(3) | BIT(4))
#define RELEASE		BIT(5)

static int kind(const struct op *op)
{
	int k = 0, n = op->kind % 64;

	while (n >= weights[k])
		n -= weights[k++];

	return k;
}

static size_t size_of(const struct op *op)
{
	static const size_t sizes[] = {
		0, 1, 8, 24, 100, 8, 16, 8, 8, 1, 0, 8, KMALLOC_MAX_SIZE - 48,
		KMALLOC_MAX_SIZE - 47, KMALLOC_MAX_SIZE, -1UL,
	};

	return sizes[op->size % ARRAY_SIZE(sizes)];
}

/* === The model === */

static struct var {
	u8 *data;		/* NULL: no variable */
	size_t size;
	u8 fill;
	bool doomed;		/* existed when a free_all began that is running */
} vars[PARENTS][IDS];

static unsigned long ids[IDS];
static u8 serial;
static unsigned long removed;	/* calls of the destructor */
static unsigned long releases, released;

/* Parents are never dereferenced; constants make runs reproducible. */
static void *parent(int p)
{
	return p ? (void *)(0xffff888000000000UL + 192 * p) : NULL;
}

/*
 * Calls in progress, the innermost last. Until a call returns, the variables that it
 * changes may be in the state before or after it.
 */
#define DEPTH		3
static struct call {
	const struct op *op;
	int p, q, i, j;		/* p is -1 for all; j is the id after a conversion */
	gfp_t gfp;
	bool fails, forbid, converting;
	int hooks;
} calls[DEPTH];
static int depth;

static bool in_progress(int p, int i)
{
	const struct call *call;

	for (call = calls; call < calls + depth; call++) {
		if ((call->i == i || call->j == i) &&
		    (call->p < 0 || call->p == p || call->q == p))
			return true;
	}

	return false;
}

static u32 hook_random;

static u32 next_random(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;

	return *state ^= *state << 5;
}

static void check_data(const struct var *var)
{
	size_t n;

	for (n = 0; n < var->size; n += n < 32 || n + 32 >= var->size ? 1 : var->size - 32 - n)
		shim_assert(((volatile u8 *)var->data)[n] == var->fill);
}

static void check_zero(const u8 *data, size_t size)
{
	size_t n;

	for (n = 0; n < size; n++)
		shim_assert(!data[n]);
}

static void *get(int p, int i)
{
	return klp_shadow_get(parent(p), ids[i]);
}

static void check(int p, int i)
{
	u8 *data = get(p, i);

	if (data != vars[p][i].data)
		shim_fail("klp_shadow_get(%d, %d) is %p, not %p", p, i, data, vars[p][i].data);
	if (data)
		check_data(&vars[p][i]);
}

/* === Readers === */

static struct reader {
	struct shim_task *task;
	int p, q, i;
	bool two;			/* looks @p up, and @q if that misses */
	bool any;			/* any result is correct */
	bool none;			/* NULL is correct */
	bool must, moved;		/* may not miss on both; was moved from @p to @q */
	bool done;
	int n;
	struct var allowed[8];
} readers[READERS];

static void reader_fn(void *arg)
{
	struct reader *r = arg;
	u8 *data, *data2 = NULL;
	int n;

	rcu_read_lock();
	data = get(r->p, r->i);
	/* The data must stay until rcu_read_unlock(), even if the variable is removed here. */
	shim_hook(HOOK_READ);
	if (r->two && !data) {
		smp_rmb();
		data2 = get(r->q, r->i);
		if (r->must && !data2)
			shim_fail("a reader of %d and %d, %d missed it on both", r->p, r->q, r->i);
	}
	for (n = 0; n < r->n && r->allowed[n].data != data; n++)
		;
	if (data && n < r->n)
		check_data(&r->allowed[n]);
	else if (!r->any && (data || !r->none))
		shim_fail("a reader of %d, %d found %p", r->p, r->i, data);
	rcu_read_unlock();
	r->done = true;
}

static void reader_allow(int p, int i)
{
	struct reader *r;

	for (r = readers; r < readers + READERS; r++) {
		if (!r->task || r->done || r->p != p || r->i != i)
			continue;
		if (!vars[p][i].data)
			r->none = true;
		else if (r->n < ARRAY_SIZE(r->allowed))
			r->allowed[r->n++] = vars[p][i];
		else
			r->any = true;
	}
}

/* A call begins: readers of its variable may see the state before or after it. */
static void reader_call(const struct call *call, int k)
{
	struct reader *r;

	for (r = readers; r < readers + READERS; r++) {
		bool p = call->p < 0 || call->p == r->p || call->q == r->p;
		bool q = call->p < 0 || call->p == r->q || call->q == r->q;

		if (!r->task || r->done || (r->i != call->i && r->i != call->j) || k == GET)
			continue;
		if (p)
			r->any = true;
		if (k == MOVE && call->p == r->p && call->q == r->q && !r->moved)
			r->moved = true;
		else if (p || q)
			r->must = false;
	}
}

static void reader_start(const struct op *op, struct reader *r)
{
	if (r->task && !r->done)
		return;
	*r = (struct reader) {
		.p = op->p % PARENTS, .q = op->q % PARENTS, .i = op->i % IDS,
		.two = op->flags & 1,
	};
	r->any = in_progress(r->p, r->i);
	r->must = vars[r->p][r->i].data && !r->any && !in_progress(r->q, r->i) && r->p != r->q;
	r->task = shim_task_start(reader_fn, r);
	reader_allow(r->p, r->i);
	shim_task_step(r->task, 1 + op->n % 4);
}

static void reader_step(struct reader *r, long budget)
{
	if (r->task && !r->done)
		shim_task_step(r->task, budget);
}

/* === Hooks === */

/*
 * Another CPU looks up before a store of a call. Variables that no call in progress
 * changes are in the state that the model has.
 */
static void write_hook(void)
{
	const struct call *call = calls + depth - 1;
	u32 r = next_random(&hook_random);
	int p = r >> 8 & (PARENTS - 1), i = (r >> 16) % IDS;

	if (r & 1)
		reader_step(&readers[r >> 1 & 1], 1);
	if (!(r & 0xc) && !in_progress(p, i))
		check(p, i);
	if (depth == 1 && kind(call->op) == MOVE && vars[call->p][call->i].data &&
	    !get(call->p, call->i)) {
		smp_rmb();
		shim_assert(get(call->q, call->i));
	}
	if (depth && call->converting && !get(call->p, call->i)) {
		smp_rmb();
		shim_assert(get(call->p, call->j));
	}
}

static const struct op *ops;
static size_t op_count, op_pos;
static void run_op(const struct op *op);

/* Another CPU makes a call at an allocation, or just before a lock is taken. */
static void main_hook(enum shim_hook where)
{
	struct call *call = calls + depth - 1;
	struct shim_cpu cpu = shim_cpu;

	if (!depth || where == HOOK_UNLOCK || where == HOOK_SLEEP)
		return;
	if (++call->hooks != (call->op->nest & 3) || depth == DEPTH || op_pos == op_count)
		return;
	shim_cpu = (struct shim_cpu) { };
	run_op(&ops[op_pos++]);
	shim_cpu = cpu;
}

static bool table_fails;

static bool alloc_fails(size_t size, gfp_t gfp, bool table)
{
	const struct call *call = calls + depth - 1;

	if (table)
		return table_fails;
	shim_assert(depth && !call->forbid);
	/* The flags of the caller are used, and failures are not reported. */
	shim_assert((gfp & ~__GFP_ZERO) == (call->gfp | __GFP_NOWARN));

	return call->fails;
}

/* === Operations === */

static int ctor(void *obj, void *data, void *ctor_data)
{
	const struct call *call = ctor_data;

	shim_assert(lockdep_is_held(&klp_shadow_lock) && irqs_disabled());
	shim_assert(obj == parent(call->p) && !klp_shadow_get(obj, ids[call->i]));
	check_zero(data, size_of(call->op));
	memset(data, ++serial ?: ++serial, size_of(call->op));

	return (call->op->flags & CTOR_FAILS) == CTOR_FAILS ? -EINVAL : 0;
}

static void dtor_id(void *obj, void *data, int i)
{
	int p = 0;

	shim_assert(lockdep_is_held(&klp_shadow_lock) && irqs_disabled());
	while (p < PARENTS && parent(p) != obj)
		p++;
	shim_assert(p < PARENTS && vars[p][i].data == data && !get(p, i));
	check_data(&vars[p][i]);
	vars[p][i].data = NULL;
	reader_allow(p, i);
	removed++;
}

/* One destructor per id, because the id is not passed to it. */
#define DTOR(i)	static void dtor ## i(void *obj, void *data) { dtor_id(obj, data, i); }
DTOR(0) DTOR(1) DTOR(2) DTOR(3) DTOR(4) DTOR(5)
static const klp_shadow_dtor_t dtors[] = { dtor0, dtor1, dtor2, dtor3, dtor4, dtor5 };

static void release_fn(void *obj, void *data)
{
	int p = 0;

	might_sleep();
	while (p < PARENTS && parent(p) != obj)
		p++;
	shim_assert(!shim_is_main() && p < PARENTS);
	released++;
}

static struct klp_shadow_type type = { .name = "model", .release = release_fn };

static void op_alloc(struct call *call, bool alloc)
{
	struct var *var = &vars[call->p][call->i];
	const struct op *op = call->op;
	size_t size = size_of(op);
	bool existed = var->data, fits = size <= KMALLOC_MAX_SIZE - 48;
	struct shim_stats before = shim_stats;
	u8 *data;

	call->forbid = existed || !fits;
	data = (alloc ? klp_shadow_alloc : klp_shadow_get_or_alloc)
		(parent(call->p), ids[call->i], size, call->gfp,
		 op->flags & CTOR ? ctor : NULL, call);
	/* Calls of the hooks and this one have updated the model: the variable exists. */
	if (var->data && (existed || (fits && !call->fails))) {
		shim_assert(data == (alloc ? NULL : var->data));
		if (alloc)
			shim_assert(shim_stats.warns-- == before.warns + 1);
		return;
	}
	shim_assert(shim_stats.warns == before.warns);
	if (!fits || call->fails) {
		shim_assert(!data);
		return;
	}
	if (op->flags & CTOR && (op->flags & CTOR_FAILS) == CTOR_FAILS) {
		shim_assert(!data && shim_stats.prints > before.prints);
		return;
	}
	shim_assert(data);
	if (!(op->flags & CTOR)) {
		check_zero(data, size);
		memset(data, ++serial, size);
	}
	*var = (struct var) { .data = data, .size = size, .fill = serial };
	reader_allow(call->p, call->i);
	check(call->p, call->i);
}

static void op_free(struct call *call)
{
	klp_shadow_dtor_t dtor = call->op->flags & CTOR ? dtors[call->i] : NULL;
	struct var *var = &vars[call->p][call->i];

	call->forbid = true;
	shim_lock_busy = call->op->size & 1;
	klp_shadow_free(parent(call->p), ids[call->i], dtor);
	shim_assert(!dtor || !var->data);
	if (var->data) {
		var->data = NULL;
		reader_allow(call->p, call->i);
	}
	check(call->p, call->i);
}

static void op_free_all(struct call *call)
{
	bool nested = call->op->nest & 3;
	klp_shadow_dtor_t dtor = nested || call->op->flags & CTOR ? dtors[call->i] : NULL;
	struct klp_shadow_iter iter;
	unsigned long before = removed;
	int p;

	call->forbid = true;
	for (p = 0; p < PARENTS; p++)
		vars[p][call->i].doomed = true;
	if (call->op->flags & RELEASE) {
		iter = (struct klp_shadow_iter){ .id = ids[call->i] };
		while (klp_shadow_free_batch(&iter, dtors[call->i], &type))
			;
		if (!nested)
			releases += removed - before;
	} else {
		klp_shadow_free_all(ids[call->i], dtor);
	}
	for (p = 0; p < PARENTS; p++) {
		struct var *var = &vars[p][call->i];

		if (!var->data || !var->doomed)
			continue;
		shim_assert(!dtor);
		var->data = NULL;
		reader_allow(p, call->i);
	}
	if (!nested) {
		for (p = 0; p < PARENTS; p++)
			check(p, call->i);
	}
}

static void op_move(struct call *call)
{
	struct var *from = &vars[call->p][call->i], *to = &vars[call->q][call->i];
	bool existed = from->data;
	int err;

	call->forbid = !existed;
	err = klp_shadow_move(parent(call->p), parent(call->q), ids[call->i], call->gfp);
	if (!existed) {
		shim_assert(err == -ENOENT);
	} else if (call->fails) {
		shim_assert(err == -ENOMEM || (err == -EEXIST && to->data));
	} else if (!from->data) {
		shim_assert(err == -ENOENT);
	} else if (to->data) {
		shim_assert(err == -EEXIST);
	} else {
		shim_assert(!err);
		*to = *from;
		from->data = NULL;
		reader_allow(call->p, call->i);
		reader_allow(call->q, call->i);
	}
	check(call->p, call->i);
	check(call->q, call->i);
}

/* As klp_shadow_convert(): the new variable is linked before the old one is unlinked. */
static void op_convert(struct call *call)
{
	struct var *from = &vars[call->p][call->i], *to = &vars[call->p][call->j];
	struct klp_shadow_type *with = call->op->flags & RELEASE ? &type : NULL;
	struct klp_shadow *old, *new;
	size_t size = 1 + call->op->size % 64;
	LLIST_HEAD(list);

	if (from == to)
		return;
	new = kzalloc(sizeof(*new) + size, GFP_KERNEL | __GFP_NOWARN);

	rcu_read_lock();
	spin_lock_irq(&klp_shadow_lock);
	old = klp_shadow_find(parent(call->p), ids[call->i]);
	shim_assert(old ? from->data == (u8 *)old->data : !from->data);
	if (old && (!new || to->data)) {
		/* A variable that cannot be converted is removed. */
		klp_shadow_remove(old, dtors[call->i], with, &list);
		shim_assert(!from->data);
		releases += !!with;
	} else if (old) {
		check_data(from);
		memset(new->data, ++serial, size);
		new->obj = old->obj;
		new->id = ids[call->j];
		call->converting = true;
		klp_shadow_link(new);
		klp_shadow_unlink(old, &list);
		call->converting = false;
		klp_shadow_drop(old, NULL, NULL, &list);
		*to = (struct var) { .data = (u8 *)new->data, .size = size, .fill = serial };
		from->data = NULL;
		reader_allow(call->p, call->i);
		reader_allow(call->p, call->j);
		new = NULL;
	}
	spin_unlock_irq(&klp_shadow_lock);
	klp_shadow_reclaim_list(&list);
	rcu_read_unlock();
	kfree(new);

	check(call->p, call->i);
	check(call->p, call->j);
}

/* Let readers and workers finish, and compare all variables with the model. */
static void settle(void)
{
	unsigned long n = 0, tables;
	int p, i, steps = 0;

	for (i = 0; i < READERS; i++)
		reader_step(&readers[i], 1000000);
	table_fails = false;
	while (shim_workers_step(1000))
		shim_assert(++steps < 100000);

	for (p = 0; p < PARENTS; p++) {
		for (i = 0; i < IDS; i++) {
			check(p, i);
			n += !!vars[p][i].data;
		}
	}
	/* Outside the first table, there are 1 to 16 chains per entry. */
	tables = shim_table_bytes() / 8;
	if (n > 2 << KLP_SHADOW_FIRST_BITS && tables < n)
		shim_fail("%lu entries are left in %lu chains", n, tables);
	if (n < 1 << KLP_SHADOW_FIRST_BITS ? tables : tables > 16 * n + 16)
		shim_fail("%lu entries are left in a table of %lu chains", n, tables);
}

static void run_call(const struct op *op, int k)
{
	struct call *call = &calls[depth];
	bool irqs_off = op->flags & IRQS_OFF && k != CONVERT;

	*call = (struct call) {
		.op = op, .p = op->p % PARENTS, .i = op->i % IDS,
		.gfp = irqs_off ? GFP_ATOMIC : GFP_KERNEL,
		.fails = op->flags & FAILS && op->nest & 4,
	};
	call->q = k == MOVE ? op->q % PARENTS : call->p;
	call->j = k == CONVERT ? op->q % IDS : call->i;
	if (k == FREE_ALL)
		call->p = -1;
	reader_call(call, k);
	shim_cpu.id = op->nest >> 3;
	depth++;
	if (irqs_off)
		shim_irq_save();
	switch (k) {
	case ALLOC:
	case GET_OR_ALLOC:
		op_alloc(call, k == ALLOC);
		break;
	case FREE:
		op_free(call);
		break;
	case FREE_ALL:
		op_free_all(call);
		break;
	case MOVE:
		op_move(call);
		break;
	case GET:
		check(call->p, call->i);
		break;
	case CONVERT:
		op_convert(call);
		break;
	}
	depth--;
	if (irqs_off)
		shim_irq_restore(false);
}

/* If two iterations of an id overlap, the model does not know which removes a variable. */
static bool is_iterated(int i)
{
	const struct call *call;

	for (call = calls; call < calls + depth; call++) {
		if (call->i == i && kind(call->op) == FREE_ALL)
			return true;
	}

	return false;
}

static void run_op(const struct op *op)
{
	struct op fill = { .i = op->i, .size = 2 };
	int k = kind(op), n;

	/* Depends on this operation only, so reduce() can drop others without changing it. */
	hook_random = (op->p * 251u + op->q) * 65599u + op->n * 31 + op->flags + 1;

	switch (k) {
	case FILL:
		for (n = 0; n <= op->n % PARENTS; n++) {
			fill.p = op->p + n;
			run_call(&fill, GET_OR_ALLOC);
		}
		break;
	case READER:
		reader_start(op, &readers[op->size % READERS]);
		break;
	case READER_STEP:
		reader_step(&readers[op->size % READERS], 1 + op->n % 8);
		break;
	case WORK:
		shim_workers_step(1 + op->n % 16);
		break;
	case SETTLE:
		if (!depth)
			settle();
		break;
	case TABLE_FAILS:
		table_fails = op->flags & 1;
		break;
	default:
		if (k != FREE_ALL || !is_iterated(op->i % IDS))
			run_call(op, k);
	}
}

static void run_ops(const struct op *list, size_t count)
{
	struct shim_stats before;
	unsigned long n;
	struct op all = { };

	ops = list;
	op_count = count;
	op_pos = 0;
	shim_alloc_fails = alloc_fails;
	shim_main_hook = main_hook;
	shim_write_hook = write_hook;

	while (op_pos < op_count)
		run_op(&ops[op_pos++]);

	for (all.i = 0; all.i < IDS; all.i++)
		run_call(&all, FREE_ALL);
	settle();
	before = shim_stats;
	klp_shadow_get(parent(2), ids[1]);
	n = shim_stats.reads - before.reads;
	if (n > 2)
		shim_fail("%lu loads for a lookup in an empty store", n);
	if (before.allocs != before.frees)
		shim_fail("%lu allocated, %lu freed", before.allocs, before.frees);
	shim_assert(!before.warns && released >= releases);
}

static void init_ids(void)
{
	/* The second and the third id share a list. */
	static const unsigned long list[] = { 0, 1, 2, -1UL, 1UL << 63, 0x1234 };

	memcpy(ids, list, sizeof(ids));
	while (hash_long(ids[2], 6) != hash_long(1, 6))
		ids[2]++;
}

#ifdef FUZZ

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	init_ids();
	run_ops((const struct op *)data, size / sizeof(struct op));

	return 0;
}

#else

/* === Reducing === */

static void print_op(const struct op *op)
{
	static const char * const names[] = {
		"klp_shadow_alloc", "klp_shadow_get_or_alloc", "klp_shadow_free",
		"klp_shadow_free_all", "klp_shadow_move", "klp_shadow_get", "convert", "fill",
		"reader_start", "reader_step", "workers_step", "settle", "table_fails",
	};
	int k = kind(op), p = op->p % PARENTS, i = op->i % IDS;
	bool with = op->flags & CTOR;

	printf("\t%s(", names[k]);
	switch (k) {
	case ALLOC:
	case GET_OR_ALLOC:
		printf("p[%d], id[%d], %ld, %s, %s, NULL", p, i, size_of(op),
		       op->flags & IRQS_OFF ? "GFP_ATOMIC" : "GFP_KERNEL", !with ? "NULL" :
		       (op->flags & CTOR_FAILS) == CTOR_FAILS ? "failing_ctor" : "ctor");
		break;
	case FREE_ALL:
		printf("id[%d], %s", i, with ? "dtor" : "NULL");
		break;
	case FREE:
		printf("p[%d], id[%d], %s", p, i, with ? "dtor" : "NULL");
		break;
	case MOVE:
		printf("p[%d], p[%d], id[%d], GFP_ATOMIC", p, op->q % PARENTS, i);
		break;
	case CONVERT:
		printf("p[%d], id[%d], id[%d]", p, i, op->q % IDS);
		break;
	case READER:
		printf("%d, p[%d]", op->size % READERS, p);
		if (op->flags & 1)
			printf(" then p[%d]", op->q % PARENTS);
		printf(", id[%d], %d", i, 1 + op->n % 4);
		break;
	case READER_STEP:
		printf("%d, %d", op->size % READERS, 1 + op->n % 8);
		break;
	case WORK:
		printf("%d", 1 + op->n % 16);
		break;
	case FILL:
		printf("p[%d] + %d, id[%d]", p, op->n % PARENTS, i);
		break;
	case TABLE_FAILS:
		printf("%d", op->flags & 1);
		break;
	case SETTLE:
		break;
	default:
		printf("p[%d], id[%d]", p, i);
	}
	printf(");");
	if (k <= CONVERT) {
		if (op->flags & IRQS_OFF && k != CONVERT)
			printf(" /* interrupts off */");
		if (op->flags & FAILS && op->nest & 4)
			printf(" /* allocation fails */");
		if ((k == FREE_ALL || k == CONVERT) && op->flags & RELEASE)
			printf(" /* release callback */");
		if (op->nest & 3)
			printf(" /* the next one at its hook %d */", op->nest & 3);
	}
	printf("\n");
}

/* Run a sequence in a child process. Returns false if it fails. */
static bool passes(const struct op *list, size_t count, bool quiet)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (quiet && !freopen("/dev/null", "w", stderr))
			_exit(2);
		alarm(3);
		run_ops(list, count);
		_exit(0);
	}
	shim_assert(pid > 0 && waitpid(pid, &status, 0) == pid);

	return !status;
}

/* Drop pieces of decreasing size, if the sequence still fails without them. */
static void reduce(const struct op *list, size_t count)
{
	struct op less[SEQUENCE], now[SEQUENCE];
	size_t piece, at, n;

	if (passes(list, count, true)) {
		printf("# it passes alone: it depends on the sequences before\n");
		return;
	}
	memcpy(now, list, count * sizeof(*now));
	for (piece = count / 2; piece; piece = piece > 1 && at >= count ? piece / 2 : 0) {
		for (at = 0; at < count;) {
			n = min(piece, count - at);
			memcpy(less, now, at * sizeof(*now));
			memcpy(less + at, now + at + n, (count - at - n) * sizeof(*now));
			if (passes(less, count - n, true)) {
				at += n;
			} else {
				count -= n;
				memcpy(now, less, count * sizeof(*now));
			}
		}
	}
	printf("# reduced to %zu operations:\n", count);
	for (n = 0; n < count; n++)
		print_op(&now[n]);
	passes(now, count, false);
}

static void make_ops(struct op *list, u32 seed, unsigned long sequence)
{
	u32 state = (seed * 2654435761u ^ sequence * 40503u) ?: 1;
	u8 *bytes = (u8 *)list;
	size_t n;

	for (n = 0; n < SEQUENCE * sizeof(*list); n++)
		bytes[n] = next_random(&state) >> 11;
	/* Every other sequence has few variables, so that calls meet more often. */
	for (n = 0; n < SEQUENCE && sequence & 1; n++) {
		list[n].p %= 4;
		list[n].q %= 4;
		list[n].i %= 2;
	}
}

int main(int argc, char **argv)
{
	unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;
	unsigned long sequences = count / SEQUENCE, *at;
	static struct op list[SEQUENCE];
	struct timespec start, end;
	double seconds;
	int status;
	pid_t pid;

	init_ids();
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	pid = fork();
	if (!pid) {
		for (*at = 0; *at < sequences; ++*at) {
			make_ops(list, seed, *at);
			alarm(20);
			run_ops(list, SEQUENCE);
		}
		exit(0);
	}
	shim_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
	if (!status) {
		printf("ok 1 model: %lu operations, seed %lu, %.1f s\n1..1\n", count, seed, seconds);
		return 0;
	}
	printf("not ok 1 model: sequence %lu of seed %lu\n", *at, seed);
	if (!getenv("NO_REDUCE")) {
		make_ops(list, seed, *at);
		reduce(list, SEQUENCE);
	}
	printf("1..1\n");

	return 1;
}

#endif /* !FUZZ */
