// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which shadow types a livepatch may have: an id must mean the same in all livepatches
 * whose code may use it, and existing variables must be large enough. The log has the
 * reason of a refusal, and both livepatches.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "shadow_type.h"

/* Module names have '_' where file names have '-'. */
bool klp_shadow_same_module(const char *a, const char *b)
{
	a = a ?: "vmlinux";
	b = b ?: "vmlinux";
	while (*a && (*a == *b || (*a == '-' && *b == '_') || (*a == '_' && *b == '-')))
		a++, b++;

	return !*a && !*b;
}

/* Why two types cannot have the same id, or be converted to each other, or NULL. */
static const char *klp_shadow_conflict(const struct klp_shadow_type *type,
				       const struct klp_shadow_type *other)
{
	bool same_id = type->id == other->id;

	if (!same_id && !klp_shadow_converts(type, other->id) &&
	    !klp_shadow_converts(other, type->id))
		return NULL;
	if (type->shared != other->shared)
		return "one is shared, the other has parents";
	if (!klp_shadow_same_module(type->parent_module, other->parent_module))
		return "different .parent_module";
	if (same_id && strcmp(type->name, other->name))
		return "different names";
	if (same_id && type->size != other->size)
		return "different sizes; a new layout needs a new id";

	return NULL;
}

/* Why two definitions in one livepatch are not the same type, or NULL. */
static const char *klp_shadow_difference(const struct klp_shadow_type *type,
					 const struct klp_shadow_type *other)
{
	/* Copies from a header have copies of its static functions. */
	if (!type->ctor != !other->ctor || !type->dtor != !other->dtor ||
	    !type->release != !other->release || !type->convert != !other->convert)
		return "different callbacks";
	if (type->nr_predecessors != other->nr_predecessors ||
	    memcmp(type->predecessors, other->predecessors, sizeof(type->predecessors)))
		return "different predecessors";

	return klp_shadow_conflict(type, other);
}

/* Why a type is wrong by itself, or NULL. */
static const char *klp_shadow_fault(const struct klp_shadow_type *type)
{
	if (type->size > KMALLOC_MAX_SIZE - sizeof(struct klp_shadow))
		return "larger than can be allocated";
	if (type->shared && type->parent_module)
		return "shared, but has a .parent_module";
	if (!type->convert != !type->nr_predecessors)
		return ".convert without predecessors, or the reverse; use KLP_SHADOW_CONVERT()";
	if (type->nr_predecessors > KLP_SHADOW_MAX_PREDECESSORS)
		return "too many predecessors";
	if (klp_shadow_converts(type, type->id))
		return "its own predecessor";

	return NULL;
}

static int klp_shadow_check_type(struct klp_shadow_patch *patch, struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_patch *other_patch;
	struct klp_shadow_type *other;
	const char *why;

	why = klp_shadow_fault(type);
	if (why) {
		pr_err("'%s': shadow type '%s' (%#lx): %s\n", patch->mod->name, type->name,
		       type->id, why);
		return -EINVAL;
	}
	for (other = patch->types; other < type; other++) {
		/* Code with both would have old variables that are not converted. */
		if (klp_shadow_converts(type, other->id) || klp_shadow_converts(other, type->id)) {
			pr_err("'%s' defines a shadow type and its predecessor, '%s' (%#lx) and '%s' (%#lx)\n",
			       patch->mod->name, type->name, type->id, other->name, other->id);
			return -EINVAL;
		}
		why = other->id == type->id ? klp_shadow_difference(type, other) : NULL;
		if (why) {
			pr_err("'%s' defines two different shadow types %#lx, '%s' and '%s': %s\n",
			       patch->mod->name, type->id, other->name, type->name, why);
			return -EINVAL;
		}
	}
	list_for_each_entry(other_patch, &klp_shadow_patches, list) {
		klp_shadow_for_each_type(other, other_patch) {
			why = klp_shadow_conflict(type, other);
			if (!why)
				continue;
			pr_err("'%s': shadow type '%s' (%#lx, %zu bytes) conflicts with '%s' (%#lx, %zu bytes) of '%s': %s\n",
			       patch->mod->name, type->name, type->id, type->size, other->name,
			       other->id, other->size, other_patch->mod->name, why);
			return -EINVAL;
		}
	}

	return 0;
}

/* Variables that id-based calls have added become those of the type, if they are large enough. */
static int klp_shadow_check_existing(struct klp_shadow_patch *patch,
				     struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_iter iter = { .id = type->id };
	size_t small = SIZE_MAX, size;
	struct klp_shadow *shadow;
	unsigned int budget;

	if (klp_shadow_other_type(type->id, patch))
		return 0;
	/* To the end in any case: until then the iterator is in the lists. */
	do {
		spin_lock_irq(&klp_shadow_lock);
		budget = KLP_SHADOW_BATCH;
		while ((shadow = klp_shadow_iter_next(&iter, &budget))) {
			size = ksize(shadow) - sizeof(*shadow);
			if (size < type->size)
				small = min(small, size);
		}
		spin_unlock_irq(&klp_shadow_lock);
		cond_resched();
	} while (iter.list < KLP_SHADOW_LISTS);
	if (small == SIZE_MAX)
		return 0;

	pr_err("'%s': shadow type '%s' (%#lx) has %zu bytes, but a variable with room for %zu exists\n",
	       patch->mod->name, type->name, type->id, type->size, small);
	return -EINVAL;
}

int klp_shadow_check(struct klp_shadow_patch *patch)
{
	struct klp_shadow_type *type;
	int err = 0;

	klp_shadow_for_each_type(type, patch) {
		err = err ?: klp_shadow_check_type(patch, type);
		err = err ?: klp_shadow_check_existing(patch, type);
	}

	return err;
}
