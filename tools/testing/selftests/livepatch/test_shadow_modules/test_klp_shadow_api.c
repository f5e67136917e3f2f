// SPDX-License-Identifier: GPL-2.0-or-later
/* Each of the five calls in one task, without concurrent calls: G1, G4, G7, G8, G9. */
#include <linux/irqflags.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test_klp_shadow.h"

#define ID_A	0x5d0a0001UL
#define ID_B	0x5d0a0002UL
#define ID_MANY	0x5d0a1000UL

#define MANY	1000
#define TOP_BIT	BIT(BITS_PER_LONG - 1)

/* What the destructor observed. */
static struct {
	unsigned long id;
	unsigned int calls;
	unsigned int visible;	/* calls that still found the variable */
	unsigned int irqs_on;
	void *obj;
	void *data;
} seen;

static void see(void *obj, void *shadow_data)
{
	seen.calls++;
	seen.obj = obj;
	seen.data = shadow_data;
	if (klp_shadow_get(obj, seen.id))
		seen.visible++;
	if (!irqs_disabled())
		seen.irqs_on++;
}

static void see_id(unsigned long id)
{
	memset(&seen, 0, sizeof(seen));
	seen.id = id;
}

static int objs[64];
static int other;

static void test_one(void)
{
	int *a, *b, *c;

	check(!klp_shadow_get(&objs[0], ID_A), "G1 an absent variable is not found");

	a = klp_shadow_alloc(&objs[0], ID_A, sizeof(*a), GFP_KERNEL, NULL, NULL);
	check(a && klp_shadow_get(&objs[0], ID_A) == a, "G1 a variable added by alloc is found");
	check(!klp_shadow_get(&objs[0], ID_B), "G1 a lookup with another id does not find it");
	check(!klp_shadow_get(&objs[1], ID_A), "G1 a lookup with another parent does not find it");

	b = klp_shadow_get_or_alloc(&objs[0], ID_B, sizeof(*b), GFP_KERNEL, NULL, NULL);
	check(b && b != a && klp_shadow_get(&objs[0], ID_B) == b,
	      "G1 a variable added by get_or_alloc is found");
	c = klp_shadow_alloc(&objs[1], ID_A, sizeof(*c), GFP_KERNEL, NULL, NULL);
	if (!a || !b || !c) {
		check(false, "G1 three variables can be added");
		goto out;
	}

	*a = 1;
	*b = 2;
	*c = 3;
	check(klp_shadow_get_or_alloc(&objs[0], ID_A, 4000, GFP_KERNEL, NULL, NULL) == a &&
	      *a == 1, "G4 get_or_alloc finds an existing variable of any size");

	see_id(ID_A);
	klp_shadow_free(&objs[2], ID_A, see);
	klp_shadow_free(&objs[1], ID_B, see);
	check(!seen.calls && klp_shadow_get(&objs[0], ID_A) == a &&
	      klp_shadow_get(&objs[0], ID_B) == b && klp_shadow_get(&objs[1], ID_A) == c,
	      "G7 free of an absent variable does nothing");

	klp_shadow_free(&objs[0], ID_A, see);
	check(!klp_shadow_get(&objs[0], ID_A), "G7 a freed variable is not found");
	check(seen.calls == 1, "G7 the destructor runs once");
	check(seen.obj == &objs[0] && seen.data == a, "G7 the destructor gets parent and data");
	check(seen.calls && !seen.visible, "G7 the destructor's get no longer finds the variable");
	check(seen.calls && !seen.irqs_on, "G7 the destructor runs with interrupts off");
	klp_shadow_free(&objs[0], ID_A, see);
	check(seen.calls == 1, "G7 free of a freed variable does nothing");
	check(klp_shadow_get(&objs[0], ID_B) == b && *b == 2 &&
	      klp_shadow_get(&objs[1], ID_A) == c && *c == 3,
	      "G7 free keeps other variables of the parent and of the id");

	a = klp_shadow_alloc(&objs[0], ID_A, sizeof(*a), GFP_KERNEL, NULL, NULL);
	check(a && !*a && klp_shadow_get(&objs[0], ID_A) == a,
	      "G7 a freed variable can be added again");
	klp_shadow_free(&objs[0], ID_A, NULL);
	check(!klp_shadow_get(&objs[0], ID_A), "G7 free works without a destructor");
out:
	klp_shadow_free(&objs[0], ID_A, NULL);
	klp_shadow_free(&objs[0], ID_B, NULL);
	klp_shadow_free(&objs[1], ID_A, NULL);
}

