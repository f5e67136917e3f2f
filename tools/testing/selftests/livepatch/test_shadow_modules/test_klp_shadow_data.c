// SPDX-License-Identifier: GPL-2.0-or-later
/* The data: zeroed (G2), of any size (G9), aligned (G10). */
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID		0x5d0d0001UL
#define HEADER		48	/* before the data, on 64-bit kernels */

static const size_t sizes[] = {
	0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 79, 80, 81, 127, 128, 129,
	208, 255, 256, 257, 464, 500, 512, 976, 1000, 1024, 2000, 2048, 4047, 4048, 4049, 4095,
	4096, 4097, 8144, 8145, 8192, 16384, 65535, 65536, 65537, 200000,
};

static int objs[ARRAY_SIZE(sizes)];
static unsigned int ctors;

static int count_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	ctors++;

	return 0;
}

/* Dirty the memory that the store will probably allocate next. */
static void make_dirty(size_t size)
{
	void *p[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = kmalloc(size + HEADER, GFP_KERNEL);
		if (p[i])
			memset(p[i], 0xa5, size + HEADER);
	}
	for (i = 0; i < ARRAY_SIZE(p); i++)
		kfree(p[i]);
}

static void test_zeroed(const char *call, typeof(klp_shadow_alloc) add, gfp_t gfp)
{
	unsigned int i, zeroed = 0, kept = 0;
	void *data;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_dirty(sizes[i]);
		data = add(&objs[i], ID, sizes[i], gfp, NULL, NULL);
		if (!data)
			continue;
		zeroed += !memchr_inv(data, 0, sizes[i]);
		memset(data, i + 1, sizes[i]);
	}
	check(zeroed == ARRAY_SIZE(sizes), "G2 %s zeroes the whole data: %u of %zu sizes", call,
	      zeroed, ARRAY_SIZE(sizes));

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		data = klp_shadow_get(&objs[i], ID);
		kept += data && !memchr_inv(data, i + 1, sizes[i]);
	}
	check(kept == ARRAY_SIZE(sizes), "G2 %s: the caller can use the whole size", call);
	klp_shadow_free_all(ID, NULL);
}

static void test_empty(void)
{
	void *data[16];
	unsigned int i, j, good = 0, twins = 0;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		data[i] = klp_shadow_alloc(&objs[i], ID, 0, GFP_KERNEL, NULL, NULL);
		for (j = 0; j < i; j++)
			twins += data[i] == data[j];
	}
	for (i = 0; i < ARRAY_SIZE(data); i++) {
		good += !ZERO_OR_NULL_PTR(data[i]) && klp_shadow_get(&objs[i], ID) == data[i] &&
			klp_shadow_get_or_alloc(&objs[i], ID, 0, GFP_KERNEL, NULL, NULL) == data[i];
	}
	check(good == ARRAY_SIZE(data), "G9 variables of size 0 exist and are found");
	check(!twins, "G9 variables of size 0 have different addresses");

	klp_shadow_free(&objs[0], ID, NULL);
	check(!klp_shadow_get(&objs[0], ID) && klp_shadow_get(&objs[1], ID) == data[1],
	      "G9 variables of size 0 can be freed one by one");
	klp_shadow_free_all(ID, NULL);
}

/* Returns whether both calls fail for a size that is too large, and change nothing. */
static bool refused(size_t size)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };
	static int obj, next;
	unsigned int i;
	bool good = true;

	for (i = 0; i < ARRAY_SIZE(gfps); i++) {
		unsigned long *data = klp_shadow_alloc(&next, ID, sizeof(*data), GFP_KERNEL, NULL,
						       NULL);

		ctors = 0;
		if (data)
			*data = size;
		if (klp_shadow_alloc(&obj, ID, size, gfps[i], count_ctor, NULL) ||
		    klp_shadow_get(&obj, ID))
			good = false;
		klp_shadow_free(&obj, ID, NULL);
		if (klp_shadow_get_or_alloc(&obj, ID, size, gfps[i], count_ctor, NULL) ||
		    klp_shadow_get(&obj, ID))
			good = false;
		klp_shadow_free(&obj, ID, NULL);
		if (ctors || !data || klp_shadow_get(&next, ID) != data || *data != size)
			good = false;
		klp_shadow_free(&next, ID, NULL);
	}

	return good;
}

