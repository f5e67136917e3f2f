// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fills the store for the tests of klp-shadow, on any kernel.
 *
 * FILL_STAY	@stay variables on as many parents, in a separate slab cache. The
 *		data is the parent's address and a number
 * FILL_CHURN	@low to @high variables on such parents, which a thread adds and removes
 *		one by one while @churn is set
 * FILL_LEAK	one more every 20 ms while @leak is set, and @churn is not
 * FILL_NULL	@nulls variables on NULL with the ids from FILL_NULL on: one chain of the
 *		kernel's own store
 * FILL_MOVE	a variable that was moved to the first parent, if the store can move
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define FILL_STAY	0x57a9UL
#define FILL_CHURN	0xc4a0UL
#define FILL_LEAK	0x1eacUL
#define FILL_MOVE	0x304eUL
#define FILL_NULL	0xfffffff000000000UL

static unsigned int stay = 1000;
module_param(stay, uint, 0444);
static unsigned int low = 100;
module_param(low, uint, 0444);
static unsigned int high = 500;
module_param(high, uint, 0444);
static unsigned int nulls = 10;
module_param(nulls, uint, 0444);
static bool churn;
module_param(churn, bool, 0644);
static bool leak;
module_param(leak, bool, 0644);
/* Times that the thread has added all and removed them again. */
static unsigned long rounds;
module_param(rounds, ulong, 0444);

struct fill_parent {
	unsigned long filler[12];
};

struct fill_data {
	void *parent;
	unsigned long number;
};

static struct kmem_cache *cache;
static struct fill_parent **parents;
static unsigned int nr_parents;
static struct task_struct *thread;

/* With a constructor, the cache is not merged with others. */
static void parent_ctor(void *parent)
{
}

static bool add(void *parent, unsigned long id, unsigned long number)
{
	struct fill_data *data;

	data = klp_shadow_alloc(parent, id, sizeof(*data), GFP_KERNEL, NULL, NULL);
	if (!data)
		return false;
	data->parent = parent;
	data->number = number;

	return true;
}

static int fill_thread(void *unused)
{
	unsigned int i = low;
	unsigned long leaked = 0;

	while (!kthread_should_stop()) {
		if (!READ_ONCE(churn)) {
			msleep(20);
			if (READ_ONCE(leak))
				add((void *)++leaked, FILL_LEAK, leaked);
			continue;
		}
		for (; i < high; i++) {
			if (!add(parents[i], FILL_CHURN, i))
				break;
			cond_resched();
		}
		while (i > low) {
			klp_shadow_free(parents[--i], FILL_CHURN, NULL);
			cond_resched();
		}
		WRITE_ONCE(rounds, rounds + 1);
	}

	return 0;
}

static void empty(void)
{
	unsigned int i;

	klp_shadow_free_all(FILL_STAY, NULL);
	klp_shadow_free_all(FILL_CHURN, NULL);
	klp_shadow_free_all(FILL_LEAK, NULL);
	klp_shadow_free_all(FILL_MOVE, NULL);
	for (i = 0; i < nulls; i++)
		klp_shadow_free(NULL, FILL_NULL + i, NULL);
	for (i = 0; i < nr_parents && parents[i]; i++)
		kmem_cache_free(cache, parents[i]);
	vfree(parents);
	kmem_cache_destroy(cache);
}

static int fill(void)
{
	unsigned int i;

	for (i = 0; i < nr_parents; i++) {
		parents[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!parents[i] || (i < stay && !add(parents[i], FILL_STAY, i)))
			return -ENOMEM;
		cond_resched();
	}
	for (i = 0; i < low; i++) {
		if (!add(parents[i], FILL_CHURN, i))
			return -ENOMEM;
	}
	for (i = 0; i < nulls; i++) {
		if (!add(NULL, FILL_NULL + i, i))
			return -ENOMEM;
	}
#ifdef KLP_SHADOW_ABI
	if (!add(&cache, FILL_MOVE, 0))
		return -ENOMEM;

	return klp_shadow_move(&cache, parents[0], FILL_MOVE, GFP_KERNEL);
#else
	return 0;
#endif
}

static int __init fill_init(void)
{
	int err;

	if (!stay || low > high)
		return -EINVAL;
	nr_parents = max(stay, high);
	cache = kmem_cache_create("klp_shadow_fill", sizeof(struct fill_parent), 0, 0, parent_ctor);
	parents = vzalloc(array_size(nr_parents, sizeof(*parents)));
	if (!cache || !parents) {
		vfree(parents);
		kmem_cache_destroy(cache);
		return -ENOMEM;
	}
	err = fill();
	if (!err) {
		thread = kthread_run(fill_thread, NULL, "klp_shadow_fill");
		err = PTR_ERR_OR_ZERO(thread);
	}
	if (err)
		empty();

	return err;
}

static void __exit fill_exit(void)
{
	kthread_stop(thread);
	empty();
}

module_init(fill_init);
module_exit(fill_exit);
MODULE_DESCRIPTION("Fills the store of shadow variables for the tests of klp-shadow");
MODULE_LICENSE("GPL");
