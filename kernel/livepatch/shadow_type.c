// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lifetimes: the variables that livepatches declare live as long as a livepatch
 * that declares them is enabled.
 *
 * The livepatch core says which module begins to be enabled and which is given up,
 * with klp_mutex held, and this file looks for declarations in it. What is decided
 * from them, is decided with klp_shadow_users_lock held, from beginning to end: a
 * livepatch that comes sees the variables of one that goes either all or not at
 * all. Each given-up module stays until the releasing functions that are in it
 * have been called.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/livepatch.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "shadow_convert.h"
#include "shadow_core.h"
#include "shadow_table.h"
#include "shadow_type.h"

/* Guards the users, and what they bring and take along; see shadow_type.h. */
DEFINE_MUTEX(klp_shadow_users_lock);
LIST_HEAD(klp_shadow_users);

/* Those that have been given up, until they are put. Guarded by klp_shadow_users_lock. */
static LIST_HEAD(klp_shadow_given_up);

/* Has the variables that are not for one who was given up. */
static struct klp_shadow_type klp_shadow_nobody;

#define for_each_type(type, user) \
	for ((type) = (user)->types; klp_shadow_user_has(user, type); (type)++)

static bool klp_shadow_user_has(struct klp_shadow_user *user, struct klp_shadow_type *type)
{
	return type < user->types + user->nr_types;
}

/* What a user declares of an id, or NULL. */
static struct klp_shadow_type *klp_shadow_user_type(struct klp_shadow_user *user,
						    unsigned long id)
{
	struct klp_shadow_type *type;

	for_each_type(type, user) {
		if (type->id == id)
			return type;
	}

	return NULL;
}

/* The latest who declares an id, or NULL. One whose variables were taken away has none. */
static struct klp_shadow_user *klp_shadow_latest_user(unsigned long id)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_type *type;
	struct klp_shadow_user *user;

	lockdep_assert_held(&klp_shadow_users_lock);

	list_for_each_entry_reverse(user, &klp_shadow_users, list) {
		type = klp_shadow_user_type(user, id);
		if (type && !type->away)
			return user;
	}

	return NULL;
}

/* The latest declaration of an id, or NULL. */
static struct klp_shadow_type *klp_shadow_latest_type(unsigned long id)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_user *user = klp_shadow_latest_user(id);

	return user ? klp_shadow_user_type(user, id) : NULL;
}

/* === Freeing === */

/*
 * Which declaration a variable belongs to, to one who has @type: not to that when all
 * variables were taken away from it, and to the one before while it waits for its
 * conversion.
 */
static struct klp_shadow_type *klp_shadow_type_of(struct klp_shadow_type *type,
						  struct klp_shadow *shadow)
	__must_hold(&klp_shadow_lock)
{
	lockdep_assert_held(&klp_shadow_lock);

	while (type->away)
		type = type->from;

	return type->from && (!type->converting || klp_shadow_waits(shadow)) ?
	       type->from : type;
}

/**
 * klp_shadow_type_free() - remove a declared variable
 * @obj:	parent; any pointer value, never dereferenced
 * @type:	what declares it
 *
 * As klp_shadow_free() with the declared destructor. The declared releasing
 * function is called later, where it may sleep. (G14)
 *
 * Context: Any but NMI. Takes klp_shadow_lock. Does not sleep.
 */
