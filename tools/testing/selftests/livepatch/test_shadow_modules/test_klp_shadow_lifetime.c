// SPDX-License-Identifier: GPL-2.0-or-later
/* Data that a reader has found does not change before it leaves RCU. (G7) */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID	0x5d010001UL
#define SIZE	208	/* with the header, 256 */
#define BYTE	0x33

static int objs[3];
static bool found, freed, read;
static unsigned int left, intact, expected;

static int fill_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	memset(shadow_data, BYTE, SIZE);

	return 0;
}

static bool whole(void *data)
{
	return data && !memchr_inv(data, BYTE, SIZE);
}

static void read_slowly(void *arg)
{
	void *data[ARRAY_SIZE(objs)];
	unsigned int i, pass;

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		data[i] = klp_shadow_get(&objs[i], ID);
	WRITE_ONCE(found, true);
	/* The other thread frees the variables, then tries to allocate their memory again. */
	spin_until(READ_ONCE(freed), 2000);
	for (pass = 0; pass < 20; pass++) {
		for (i = 0; i < ARRAY_SIZE(objs); i++) {
			expected++;
			intact += whole(data[i]);
		}
		mdelay(5);
	}
	rcu_read_unlock();
}

/* Allocate and overwrite memory that would be reused if it was freed too early. */
static void reuse(void)
{
	void *block[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(block); i++) {
		block[i] = kmalloc(SIZE + 48, GFP_KERNEL);
		if (block[i])
			memset(block[i], 0xa5, SIZE + 48);
	}
	for (i = 0; i < ARRAY_SIZE(block); i++)
		kfree(block[i]);
}

static void read_dtor(void *obj, void *shadow_data)
{
	/* Readers may use the data at this time, so it is complete. */
	read = whole(shadow_data);
}

static void free_beside(void *all)
{
	unsigned int i;

	spin_until(READ_ONCE(found), 3000);
	if (all) {
		klp_shadow_free_all(ID, read_dtor);
	} else {
		for (i = 0; i < ARRAY_SIZE(objs); i++)
			klp_shadow_free(&objs[i], ID, read_dtor);
	}
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		left += !!klp_shadow_get(&objs[i], ID);
	reuse();
	WRITE_ONCE(freed, true);
}

static void test_reader(const char *call, void *all)
{
	unsigned int i, added = 0;

	found = false;
	freed = false;
	read = false;
	left = 0;
	intact = 0;
	expected = 0;
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		added += whole(klp_shadow_alloc(&objs[i], ID, SIZE, GFP_KERNEL, fill_ctor, NULL));
	if (added != ARRAY_SIZE(objs) || test_run_both(free_beside, read_slowly, all)) {
		check(false, "G7 variables can be added and threads created");
		klp_shadow_free_all(ID, NULL);
		return;
	}

	check(found && freed && !left, "G7 %s hides variables that a reader is using", call);
	check(read, "G7 %s passes the complete data to the destructor", call);
	check(expected && intact == expected,
	      "G7 data does not change before its reader leaves RCU, after %s: %u of %u reads",
	      call, intact, expected);
}

static int __init test_init(void)
{
	test_reader("free", NULL);
	test_reader("free_all", objs);
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: readers and removal");
MODULE_LICENSE("GPL");
