// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit test of shadow types and of moving variables: G13 ... G17 of
 * Documentation/livepatch/shadow-vars.rst.
 *
 * The livepatches are modules without code. The tests make the calls that the livepatch
 * core makes when it enables, replaces and disables them. Real livepatches are tested by
 * tools/testing/selftests/livepatch/test-shadow-lifetimes.sh, random sequences of the same
 * calls by shadow_model_kunit.c.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/livepatch_shadow.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <trace/events/klp_shadow.h>
#include <trace/events/kmem.h>

#include "shadow.h"
#include "shadow_core.h"
#include "shadow_type.h"

#define ID		0x5d800000UL
#define ID_LARGE	0x5d800001UL
#define ID_LATEST	0x5d800002UL
#define ID_SHARED	0x5d800003UL
#define ID_SHARED_2	0x5d800004UL
#define MANY		100

#define HEADER		offsetof(struct klp_shadow, data)

static char parents[MANY + 1];

struct small {
	unsigned long n;
};

struct large {
	unsigned long n;
	unsigned long twice;
};

static struct {
	unsigned int ctors;
	unsigned int dtors;
	unsigned int large_dtors;
	unsigned int releases;
	unsigned int converts;
	unsigned int wrong;
	unsigned int fail;	/* conversion of multiples of this fails; 0: of none */
	int err;		/* returned by the constructor of shared state */
} calls;

static void note_dtor(void *obj, void *shadow_data)
{
	struct small *small = shadow_data;

	calls.wrong += obj != &parents[small->n] || !irqs_disabled();
	calls.dtors++;
}

static void note_large_dtor(void *obj, void *shadow_data)
{
	struct large *large = shadow_data;

	calls.wrong += obj != &parents[large->n] || large->twice != 2 * large->n;
	calls.large_dtors++;
}

static void note_release(void *obj, void *shadow_data)
{
	struct small *small = shadow_data;

	might_sleep();
	calls.wrong += obj != &parents[small->n] || irqs_disabled() || in_interrupt();
	calls.releases++;
}

/* A release callback that sleeps until the test completes @late. */
static DECLARE_COMPLETION(late);

static void late_release(void *obj, void *shadow_data)
{
	wait_for_completion(&late);
	calls.releases++;
}

static int grow(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	struct large *large = shadow_data;
	struct small *small = old_data;

	calls.wrong += (old_id != ID && old_id != ID_LARGE) || obj != &parents[small->n] ||
		       large->n || large->twice || !irqs_disabled();
	large->n = small->n;
	large->twice = 2 * small->n;
	calls.converts++;

	return calls.fail && small->n % calls.fail == 0 ? -EEXIST : 0;
}

static int grow_shared(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	calls.wrong += old_id != ID_SHARED || obj;
	calls.converts++;
	*(unsigned long *)shadow_data = *(unsigned long *)old_data;

	return calls.fail ? -ERANGE : 0;
}

static int note_shared(void *obj, void *shadow_data, void *ctor_data)
{
	calls.ctors++;

	return calls.err;
}

#define MODULE(_name)	{ .name = _name, .state = MODULE_STATE_LIVE }

static struct module mod_a = MODULE("a");
static struct module mod_b = MODULE("b");
static struct module mod_c = MODULE("c");
static struct module mod_owner = MODULE("own_er");
static struct module mod_other = MODULE("other");
static struct module *const mods[] = { &mod_a, &mod_b, &mod_c, &mod_owner, &mod_other };

/* "own-er" and "own_er" are one module: file names may have dashes. */
#define TYPE(_name, _id, _type, ...)	{ .abi = KLP_SHADOW_ABI, .name = _name, .id = _id,	\
					  .size = sizeof(_type), ##__VA_ARGS__ }
#define SMALL()		TYPE("var", ID, struct small, .dtor = note_dtor,			\
			     .release = note_release, .parent_module = "own-er")
#define LARGE()		TYPE("var", ID_LARGE, struct large, .dtor = note_large_dtor,		\
			     .parent_module = "own_er", KLP_SHADOW_CONVERT(grow, ID))
#define LATEST()	TYPE("var", ID_LATEST, struct large, .dtor = note_large_dtor,		\
			     .parent_module = "own_er", KLP_SHADOW_CONVERT(grow, ID_LARGE, ID))
#define SHARED()	TYPE("state", ID_SHARED, struct small, .shared = true, .ctor = note_shared)
#define SHARED_2()	TYPE("state", ID_SHARED_2, struct large, .shared = true,		\
			     .ctor = note_shared, KLP_SHADOW_CONVERT(grow_shared, ID_SHARED))

/* The calls of the livepatch core. The module is used as the key of the patch. */

static int begin_types(struct module *mod, struct klp_shadow_type *types, unsigned int n,
		       bool replace)
{
	int err = klp_shadow_register(mod, mod, types, n, replace);

	if (!err)
		klp_shadow_transition(mod, replace, true);

	return err;
}

static int begin(struct module *mod, struct klp_shadow_type *type, bool replace)
{
	return begin_types(mod, type, 1, replace);
}

static int enable(struct module *mod, struct klp_shadow_type *type, bool replace)
{
	int err = begin(mod, type, replace);

	if (!err)
		klp_shadow_complete(true);

	return err;
}

static void leave(struct module *mod)
{
	klp_shadow_unregister_patch(mod, false);
	klp_shadow_flush();
}

static void disable(struct module *mod)
{
	/* That it has replaced others does not concern those that came later. */
	klp_shadow_transition(mod, true, false);
	klp_shadow_complete(false);
	leave(mod);
}

static void reverse_to_unpatched(struct module *mod)
{
	klp_shadow_transition(mod, true, false);
	klp_shadow_complete(false);
	leave(mod);
}

static unsigned int add(struct klp_shadow_type *type, unsigned int n)
{
	unsigned int i, added = 0;

	for (i = 0; i < n; i++) {
		struct large *data = __klp_shadow_type_alloc(&parents[i], type, GFP_KERNEL, NULL);

		if (data)
			data->n = i;
		if (data && type->size == sizeof(*data))
			data->twice = 2 * i;
		added += !!data;
	}

	return added;
}

static bool add_one(struct klp_shadow_type *type, unsigned int i)
{
	struct large *data = __klp_shadow_type_get_or_alloc(&parents[i], type, GFP_KERNEL, NULL);

	if (data)
		data->n = i;
	if (data && type->size == sizeof(*data))
		data->twice = 2 * i;

	return data;
}

