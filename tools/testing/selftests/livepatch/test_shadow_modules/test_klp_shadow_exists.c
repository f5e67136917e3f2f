// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * klp_shadow_alloc() of an existing variable, which warns once (G4). With raced=1 another
 * CPU is adding the variable, so that only the second lookup, with the lock held, finds it.
 */
#include "test_klp_shadow.h"

#define ID	0x5d0e0001UL
#define VALUE	0x600df00dU

static bool raced;
module_param(raced, bool, 0444);
MODULE_PARM_DESC(raced, "another CPU adds the variable during the call");

static int obj;
static bool constructing, calling;
static unsigned int wrong_ctors;
static void *first, *second;

static int first_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	*(unsigned int *)shadow_data = VALUE;
	if (raced) {
		WRITE_ONCE(constructing, true);
		spin_until(READ_ONCE(calling), 1000);
		/* Give the other call time to reach the lock. */
		mdelay(50);
	}

	return 0;
}

static int second_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	wrong_ctors++;

	return 0;
}

static void add_first(void *arg)
{
	first = klp_shadow_alloc(&obj, ID, sizeof(unsigned int), GFP_KERNEL, first_ctor, NULL);
}

static void add_second(void *arg)
{
	spin_until(READ_ONCE(constructing), 3000);
	WRITE_ONCE(calling, true);
	second = klp_shadow_alloc(&obj, ID, 100, GFP_KERNEL, second_ctor, NULL);
}

static int __init test_init(void)
{
	int ret;

	if (raced) {
		ret = test_run_both(add_first, add_second, NULL);
		if (ret)
			return ret;
	} else {
		add_first(NULL);
		second = klp_shadow_alloc(&obj, ID, 100, GFP_KERNEL, second_ctor, NULL);
	}

	check(first, "G4 the first alloc of a pair succeeds%s", raced ? ", raced" : "");
	check(!second, "G4 alloc of an existing pair returns NULL%s", raced ? ", raced" : "");
	check(!wrong_ctors, "G4 alloc of an existing pair runs no constructor%s",
	      raced ? ", raced" : "");
	check(first && klp_shadow_get(&obj, ID) == first && *(unsigned int *)first == VALUE,
	      "G4 alloc of an existing pair does not change it%s", raced ? ", raced" : "");

	klp_shadow_free(&obj, ID, NULL);
	check(!klp_shadow_get(&obj, ID), "G4 there was one variable%s", raced ? ", raced" : "");
	klp_shadow_free_all(ID, NULL);
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: alloc of an existing one");
MODULE_LICENSE("GPL");
