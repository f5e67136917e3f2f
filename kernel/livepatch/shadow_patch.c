// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lifetimes: variables of a shadow type live as long as a livepatch with the type.
 *
 * The livepatch core says when a patch is registered, when a transition begins, turns
 * around or is complete, and when a patch is unregistered. A type is open, that is,
 * its variables are found and can be added, while every task runs a livepatch that has
 * it: tasks that do not would free parents and leave the variables behind. So a replacing
 * livepatch that has the type, or a successor, keeps it open, and any other transition
 * closes it from the beginning on. Shared state has no parent: it is open all the
 * time. (G15, G17)
 *
 * klp_shadow_patches_lock serializes what takes long: registering, unregistering, and the
 * end of a module whose objects are parents. Everything that readers and writers of the
 * store see changes under klp_shadow_lock.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/livepatch.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <trace/events/klp_shadow.h>

#include "shadow_core.h"
#include "shadow_type.h"

/* Taken inside klp_mutex; klp_shadow_lock is taken inside it. */
DEFINE_MUTEX(klp_shadow_patches_lock);

/* In the order of registering. An unregistered patch is listed until its module goes. */
LIST_HEAD(klp_shadow_patches);

/* A registered type is closed. Written with klp_shadow_lock held. */
bool klp_shadow_any_closed;

/* The current transition, as the core sees it. Guarded by klp_shadow_lock. */
static enum klp_shadow_direction {
	KLP_SHADOW_NO_TRANSITION,
	KLP_SHADOW_PATCHING,
	KLP_SHADOW_UNPATCHING,
} klp_shadow_direction;

#define for_each_patch(patch) \
	list_for_each_entry((patch), &klp_shadow_patches, list)

/* === Which types are open === */

/* Whether all tasks run livepatches that have the type, or one that is linked to it. */
static bool klp_shadow_type_everywhere(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *other;
	bool before = false, after = false;

	lockdep_assert_held(&klp_shadow_lock);

	for_each_patch(patch) {
		if (!patch->before && !patch->after)
			continue;
		klp_shadow_for_each_type(other, patch) {
			if (other->id != type->id && !klp_shadow_linked(type, other))
				continue;
			before |= patch->before;
			after |= patch->after;
		}
	}

	return before && after;
}

static bool klp_shadow_should_be_open(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_patch *patch = type->patch;

	if (!patch->registered)
		return false;

	return type->shared ||
	       ((patch->before || patch->after) && klp_shadow_type_everywhere(type));
}

/* Variables of a type are those of its livepatch from now on. */
static void klp_shadow_own(struct klp_shadow_type *type)
{
	set_bit(type - type->patch->types, type->patch->owned);
}

/* After a change of the list or of patches in it. There are few types: this is short. */
static void klp_shadow_update(void)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;
	bool closed = false;

	lockdep_assert_held(&klp_shadow_lock);

	for_each_patch(patch) {
		klp_shadow_for_each_type(type, patch) {
			/* Pairs with the acquire in klp_shadow_is_linked(). [linked+free] */
			smp_store_release(&type->linked, !!klp_shadow_find_linked(type, NULL));
			/* Pairs with the acquire in __klp_shadow_type_is_open(). [open+get] */
			smp_store_release(&type->open, klp_shadow_should_be_open(type));
			if (type->shared ? patch->completed : type->open)
				klp_shadow_own(type);
			closed |= patch->registered && !type->open;
		}
	}
	/* Pairs with the acquire in klp_shadow_check_parent(): their variables are gone. */
	smp_store_release(&klp_shadow_any_closed, closed);
}

/* A registered type of an id that is not @not's, or NULL. */
struct klp_shadow_type *klp_shadow_other_type(unsigned long id, struct klp_shadow_patch *not)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_patches_lock);

	for_each_patch(patch) {
		if (patch == not || !patch->registered)
			continue;
		klp_shadow_for_each_type(type, patch) {
			if (type->id == id)
				return type;
		}
	}

	return NULL;
}

/* === Shared state === */

/*
 * Create shared state that does not exist, unless that of a predecessor waits for its
 * conversion.
 */
