// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit test of declared shadow variables and of moving them: G13 ... G16 of
 * Documentation/livepatch/shadow-vars.rst.
 *
 * The livepatches are imaginary: modules without code, which are enabled and given
 * up as the livepatch core does it. Real ones are in
 * tools/testing/selftests/livepatch/test-shadow-lifetimes.sh.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/livepatch_shadow.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <trace/events/kmem.h>

#include "shadow.h"
#include "shadow_type.h"

#define ID		0x5d800000UL
#define ID_SHARED	0x5d800001UL
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
	unsigned int fail;	/* conversions of multiples fail; none if 0 */
	int err;		/* of the constructor of shared state */
	struct klp_shadow_type *none;	/* its accessors find nothing */
	bool looking;		/* slow_lookup() */
} calls;

static void note_dtor(void *obj, void *shadow_data)
{
	struct small *small = shadow_data;

	calls.wrong += obj != &parents[small->n] || !irqs_disabled();
	calls.wrong += calls.none && klp_shadow_type_get(&parents[1], calls.none);
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

/* Comes so late that its livepatch was given up. Looks for what is not its own, and frees. */
static DECLARE_COMPLETION(late);

static void late_release(void *obj, void *shadow_data)
{
	wait_for_completion(&late);
	calls.wrong += !!klp_shadow_type_get(&parents[1], calls.none);
	klp_shadow_type_free(&parents[1], calls.none);
	calls.releases++;
}

/* Until complete_all(&late). */
static void release_late(struct klp_shadow_type *type)
{
	type->release = late_release;
	calls.none = type;
	reinit_completion(&late);
}

static int grow(void *obj, void *shadow_data, void *old_data, size_t old_size)
{
	struct large *large = shadow_data;
	struct small *small = old_data;

	calls.wrong += old_size != sizeof(*small) || obj != &parents[small->n] ||
		       large->n || large->twice || READ_ONCE(calls.looking);
	large->n = small->n;
	large->twice = 2 * small->n;
	calls.converts++;

	return calls.fail && small->n % calls.fail == 0 ? -ERANGE : 0;
}

static int note_shared(void *obj, void *shadow_data, void *ctor_data)
{
	calls.ctors++;

	return calls.err;
}

static struct module mod_a = { .name = "a", .state = MODULE_STATE_LIVE };
static struct module mod_b = { .name = "b", .state = MODULE_STATE_LIVE };
static struct module mod_owner = { .name = "owner", .state = MODULE_STATE_LIVE };
static struct module mod_other = { .name = "other", .state = MODULE_STATE_LIVE };

#define SMALL(_name)	{ .name = _name, .id = ID, .size = sizeof(struct small),	\
			  .dtor = note_dtor, .release = note_release, .owner = "owner" }
#define LARGE(_name)	{ .name = _name, .id = ID, .size = sizeof(struct large),	\
			  .dtor = note_large_dtor, .convert = grow, .owner = "owner" }
#define SHARED(_name)	{ .name = _name, .id = ID_SHARED, .size = sizeof(struct large),	\
			  .shared = true, .ctor = note_shared }

static int enable(struct module *mod, struct klp_shadow_type *type, bool replace)
{
	return klp_shadow_user_enable(mod, mod, type, 1, replace);
}

/* The livepatch core's reference, which the put of the user comes on top of. */
static void give_up(struct module *mod, bool forced)
{
	klp_shadow_user_give_up(mod, forced);
	flush_workqueue(klp_shadow_release_wq);
}

/* The same, but what it has to release is not over yet. */
static void give_up_early(struct module *mod)
{
	klp_shadow_user_give_up(mod, false);
}

/* A lookup that takes its time, in a thread of its own. */
static DECLARE_COMPLETION(looked);

static int slow_lookup(void *unused)
{
	rcu_read_lock();
	complete(&looked);
	mdelay(50);
	WRITE_ONCE(calls.looking, false);
	rcu_read_unlock();

	return 0;
}

static bool look_slowly(void)
{
	reinit_completion(&looked);
	WRITE_ONCE(calls.looking, true);
	if (IS_ERR(kthread_run(slow_lookup, NULL, "slow_lookup")))
		return false;
	wait_for_completion(&looked);

	return true;
}

