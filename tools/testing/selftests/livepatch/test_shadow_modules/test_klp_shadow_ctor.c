// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Constructors are called once, with the right arguments, before lookups find the variable
 * (G2). If one fails, no variable remains (G3). The script checks the error messages.
 */
#include <linux/irqflags.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID		0x5d0c0001UL
#define ID_OTHER	0x5d0c0002UL
#define ID_FAIL		0x5d0c0010UL	/* and ID_FAIL + 1 */

static int parent, stranger;

/* What the constructor or destructor observed. */
static struct {
	unsigned int calls;
	void *obj;
	void *data;
	void *ctor_data;
	void *self;
	void *other;
	void *absent;
	bool irqs_off;
	bool zeroed;
} seen;

static void look(void *obj, void *shadow_data)
{
	seen.calls++;
	seen.obj = obj;
	seen.data = shadow_data;
	seen.self = klp_shadow_get(obj, ID);
	seen.other = klp_shadow_get(obj, ID_OTHER);
	seen.absent = klp_shadow_get(&stranger, ID);
	seen.irqs_off = irqs_disabled();
}

static int ctor(void *obj, void *shadow_data, void *ctor_data)
{
	look(obj, shadow_data);
	seen.ctor_data = ctor_data;
	seen.zeroed = !memchr_inv(shadow_data, 0, sizeof(long));
	*(long *)shadow_data = 42;

	return 0;
}

static void dtor(void *obj, void *shadow_data)
{
	look(obj, shadow_data);
}

static void test_ctor(const char *call, typeof(klp_shadow_alloc) add, gfp_t gfp, void *ctor_data)
{
	long *other, *data, *again;

	other = klp_shadow_alloc(&parent, ID_OTHER, sizeof(*other), GFP_KERNEL, NULL, NULL);
	memset(&seen, 0, sizeof(seen));
	seen.self = &seen;
	seen.absent = &seen;
	data = add(&parent, ID, sizeof(*data), gfp, ctor, ctor_data);

	check(data && seen.calls == 1, "G2 %s runs the constructor once", call);
	check(seen.obj == &parent && seen.data == data && seen.ctor_data == ctor_data,
	      "G2 %s passes parent, data and ctor_data to the constructor", call);
	check(seen.irqs_off, "G2 %s runs the constructor with interrupts off", call);
	check(seen.zeroed, "G2 %s zeroes the data before the constructor sees it", call);
	check(!seen.self, "G2 %s: the constructor's get does not find the variable", call);
	check(other && seen.other == other && !seen.absent,
	      "G1 %s: the constructor's get finds others, and no absent one", call);
	check(data && klp_shadow_get(&parent, ID) == data && *data == 42,
	      "G2 %s: lookups find the data that the constructor wrote", call);

	again = klp_shadow_get_or_alloc(&parent, ID, sizeof(*data), gfp, ctor, NULL);
	check(data && again == data && seen.calls == 1 && *data == 42,
	      "G4 get_or_alloc of an existing variable runs no constructor (%s)", call);

	memset(&seen, 0, sizeof(seen));
	seen.self = &seen;
	seen.absent = &seen;
	klp_shadow_free(&parent, ID, dtor);
	check(seen.calls == 1 && !seen.self && seen.other == other && !seen.absent,
	      "G1 the destructor's get finds others, and no absent one (%s)", call);
	klp_shadow_free(&parent, ID_OTHER, NULL);
}

static unsigned int fails, successes;

static int failing_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	long err = (long)ctor_data;

	*(long *)shadow_data = 43;
	if (err)
		fails++;
	else
		successes++;

	return err;
}

static void test_failing(const char *call, typeof(klp_shadow_alloc) add, unsigned long id, long err)
{
	long *other, *data;
	unsigned int dtors;

	fails = 0;
	successes = 0;
	other = klp_shadow_alloc(&parent, ID_OTHER, sizeof(*other), GFP_KERNEL, NULL, NULL);
	if (other)
		*other = 44;

	data = add(&parent, id, sizeof(*data), GFP_KERNEL, failing_ctor, (void *)err);
	check(!data, "G3 %s returns NULL when the constructor fails", call);
	check(fails == 1, "G3 %s calls a failing constructor once", call);
	check(!klp_shadow_get(&parent, id), "G3 %s then adds no variable", call);
	check(other && klp_shadow_get(&parent, ID_OTHER) == other && *other == 44,
	      "G3 %s then keeps other variables", call);

	seen.calls = 0;
	klp_shadow_free(&parent, id, dtor);
	klp_shadow_free_all(id, dtor);
	dtors = seen.calls;
	check(!dtors, "G3 %s leaves nothing to destroy", call);

	data = add(&parent, id, sizeof(*data), GFP_KERNEL, failing_ctor, NULL);
	check(data && successes == 1 && klp_shadow_get(&parent, id) == data && *data == 43,
	      "G3 the next %s calls the constructor again", call);
	klp_shadow_free(&parent, id, NULL);
	klp_shadow_free(&parent, ID_OTHER, NULL);
}

static int __init test_init(void)
{
	test_ctor("alloc", klp_shadow_alloc, GFP_KERNEL, &seen);
	test_ctor("get_or_alloc", klp_shadow_get_or_alloc, GFP_KERNEL, NULL);
	test_ctor("atomic alloc", klp_shadow_alloc, GFP_ATOMIC, (void *)1);
	test_ctor("atomic get_or_alloc", klp_shadow_get_or_alloc, GFP_ATOMIC, ERR_PTR(-EINVAL));
	test_failing("alloc", klp_shadow_alloc, ID_FAIL, -EXDEV);
	test_failing("get_or_alloc", klp_shadow_get_or_alloc, ID_FAIL + 1, -EDOM);
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: constructors and destructors");
MODULE_LICENSE("GPL");