/* Number of variables of an id. Types that are closed have variables as well. */
static unsigned int count_id(unsigned long id)
{
	unsigned int i, there = 0;

	for (i = 0; i <= MANY; i++) {
		struct small *small = klp_shadow_get(&parents[i], id);

		there += small && small->n == i;
	}

	return there;
}

static unsigned int count(struct klp_shadow_type *type)
{
	unsigned int i, there = 0;

	for (i = 0; i <= MANY; i++)
		there += !!__klp_shadow_type_get(&parents[i], type);

	return there;
}

/* === G13, moving === */

static void g13_data_stays(struct kunit *test)
{
	void *data = klp_shadow_alloc(&parents[0], ID, 24, GFP_KERNEL, NULL, NULL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, data);
	for (i = 0; i < MANY; i++) {
		KUNIT_ASSERT_EQ(test, klp_shadow_move(&parents[i], &parents[i + 1], ID, GFP_KERNEL),
				0);
		KUNIT_ASSERT_NULL(test, klp_shadow_get(&parents[i], ID));
		KUNIT_ASSERT_PTR_EQ(test, klp_shadow_get(&parents[i + 1], ID), data);
	}
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[MANY], &parents[0], ID, GFP_KERNEL), 0);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
	klp_shadow_free(&parents[0], ID, NULL);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[0], ID));
}

static void g13_errors_leave_it(struct kunit *test)
{
	void *data = klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	void *other = klp_shadow_alloc(&parents[1], ID, 8, GFP_KERNEL, NULL, NULL);

	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[2], &parents[3], ID, GFP_KERNEL), -ENOENT);
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[0], &parents[1], ID, GFP_KERNEL), -EEXIST);
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[0], &parents[0], ID, GFP_KERNEL), -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[0], ID), data);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&parents[1], ID), other);
}

static unsigned int parents_seen;

static void note_parent(void *obj, void *shadow_data)
{
	parents_seen += obj == &parents[MANY];
}

static void g13_free_all_takes_moved_ones(struct kunit *test)
{
	klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL);
	klp_shadow_alloc(&parents[1], ID, 8, GFP_KERNEL, NULL, NULL);
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[0], &parents[MANY], ID, GFP_KERNEL), 0);
	parents_seen = 0;
	klp_shadow_free_all(ID, note_parent);
	KUNIT_EXPECT_EQ(test, parents_seen, 1U);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[MANY], ID));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[1], ID));
}

/* === G14, release callbacks === */

static void g14_release_comes_later(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();
	unsigned int released;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, 3), 3U);
	/* No grace period ends in this section. */
	rcu_read_lock();
	__klp_shadow_type_free(&parents[1], &type);
	__klp_shadow_type_free(&parents[1], &type);
	released = calls.releases;
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, released, 0U);
	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(&parents[1], &type));
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);

	/* The callback is also called without klp_shadow_drain(). */
	__klp_shadow_type_free(&parents[2], &type);
	for (int i = 0; i < 1000 && calls.releases < 2; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, calls.releases, 2U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g14_id_based_calls_release_nothing(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, 2), 2U);
	klp_shadow_free(&parents[0], ID, NULL);
	klp_shadow_free_all(ID, NULL);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_EQ(test, calls.releases, 0U);
	disable(&mod_a);
}

static void g14_free_all_releases_each(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, MANY), (unsigned int)MANY);
	__klp_shadow_type_free_all(&type);
	KUNIT_EXPECT_EQ(test, count(&type), 0U);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* The module of the callback cannot be removed until the last call has returned. */
static void g14_pending_holds_the_module(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();
	int refs = module_refcount(&mod_a);

	type.release = late_release;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, 3), 3U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs + 3);
	complete_all(&late);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 3U);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
}

static int go_away(void *mod)
{
	klp_shadow_module_going(mod);

	return 0;
}

/*
 * Before a module goes, the release callbacks of variables of its objects have returned.
 * Callbacks for other objects are not waited for.
 */
static void g14_parents_module_waits(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), c = SMALL();
	int refs = module_refcount(&mod_a);

	a.release = late_release;
	c.id = ID_LATEST;
	c.parent_module = NULL;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_c, &c, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 2), 2U);
	/* A callback for another parent is already sleeping. */
	c.release = late_release;
	a.release = note_release;
	KUNIT_ASSERT_EQ(test, add(&c, 1), 1U);
	__klp_shadow_type_free(&parents[0], &c);
	msleep(50);
	klp_shadow_module_going(&mod_owner);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.releases, 2U);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
	complete_all(&late);
	disable(&mod_c);
	disable(&mod_a);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 3U);
}

/* Those that concern the module are found among many others, which stay pending. */
static void g14_search_among_others(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), c = SMALL();
	unsigned int i;

	c.id = ID_LATEST;
	c.parent_module = NULL;
	c.release = late_release;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_c, &c, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 2), 2U);
	KUNIT_ASSERT_EQ(test, add(&c, MANY), (unsigned int)MANY);
	__klp_shadow_type_free(&parents[0], &c);
	/* The worker sleeps in this one. */
	msleep(50);
	for (i = 1; i < MANY; i++) {
		__klp_shadow_type_free(&parents[i], &c);
		if (i == MANY / 2 || i == MANY - 2)
			__klp_shadow_type_free(&parents[i == MANY / 2], &a);
	}
	klp_shadow_module_going(&mod_owner);
	KUNIT_EXPECT_EQ(test, calls.releases, 2U);
	complete_all(&late);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, MANY + 2U);
	disable(&mod_c);
	disable(&mod_a);
}

/* A callback that is running is waited for, too. */
static void g14_going_waits_for_a_running_one(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();
	struct task_struct *task;
	unsigned int released;

	a.release = late_release;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 1), 1U);
	__klp_shadow_type_free(&parents[0], &a);
	msleep(50);
	task = kthread_create(go_away, &mod_owner, "go_away");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wake_up_process(task);
	msleep(50);
	released = calls.releases;
	KUNIT_EXPECT_EQ(test, READ_ONCE(task->exit_state), 0);
	complete_all(&late);
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_EQ(test, released, 0U);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	disable(&mod_a);
}

/* === Tracepoints === */

/* Variables of an id, counted by the events alone. */
static struct {
	atomic_t there[3], moved, released;
} events;