static unsigned int add(struct klp_shadow_type *type, unsigned int n)
{
	unsigned int i, added = 0;

	for (i = 0; i < n; i++) {
		struct small *small = klp_shadow_type_alloc(&parents[i], type, GFP_KERNEL, NULL);

		if (small)
			small->n = i;
		added += !!small;
	}

	return added;
}

/* How many there are, whatever their size. */
static unsigned int count(void)
{
	unsigned int i, there = 0;

	for (i = 0; i < MANY; i++) {
		struct small *small = klp_shadow_get(&parents[i], ID);

		there += small && small->n == i;
	}

	return there;
}

static bool has_users(void)
{
	bool has;

	mutex_lock(&klp_shadow_users_lock);
	has = !list_empty(&klp_shadow_users);
	mutex_unlock(&klp_shadow_users_lock);

	return has;
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

/* === G14, releasing === */

static void g14_release_comes_later(struct kunit *test)
{
	struct klp_shadow_type type = SMALL("var");
	unsigned int released;

	KUNIT_ASSERT_EQ(test, add(&type, 3), 3U);
	/* Meanwhile no grace period ends. */
	rcu_read_lock();
	klp_shadow_type_free(&parents[1], &type);
	klp_shadow_type_free(&parents[1], &type);
	released = calls.releases;
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, released, 0U);
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &type));
	klp_shadow_release_all(NULL);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);

	/* By itself as well. */
	klp_shadow_type_free(&parents[2], &type);
	for (int i = 0; i < 1000 && calls.releases < 2; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, calls.releases, 2U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g14_plain_calls_release_nothing(struct kunit *test)
{
	struct klp_shadow_type type = SMALL("var");

	KUNIT_ASSERT_EQ(test, add(&type, 2), 2U);
	klp_shadow_free(&parents[0], ID, NULL);
	klp_shadow_free_all(ID, NULL);
	klp_shadow_release_all(NULL);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_EQ(test, calls.releases, 0U);
}

/* === G15, lifetimes === */

static void g15_live_with_their_livepatch(struct kunit *test)
{
	struct klp_shadow_type type = SMALL("var");
	int refs = module_refcount(&mod_a);

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_EXPECT_EQ(test, add(&type, MANY), (unsigned int)MANY);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
	/* It may be one that declares nothing, or was never enabled. */
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, module_refcount(&mod_a), refs);
}

static void g15_stay_for_the_next(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = SMALL("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, count(), (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g15_undeclared_ids_are_left_alone(struct kunit *test)
{
	struct klp_shadow_type type = SHARED("state");

	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[0], ID, 8, GFP_KERNEL, NULL, NULL));
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	give_up(&mod_a, false);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(&parents[0], ID));
}

static void g15_moved_ones_go_too(struct kunit *test)
{
	struct klp_shadow_type type = SMALL("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &type, true), 0);
	KUNIT_ASSERT_EQ(test, add(&type, 1), 1U);
	KUNIT_ASSERT_EQ(test, klp_shadow_move(&parents[0], &parents[MANY], ID, GFP_KERNEL), 0);
	((struct small *)klp_shadow_type_get(&parents[MANY], &type))->n = MANY;
	give_up(&mod_a, false);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&parents[MANY], ID));
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g15_owner_takes_them_along(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = SMALL("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, false), 0);
	KUNIT_EXPECT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	klp_shadow_owner_gone(&mod_other);
	KUNIT_EXPECT_EQ(test, count(), (unsigned int)MANY);
	klp_shadow_owner_gone(&mod_owner);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	give_up(&mod_a, false);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
}

static void g15_force_gives_nothing_up(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	give_up(&mod_a, true);
	KUNIT_EXPECT_EQ(test, count(), (unsigned int)MANY);
	/* What may be in use for ever is never converted. */
	KUNIT_EXPECT_EQ(test, enable(&mod_b, &b, true), -EINVAL);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
}

static void g15_clashes(struct kunit *test)
{
	static const struct klp_shadow_type clashes[] = {
		{ .name = "other", .id = ID, .size = 8, .owner = "owner" },
		{ .name = "var", .id = ID, .size = 8, .owner = "rewno" },
		{ .name = "var", .id = ID, .size = 8 },
		{ .name = "var", .id = ID, .size = 8, .owner = "owner", .shared = true },
		{ .name = "var", .id = ID, .size = 16, .owner = "owner" },
	};
	struct klp_shadow_type a = SMALL("var"), twice[] = { SMALL("var"), SMALL("rav") };
	unsigned int i;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	for (i = 0; i < ARRAY_SIZE(clashes); i++) {
		struct klp_shadow_type type = clashes[i];

		KUNIT_EXPECT_EQ(test, enable(&mod_b, &type, true), -EINVAL);
		type.convert = grow;
		KUNIT_EXPECT_EQ(test, enable(&mod_b, &type, false), -EINVAL);
	}
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, count(), 3U);
	give_up(&mod_a, false);
	twice[0].shared = true;
	KUNIT_EXPECT_EQ(test, enable(&mod_b, twice, true), -EINVAL);
	twice[0].shared = false;
	twice[0].size = KMALLOC_MAX_SIZE;
	KUNIT_EXPECT_EQ(test, enable(&mod_b, twice, true), -EINVAL);
	twice[0].size = sizeof(struct small);
	KUNIT_EXPECT_EQ(test, klp_shadow_user_enable(&mod_b, &mod_b, twice, 2, true), -EINVAL);
	KUNIT_EXPECT_FALSE(test, has_users());
}