static int klp_shadow_create_shared(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	void *data;
	bool may;
	int err;

	lockdep_assert_held(&klp_shadow_patches_lock);

	if (!type->shared)
		return 0;
	spin_lock_irq(&klp_shadow_lock);
	may = klp_shadow_may_add(NULL, type);
	spin_unlock_irq(&klp_shadow_lock);
	if (!may)
		return 0;

	data = klp_shadow_add(NULL, type->id, type->size, GFP_KERNEL, type->ctor, NULL, type,
			      &err);
	if (data && !err)
		klp_shadow_own(type);
	if (data)
		return 0;

	pr_err("'%s': shared shadow variable '%s' (%#lx) could not be created: %d\n",
	       type->patch->mod->name, type->name, type->id, err);
	return err < 0 ? err : -EINVAL;
}

/* Create all shared state of a patch, or none. */
static int klp_shadow_create_all_shared(struct klp_shadow_patch *patch)
	__must_hold(&klp_shadow_patches_lock)
{
	unsigned int i;
	int err = 0;

	lockdep_assert_held(&klp_shadow_patches_lock);

	bitmap_zero(patch->owned, patch->nr_types);
	for (i = 0; i < patch->nr_types && !err; i++)
		err = klp_shadow_create_shared(&patch->types[i]);
	if (err) {
		for_each_set_bit(i, patch->owned, patch->nr_types)
			__klp_shadow_type_free(NULL, &patch->types[i]);
	}

	return err;
}

/* === Transitions === */

/* Tasks change over in the other direction from now on. */
static void klp_shadow_reverse(void)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_patch *patch;

	for_each_patch(patch)
		swap(patch->before, patch->after);
	klp_shadow_direction = klp_shadow_direction == KLP_SHADOW_PATCHING ?
			       KLP_SHADOW_UNPATCHING : KLP_SHADOW_PATCHING;
}

/**
 * klp_shadow_transition() - a transition begins, or is reversed
 * @key:	key of the livepatch; it may have no types
 * @replace:	whether it replaces all others
 * @patching:	whether tasks change over to it, or away from it
 *
 * Types that not all tasks use during the transition are closed. (G17)
 *
 * Context: Process context. There is no other transition. Takes klp_shadow_lock.
 */
void klp_shadow_transition(const void *key, bool replace, bool patching)
{
	struct klp_shadow_patch *patch;

	spin_lock_irq(&klp_shadow_lock);
	if (klp_shadow_direction != KLP_SHADOW_NO_TRANSITION) {
		klp_shadow_reverse();
	} else {
		klp_shadow_direction = patching ? KLP_SHADOW_PATCHING : KLP_SHADOW_UNPATCHING;
		for_each_patch(patch) {
			if (patch->key == key && patch->registered)
				patch->after = patching;
			else if (patching && replace && !patch->forced)
				patch->after = false;
		}
	}
	klp_shadow_update();
	spin_unlock_irq(&klp_shadow_lock);
}

/* Whether a type was closed during the transition, and will be open after it. */
static bool klp_shadow_reopens(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_lock)
{
	return !type->open && type->patch->completed && type->patch->after;
}

/*
 * Remove all variables of a type. Parents of some may have been freed while not all tasks
 * ran the livepatch. Tasks that ran it all the time may still use others, so the memory
 * is kept, see klp_shadow_free_hidden().
 */
static void klp_shadow_hide(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_iter iter = { .id = type->id };
	struct klp_shadow *shadow;
	unsigned int budget;

	lockdep_assert_held(&klp_shadow_patches_lock);

	do {
		LLIST_HEAD(removed);

		spin_lock_irq(&klp_shadow_lock);
		budget = KLP_SHADOW_BATCH;
		while ((shadow = klp_shadow_iter_next(&iter, &budget))) {
			klp_shadow_unlink(shadow, &removed);
			shadow->type = type;
			__llist_add(&shadow->reclaim, &type->patch->hidden);
		}
		spin_unlock_irq(&klp_shadow_lock);
		klp_shadow_reclaim_list(&removed);
		cond_resched();
	} while (iter.list < KLP_SHADOW_LISTS);
}

/*
 * Free hidden variables of a patch: those of one module's objects if @mod is not NULL.
 * Otherwise the patch is unregistered, and those whose type another livepatch has are
 * hidden for that one, whose code may still use them. (G17)
 */