void klp_shadow_type_free(void *obj, struct klp_shadow_type *type)
{
	klp_shadow_release_t release = NULL;
	struct klp_shadow *shadow;
	unsigned long flags;
	HLIST_HEAD(removed);

	/* Most parents have none, and patched code frees at the birth of each. */
	if (klp_shadow_absent(obj, type->id))
		return;

	/* A releasing function may be another's, who waits for this. See klp_shadow_put(). */
	rcu_read_lock();
	spin_lock_irqsave(&klp_shadow_lock, flags);
	shadow = klp_shadow_find(obj, type->id);
	if (shadow)
		type = klp_shadow_type_of(type, shadow);
	if (shadow && type != &klp_shadow_nobody) {
		release = type->release;
		klp_shadow_remove(shadow, type->dtor, release, &removed);
	}
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	klp_shadow_reclaim_list(&removed, release);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(klp_shadow_type_free);

/* Free all variables of a declaration: the latest, or the last. */
static void klp_shadow_type_free_all(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_iter iter = { .id = type->id };

	lockdep_assert_held(&klp_shadow_users_lock);

	/* Conversions hold the lock: all are old, or none. */
	type = type->from ?: type;
	while (klp_shadow_free_batch(&iter, type->dtor, type->release))
		cond_resched();
}

/* === Clashes === */

/* Why a declaration cannot stand beside that of another livepatch, or NULL. */
static const char *klp_shadow_clash(const struct klp_shadow_type *type, bool replace,
				    const struct klp_shadow_type *other,
				    const struct klp_shadow_user *user)
{
	if (type->shared != other->shared)
		return type->shared ? "one shared variable, not one for each parent" :
				      "one for each parent, not one shared variable";
	if (strcmp(type->name, other->name))
		return "another name";
	if (strcmp(type->owner ?: "", other->owner ?: ""))
		return "another module's objects as parents";
	/* What is there has the size of the one before. */
	if (other->from)
		return "its own conversion was never done";
	if (type->size == other->size)
		return NULL;
	if (!replace)
		return "another size, and does not replace it";
	if (!type->convert)
		return "another size, without a conversion";
	/* Its code may run for ever. */
	if (user->forced)
		return "another size, and that livepatch was given up by force";

	return NULL;
}

/* 0 when nothing stands against what @user declares. */
static int klp_shadow_check(struct klp_shadow_user *user, bool replace)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_type *type, *other;
	struct klp_shadow_user *enabled;
	const char *clash;

	lockdep_assert_held(&klp_shadow_users_lock);

	for_each_type(type, user) {
		if (klp_shadow_user_type(user, type->id) != type) {
			pr_err("'%s' declares shadow variable %lx twice, as '%s' and '%s'\n",
			       user->mod->name, type->id,
			       klp_shadow_user_type(user, type->id)->name, type->name);
			return -EINVAL;
		}
		if (type->size > KMALLOC_MAX_SIZE - sizeof(struct klp_shadow)) {
			pr_err("'%s' declares shadow variable '%s' with %zu bytes, more than can be allocated\n",
			       user->mod->name, type->name, type->size);
			return -EINVAL;
		}
		if (type->shared && type->owner) {
			pr_err("'%s' declares shared shadow variable '%s' as one of '%s': it has no parent\n",
			       user->mod->name, type->name, type->owner);
			return -EINVAL;
		}
		list_for_each_entry(enabled, &klp_shadow_users, list) {
			other = klp_shadow_user_type(enabled, type->id);
			clash = other ? klp_shadow_clash(type, replace, other, enabled) : NULL;
			if (!clash)
				continue;
			pr_err("'%s' declares shadow variable %lx as '%s' with %zu bytes, '%s' declares it as '%s' with %zu: %s\n",
			       user->mod->name, type->id, type->name, type->size,
			       enabled->mod->name, other->name, other->size, clash);
			return -EINVAL;
		}
	}

	return 0;
}

/* === Users come and go === */

/* Variables of another size wait for the end of the transition. */
static void klp_shadow_wait_for_conversion(struct klp_shadow_user *user)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_type *type, *latest;

	lockdep_assert_held(&klp_shadow_users_lock);

	for_each_type(type, user) {
		latest = klp_shadow_latest_type(type->id);
		if (latest && latest->size == type->size)
			latest = NULL;
		spin_lock_irq(&klp_shadow_lock);
		/* Nobody uses the accessors of @type yet. */
		type->from = latest;
		type->converting = false;
		type->away = false;
		type->built = false;
		spin_unlock_irq(&klp_shadow_lock);
	}
}