static void count_event(unsigned long id, int n)
{
	if (id >= ID && id < ID + ARRAY_SIZE(events.there))
		atomic_add(n, &events.there[id - ID]);
}

static void on_added(void *unused, void *obj, unsigned long id, size_t size)
{
	count_event(id, 1);
}

static void on_removed(void *unused, void *obj, unsigned long id)
{
	count_event(id, -1);
}

static void on_moved(void *unused, void *from, void *to, unsigned long id)
{
	atomic_inc(&events.moved);
}

static void on_converted(void *unused, void *obj, unsigned long old_id, unsigned long id)
{
	count_event(id, 1);
}

static void on_released(void *unused, void *obj, unsigned long id)
{
	atomic_inc(&events.released);
}

static void events_tell_what_is_there(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	memset(&events, 0, sizeof(events));
	KUNIT_ASSERT_EQ(test, register_trace_klp_shadow_added(on_added, NULL), 0);
	register_trace_klp_shadow_removed(on_removed, NULL);
	register_trace_klp_shadow_moved(on_moved, NULL);
	register_trace_klp_shadow_converted(on_converted, NULL);
	register_trace_klp_shadow_released(on_released, NULL);

	KUNIT_EXPECT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_EQ(test, add(&a, 5), 5U);
	__klp_shadow_type_free(&parents[4], &a);
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[3], &parents[MANY], ID, GFP_KERNEL), 0);
	KUNIT_EXPECT_NE(test, klp_shadow_move(&parents[3], &parents[MANY], ID, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, klp_shadow_move(&parents[MANY], &parents[3], ID, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&events.there[0]), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&events.moved), 2);
	calls.fail = 3;
	KUNIT_EXPECT_EQ(test, enable(&mod_b, &b, true), 0);
	leave(&mod_a);
	/* Numbers 1 and 2 are converted; 0 and 3 are freed instead. */
	KUNIT_EXPECT_EQ(test, atomic_read(&events.there[0]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&events.there[1]), 2);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, atomic_read(&events.there[1]), 0);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&events.released), 3);

	unregister_trace_klp_shadow_added(on_added, NULL);
	unregister_trace_klp_shadow_removed(on_removed, NULL);
	unregister_trace_klp_shadow_moved(on_moved, NULL);
	unregister_trace_klp_shadow_converted(on_converted, NULL);
	unregister_trace_klp_shadow_released(on_released, NULL);
	tracepoint_synchronize_unregister();
}

/* === G15, lifetimes === */

static void g15_live_with_their_livepatch(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();
	int refs = module_refcount(&mod_a);

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_EXPECT_EQ(test, add(&type, MANY), (unsigned int)MANY);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
	/* Unregistering is idempotent, and allowed for a livepatch without types. */
	leave(&mod_a);
	leave(&mod_b);
	klp_shadow_unregister_patch(&mod_b, true);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g15_stay_for_the_next(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), (unsigned int)MANY);
	/* Remaining code of the first livepatch finds nothing and adds nothing. */
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	KUNIT_EXPECT_FALSE(test, add_one(&a, MANY));
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g15_other_ids_are_left_alone(struct kunit *test)
{
	static struct klp_shadow_type type = SHARED();

	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL));
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	disable(&mod_a);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(&parents[0], ID));
}

static void g15_moved_ones_go_too(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, 1), 1U);
	KUNIT_ASSERT_EQ(test, 0, __klp_shadow_type_move(&parents[0], &parents[MANY], &type,
							GFP_KERNEL));
	((struct small *)__klp_shadow_type_get(&parents[MANY], &type))->n = MANY;
	disable(&mod_a);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[MANY], ID));
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g15_parents_module_goes(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, false), 0);
	KUNIT_EXPECT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	klp_shadow_module_going(&mod_other);
	KUNIT_EXPECT_EQ(test, count(&b), (unsigned int)MANY);
	klp_shadow_module_going(&mod_owner);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	/* The module may be loaded again. */
	KUNIT_EXPECT_TRUE(test, add_one(&b, 3));
	disable(&mod_a);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/*
 * Code of a forced livepatch may run forever, so its variables are kept and are not
 * converted. The livepatch that replaces it begins without variables.
 */
static void g15_forced_keeps_them(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	klp_shadow_unregister_patch(&mod_a, true);
	klp_shadow_flush();
	KUNIT_EXPECT_EQ(test, count(&a), 3U);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 3));
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 1));
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	KUNIT_EXPECT_EQ(test, count(&a), 4U);
	/* The forced livepatch does not prevent others from being enabled. */
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 1));
	disable(&mod_b);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/*
 * Enabling a livepatch was reversed and that was forced: the livepatch that it should have
 * replaced keeps its variables, and can be upgraded later.
 */
static void g15_reversed_by_force(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE(), c = LATEST();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	klp_shadow_transition(&mod_b, true, false);
	klp_shadow_complete(false);
	klp_shadow_unregister_patch(&mod_b, true);
	klp_shadow_flush();
	KUNIT_EXPECT_EQ(test, count(&a), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_c, &c, true), 0);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.converts, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, count(&c), (unsigned int)MANY);
	disable(&mod_c);
	leave(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/*
 * Types that do not match those of a livepatch are refused, also after that has been
 * unregistered: its remaining code must not see variables with another layout.
 */
static void g15_conflicts(struct kunit *test)
{
	static const struct klp_shadow_type conflicts[] = {
		TYPE("other", ID, struct small, .parent_module = "own_er"),
		TYPE("var", ID, struct small, .parent_module = "own_e"),
		TYPE("var", ID, struct small, .parent_module = "own_erx"),
		TYPE("var", ID, struct small),
		TYPE("var", ID, struct small, .shared = true),
		TYPE("var", ID, struct large, .parent_module = "own_er"),
		TYPE("var", ID_LARGE, struct large, KLP_SHADOW_CONVERT(grow, ID)),
		TYPE("var", ID_LARGE, struct large, .shared = true, KLP_SHADOW_CONVERT(grow, ID)),
	};
	static struct klp_shadow_type a = SMALL();
	unsigned int i, round;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(conflicts); i++) {
			struct klp_shadow_type type = conflicts[i];

			KUNIT_EXPECT_EQ(test, -EINVAL,
					klp_shadow_register(&mod_b, &mod_b, &type, 1, true));
		}
		KUNIT_EXPECT_EQ(test, count(&a), round ? 0U : 3U);
		if (!round)
			disable(&mod_a);
	}
	klp_shadow_module_going(&mod_a);
	for (i = 0; i < 4; i++) {
		struct klp_shadow_type type = conflicts[i];

		KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_b, &mod_b, &type, 1, true), 0);
		leave(&mod_b);
		klp_shadow_module_going(&mod_b);
	}
}