static void klp_shadow_free_hidden(struct klp_shadow_patch *patch, struct module *mod)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow *shadow, *next;
	struct klp_shadow_type *type, *keep;
	struct llist_node *list;

	lockdep_assert_held(&klp_shadow_patches_lock);

	list = __llist_del_all(&patch->hidden);
	llist_for_each_entry_safe(shadow, next, list, reclaim) {
		LLIST_HEAD(removed);

		type = shadow->type;
		if (!mod)
			keep = klp_shadow_other_type(type->id, patch);
		else
			keep = klp_shadow_same_module(type->parent_module, mod->name) ? NULL : type;
		if (keep) {
			shadow->type = keep;
			__llist_add(&shadow->reclaim, &keep->patch->hidden);
			continue;
		}
		/* RCU: klp_shadow_drain() waits until these are listed for it. */
		rcu_read_lock();
		spin_lock_irq(&klp_shadow_lock);
		klp_shadow_drop(shadow, type->dtor, type, &removed);
		spin_unlock_irq(&klp_shadow_lock);
		klp_shadow_reclaim_list(&removed);
		rcu_read_unlock();
		cond_resched();
	}
}

/* === Unregistering === */

/* The type in use that variables of another one are converted to, or NULL. */
static struct klp_shadow_type *klp_shadow_successor(struct klp_shadow_type *from)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_type *type, *successor = NULL;
	struct klp_shadow_patch *patch;

	lockdep_assert_held(&klp_shadow_patches_lock);

	spin_lock_irq(&klp_shadow_lock);
	for_each_patch(patch) {
		if (!patch->before && !patch->after)
			continue;
		klp_shadow_for_each_type(type, patch) {
			if (klp_shadow_succeeds(type, from))
				successor = type;
		}
	}
	spin_unlock_irq(&klp_shadow_lock);

	return successor;
}

static void klp_shadow_convert_type(struct klp_shadow_type *from, struct klp_shadow_type *to)
	__must_hold(&klp_shadow_patches_lock)
{
	const char *name = to->patch->mod->name;
	struct klp_shadow_conversion result = {};

	klp_shadow_convert(from, to, &result);
	if (result.done)
		pr_info("'%s': converted %lu shadow variables '%s' (%#lx) to '%s' (%#lx)\n", name,
			result.done, from->name, from->id, to->name, to->id);
	if (result.failed)
		pr_warn("'%s': freed %lu shadow variables '%s' (%#lx) that could not be converted: %d\n",
			name, result.failed, from->name, from->id, result.err);
}

/*
 * Whether variables of a type are those of its livepatch. One that has failed to be
 * enabled leaves what was there before, which other livepatches use. (G17)
 */
static bool klp_shadow_is_owned(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	lockdep_assert_held(&klp_shadow_patches_lock);

	return test_bit(type - type->patch->types, type->patch->owned);
}

static void klp_shadow_finish_type(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_type *other, *successor;

	lockdep_assert_held(&klp_shadow_patches_lock);

	if (!klp_shadow_is_owned(type))
		return;
	other = klp_shadow_other_type(type->id, type->patch);
	if (other) {
		klp_shadow_own(other);
		return;
	}
	successor = klp_shadow_successor(type);
	if (successor)
		klp_shadow_convert_type(type, successor);
	else
		klp_shadow_type_free_all(type);
}

static void klp_shadow_finish(struct klp_shadow_patch *patch)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_patches_lock);

	klp_shadow_for_each_type(type, patch) {
		if (!type->shared)
			klp_shadow_finish_type(type);
	}
	klp_shadow_free_hidden(patch, NULL);
	/* Last: destructors of the others may use it. (G15) */
	klp_shadow_for_each_type(type, patch) {
		if (type->shared)
			klp_shadow_finish_type(type);
	}

	spin_lock_irq(&klp_shadow_lock);
	patch->registered = false;
	patch->leaving = false;
	klp_shadow_update();
	spin_unlock_irq(&klp_shadow_lock);
	trace_klp_shadow_patch_unregistered(patch->mod->name);
}

static void klp_shadow_finish_all(void)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_patches_lock);

	for_each_patch(patch) {
		if (READ_ONCE(patch->leaving))
			klp_shadow_finish(patch);
	}
	/* Shared state of a successor, if that of the predecessor was not converted. */
	for_each_patch(patch) {
		if (!patch->registered)
			continue;
		klp_shadow_for_each_type(type, patch)
			klp_shadow_create_shared(type);
	}
}

/**
 * klp_shadow_unregister_patch() - a livepatch is disabled, replaced, or failed to be enabled
 * @key:	key of the livepatch; it may have no types
 * @forced:	the transition was forced: its code may still run, and its module stays
 *
 * klp_shadow_flush() does the rest. After a forced transition nothing is freed. (G15)
 *
 * Context: Process context. Takes klp_shadow_lock.
 */