/* 0 when the instance is there. */
static int klp_shadow_share(struct klp_shadow_type *type)
	__must_hold(&klp_shadow_users_lock)
{
	bool existed;

	lockdep_assert_held(&klp_shadow_users_lock);

	if (!type->shared || type->from)
		return 0;
	if (!klp_shadow_add(NULL, type->id, type->size, GFP_KERNEL, type->ctor, NULL, &existed)) {
		pr_err("no shared shadow variable '%s'\n", type->name);
		return -ENOMEM;
	}
	type->built = !existed;

	return 0;
}

/*
 * What is left of a livepatch that is over, its code that is not patched code, its
 * destructors and its releasing functions, finds no variables of @id any more. It
 * frees them as @by's, or none if that is nobody. A lookup may have looked just
 * before: a grace period has to pass before there is something else to be found.
 */
static void klp_shadow_take_away(struct klp_shadow_user *user, unsigned long id,
				 struct klp_shadow_type *by)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_type *type = klp_shadow_user_type(user, id);

	lockdep_assert_held(&klp_shadow_users_lock);

	if (!type || type == by || type->from == &klp_shadow_nobody)
		return;
	spin_lock_irq(&klp_shadow_lock);
	type->away = true;
	WRITE_ONCE(type->from, by);
	spin_unlock_irq(&klp_shadow_lock);
}

/* From all that have a declaration of @id, but @by itself. */
static void klp_shadow_take_all_away(unsigned long id, struct klp_shadow_type *by)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_user *user;

	lockdep_assert_held(&klp_shadow_users_lock);

	/* Those that are given up next, or stay by force. */
	list_for_each_entry(user, &klp_shadow_users, list)
		klp_shadow_take_away(user, id, by);
	/* Those that have something to release still. */
	list_for_each_entry(user, &klp_shadow_given_up, list)
		klp_shadow_take_away(user, id, by);
}

/* @user declares @type; who declares an old one has been given up, or is about to be. */
static void klp_shadow_convert_type(struct klp_shadow_type *type, struct klp_shadow_user *user)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_conversion result = {};
	size_t old_size = type->from->size;

	lockdep_assert_held(&klp_shadow_users_lock);

	klp_shadow_take_all_away(type->id, type);
	synchronize_rcu();

	klp_shadow_convert_all(type, &result);
	pr_info("%lu shadow variables '%s' of '%s' converted from %zu to %zu bytes\n",
		result.done, type->name, user->mod->name, old_size, type->size);
	if (result.failed)
		pr_warn("%lu shadow variables '%s' of '%s' freed, their conversion failed: %d\n",
			result.failed, type->name, user->mod->name, result.err);
	klp_shadow_share(type);
}

/* One who declares the id of @type has been given up; @user, the latest, declares @type. */
static void klp_shadow_hand_on(struct klp_shadow_type *type, struct klp_shadow_user *user)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_user *other;

	lockdep_assert_held(&klp_shadow_users_lock);

	if (!type->from)
		return;
	if (user->forced) {
		/* Its enabling was reversed: they belong to the old ones whose code may run. */
		list_for_each_entry_reverse(other, &klp_shadow_users, list) {
			if (other == user || !klp_shadow_user_type(other, type->id))
				continue;
			spin_lock_irq(&klp_shadow_lock);
			WRITE_ONCE(type->from, klp_shadow_user_type(other, type->id));
			spin_unlock_irq(&klp_shadow_lock);
			return;
		}
	}
	/* The transition has completed. */
	klp_shadow_convert_type(type, user);
}

static void klp_shadow_put(struct work_struct *work)
{
	struct klp_shadow_user *user = container_of(work, struct klp_shadow_user, put);
	struct klp_shadow_type *type;

	do {
		/* For those who are about to have something released, too. */
		synchronize_rcu();
	} while (klp_shadow_release_all(user->mod));

	mutex_lock(&klp_shadow_users_lock);
	/* It may stay loaded, while others declare other things by its ids. */
	for_each_type(type, user)
		klp_shadow_take_away(user, type->id, &klp_shadow_nobody);
	list_del(&user->list);
	mutex_unlock(&klp_shadow_users_lock);

	module_put(user->mod);
	kfree(user);
}