static void g15_shared_is_handed_on(struct kunit *test)
{
	struct klp_shadow_type a = SHARED("state"), b = SHARED("state");
	void *state;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	state = klp_shadow_type_get(NULL, &a);
	KUNIT_EXPECT_NOT_NULL(test, state);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	give_up(&mod_a, false);
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_type_get(NULL, &b), state);
	KUNIT_EXPECT_EQ(test, calls.ctors, 1U);
	give_up(&mod_b, false);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
}

static void g15_shared_cannot_be_built(struct kunit *test)
{
	struct klp_shadow_type types[] = { SHARED("one"), SHARED("two") };

	/* What others have added before stays. */
	types[1].id = ID;
	KUNIT_ASSERT_NOT_NULL(test, klp_shadow_alloc(&parents[0], ID, sizeof(struct large),
						     GFP_KERNEL, NULL, NULL));
	calls.err = -EIO;
	KUNIT_EXPECT_EQ(test, klp_shadow_user_enable(&mod_a, &mod_a, types, 2, true), -ENOMEM);
	flush_workqueue(klp_shadow_release_wq);
	KUNIT_EXPECT_FALSE(test, has_users());
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_get(&parents[0], ID));
}

static void g15_shared_that_was_built_goes(struct kunit *test)
{
	struct klp_shadow_type types[] = { SHARED("one"), SHARED("two") };

	types[0].ctor = NULL;
	types[1].id = ID;
	calls.err = -EIO;
	KUNIT_EXPECT_EQ(test, klp_shadow_user_enable(&mod_a, &mod_a, types, 2, true), -ENOMEM);
	flush_workqueue(klp_shadow_release_wq);
	KUNIT_EXPECT_FALSE(test, has_users());
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID_SHARED));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(NULL, ID));
}

/* What is left of a livepatch lets alone what others declare by its id later. */
static void g15_given_up_finds_nothing(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var");
	struct klp_shadow_type b = { .name = "other", .id = ID, .size = sizeof(struct large) };

	release_late(&a);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_alloc(&parents[0], &a, GFP_KERNEL, NULL));
	give_up_early(&mod_a);
	KUNIT_EXPECT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_EQ(test, add(&b, 3), 3U);
	complete_all(&late);
	flush_workqueue(klp_shadow_release_wq);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	/* Its module may stay loaded for as long as somebody likes. */
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	KUNIT_EXPECT_EQ(test, count(), 3U);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* The same of one whose variables another one has handed on since. */
static void g15_handed_on_finds_nothing(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = SMALL("var");
	struct klp_shadow_type c = { .name = "other", .id = ID, .size = sizeof(struct large) };

	release_late(&a);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_alloc(&parents[0], &a, GFP_KERNEL, NULL));
	klp_shadow_type_free(&parents[0], &a);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	give_up_early(&mod_a);
	give_up_early(&mod_b);
	KUNIT_EXPECT_EQ(test, enable(&mod_other, &c, true), 0);
	KUNIT_EXPECT_EQ(test, add(&c, 3), 3U);
	complete_all(&late);
	flush_workqueue(klp_shadow_release_wq);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	KUNIT_EXPECT_EQ(test, count(), 3U);
	give_up(&mod_other, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A module that has failed to enable one may try again, before that is put. */
static void g15_comes_again_at_once(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var");

	release_late(&a);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_alloc(&parents[0], &a, GFP_KERNEL, NULL));
	give_up_early(&mod_a);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	complete_all(&late);
	flush_workqueue(klp_shadow_release_wq);
	calls.none = NULL;
	a.release = note_release;
	KUNIT_EXPECT_EQ(test, add(&a, 3), 3U);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	calls.dtors = 0;
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.dtors, 3U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* A lookup that was about to look when its livepatch was given up is over by then. */
static void g15_lookups_end_first(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var");

	KUNIT_ASSERT_TRUE(test, look_slowly());
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(calls.looking));
	give_up(&mod_a, false);
}

