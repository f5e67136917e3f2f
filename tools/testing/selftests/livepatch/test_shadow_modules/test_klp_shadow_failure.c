// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Failing allocations (G11). The script sets up failslab, so that allocations that may
 * sleep fail as well, and checks the log.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID	0x5d020001UL
#define OTHERS	8

#ifdef CONFIG_FAILSLAB

static int obj, others[OTHERS];
static unsigned int ctors;

static int count_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	ctors++;

	return 0;
}

/* The @nth allocation of this thread fails; has_failed() returns whether it did. */
static void fail_after(unsigned int nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

static bool has_failed(void)
{
	unsigned int left = READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);

	return !left;
}

static bool others_there(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < OTHERS; i++) {
		unsigned int *p = klp_shadow_get(&others[i], ID);

		n += p && *p == i;
	}

	return n == OTHERS;
}

static void test_failing(const char *call, typeof(klp_shadow_alloc) add, gfp_t gfp)
{
	unsigned int nth, failures = 0, odd = 0;
	bool failed, done = false;
	void *data;

	ctors = 0;
	fail_after(1);
	data = add(&obj, ID, 32, gfp, count_ctor, NULL);
	failed = has_failed();
	check(failed && !data, "G11 %s returns NULL when there is no memory", call);
	check(!klp_shadow_get(&obj, ID) && !ctors, "G11 %s then adds no variable", call);
	check(others_there(), "G11 %s then keeps other variables", call);
	klp_shadow_free(&obj, ID, NULL);

	/* Each allocation of the call fails in turn: the variable is added or not. */
	for (nth = 1; nth <= 50 && !done; nth++) {
		ctors = 0;
		fail_after(nth);
		data = add(&obj, ID, 32, gfp, count_ctor, NULL);
		done = !has_failed();
		failures += !done;
		if (klp_shadow_get(&obj, ID) != data || ctors != !!data || !others_there() ||
		    (done && !data))
			odd++;
		klp_shadow_free(&obj, ID, NULL);
	}
	check(done && failures && !odd,
	      "G11 %s changes nothing if it fails, in any of %u allocations", call, failures);
}

static void test_free(void)
{
	unsigned int *p = klp_shadow_alloc(&obj, ID, sizeof(*p), GFP_KERNEL, NULL, NULL);

	fail_after(1);
	klp_shadow_free(&obj, ID, NULL);
	has_failed();
	check(p && !klp_shadow_get(&obj, ID) && others_there(), "G11 free works without memory");
	fail_after(1);
	klp_shadow_free_all(ID, NULL);
	has_failed();
	check(!klp_shadow_get(&others[0], ID) && !others_there(),
	      "G11 free_all works without memory");
}

static void test(void)
{
	unsigned int i;

	for (i = 0; i < OTHERS; i++) {
		unsigned int *p = klp_shadow_alloc(&others[i], ID, sizeof(*p), GFP_KERNEL, NULL,
						   NULL);

		if (p)
			*p = i;
	}
	test_failing("alloc", klp_shadow_alloc, GFP_KERNEL);
	test_failing("atomic alloc", klp_shadow_alloc, GFP_ATOMIC);
	test_failing("get_or_alloc", klp_shadow_get_or_alloc, GFP_KERNEL);
	test_failing("atomic get_or_alloc", klp_shadow_get_or_alloc, GFP_ATOMIC);
	test_free();
}

#else

static void test(void)
{
	check(true, "G11 no memory # SKIP this kernel has no failslab");
}

#endif

static int __init test_init(void)
{
	test();
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: failing allocations");
MODULE_LICENSE("GPL");
