// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frees parents before their variables, each way to free memory in turn: write its number to
 * the parameter "free". The identifier of the variable is ID + number.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#define ID		0x5d0e0000UL
#define BULK		64
#define NEIGHBOURS	4000

struct object {
	struct object *next;	/* of those that are kept */
	char before[192];
	char inner[16];
	struct rcu_head rcu;
};

static struct kmem_cache *cache;

static void add(void *parent, unsigned int how)
{
	if (!klp_shadow_get_or_alloc(parent, ID + how, 8, GFP_KERNEL, NULL, NULL))
		pr_err("%s: no variable\n", KBUILD_MODNAME);
}

/* A cache with a constructor is not merged with another one. */
static void no_ctor(void *object)
{
}

/* All objects of a slab, so that its pages are freed. */
static int free_bulk(unsigned int how)
{
	struct kmem_cache *bulk;
	void *objects[BULK];
	bool all;

	bulk = kmem_cache_create("klp_shadow_bulk", PAGE_SIZE / 4, 0, 0, no_ctor);

	if (!bulk)
		return -ENOMEM;
	/* All or none: new kernels return a bool, old ones the number. */
	all = kmem_cache_alloc_bulk(bulk, GFP_KERNEL, BULK, objects);
	if (all) {
		add(objects[BULK / 2], how);
		kmem_cache_free_bulk(bulk, BULK, objects);
	}
	kmem_cache_destroy(bulk);

	return all ? 0 : -ENOMEM;
}

/*
 * kfree_rcu() frees objects later, many at once or each by kfree(), and kfree_bulk() has no
 * tracepoint: allocate until the parent is there again.
 * On each CPU, and without freeing: it can be in the free list of any CPU, behind others.
 */
static bool allocate_again(struct object *parent)
{
	struct object *object, *kept = NULL;
	int cpu, i, tries = 0;
	bool again = false;

	while (!again && tries++ < 300) {
		msleep(100);
		for_each_online_cpu(cpu) {
			set_cpus_allowed_ptr(current, cpumask_of(cpu));
			for (i = 0; i < BULK; i++) {
				object = kzalloc(sizeof(*object), GFP_KERNEL);
				if (!object)
					break;
				again |= object == parent;
				object->next = kept;
				kept = object;
			}
		}
	}
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	while (kept) {
		object = kept;
		kept = object->next;
		kfree(object);
	}

	return again;
}

static int free_later(unsigned int how)
{
	struct object *objects[BULK] = {}, *parent;
	void *freed[BULK / 2];
	int i, n = 0;
	bool again;

	for (i = 0; i < BULK; i++)
		objects[i] = kzalloc(sizeof(*objects[i]), GFP_KERNEL);
	parent = objects[BULK / 2];
	if (parent)
		add(parent, how);
	for (i = 0; i < BULK; i += 2) {
		if (objects[i] && how == 3)
			kfree_rcu(objects[i], rcu);
		else if (objects[i])
			freed[n++] = objects[i];
	}
	if (n)
		kfree_bulk(n, freed);
	again = parent && allocate_again(parent);
	/* Until then these keep the slabs: no pages are freed, which would be reported first. */
	for (i = 1; i < BULK; i += 2)
		kfree(objects[i]);

	return again ? 0 : -EAGAIN;
}

static int free_parent(unsigned int how)
{
	struct object *object = NULL;
	void *memory = NULL;

	if (how == 2)
		object = kmem_cache_zalloc(cache, GFP_KERNEL);
	else if (how == 6)
		memory = (void *)__get_free_pages(GFP_KERNEL, 1);
	else if (how == 5)
		memory = kmalloc(4 * PAGE_SIZE, GFP_KERNEL);
	else
		object = kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object && !memory)
		return -ENOMEM;

	switch (how) {
	case 2:
		add(object, how);
		kmem_cache_free(cache, object);
		break;
	case 4:
		add(object->inner, how);
		kfree(object);
		break;
	case 5:
		add(memory, how);
		kfree(memory);
		break;
	case 6:
		add(memory + PAGE_SIZE, how);
		free_pages((unsigned long)memory, 1);
		break;
	case 7:	/* as it should be */
		add(object, how);
		klp_shadow_free(object, ID + how, NULL);
		kfree(object);
		break;
	default:
		add(object, how);
		kfree(object);
		break;
	}

	return 0;
}

/* None too early. Parents and variables are on pages that are adjacent. */
static int free_none(unsigned int how)
{
	struct object **objects = kcalloc(NEIGHBOURS, sizeof(*objects), GFP_KERNEL);
	int i;

	if (!objects)
		return -ENOMEM;
	for (i = 0; i < NEIGHBOURS; i++) {
		objects[i] = kzalloc(32, GFP_KERNEL);
		if (objects[i])
			add(objects[i], how);
	}
	for (i = 0; i < NEIGHBOURS; i++) {
		klp_shadow_free(objects[i], ID + how, NULL);
		kfree(objects[i]);
	}
	kfree(objects);

	return 0;
}

static int free_set(const char *text, const struct kernel_param *kp)
{
	unsigned int how;
	int err = kstrtouint(text, 0, &how);

	if (err)
		return err;
	if (how == 3 || how == 12)
		err = free_later(how);
	else if (how == 8)
		err = free_bulk(how);
	else if (how == 11)
		err = free_none(how);
	else
		err = free_parent(how);
	klp_shadow_free_all(ID + how, NULL);

	return err;
}

module_param_call(free, free_set, NULL, NULL, 0200);
MODULE_PARM_DESC(free, "free a parent in this way");

static int __init test_init(void)
{
	cache = kmem_cache_create("klp_shadow_parents", sizeof(struct object), 0, 0, NULL);

	return cache ? 0 : -ENOMEM;
}

static void __exit test_exit(void)
{
	kmem_cache_destroy(cache);
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: parents that are freed too early");
MODULE_LICENSE("GPL");