static void test_oversized(void)
{
	static const size_t too_large[] = {
		KMALLOC_MAX_SIZE, KMALLOC_MAX_SIZE + 1, KMALLOC_MAX_SIZE * 2, SIZE_MAX / 4 + 1,
		SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1 + SIZE_MAX / 4,
		(size_t)INT_MAX + 1, UINT_MAX,
	};
	unsigned int i, good = 0;

	for (i = 0; i <= 64; i++)
		good += refused(SIZE_MAX - i);
	check(good == 65, "G9 sizes that wrap with the header are refused: %u of 65", good);

	for (i = 0, good = 0; i < ARRAY_SIZE(too_large); i++)
		good += refused(too_large[i]);
	check(good == ARRAY_SIZE(too_large),
	      "G9 sizes larger than any allocation are refused: %u of %zu", good,
	      ARRAY_SIZE(too_large));

	if (!IS_ENABLED(CONFIG_64BIT)) {
		check(true, "G9 sizes too large with the header # SKIP not a 64-bit kernel");
		return;
	}
	for (i = 1, good = 0; i < HEADER; i++)
		good += refused(KMALLOC_MAX_SIZE - HEADER + i);
	check(good == HEADER - 1, "G9 sizes too large with the header are refused: %u of %u",
	      good, HEADER - 1);
}

static void test_aligned(void)
{
	unsigned int i, minimal = 0, natural = 0, powers = 0;

	if (!IS_ENABLED(CONFIG_64BIT)) {
		check(true, "G10 alignment of the data # SKIP not a 64-bit kernel");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t block = sizes[i] + HEADER;
		unsigned long start = (unsigned long)klp_shadow_alloc(&objs[i], ID, sizes[i],
								      GFP_KERNEL, NULL, NULL);

		start -= HEADER;
		minimal += IS_ALIGNED(start, ARCH_KMALLOC_MINALIGN);
		/* kmalloc() aligns a block whose size is a power of two to its size. */
		if (is_power_of_2(block) && block <= PAGE_SIZE) {
			powers++;
			natural += IS_ALIGNED(start, block);
		}
	}
	check(minimal == ARRAY_SIZE(sizes),
	      "G10 the data begins 48 bytes after an aligned block: %u of %zu sizes", minimal,
	      ARRAY_SIZE(sizes));
	check(powers && natural == powers,
	      "G10 blocks of powers of two are aligned to their size: %u of %u", natural, powers);
	klp_shadow_free_all(ID, NULL);
}

struct kit {
	spinlock_t lock;	/* guards @list */
	struct mutex mutex;	/* guards nothing, as the test has one task */
	struct list_head list;
};

static int kit_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct kit *kit = shadow_data;

	spin_lock_init(&kit->lock);
	mutex_init(&kit->mutex);
	INIT_LIST_HEAD(&kit->list);

	return 0;
}

static void test_kit(void)
{
	struct list_head entries[3], *entry;
	unsigned int i, n = 0;
	struct kit *kit;
	bool taken;

	kit = klp_shadow_alloc(NULL, ID, sizeof(*kit), GFP_KERNEL, kit_ctor, NULL);
	if (!kit) {
		check(false, "G10 a variable with locks can be added");
		return;
	}
	mutex_lock(&kit->mutex);
	spin_lock(&kit->lock);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		list_add_tail(&entries[i], &kit->list);
	spin_unlock(&kit->lock);
	taken = mutex_is_locked(&kit->mutex);
	mutex_unlock(&kit->mutex);

	kit = klp_shadow_get(NULL, ID);
	list_for_each(entry, &kit->list) {
		if (n < ARRAY_SIZE(entries) && entry == &entries[n])
			n++;
	}
	check(taken && !mutex_is_locked(&kit->mutex) && n == ARRAY_SIZE(entries),
	      "G10 a spinlock, a mutex and a list work in the data");
	klp_shadow_free(NULL, ID, NULL);
}

static int __init test_init(void)
{
	test_zeroed("alloc", klp_shadow_alloc, GFP_KERNEL);
	test_zeroed("atomic alloc", klp_shadow_alloc, GFP_ATOMIC);
	test_zeroed("get_or_alloc", klp_shadow_get_or_alloc, GFP_KERNEL);
	test_empty();
	test_oversized();
	test_aligned();
	test_kit();
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: the data");
MODULE_LICENSE("GPL");