static void klp_shadow_put_later(struct klp_shadow_user *user)
{
	INIT_WORK(&user->put, klp_shadow_put);
	/* The caller has it, and is about to put it. */
	__module_get(user->mod);
	queue_work(klp_shadow_release_wq, &user->put);
}

/* Its variables go with it, but for those that somebody else declares. */
static void klp_shadow_user_remove(struct klp_shadow_user *user)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_user *latest;
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_users_lock);

	list_move(&user->list, &klp_shadow_given_up);

	for_each_type(type, user) {
		latest = klp_shadow_latest_user(type->id);
		if (latest) {
			klp_shadow_hand_on(klp_shadow_user_type(latest, type->id), latest);
			continue;
		}
		klp_shadow_type_free_all(type);
		klp_shadow_take_all_away(type->id, &klp_shadow_nobody);
	}

	klp_shadow_put_later(user);
}

/* No code of it has run: nothing is its own but what has just been built for it. */
static void klp_shadow_user_undo(struct klp_shadow_user *user)
	__must_hold(&klp_shadow_users_lock)
{
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_users_lock);

	list_move(&user->list, &klp_shadow_given_up);
	for_each_type(type, user) {
		if (type->built)
			klp_shadow_type_free(NULL, type);
		if (!klp_shadow_latest_user(type->id))
			klp_shadow_take_away(user, type->id, &klp_shadow_nobody);
	}
	klp_shadow_put_later(user);
}

/**
 * klp_shadow_user_enable() - somebody who declares variables begins to be enabled
 * @key:	who; none that is enabled has the same
 * @mod:	its module
 * @types:	its declarations
 * @nr_types:	how many
 * @replace:	whether it replaces all others
 *
 * Context: Process context, sleeps. Takes klp_shadow_users_lock.
 * Return: 0; -EINVAL when a declaration clashes, which the log explains; -ENOMEM.
 * Nothing has changed on any error.
 */
int klp_shadow_user_enable(const void *key, struct module *mod, struct klp_shadow_type *types,
			   unsigned int nr_types, bool replace)
{
	struct klp_shadow_user *user, *other;
	struct klp_shadow_type *type;
	int err;

	/* Release callbacks could not be called. */
	if (!klp_shadow_release_wq)
		return -ENOMEM;
	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return -ENOMEM;
	user->key = key;
	user->mod = mod;
	user->types = types;
	user->nr_types = nr_types;

	mutex_lock(&klp_shadow_users_lock);
	err = klp_shadow_check(user, replace);
	if (err) {
		kfree(user);
		goto out;
	}
	/* A module that has failed may try again: its declarations are @user's now. */
	list_for_each_entry(other, &klp_shadow_given_up, list) {
		if (other->types == types)
			other->nr_types = 0;
	}
	klp_shadow_wait_for_conversion(user);
	list_add_tail(&user->list, &klp_shadow_users);
	/* For lookups of what was given up, before there is something to find. */
	synchronize_rcu();
	for_each_type(type, user) {
		err = klp_shadow_share(type);
		if (err) {
			klp_shadow_user_undo(user);
			goto out;
		}
	}
out:
	mutex_unlock(&klp_shadow_users_lock);

	return err;
}

/**
 * klp_shadow_user_give_up() - somebody is given up, or fails to be enabled
 * @key:	who; may be one that declares nothing
 * @forced:	its code may still be running, and will stay
 *
 * Variables that nobody else declares are freed; variables that wait to be
 * converted are converted. (G15, G16)
 *
 * Context: Process context, sleeps. The caller holds a reference of its module.
 * Takes klp_shadow_users_lock.
 */
void klp_shadow_user_give_up(const void *key, bool forced)
{
	struct klp_shadow_user *user;

	mutex_lock(&klp_shadow_users_lock);
	list_for_each_entry(user, &klp_shadow_users, list) {
		if (user->key != key)
			continue;
		user->forced = forced;
		if (forced)
			pr_notice("'%s' was given up by force: its shadow variables stay\n",
				  user->mod->name);
		else
			klp_shadow_user_remove(user);
		break;
	}
	mutex_unlock(&klp_shadow_users_lock);
}