static void g15_faults(struct kunit *test)
{
	static struct klp_shadow_type good = LARGE(), bad;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.size = KMALLOC_MAX_SIZE;
			break;
		case 1:
			bad.shared = true;
			break;
		case 2:
			bad.convert = NULL;
			break;
		case 3:
			bad.nr_predecessors = 0;
			break;
		case 4:
			bad.nr_predecessors = KLP_SHADOW_MAX_PREDECESSORS + 1;
			break;
		case 5:
			bad.predecessors[0] = ID_LARGE;
			break;
		case 6:
			bad.size = KMALLOC_MAX_SIZE - HEADER;
			break;
		}
		KUNIT_EXPECT_EQ(test, i < 6 ? -EINVAL : 0,
				klp_shadow_register(&mod_b, &mod_b, &bad, 1, true));
	}
	leave(&mod_b);
	klp_shadow_module_going(&mod_b);
}

/* If two files include a header with a type, the copies must be equal. */
static void g15_copies_are_one_type(struct kunit *test)
{
	static struct klp_shadow_type types[] = { LARGE(), LARGE() };
	struct klp_shadow_type good = LARGE(), old = SMALL();
	unsigned int i;

	KUNIT_ASSERT_EQ(test, begin_types(&mod_a, types, 2, true), 0);
	klp_shadow_complete(true);
	KUNIT_EXPECT_TRUE(test, add_one(&types[0], 1));
	KUNIT_EXPECT_TRUE(test, add_one(&types[1], 2));
	KUNIT_EXPECT_EQ(test, count(&types[0]), 2U);
	KUNIT_EXPECT_EQ(test, count(&types[1]), 2U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 2U);
	klp_shadow_module_going(&mod_a);

	for (i = 0; i < 8; i++) {
		types[1] = good;
		switch (i) {
		case 0:
			types[1].name = "rav";
			break;
		case 1:
			types[1].size++;
			break;
		case 2:
			types[1].ctor = note_shared;
			break;
		case 3:
			types[1].dtor = NULL;
			break;
		case 4:
			types[1].release = note_release;
			break;
		case 5:
			types[1].predecessors[0] = ID_LATEST;
			break;
		case 6:
			types[1].predecessors[1] = ID_LATEST;
			types[1].nr_predecessors++;
			break;
		case 7:
			types[1].parent_module = NULL;
			break;
		}
		KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 2, true), -EINVAL);
	}
	/* A type and its predecessor, in either order. */
	types[1] = old;
	KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 2, true), -EINVAL);
	types[0] = old;
	types[1] = good;
	KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 2, true), -EINVAL);
}

/*
 * Variables that id-based calls have added belong to the type when it is registered. If
 * their memory is too small for the type, the livepatch is refused.
 */
static void g15_existing_ones(struct kunit *test)
{
	static struct klp_shadow_type type = SMALL();
	struct small *small;

	small = klp_shadow_alloc(&parents[1], ID, sizeof(*small), GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, small);
	small->n = 1;
	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[2], ID_LATEST, sizeof(*small),
						     GFP_KERNEL, NULL, NULL));
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, __klp_shadow_type_get(&parents[1], &type), (void *)small);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	klp_shadow_module_going(&mod_a);

	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[1], ID, 0, GFP_KERNEL, NULL, NULL));
	type.size = 512;
	KUNIT_EXPECT_EQ(test, enable(&mod_a, &type, true), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(&parents[1], ID));
	/* The check has removed its iterator from the lists of the id. */
	klp_shadow_free_all(ID, NULL);
	KUNIT_EXPECT_EQ(test, enable(&mod_a, &type, true), 0);
	disable(&mod_a);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(&parents[2], ID_LATEST));
	klp_shadow_free(&parents[2], ID_LATEST, NULL);
}

static void g15_shared_is_handed_on(struct kunit *test)
{
	static struct klp_shadow_type a = SHARED(), b = SHARED();
	void *state;

	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(NULL, &a));
	/* It exists from before the transition until the last livepatch is unregistered. */
	KUNIT_ASSERT_EQ(test, begin(&mod_a, &a, true), 0);
	state = __klp_shadow_type_get(NULL, &a);
	KUNIT_EXPECT_NOT_NULL(test, state);
	klp_shadow_complete(true);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	leave(&mod_a);
	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(NULL, &a));
	KUNIT_EXPECT_PTR_EQ(test, __klp_shadow_type_get(NULL, &b), state);
	KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
	klp_shadow_transition(&mod_b, false, false);
	klp_shadow_complete(false);
	KUNIT_EXPECT_PTR_EQ(test, __klp_shadow_type_get(NULL, &b), state);
	leave(&mod_b);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
}

/*
 * The error of the constructor is returned. State created by this call is freed again,
 * variables that existed before it are not.
 */
static void g15_shared_cannot_be_created(struct kunit *test)
{
	static struct klp_shadow_type types[] = { SHARED(), SHARED(), SHARED() };

	types[0].ctor = NULL;
	types[0].id = ID_LARGE;
	types[1].ctor = NULL;
	types[1].id = ID;
	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(NULL, ID, sizeof(struct large), GFP_KERNEL,
						     NULL, NULL));
	calls.err = -EAGAIN;
	KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 3, true), -EAGAIN);
	calls.err = -EEXIST;
	KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 3, true), -EEXIST);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_LARGE));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(NULL, ID));
	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(NULL, &types[1]));
	/* The module may be loaded again. */
	calls.err = 0;
	KUNIT_EXPECT_EQ(test, klp_shadow_register(&mod_a, &mod_a, types, 3, true), 0);
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(NULL, &types[1]));
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(NULL, &types[2]));
	/* Only what it has created goes with it. (G17) */
	leave(&mod_a);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(NULL, ID));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_LARGE));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
}

/* After a forced replacement nothing is converted: the successor has its own state. */
static void g15_shared_after_a_forced_one(struct kunit *test)
{
	static struct klp_shadow_type a = SHARED(), b = SHARED_2();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(NULL, &b));
	klp_shadow_unregister_patch(&mod_a, true);
	klp_shadow_flush();
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(NULL, &a));
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(NULL, &b));
	KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	disable(&mod_b);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED_2));
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
	leave(&mod_a);
}