static void *free_all_parent(unsigned int i)
{
	return i < ARRAY_SIZE(objs) ? &objs[i] : NULL;
}

static unsigned int free_all_calls[ARRAY_SIZE(objs) + 1];

static void free_all_dtor(void *obj, void *shadow_data)
{
	unsigned int i = *(int *)shadow_data;

	see(obj, shadow_data);
	if (i < ARRAY_SIZE(free_all_calls) && free_all_parent(i) == obj)
		free_all_calls[i]++;
}

static unsigned int free_all_count(unsigned long id)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(free_all_calls); i++) {
		unsigned int *p = klp_shadow_get(free_all_parent(i), id);

		if (p && *p == i)
			n++;
	}

	return n;
}

static void test_free_all(void)
{
	unsigned int i, once = 0;

	see_id(ID_A);
	klp_shadow_free_all(ID_A, see);
	check(!seen.calls, "G8 free_all of an id without variables does nothing");

	for (i = 0; i < ARRAY_SIZE(free_all_calls); i++) {
		void *obj = free_all_parent(i);
		unsigned int *a, *b;

		a = klp_shadow_alloc(obj, ID_A, sizeof(*a), GFP_KERNEL, NULL, NULL);
		b = klp_shadow_alloc(obj, ID_B, sizeof(*b), GFP_KERNEL, NULL, NULL);
		if (a)
			*a = i;
		if (b)
			*b = i;
	}
	check(free_all_count(ID_A) == ARRAY_SIZE(free_all_calls) &&
	      free_all_count(ID_B) == ARRAY_SIZE(free_all_calls),
	      "G1 %zu parents with two variables each", ARRAY_SIZE(free_all_calls));

	memset(free_all_calls, 0, sizeof(free_all_calls));
	klp_shadow_free_all(ID_A, free_all_dtor);
	for (i = 0; i < ARRAY_SIZE(free_all_calls); i++)
		once += free_all_calls[i] == 1;
	check(!free_all_count(ID_A), "G8 free_all removes all variables of the id, also of NULL");
	check(seen.calls == ARRAY_SIZE(free_all_calls) && once == seen.calls,
	      "G8 free_all runs the destructor once per variable, with its parent and data");
	check(seen.calls && !seen.visible,
	      "G8 get in the destructor of free_all does not find the variable");
	check(seen.calls && !seen.irqs_on, "G8 free_all runs the destructor with interrupts off");
	check(free_all_count(ID_B) == ARRAY_SIZE(free_all_calls),
	      "G8 free_all keeps variables of other ids");

	klp_shadow_free_all(ID_B, NULL);
	check(!free_all_count(ID_B), "G8 free_all works without a destructor");
}

static void test_parents(void)
{
	int on_stack;
	char *block = kmalloc(256, GFP_KERNEL);
	void *parents[] = {
		NULL, &on_stack, block, block + 1, block + 255, &other, &other + 1, test_parents,
		(void *)1, (void *)2, ERR_PTR(-EINVAL), (void *)ULONG_MAX, (void *)LONG_MAX,
		(void *)LONG_MIN, (void *)(LONG_MAX / 3),
	};
	unsigned int *p[ARRAY_SIZE(parents)];
	unsigned int i, good = 0, gone = 0;

	if (!block) {
		check(false, "G9 a parent can be allocated");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(parents); i++) {
		p[i] = klp_shadow_alloc(parents[i], ID_A, sizeof(*p[i]), GFP_KERNEL, NULL, NULL);
		if (p[i])
			*p[i] = i;
	}
	for (i = 0; i < ARRAY_SIZE(parents); i++)
		good += p[i] && klp_shadow_get(parents[i], ID_A) == p[i] && *p[i] == i;
	check(good == ARRAY_SIZE(parents),
	      "G9 parents may be any address, also NULL or invalid: %u of %zu",
	      good, ARRAY_SIZE(parents));

	see_id(ID_A);
	for (i = 0; i < ARRAY_SIZE(parents); i++) {
		klp_shadow_free(parents[i], ID_A, see);
		gone += seen.calls == i + 1 && seen.obj == parents[i] && seen.data == p[i] &&
			!klp_shadow_get(parents[i], ID_A);
	}
	check(gone == ARRAY_SIZE(parents), "G9 variables of any parent can be freed: %u of %zu",
	      gone, ARRAY_SIZE(parents));
	kfree(block);
}