#ifdef CONFIG_LIVEPATCH
/**
 * klp_shadow_enable() - a livepatch begins to be enabled
 * @patch:	the livepatch; its module may declare variables or not
 *
 * Context: Process context, sleeps. Takes klp_shadow_users_lock.
 * Return: As klp_shadow_user_enable().
 */
int klp_shadow_enable(struct klp_patch *patch)
{
	const struct klp_modinfo *info = patch->mod->klp_info;
	unsigned int i, found = 0;
	size_t size;

	for (i = 1; i < info->hdr.e_shnum; i++) {
		if (strcmp(info->secstrings + info->sechdrs[i].sh_name, KLP_SHADOW_SECTION))
			continue;
		if (found) {
			pr_err("'%s' has more than one section %s\n", patch->mod->name,
			       KLP_SHADOW_SECTION);
			return -EINVAL;
		}
		found = i;
	}
	if (!found)
		return 0;

	size = info->sechdrs[found].sh_size;
	if (size % sizeof(struct klp_shadow_type)) {
		pr_err("'%s' declares shadow variables for another kernel: section %s has %zu bytes, not a multiple of %zu\n",
		       patch->mod->name, KLP_SHADOW_SECTION, size,
		       sizeof(struct klp_shadow_type));
		return -EINVAL;
	}

	return klp_shadow_user_enable(patch, patch->mod, (void *)info->sechdrs[found].sh_addr,
				      size / sizeof(struct klp_shadow_type), patch->replace);
}

/**
 * klp_shadow_give_up() - a livepatch is given up, or fails to be enabled
 * @patch:	the livepatch
 *
 * The transition that it leaves with has completed, if there was one.
 *
 * Context: Process context, sleeps. The caller holds a reference of its module.
 * Takes klp_shadow_users_lock.
 */
void klp_shadow_give_up(struct klp_patch *patch)
{
	klp_shadow_user_give_up(patch, patch->forced);
}
#endif

/* === The modules that own the parents === */

/**
 * klp_shadow_owner_gone() - free the variables of a module's objects
 * @mod:	the module
 *
 * Context: Process context, sleeps. Takes klp_shadow_users_lock.
 */
void klp_shadow_owner_gone(struct module *mod)
{
	struct klp_shadow_user *user;
	struct klp_shadow_type *type;

	mutex_lock(&klp_shadow_users_lock);
	list_for_each_entry(user, &klp_shadow_users, list) {
		for_each_type(type, user) {
			if (type->owner && !strcmp(type->owner, mod->name) &&
			    type == klp_shadow_latest_type(type->id))
				klp_shadow_type_free_all(type);
		}
	}
	mutex_unlock(&klp_shadow_users_lock);
}

/* What could not be enabled fails in its init function, and is freed at once. */
static bool klp_shadow_may_be_put(struct module *mod)
{
#ifdef CONFIG_MODULE_UNLOAD
	if (module_refcount(mod) <= 0)
		return false;
#endif
	return is_livepatch_module(mod);
}

static int klp_shadow_module_event(struct notifier_block *nb, unsigned long event, void *mod)
{
	if (event != MODULE_STATE_GOING)
		return NOTIFY_OK;

	/* Its exit function has returned, or its init function has failed. */
	klp_shadow_owner_gone(mod);
	/* The reference that is held for its releasing functions does not stop that. (G14) */
	if (klp_shadow_may_be_put(mod))
		flush_workqueue(klp_shadow_release_wq);

	return NOTIFY_OK;
}

/*
 * First of all: when another one refuses a module that is coming, only those before
 * it are told that the module goes.
 */
static struct notifier_block klp_shadow_module_nb = {
	.notifier_call = klp_shadow_module_event,
	.priority = INT_MAX,
};

static int __init klp_shadow_type_init(void)
{
	return register_module_notifier(&klp_shadow_module_nb);
}
core_initcall(klp_shadow_type_init);