static void needs_shared(void *obj, void *shadow_data)
{
	calls.wrong += !klp_shadow_get(NULL, ID_SHARED);
	calls.dtors++;
}

/* Destructors of other types may use it, whatever the order of the types, also of hidden ones. */
static void g15_shared_goes_last(struct kunit *test)
{
	static struct klp_shadow_type types[] = { SHARED(), SMALL(), SHARED() };

	types[1].dtor = needs_shared;
	KUNIT_ASSERT_EQ(test, begin_types(&mod_a, types, 3, true), 0);
	klp_shadow_complete(true);
	KUNIT_EXPECT_EQ(test, add(&types[1], 2), 2U);
	klp_shadow_transition(&mod_a, false, false);
	klp_shadow_transition(&mod_a, false, true);
	klp_shadow_complete(true);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_TRUE(test, add_one(&types[1], 3));
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
}

/* Typed calls that free do nothing before klp_enable_patch(), and after the last flush. */
static void g15_not_registered(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();
	int refs = module_refcount(&mod_a);

	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[0], ID, sizeof(struct small),
						     GFP_KERNEL, NULL, NULL));
	__klp_shadow_type_free(&parents[0], &a);
	__klp_shadow_type_free_all(&a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 1U);
	KUNIT_ASSERT_EQ(test, begin(&mod_a, &a, true), 0);
	reverse_to_unpatched(&mod_a);
	__klp_shadow_type_free(&parents[0], &a);
	__klp_shadow_type_free_all(&a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 1U);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
}

/* Variables of an unregistered livepatch are freed before the type is registered again. */
static void g15_comes_before_the_last_is_flushed(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	klp_shadow_transition(&mod_a, false, false);
	klp_shadow_complete(false);
	klp_shadow_unregister_patch(&mod_a, false);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	klp_shadow_flush();
	disable(&mod_b);
}

/* === G16, conversion === */

static void g16_each_is_converted_once(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();
	struct large *large;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, klp_shadow_move(&parents[7], &parents[MANY], ID, GFP_KERNEL), 0);
	((struct small *)__klp_shadow_type_get(&parents[MANY], &a))->n = MANY;
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);

	/* During the transition, a parent with an old variable does not get a new one. */
	KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(&parents[1], &b));
	KUNIT_EXPECT_FALSE(test, add_one(&b, 1));
	KUNIT_EXPECT_EQ(test, add(&b, MANY), 1U);
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(&parents[1], &a));
	/* New code frees the variables of both types. */
	__klp_shadow_type_free(&parents[5], &b);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 0U);
	__klp_shadow_type_free(&parents[7], &b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	/* Old code does so, too, but it adds a variable even if there is a new one. */
	KUNIT_EXPECT_TRUE(test, add_one(&b, 5));
	KUNIT_EXPECT_TRUE(test, add_one(&b, 7));
	__klp_shadow_type_free(&parents[7], &a);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 2U);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 5));

	klp_shadow_complete(true);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	leave(&mod_a);
	/* Parent 5 has both: the old variable is freed and not converted. */
	KUNIT_EXPECT_EQ(test, calls.converts, MANY - 1U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 2U);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 2U);
	KUNIT_EXPECT_EQ(test, count(&b), (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	large = __klp_shadow_type_get(&parents[MANY], &b);
	KUNIT_ASSERT_NOT_NULL(test, large);
	KUNIT_EXPECT_EQ(test, large->twice, 2UL * MANY);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 7));

	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, MANY + 3U);
	KUNIT_EXPECT_EQ(test, count_id(ID_LARGE), 0U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* An upgrade that skips a version, and one between layouts of the same size. */
static void g16_from_any_predecessor(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE(), c = LATEST();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_c, &c, true), 0);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&c), 3U);
	KUNIT_EXPECT_EQ(test, calls.converts, 3U);
	/* A downgrade does not convert: it begins without variables. */
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_FALSE(test, add_one(&c, 5));
	leave(&mod_c);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 3U);
	KUNIT_EXPECT_EQ(test, add(&b, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_c, &c, true), 0);
	leave(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.converts, 6U);
	KUNIT_EXPECT_EQ(test, count(&c), 3U);
	disable(&mod_c);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A cumulative livepatch replaces two versions at once. */
static void g16_from_two_at_once(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE(), c = LATEST();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, false), 0);
	/* Livepatches that do not replace each other do not share variables. */
	KUNIT_EXPECT_TRUE(test, add_one(&a, 1));
	KUNIT_EXPECT_TRUE(test, add_one(&b, 1));
	KUNIT_EXPECT_TRUE(test, add_one(&b, 2));
	__klp_shadow_type_free(&parents[1], &b);
	KUNIT_EXPECT_EQ(test, count(&a), 1U);
	KUNIT_ASSERT_EQ(test, begin(&mod_c, &c, true), 0);
	KUNIT_EXPECT_FALSE(test, add_one(&c, 1));
	KUNIT_EXPECT_FALSE(test, add_one(&c, 2));
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[1], &parents[4], &c, GFP_KERNEL), 0);
	((struct small *)klp_shadow_get(&parents[4], ID))->n = 4;
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[1], &parents[4], &c, GFP_KERNEL),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[2], &parents[5], &c, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[5], &parents[2], &c, GFP_KERNEL), 0);
	__klp_shadow_type_free(&parents[2], &c);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 2U);
	klp_shadow_complete(true);
	klp_shadow_unregister_patch(&mod_a, false);
	klp_shadow_unregister_patch(&mod_b, false);
	klp_shadow_flush();
	KUNIT_EXPECT_EQ(test, count(&c), 1U);
	KUNIT_EXPECT_NOT_NULL(test, __klp_shadow_type_get(&parents[4], &c));
	disable(&mod_c);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/*
 * Only variables of a replaced livepatch are converted. A livepatch that stayed enabled
 * beside it has freed parents without freeing the other's variables.
 */
static void g16_nothing_from_one_that_is_not_replaced(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 1));
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), 1U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	disable(&mod_b);

	klp_shadow_module_going(&mod_a);
	klp_shadow_module_going(&mod_b);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
}