void klp_shadow_unregister_patch(const void *key, bool forced)
{
	struct klp_shadow_patch *patch, *found = NULL;

	spin_lock_irq(&klp_shadow_lock);
	for_each_patch(patch) {
		if (patch->key == key && patch->registered)
			found = patch;
	}
	if (found) {
		WRITE_ONCE(found->leaving, !forced);
		WRITE_ONCE(found->forced, forced);
		found->before = forced;
		found->after = forced;
		klp_shadow_update();
	}
	spin_unlock_irq(&klp_shadow_lock);

	if (found && forced)
		pr_notice("'%s' was forced; keeping its shadow variables\n", found->mod->name);
}

/**
 * klp_shadow_flush() - convert or free the variables of unregistered livepatches
 *
 * The variables of each id that a livepatch owns, and no other one has, are converted to
 * those of a successor, or freed. Those that it does not own stay. (G15, G16, G17)
 *
 * Context: Process context, sleeps, takes long if there are many variables: not under
 * klp_mutex, if that can be avoided. Takes klp_shadow_patches_lock.
 */
void klp_shadow_flush(void)
{
	mutex_lock(&klp_shadow_patches_lock);
	klp_shadow_finish_all();
	mutex_unlock(&klp_shadow_patches_lock);
}

/* === Completing a transition === */

/**
 * klp_shadow_complete() - a transition is complete
 * @patching:	whether all tasks have changed over to the livepatch, or away from it
 *
 * Before the post_patch and post_unpatch callbacks. Opens the types that all tasks use
 * now. (G17)
 *
 * Context: Process context, sleeps. Takes klp_shadow_lock; klp_shadow_patches_lock if a
 * transition that had closed a type was reversed.
 */
void klp_shadow_complete(bool patching)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;
	enum klp_shadow_direction direction;
	bool hide = false, reopens;

	direction = patching ? KLP_SHADOW_PATCHING : KLP_SHADOW_UNPATCHING;
	spin_lock_irq(&klp_shadow_lock);
	if (direction != klp_shadow_direction) {
		/* Cancelled before any task has changed over: nothing is stale. */
		klp_shadow_reverse();
	} else {
		for_each_patch(patch) {
			klp_shadow_for_each_type(type, patch)
				hide |= klp_shadow_reopens(type);
		}
	}
	spin_unlock_irq(&klp_shadow_lock);

	if (hide) {
		mutex_lock(&klp_shadow_patches_lock);
		/* Variables of unregistered patches are as old, and must not be converted later. */
		klp_shadow_finish_all();
		for_each_patch(patch) {
			klp_shadow_for_each_type(type, patch) {
				spin_lock_irq(&klp_shadow_lock);
				reopens = klp_shadow_reopens(type);
				spin_unlock_irq(&klp_shadow_lock);
				if (reopens)
					klp_shadow_hide(type);
			}
		}
		mutex_unlock(&klp_shadow_patches_lock);
	}

	spin_lock_irq(&klp_shadow_lock);
	klp_shadow_direction = KLP_SHADOW_NO_TRANSITION;
	for_each_patch(patch) {
		patch->before = patch->after;
		patch->completed |= patch->after;
	}
	klp_shadow_update();
	spin_unlock_irq(&klp_shadow_lock);
}

/* === Registering === */

/* The patch with these types: a module that has failed to enable it may try again. */
static struct klp_shadow_patch *klp_shadow_listed(struct klp_shadow_type *types)
	__must_hold(&klp_shadow_patches_lock)
{
	struct klp_shadow_patch *patch;

	for_each_patch(patch) {
		if (patch->types == types)
			return patch;
	}

	return NULL;
}

static struct klp_shadow_patch *klp_shadow_patch_alloc(struct module *mod,
						       struct klp_shadow_type *types,
						       unsigned int nr_types)
{
	struct klp_shadow_patch *patch = kzalloc(sizeof(*patch), GFP_KERNEL);

	if (!patch)
		return NULL;
	patch->owned = bitmap_zalloc(nr_types, GFP_KERNEL);
	if (!patch->owned) {
		kfree(patch);
		return NULL;
	}
	INIT_LIST_HEAD(&patch->list);
	patch->mod = mod;
	patch->types = types;
	patch->nr_types = nr_types;
	init_llist_head(&patch->hidden);

	return patch;
}