static void test_ids(void)
{
	static const unsigned long ids[] = { 0, 1, LONG_MAX, LONG_MIN, ULONG_MAX - 1, ULONG_MAX };
	void *parents[] = { NULL, &other };
	unsigned int i, j, good = 0, n = 0;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (j = 0; j < ARRAY_SIZE(parents); j++) {
			unsigned int *p = klp_shadow_alloc(parents[j], ids[i], sizeof(*p),
							   GFP_KERNEL, NULL, NULL);

			if (p)
				*p = ++n;
		}
	}
	n = 0;
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (j = 0; j < ARRAY_SIZE(parents); j++) {
			unsigned int *p = klp_shadow_get(parents[j], ids[i]);

			good += p && *p == ++n;
		}
	}
	check(good == ARRAY_SIZE(ids) * ARRAY_SIZE(parents),
	      "G9 any id can be used, including 0 and ULONG_MAX");

	/* A store must not use one of these ids as a wildcard or an invalid value. */
	see_id(0);
	klp_shadow_free_all(0, see);
	check(seen.calls == ARRAY_SIZE(parents) && klp_shadow_get(NULL, 1) &&
	      klp_shadow_get(NULL, ULONG_MAX), "G9 G8 free_all of id 0");
	see_id(ULONG_MAX);
	klp_shadow_free_all(ULONG_MAX, see);
	check(seen.calls == ARRAY_SIZE(parents) && klp_shadow_get(NULL, 1) &&
	      klp_shadow_get(NULL, ULONG_MAX - 1), "G9 G8 free_all of id ULONG_MAX");
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (j = 0; j < ARRAY_SIZE(parents); j++)
			klp_shadow_free(parents[j], ids[i], NULL);
	}
}

/* Pairs that a wrong hash or comparison would confuse. */
static void test_alike(void)
{
	static const struct { unsigned long obj, id; } pairs[] = {
		{ 0x5d0a0001, 0x5d0a0002 }, { 0x5d0a0002, 0x5d0a0001 },
		{ 0x5d0a0000, 0x5d0a0003 }, { 0x5d0a0003, 0x5d0a0000 },
		{ 0x5d0a0001, 0x5d0a0002 ^ TOP_BIT }, { 0x5d0a0001 ^ TOP_BIT, 0x5d0a0002 },
	};
	unsigned int i, good = 0;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		unsigned int *p = klp_shadow_get_or_alloc((void *)pairs[i].obj, pairs[i].id,
							  sizeof(*p), GFP_KERNEL, NULL, NULL);

		if (p)
			*p += i + 1;
	}
	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		unsigned int *p = klp_shadow_get((void *)pairs[i].obj, pairs[i].id);

		good += p && *p == i + 1;
		klp_shadow_free((void *)pairs[i].obj, pairs[i].id, NULL);
	}
	check(good == ARRAY_SIZE(pairs), "G9 similar pairs are not confused");
}

static void test_many(void)
{
	unsigned int i, good = 0, left = 0;

	for (i = 0; i < MANY; i++) {
		unsigned int *p = klp_shadow_alloc(NULL, ID_MANY + i, sizeof(*p), GFP_KERNEL,
						   NULL, NULL);

		if (p)
			*p = i;
	}
	for (i = 0; i < MANY; i++) {
		unsigned int *p = klp_shadow_get(NULL, ID_MANY + i);

		good += p && *p == i;
	}
	check(good == MANY, "G9 one parent has %u variables", MANY);

	for (i = 0; i < MANY; i += 2)
		klp_shadow_free(NULL, ID_MANY + i, NULL);
	for (i = 0, good = 0; i < MANY; i++) {
		unsigned int *p = klp_shadow_get(NULL, ID_MANY + i);

		good += i % 2 ? p && *p == i : !p;
	}
	check(good == MANY, "G7 free of every second variable keeps the others");

	for (i = 1; i < MANY; i += 2)
		klp_shadow_free(NULL, ID_MANY + i, NULL);
	for (i = 0; i < MANY; i++)
		left += !!klp_shadow_get(NULL, ID_MANY + i);
	check(!left, "G7 free of the others leaves no variable");
}

static int __init test_init(void)
{
	test_one();
	test_free_all();
	test_parents();
	test_ids();
	test_alike();
	test_many();
	checks_done();

	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: the calls");
MODULE_LICENSE("GPL");