static void g16_reversed_converts_nothing(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY - 1), MANY - 1U);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, MANY - 1));
	KUNIT_EXPECT_EQ(test, count(&b), 1U);
	reverse_to_unpatched(&mod_b);
	KUNIT_EXPECT_EQ(test, count(&a), MANY - 1U);
	KUNIT_EXPECT_EQ(test, count_id(ID_LARGE), 0U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY - 1U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* Its variables have not been freed yet when those of the predecessor are. */
static void g16_nothing_for_one_that_leaves(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	klp_shadow_transition(&mod_b, true, false);
	klp_shadow_complete(false);
	klp_shadow_unregister_patch(&mod_b, false);
	klp_shadow_transition(&mod_a, true, false);
	klp_shadow_complete(false);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 0U);
}

static void g16_parents_module_goes_before_it(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, MANY));
	klp_shadow_module_going(&mod_owner);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	klp_shadow_complete(true);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	disable(&mod_b);
}

static void g16_what_fails_is_freed(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	calls.fail = 4;
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), MANY * 3 / 4U);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY / 4U);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, MANY / 4U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, MANY * 3 / 4U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* What the log tells. */
static void g16_counts(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();
	struct klp_shadow_conversion result = {};

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	__klp_shadow_type_free(&parents[3], &b);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 3));
	KUNIT_EXPECT_TRUE(test, add_one(&a, 3));
	klp_shadow_complete(true);
	calls.fail = 4;
	klp_shadow_convert(&a, &b, &result);
	/* The one with a new variable counts as neither. */
	KUNIT_EXPECT_EQ(test, result.done, MANY * 3 / 4 - 1UL);
	KUNIT_EXPECT_EQ(test, result.failed, MANY / 4UL);
	KUNIT_EXPECT_EQ(test, result.err, -EEXIST);
	leave(&mod_a);
	disable(&mod_b);
}

static void g16_no_memory(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	b.size = KMALLOC_MAX_SIZE;
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	disable(&mod_b);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_shared(struct kunit *test)
{
	static struct klp_shadow_type a = SHARED(), b = SHARED_2();
	unsigned int fail;

	for (fail = 0; fail < 2; fail++) {
		memset(&calls, 0, sizeof(calls));
		calls.fail = fail;
		KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
		*(unsigned long *)__klp_shadow_type_get(NULL, &a) = 17;
		KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
		KUNIT_EXPECT_NULL(test, __klp_shadow_type_get(NULL, &b));
		leave(&mod_a);
		KUNIT_EXPECT_EQ(test, calls.converts, 1U);
		KUNIT_ASSERT_NOT_NULL(test, __klp_shadow_type_get(NULL, &b));
		/* If the conversion fails, the state is created by the constructor. */
		KUNIT_EXPECT_EQ(test, *(unsigned long *)__klp_shadow_type_get(NULL, &b),
				fail ? 0UL : 17UL);
		KUNIT_EXPECT_EQ(test, calls.ctors, fail ? 2U : 1U);
		disable(&mod_b);
		KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
		KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED_2));
		KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
	}
}

/*
 * Conversion allocates the new variables without the lock: the probe below frees two
 * parents' variables in each of the first allocations.
 */
static struct klp_shadow_type *dropping;
static unsigned int dropped;
/* A patch to disable while a variable is allocated. */
static struct module *closing;

static void while_allocating(void *unused, unsigned long call_site, const void *ptr,
			     size_t bytes_req, size_t bytes_alloc, gfp_t gfp_flags, int node)
{
	struct klp_shadow_type *type = dropping;

	if (closing && in_task() && bytes_req == HEADER + sizeof(struct small)) {
		klp_shadow_transition(closing, false, false);
		closing = NULL;
	}
	if (!type || !in_task() || bytes_req != HEADER + sizeof(struct large) || dropped == 20)
		return;
	dropping = NULL;
	/* A low and a high index: either order of conversion meets both cases. */
	__klp_shadow_type_free(&parents[dropped / 2], type);
	__klp_shadow_type_free(&parents[MANY - 1 - dropped / 2], type);
	dropped += 2;
	dropping = type;
}

static void g16_some_go_meanwhile(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	dropped = 0;
	dropping = &b;
	leave(&mod_a);
	dropping = NULL;
	KUNIT_EXPECT_EQ(test, dropped, 20U);
	KUNIT_EXPECT_EQ(test, count(&b), MANY - dropped);
	KUNIT_EXPECT_GT(test, calls.dtors, 0U);
	KUNIT_EXPECT_GT(test, calls.large_dtors, 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors + calls.large_dtors, dropped);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.dtors + calls.large_dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* === G17, open while all tasks run a livepatch with the type === */

/* A successor of several types of one livepatch. */
static void g16_from_two_of_one(struct kunit *test)
{
	static struct klp_shadow_type types[] = { SMALL(), LARGE() }, c = LATEST();

	types[1].convert = NULL;
	types[1].nr_predecessors = 0;
	types[1].predecessors[0] = 0;
	KUNIT_ASSERT_EQ(test, begin_types(&mod_a, types, 2, true), 0);
	klp_shadow_complete(true);
	KUNIT_EXPECT_TRUE(test, add_one(&types[0], 1));
	KUNIT_EXPECT_TRUE(test, add_one(&types[1], 2));
	KUNIT_EXPECT_TRUE(test, add_one(&types[1], 3));
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &c, true), 0);
	KUNIT_EXPECT_FALSE(test, add_one(&c, 1));
	KUNIT_EXPECT_FALSE(test, add_one(&c, 2));
	__klp_shadow_type_free(&parents[2], &c);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	klp_shadow_complete(true);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.converts, 2U);
	KUNIT_EXPECT_EQ(test, count(&c), 2U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A variable is not moved to a parent that has one of the other type: one would be freed. */
static void g16_moves_beside_none(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 1));
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 2));
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[1], &parents[2], &b, GFP_KERNEL),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[2], &parents[1], &b, GFP_KERNEL),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[2], &parents[1], &a, GFP_KERNEL),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[3], &parents[1], &b, GFP_KERNEL),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, count_id(ID), 1U);
	KUNIT_EXPECT_EQ(test, count_id(ID_LARGE), 1U);
	/* Old code may have added one to a parent that has a new one. */
	KUNIT_EXPECT_TRUE(test, add_one(&a, 2));
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[2], &parents[3], &b, GFP_KERNEL), 0);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[2], ID));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[2], ID_LARGE));
	KUNIT_EXPECT_EQ(test, __klp_shadow_type_move(&parents[3], &parents[2], &b, GFP_KERNEL), 0);
	klp_shadow_complete(true);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), 2U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g17_not_before_all_tasks_are_patched(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();

	KUNIT_EXPECT_FALSE(test, add_one(&a, 1));
	KUNIT_ASSERT_EQ(test, begin(&mod_a, &a, true), 0);
	KUNIT_EXPECT_FALSE(test, add_one(&a, 1));
	klp_shadow_complete(true);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 1));
	klp_shadow_transition(&mod_a, false, false);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	KUNIT_EXPECT_FALSE(test, add_one(&a, 2));
	/* Freeing a parent still frees its variable. */
	__klp_shadow_type_free(&parents[1], &a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	klp_shadow_complete(false);
	leave(&mod_a);
}