static void klp_shadow_patch_free(struct klp_shadow_patch *patch)
{
	bitmap_free(patch->owned);
	kfree(patch);
}

/**
 * klp_shadow_register() - a livepatch is about to be enabled
 * @key:	key of the livepatch; no registered one has the same
 * @mod:	its module
 * @types:	its shadow types
 * @nr_types:	number of types; not 0
 * @replace:	whether it replaces all others
 *
 * Checks the types, and creates shared state that does not exist. (G15)
 *
 * Context: Process context, sleeps. Takes klp_shadow_patches_lock.
 * Return: 0; -EINVAL if a type is wrong or conflicts with another one, which the log
 * explains; -ENOMEM; the error of a constructor of shared state. Nothing has changed on
 * any error.
 */
int klp_shadow_register(const void *key, struct module *mod, struct klp_shadow_type *types,
			unsigned int nr_types, bool replace)
{
	static unsigned long seq;	/* guarded by klp_shadow_patches_lock */
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;
	int err;

	mutex_lock(&klp_shadow_patches_lock);
	/* Variables of unregistered patches must not become those of this one. */
	klp_shadow_finish_all();
	patch = klp_shadow_listed(types) ?: klp_shadow_patch_alloc(mod, types, nr_types);
	err = patch ? klp_shadow_check(patch) : -ENOMEM;
	if (err) {
		if (patch && list_empty(&patch->list))
			klp_shadow_patch_free(patch);
		goto out;
	}

	spin_lock_irq(&klp_shadow_lock);
	klp_shadow_for_each_type(type, patch)
		type->patch = patch;
	patch->key = key;
	patch->seq = ++seq;
	patch->replace = replace;
	patch->registered = true;
	patch->forced = false;
	patch->completed = false;
	list_del(&patch->list);
	list_add_tail(&patch->list, &klp_shadow_patches);
	klp_shadow_update();
	spin_unlock_irq(&klp_shadow_lock);

	err = klp_shadow_create_all_shared(patch);
	if (err) {
		spin_lock_irq(&klp_shadow_lock);
		patch->registered = false;
		klp_shadow_update();
		spin_unlock_irq(&klp_shadow_lock);
		goto out;
	}
	trace_klp_shadow_patch_registered(mod->name, nr_types);
out:
	mutex_unlock(&klp_shadow_patches_lock);

	return err;
}

/* === Modules that go === */

/* The module of a type's release callback. */
struct module *klp_shadow_type_module(const struct klp_shadow_type *type)
{
	return type->patch ? type->patch->mod : NULL;
}

/* Whether callbacks of a type use a module: they are in it, or its objects are parents. */
bool klp_shadow_type_uses(const struct klp_shadow_type *type, const struct module *mod)
{
	return !mod || klp_shadow_type_module(type) == mod ||
	       klp_shadow_same_module(type->parent_module, mod->name);
}

/* A quick look, so that most modules wait for nothing. */
static bool klp_shadow_is_used(struct module *mod)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;
	bool used = false;

	spin_lock_irq(&klp_shadow_lock);
	for_each_patch(patch) {
		klp_shadow_for_each_type(type, patch)
			used |= klp_shadow_type_uses(type, mod);
	}
	spin_unlock_irq(&klp_shadow_lock);

	return used;
}

/**
 * klp_shadow_module_going() - a module's objects are gone, and its code is about to be
 * @mod:	the module
 *
 * Frees the variables of its objects, and calls all release callbacks that may use
 * it. (G14, G15)
 *
 * Context: Process context, sleeps. Takes klp_shadow_patches_lock.
 */
void klp_shadow_module_going(struct module *mod)
{
	struct klp_shadow_patch *patch, *next;
	struct klp_shadow_type *type;
	LIST_HEAD(gone);

	if (!klp_shadow_is_used(mod))
		return;

	mutex_lock(&klp_shadow_patches_lock);
	list_for_each_entry_safe(patch, next, &klp_shadow_patches, list) {
		klp_shadow_for_each_type(type, patch) {
			if (patch->registered &&
			    klp_shadow_same_module(type->parent_module, mod->name))
				klp_shadow_type_free_all(type);
		}
		klp_shadow_free_hidden(patch, mod);
		if (patch->mod != mod || patch->registered)
			continue;
		spin_lock_irq(&klp_shadow_lock);
		list_move(&patch->list, &gone);
		spin_unlock_irq(&klp_shadow_lock);
	}
	mutex_unlock(&klp_shadow_patches_lock);

	klp_shadow_drain(mod);
	list_for_each_entry_safe(patch, next, &gone, list)
		klp_shadow_patch_free(patch);
}