/* === G16, conversion === */

static void g16_each_is_converted_once(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");
	struct large *large;

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, klp_shadow_move(&parents[7], &parents[MANY], ID, GFP_KERNEL), 0);
	((struct small *)klp_shadow_type_get(&parents[MANY], &a))->n = MANY;
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);

	/* The transition goes on. */
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &b));
	KUNIT_EXPECT_NULL(test, klp_shadow_type_alloc(&parents[7], &b, GFP_KERNEL, NULL));
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get_or_alloc(&parents[1], &b, GFP_KERNEL, NULL));
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	klp_shadow_type_free(&parents[5], &b);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 0U);

	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.converts, MANY - 1U);
	KUNIT_EXPECT_EQ(test, calls.dtors, 1U);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	KUNIT_EXPECT_EQ(test, count(), MANY - 2U);
	/* What is left of the old livepatch must not take them for its own. */
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	large = klp_shadow_type_get(&parents[MANY], &b);
	KUNIT_ASSERT_NOT_NULL(test, large);
	KUNIT_EXPECT_EQ(test, large->twice, 2UL * MANY);
	klp_shadow_type_free(&parents[MANY], &b);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);

	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, MANY - 1U);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_reversed_converts_nothing(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, count(), (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* @b is about to replace two that go on with each other's variables. */
static void replace_two(struct kunit *test, struct klp_shadow_type *a,
			struct klp_shadow_type *a2, struct klp_shadow_type *b)
{
	KUNIT_ASSERT_EQ(test, enable(&mod_a, a, false), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_other, a2, false), 0);
	KUNIT_ASSERT_EQ(test, add(a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, b, true), 0);
}

/* Reversed by force: the old ones go on with the variables, until the last of them goes. */
static void g16_reversed_by_force(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), a2 = SMALL("var"), b = LARGE("var");
	struct klp_shadow_type c = LARGE("var");

	replace_two(test, &a, &a2, &b);
	give_up(&mod_b, true);
	/* The size alone does not tell what is there. */
	KUNIT_EXPECT_EQ(test, enable(&mod_owner, &c, true), -EINVAL);
	give_up(&mod_other, false);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &b));
	KUNIT_EXPECT_PTR_EQ(test, b.from, &a);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.converts, (unsigned int)MANY);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(&parents[1], &b));
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* One whose code may run for ever keeps them from being converted after that. */
static void g16_forced_twice(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), a2 = SMALL("var"), b = LARGE("var");

	replace_two(test, &a, &a2, &b);
	give_up(&mod_b, true);
	give_up(&mod_a, true);
	give_up(&mod_other, false);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	KUNIT_EXPECT_EQ(test, count(), (unsigned int)MANY);
	KUNIT_EXPECT_PTR_EQ(test, b.from, &a);
	give_up(&mod_a, false);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* One that stays by force, when another's end has brought the conversion about. */
static void g16_never_converted_back(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), a2 = SMALL("var"), b = LARGE("var");

	replace_two(test, &a, &a2, &b);
	give_up(&mod_a, true);
	give_up(&mod_other, false);
	KUNIT_EXPECT_EQ(test, calls.converts, (unsigned int)MANY);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.dtors, 0U);
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(&parents[1], &a));
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