/* A transition that is cancelled, as when a pre_patch callback fails, changes nothing. */
static void g17_cancelled(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	klp_shadow_complete(false);
	leave(&mod_b);
	KUNIT_EXPECT_EQ(test, count(&a), 3U);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 4));
	/* The same with a livepatch that does not have the type. */
	klp_shadow_transition(&mod_c, true, true);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	klp_shadow_complete(false);
	KUNIT_EXPECT_EQ(test, count(&a), 4U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 4U);
}

/*
 * Reversing hides variables, because unpatched tasks may have freed their parents. This
 * includes variables of the predecessor that have not been converted yet.
 */
static void g17_reversed_before_conversion(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	klp_shadow_unregister_patch(&mod_a, false);
	klp_shadow_transition(&mod_b, true, false);
	klp_shadow_transition(&mod_b, true, true);
	klp_shadow_complete(true);
	klp_shadow_flush();
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 3U);
}

/* Its code still runs, and the disabling may be reversed. */
static void g17_converted_for_one_that_is_being_disabled(struct kunit *test)
{
	static struct klp_shadow_type a = SHARED(), b = SHARED_2();
	unsigned long *state;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	state = __klp_shadow_type_get(NULL, &a);
	KUNIT_ASSERT_NOT_NULL(test, state);
	*state = 7;
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	klp_shadow_unregister_patch(&mod_a, false);
	klp_shadow_transition(&mod_b, true, false);
	klp_shadow_flush();
	state = __klp_shadow_type_get(NULL, &b);
	KUNIT_EXPECT_EQ(test, calls.converts, 1U);
	KUNIT_EXPECT_EQ(test, state ? *state : 0, 7UL);
	klp_shadow_complete(false);
	leave(&mod_b);
}

static void g17_replaced_by_one_with_the_type(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 1));
	KUNIT_EXPECT_TRUE(test, add_one(&b, 2));
	KUNIT_EXPECT_EQ(test, count(&a), 2U);
	KUNIT_EXPECT_EQ(test, count(&b), 2U);
	klp_shadow_complete(true);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), 2U);
	disable(&mod_b);
}

static void g17_replaced_by_one_without_it(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	klp_shadow_transition(&mod_b, true, true);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	KUNIT_EXPECT_FALSE(test, add_one(&a, 4));
	klp_shadow_complete(true);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
}

/* A livepatch that does not replace the first one leaves its type open, and may share it. */
static void g17_stacked(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	klp_shadow_transition(&mod_c, false, true);
	KUNIT_EXPECT_TRUE(test, add_one(&a, 1));
	klp_shadow_complete(true);
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, false), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 2));
	klp_shadow_complete(true);
	klp_shadow_transition(&mod_a, true, false);
	KUNIT_EXPECT_EQ(test, count(&a), 2U);
	klp_shadow_complete(false);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count(&b), 2U);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	disable(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.dtors, 2U);
}

/*
 * Unpatched tasks may have freed parents without their variables, so lookups no longer
 * find any. The memory stays, because tasks that were not unpatched may still use it.
 */
static void g17_reversed_disabling(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();
	struct small *small;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, klp_shadow_move(&parents[7], &parents[MANY], ID, GFP_KERNEL), 0);
	small = __klp_shadow_type_get(&parents[MANY], &a);
	KUNIT_ASSERT_NOT_NULL(test, small);
	klp_shadow_transition(&mod_a, false, false);
	klp_shadow_transition(&mod_a, false, true);
	KUNIT_EXPECT_FALSE(test, add_one(&a, 3));
	klp_shadow_complete(true);
	KUNIT_EXPECT_EQ(test, count(&a), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	rcu_barrier();
	small->n = MANY;
	KUNIT_EXPECT_TRUE(test, add_one(&a, 3));
	KUNIT_EXPECT_TRUE(test, add_one(&a, MANY));
	disable(&mod_a);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY + 2U);
	KUNIT_EXPECT_EQ(test, calls.releases, MANY + 2U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g17_hidden_ones_go_with_the_parents_module(struct kunit *test)
{
	static struct klp_shadow_type types[] = { SMALL(), SMALL() };

	types[1].id = ID_LATEST;
	types[1].parent_module = NULL;
	KUNIT_ASSERT_EQ(test, begin_types(&mod_a, types, 2, true), 0);
	klp_shadow_complete(true);
	KUNIT_ASSERT_EQ(test, add(&types[0], 3), 3U);
	KUNIT_ASSERT_EQ(test, add(&types[1], 2), 2U);
	klp_shadow_transition(&mod_a, false, false);
	klp_shadow_transition(&mod_a, false, true);
	klp_shadow_complete(true);
	klp_shadow_module_going(&mod_owner);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.releases, 3U);
	disable(&mod_a);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, 5U);
	KUNIT_EXPECT_EQ(test, calls.releases, 5U);
}

static void wrong_dtor(void *obj, void *shadow_data)
{
	calls.wrong++;
}