static int klp_shadow_module_event(struct notifier_block *nb, unsigned long event, void *mod)
{
	/* Its exit function has returned, or its init function has failed. */
	if (event == MODULE_STATE_GOING)
		klp_shadow_module_going(mod);

	return NOTIFY_OK;
}

/*
 * First of all: when another notifier refuses a module that is coming, only those before
 * it are told that the module goes.
 */
static struct notifier_block klp_shadow_module_nb = {
	.notifier_call = klp_shadow_module_event,
	.priority = INT_MAX,
};

static int __init klp_shadow_patch_init(void)
{
	return register_module_notifier(&klp_shadow_module_nb);
}
core_initcall(klp_shadow_patch_init);

/* === Calls of the livepatch core === */

#ifdef CONFIG_LIVEPATCH
/* The section with the types. Sets *@size to 0 if there is none. */
static int klp_shadow_section(struct module *mod, struct klp_shadow_type **types, size_t *size)
{
	const struct klp_modinfo *info = mod->klp_info;
	unsigned int i;

	*size = 0;
	for (i = 1; i < info->hdr.e_shnum; i++) {
		if (strcmp(info->secstrings + info->sechdrs[i].sh_name, KLP_SHADOW_SECTION))
			continue;
		if (*size) {
			pr_err("'%s' has more than one section %s\n", mod->name,
			       KLP_SHADOW_SECTION);
			return -EINVAL;
		}
		*types = (void *)info->sechdrs[i].sh_addr;
		*size = info->sechdrs[i].sh_size;
	}

	return 0;
}

static bool klp_shadow_abi_fits(struct klp_shadow_type *types, size_t size)
{
	size_t i;

	/* Another version may have another size: look at the first one only, then at all. */
	if (size < sizeof(types->abi) || types->abi != KLP_SHADOW_ABI || size % sizeof(*types))
		return false;
	for (i = 0; i < size / sizeof(*types); i++) {
		if (types[i].abi != KLP_SHADOW_ABI)
			return false;
	}

	return true;
}

/* Warn about likely mistakes in .parent_module. */
static void klp_shadow_warn_parent_module(struct klp_patch *patch, struct klp_shadow_type *type)
{
	bool kernel = false, found = false;
	struct klp_object *obj;

	if (type->shared || (type->parent_module && !strcmp(type->parent_module, "vmlinux")))
		return;
	klp_for_each_object_static(patch, obj) {
		kernel |= !obj->name;
		found |= obj->name && klp_shadow_same_module(obj->name, type->parent_module);
	}
	if (!type->parent_module && !kernel)
		pr_warn("'%s' patches modules only, but shadow type '%s' has no .parent_module; use \"vmlinux\" if the parents are the kernel's own\n",
			patch->mod->name, type->name);
	if (type->parent_module && !found)
		pr_warn("'%s' does not patch module '%s', which shadow type '%s' has as .parent_module\n",
			patch->mod->name, type->parent_module, type->name);
}

/**
 * klp_shadow_register_patch() - a livepatch is about to be enabled
 * @patch:	the livepatch; it may have shadow types or not
 *
 * Context: Process context, sleeps. Takes klp_shadow_patches_lock.
 * Return: 0; -EINVAL if a type is wrong, was built for another KLP_SHADOW_ABI or conflicts
 * with one of another livepatch, which the log explains; -ENOMEM; or the error of a
 * constructor of shared state. After an error nothing has changed.
 */
int klp_shadow_register_patch(struct klp_patch *patch)
{
	struct klp_shadow_type *types;
	size_t size, i;
	int err;

	err = klp_shadow_section(patch->mod, &types, &size);
	if (err || !size)
		return err;
	if (!klp_shadow_abi_fits(types, size)) {
		pr_err("'%s' was built for another kernel: its shadow types are not of version %u\n",
		       patch->mod->name, KLP_SHADOW_ABI);
		return -EINVAL;
	}
	for (i = 0; i < size / sizeof(*types); i++)
		klp_shadow_warn_parent_module(patch, &types[i]);

	return klp_shadow_register(patch, patch->mod, types, size / sizeof(*types),
				   patch->replace);
}
#endif