/* One that was given up before, and has something to release still. */
static void g16_given_up_earlier(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = SMALL("var"), c = LARGE("var");

	release_late(&a);
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_alloc(&parents[0], &a, GFP_KERNEL, NULL));
	a.dtor = NULL;
	klp_shadow_type_free(&parents[0], &a);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	give_up_early(&mod_a);
	KUNIT_EXPECT_EQ(test, add(&b, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_other, &c, true), 0);
	give_up_early(&mod_b);
	KUNIT_EXPECT_EQ(test, calls.converts, 3U);
	complete_all(&late);
	flush_workqueue(klp_shadow_release_wq);
	KUNIT_EXPECT_EQ(test, calls.releases, 1U);
	/* It has freed one, as what it was by then. */
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 1U);
	KUNIT_EXPECT_EQ(test, count(), 2U);
	give_up(&mod_other, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_lookups_end_first(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, 3), 3U);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_ASSERT_TRUE(test, look_slowly());
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.converts, 3U);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_owner_goes_before_it(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	klp_shadow_owner_gone(&mod_owner);
	KUNIT_EXPECT_EQ(test, calls.dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, 0U);
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, calls.converts, 0U);
	give_up(&mod_b, false);
}

static void g16_what_fails_is_freed(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	calls.fail = 4;
	/* The old destructor must not take what is converted already for its own. */
	calls.none = &a;
	give_up(&mod_a, false);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(&parents[1], &b));
	KUNIT_EXPECT_EQ(test, count(), MANY * 3 / 4U);
	KUNIT_EXPECT_EQ(test, calls.dtors, MANY / 4U);
	KUNIT_EXPECT_EQ(test, calls.releases, MANY / 4U);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.large_dtors, MANY * 3 / 4U);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_no_memory(struct kunit *test)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	b.size = KMALLOC_MAX_SIZE;
	give_up(&mod_a, false);
	KUNIT_EXPECT_EQ(test, count(), 0U);
	KUNIT_EXPECT_EQ(test, calls.releases, (unsigned int)MANY);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_shared(struct kunit *test)
{
	struct klp_shadow_type a = SHARED("state"), b = SHARED("state");
	struct klp_shadow_type c = SHARED("state");

	a.size = sizeof(struct small);
	b.convert = grow;
	c.convert = grow;
	c.size = 0;
	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	KUNIT_EXPECT_NULL(test, klp_shadow_type_get(NULL, &b));
	/* Another cannot come before that is over. */
	KUNIT_EXPECT_EQ(test, enable(&mod_other, &c, true), -EINVAL);
	/* Its conversion fails, so it is built anew. */
	calls.fail = 1;
	give_up(&mod_a, false);
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_type_get(NULL, &b));
	KUNIT_EXPECT_EQ(test, calls.ctors, 2U);
	give_up(&mod_b, false);
}

/*
 * Variables that go while others are converted: the first allocations are for
 * variables that are about to be converted, and each makes two others go.
 */
static struct klp_shadow_type *dropping;
static unsigned int dropped;

static void drop(void *unused, unsigned long call_site, const void *ptr, size_t bytes_req,
		 size_t bytes_alloc, gfp_t gfp_flags, int node)
{
	struct klp_shadow_type *type = dropping;

	if (!type || !in_task() || bytes_req != HEADER + sizeof(struct large) || dropped == 20)
		return;
	dropping = NULL;
	/* One of the first and one of the last: converted already, or not yet. */
	klp_shadow_type_free(&parents[dropped / 2], type);
	klp_shadow_type_free(&parents[MANY - 1 - dropped / 2], type);
	dropped += 2;
	dropping = type;
}