/* Code of another livepatch with the type may use them. Its callbacks are called. */
static void g17_hidden_ones_stay_for_another(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = SMALL(), c = SHARED();

	a.dtor = wrong_dtor;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, false), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, begin(&mod_c, &c, true), 0);
	reverse_to_unpatched(&mod_c);
	KUNIT_EXPECT_EQ(test, count(&b), 0U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	disable(&mod_b);
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.releases, 3U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A livepatch that fails to be enabled leaves variables that it would have adopted. */
static void g17_failed_leaves_what_was_there(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL(), b = LARGE();

	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[0], ID, sizeof(struct small),
						     GFP_KERNEL, NULL, NULL));
	KUNIT_ASSERT_EQ(test, begin(&mod_a, &a, true), 0);
	klp_shadow_complete(false);
	leave(&mod_a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 1U);
	KUNIT_ASSERT_EQ(test, begin(&mod_a, &a, true), 0);
	reverse_to_unpatched(&mod_a);
	KUNIT_EXPECT_EQ(test, count_id(ID), 1U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);

	/* Once it has been enabled, they are its own. */
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	/* What it adds itself beside those of a predecessor goes. */
	KUNIT_ASSERT_EQ(test, begin(&mod_b, &b, true), 0);
	KUNIT_EXPECT_TRUE(test, add_one(&b, 1));
	reverse_to_unpatched(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	KUNIT_EXPECT_EQ(test, count_id(ID_LARGE), 0U);
	disable(&mod_a);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A caller that slept in the allocation when the type was closed adds nothing. */
static void g17_closed_during_the_allocation(struct kunit *test)
{
	static struct klp_shadow_type a = SMALL();

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	closing = &mod_a;
	KUNIT_EXPECT_FALSE(test, add_one(&a, 1));
	KUNIT_ASSERT_NULL(test, closing);
	KUNIT_EXPECT_EQ(test, count_id(ID), 0U);
	klp_shadow_complete(false);
	leave(&mod_a);
}

static struct kunit_case klp_shadow_type_cases[] = {
	KUNIT_CASE(g13_data_stays),
	KUNIT_CASE(g13_errors_leave_it),
	KUNIT_CASE(g13_free_all_takes_moved_ones),
	KUNIT_CASE(g14_release_comes_later),
	KUNIT_CASE(g14_id_based_calls_release_nothing),
	KUNIT_CASE(g14_free_all_releases_each),
	KUNIT_CASE(g14_pending_holds_the_module),
	KUNIT_CASE(g14_parents_module_waits),
	KUNIT_CASE(g14_search_among_others),
	KUNIT_CASE(g14_going_waits_for_a_running_one),
	KUNIT_CASE(events_tell_what_is_there),
	KUNIT_CASE(g15_live_with_their_livepatch),
	KUNIT_CASE(g15_stay_for_the_next),
	KUNIT_CASE(g15_other_ids_are_left_alone),
	KUNIT_CASE(g15_moved_ones_go_too),
	KUNIT_CASE(g15_parents_module_goes),
	KUNIT_CASE(g15_forced_keeps_them),
	KUNIT_CASE(g15_reversed_by_force),
	KUNIT_CASE(g15_conflicts),
	KUNIT_CASE(g15_faults),
	KUNIT_CASE(g15_copies_are_one_type),
	KUNIT_CASE(g15_existing_ones),
	KUNIT_CASE(g15_shared_is_handed_on),
	KUNIT_CASE(g15_shared_cannot_be_created),
	KUNIT_CASE(g15_shared_after_a_forced_one),
	KUNIT_CASE(g15_shared_goes_last),
	KUNIT_CASE(g15_not_registered),
	KUNIT_CASE(g15_comes_before_the_last_is_flushed),
	KUNIT_CASE(g16_each_is_converted_once),
	KUNIT_CASE(g16_from_any_predecessor),
	KUNIT_CASE(g16_from_two_at_once),
	KUNIT_CASE(g16_nothing_from_one_that_is_not_replaced),
	KUNIT_CASE(g16_reversed_converts_nothing),
	KUNIT_CASE(g16_nothing_for_one_that_leaves),
	KUNIT_CASE(g16_parents_module_goes_before_it),
	KUNIT_CASE(g16_what_fails_is_freed),
	KUNIT_CASE(g16_counts),
	KUNIT_CASE(g16_no_memory),
	KUNIT_CASE(g16_shared),
	KUNIT_CASE(g16_some_go_meanwhile),
	KUNIT_CASE(g16_from_two_of_one),
	KUNIT_CASE(g16_moves_beside_none),
	KUNIT_CASE(g17_not_before_all_tasks_are_patched),
	KUNIT_CASE(g17_cancelled),
	KUNIT_CASE(g17_reversed_before_conversion),
	KUNIT_CASE(g17_converted_for_one_that_is_being_disabled),
	KUNIT_CASE(g17_replaced_by_one_with_the_type),
	KUNIT_CASE(g17_replaced_by_one_without_it),
	KUNIT_CASE(g17_stacked),
	KUNIT_CASE(g17_reversed_disabling),
	KUNIT_CASE(g17_hidden_ones_go_with_the_parents_module),
	KUNIT_CASE(g17_hidden_ones_stay_for_another),
	KUNIT_CASE(g17_failed_leaves_what_was_there),
	KUNIT_CASE(g17_closed_during_the_allocation),
	{}
};

static int klp_shadow_type_suite_init(struct kunit_suite *suite)
{
	return register_trace_kmalloc(while_allocating, NULL);
}

static void klp_shadow_type_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_kmalloc(while_allocating, NULL);
	tracepoint_synchronize_unregister();
}

static int klp_shadow_type_case_init(struct kunit *test)
{
	unsigned int i;

	memset(&calls, 0, sizeof(calls));
	reinit_completion(&late);
	/* Module references begin at 1; the second one is that of an init function. */
	for (i = 0; i < ARRAY_SIZE(mods); i++)
		atomic_set(&mods[i]->refcnt, 2);

	return 0;
}

/* Clean up, in case the test was aborted. */
static void klp_shadow_type_case_exit(struct kunit *test)
{
	unsigned int i;

	dropping = NULL;
	closing = NULL;
	complete_all(&late);
	klp_shadow_complete(true);
	for (i = 0; i < ARRAY_SIZE(mods); i++) {
		leave(mods[i]);
		klp_shadow_module_going(mods[i]);
	}
	klp_shadow_drain(NULL);
	KUNIT_EXPECT_TRUE(test, list_empty(&klp_shadow_patches));
	klp_shadow_free_all(ID, NULL);
	klp_shadow_free_all(ID_LARGE, NULL);
	klp_shadow_free_all(ID_LATEST, NULL);
	klp_shadow_free_all(ID_SHARED, NULL);
	klp_shadow_free_all(ID_SHARED_2, NULL);
}

static struct kunit_suite klp_shadow_type_suite = {
	.name = "klp_shadow_type",
	.suite_init = klp_shadow_type_suite_init,
	.suite_exit = klp_shadow_type_suite_exit,
	.init = klp_shadow_type_case_init,
	.exit = klp_shadow_type_case_exit,
	.test_cases = klp_shadow_type_cases,
};

kunit_test_suite(klp_shadow_type_suite);