/* By code of the new livepatch, or by a releasing function of the old one. */
static void some_go_meanwhile(struct kunit *test, bool by_old)
{
	struct klp_shadow_type a = SMALL("var"), b = LARGE("var");

	KUNIT_ASSERT_EQ(test, enable(&mod_a, &a, true), 0);
	KUNIT_ASSERT_EQ(test, add(&a, MANY), (unsigned int)MANY);
	KUNIT_ASSERT_EQ(test, enable(&mod_b, &b, true), 0);
	dropped = 0;
	dropping = by_old ? &a : &b;
	give_up(&mod_a, false);
	dropping = NULL;
	KUNIT_EXPECT_EQ(test, dropped, 20U);
	KUNIT_EXPECT_EQ(test, count(), MANY - dropped);
	KUNIT_EXPECT_GT(test, calls.dtors, 0U);
	KUNIT_EXPECT_GT(test, calls.large_dtors, 0U);
	KUNIT_EXPECT_EQ(test, calls.dtors + calls.large_dtors, dropped);
	KUNIT_EXPECT_EQ(test, calls.releases, calls.dtors);
	give_up(&mod_b, false);
	KUNIT_EXPECT_EQ(test, calls.dtors + calls.large_dtors, (unsigned int)MANY);
	KUNIT_EXPECT_EQ(test, calls.wrong, 0U);
}

static void g16_some_go_meanwhile(struct kunit *test)
{
	some_go_meanwhile(test, false);
}

static void g16_old_code_frees_some_meanwhile(struct kunit *test)
{
	some_go_meanwhile(test, true);
}

static struct kunit_case klp_shadow_type_cases[] = {
	KUNIT_CASE(g13_data_stays),
	KUNIT_CASE(g13_errors_leave_it),
	KUNIT_CASE(g13_free_all_takes_moved_ones),
	KUNIT_CASE(g14_release_comes_later),
	KUNIT_CASE(g14_plain_calls_release_nothing),
	KUNIT_CASE(g15_live_with_their_livepatch),
	KUNIT_CASE(g15_stay_for_the_next),
	KUNIT_CASE(g15_undeclared_ids_are_left_alone),
	KUNIT_CASE(g15_moved_ones_go_too),
	KUNIT_CASE(g15_owner_takes_them_along),
	KUNIT_CASE(g15_force_gives_nothing_up),
	KUNIT_CASE(g15_clashes),
	KUNIT_CASE(g15_shared_is_handed_on),
	KUNIT_CASE(g15_shared_cannot_be_built),
	KUNIT_CASE(g15_shared_that_was_built_goes),
	KUNIT_CASE(g15_given_up_finds_nothing),
	KUNIT_CASE(g15_handed_on_finds_nothing),
	KUNIT_CASE(g15_comes_again_at_once),
	KUNIT_CASE(g15_lookups_end_first),
	KUNIT_CASE(g16_each_is_converted_once),
	KUNIT_CASE(g16_reversed_converts_nothing),
	KUNIT_CASE(g16_reversed_by_force),
	KUNIT_CASE(g16_forced_twice),
	KUNIT_CASE(g16_never_converted_back),
	KUNIT_CASE(g16_given_up_earlier),
	KUNIT_CASE(g16_lookups_end_first),
	KUNIT_CASE(g16_owner_goes_before_it),
	KUNIT_CASE(g16_what_fails_is_freed),
	KUNIT_CASE(g16_no_memory),
	KUNIT_CASE(g16_shared),
	KUNIT_CASE(g16_some_go_meanwhile),
	KUNIT_CASE(g16_old_code_frees_some_meanwhile),
	{}
};

static int klp_shadow_type_suite_init(struct kunit_suite *suite)
{
	/* As if their init functions had run: one reference of their own. */
	atomic_set(&mod_a.refcnt, 2);
	atomic_set(&mod_b.refcnt, 2);
	atomic_set(&mod_other.refcnt, 2);

	return register_trace_kmalloc(drop, NULL);
}

static void klp_shadow_type_suite_exit(struct kunit_suite *suite)
{
	unregister_trace_kmalloc(drop, NULL);
	tracepoint_synchronize_unregister();
}

static int klp_shadow_type_case_init(struct kunit *test)
{
	memset(&calls, 0, sizeof(calls));

	return 0;
}

/* Whatever a test has left, also one that gave up: the next begins with nothing. */
static void klp_shadow_type_case_exit(struct kunit *test)
{
	complete_all(&late);
	dropping = NULL;
	klp_shadow_free_all(ID, NULL);
	klp_shadow_free_all(ID_SHARED, NULL);
	KUNIT_EXPECT_FALSE(test, has_users());
	give_up(&mod_a, false);
	give_up(&mod_b, false);
	give_up(&mod_other, false);
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
