// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls of the store by the livepatch core, of which the running kernel has none: when
 * livepatches are enabled and disabled, and when transitions begin and are complete. Each
 * hook here is called instead of a function of the livepatch core, and calls that function.
 *
 * None of those calls is a tail call: klp_redirect_hook() has to find this module as the
 * caller, and klp_tasks_wait_module() to find the function on the stack. They are static
 * calls, see klp_kernel_find_function().
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "../shadow_core.h"
#include "takeover.h"

static int klp_lifetimes_enable(struct klp_patch *patch);
static void klp_lifetimes_release(struct kobject *kobj);
static void klp_lifetimes_init_transition(struct klp_patch *patch, int state);
static void klp_lifetimes_reverse_transition(void);
static void klp_lifetimes_complete_transition(void);
static int klp_lifetimes_module_coming(struct module *mod);

/*
 * Livepatches are enabled in the order in which they are registered: conversions lead from
 * earlier ones to later ones. klp_mutex and klp_shadow_patches_lock are taken inside it.
 */
static DEFINE_MUTEX(klp_lifetimes_lock);

/* The functions of the livepatch core that these are called in place of. */
DEFINE_STATIC_CALL_NULL(klp_core_enable, klp_lifetimes_enable);
DEFINE_STATIC_CALL_NULL(klp_core_release, klp_lifetimes_release);
DEFINE_STATIC_CALL_NULL(klp_core_init_transition, klp_lifetimes_init_transition);
DEFINE_STATIC_CALL_NULL(klp_core_reverse_transition, klp_lifetimes_reverse_transition);
DEFINE_STATIC_CALL_NULL(klp_core_complete_transition, klp_lifetimes_complete_transition);
DEFINE_STATIC_CALL_NULL(klp_core_module_coming, klp_lifetimes_module_coming);

static bool klp_lifetimes_has_types(const struct module *mod)
{
	const struct klp_modinfo *info = mod->klp_info;
	unsigned int i;

	for (i = 1; i < info->hdr.e_shnum; i++) {
		if (!strcmp(info->secstrings + info->sechdrs[i].sh_name, KLP_SHADOW_SECTION))
			return true;
	}

	return false;
}

/* Of a livepatch that is being loaded, whose list does not change. */
static bool klp_lifetimes_is_linked(const struct module *mod)
{
	struct module_use *use;

	list_for_each_entry(use, &mod->target_list, target_list) {
		if (use->target == THIS_MODULE)
			return true;
	}

	return false;
}

static int klp_lifetimes_register(struct klp_patch *patch)
{
	if (!klp_lifetimes_has_types(patch->mod))
		return 0;
	/* Otherwise this module could go before the livepatch. */
	if (!klp_lifetimes_is_linked(patch->mod)) {
		pr_err("'%s' has shadow types, but was not built with klp_shadow.h of this module\n",
		       patch->mod->name);
		return -EINVAL;
	}

	return klp_shadow_register_patch(patch);
}

/* Earlier than in the core, which fails if there is a transition. It is undone then. */
static int klp_lifetimes_enable(struct klp_patch *patch)
{
	bool livepatch = patch && patch->mod && patch->objs && is_livepatch_module(patch->mod);
	int err = 0;

	mutex_lock(&klp_lifetimes_lock);
	if (livepatch)
		err = klp_lifetimes_register(patch);
	if (err)
		goto out;
	err = static_call(klp_core_enable)(patch);
	if (livepatch && err) {
		klp_shadow_unregister_patch(patch, false);
		klp_shadow_flush();
	}
out:
	mutex_unlock(&klp_lifetimes_lock);

	return err;
}

/*
 * The last one to use a livepatch, before its module is put. Without klp_mutex. It has been
 * unregistered by klp_lifetimes_complete(), unless it failed before its transition.
 */
static void klp_lifetimes_release(struct kobject *kobj)
{
	struct klp_patch *patch = container_of(kobj, struct klp_patch, kobj);

	if (!patch->forced)
		klp_shadow_unregister_patch(patch, false);
	klp_shadow_flush();
	static_call(klp_core_release)(kobj);
	barrier();
}

/* The three hooks of transitions are called with klp_mutex held. */

static void klp_lifetimes_init_transition(struct klp_patch *patch, int state)
{
	klp_shadow_transition(patch, patch->replace, state);
	static_call(klp_core_init_transition)(patch, state);
	barrier();
}

static void klp_lifetimes_reverse_transition(void)
{
	struct klp_patch *patch = *klp_kernel.transition_patch;

	klp_shadow_transition(patch, patch->replace, !patch->enabled);
	static_call(klp_core_reverse_transition)();
	barrier();
}

/* All tasks have changed over. */
static void klp_lifetimes_complete_transition(void)
{
	struct klp_patch *patch = *klp_kernel.transition_patch, *old;
	bool patching = *klp_kernel.target_state;

	klp_shadow_complete(patching);
	static_call(klp_core_complete_transition)();

	if (!patching) {
		klp_shadow_unregister_patch(patch, patch->forced);
	} else if (patch->replace) {
		list_for_each_entry(old, klp_kernel.patches, list) {
			if (old == patch)
				break;
			klp_shadow_unregister_patch(old, old->forced);
		}
	}
}

/* A module that a livepatch refuses is not announced as going. Without klp_mutex. */
static int klp_lifetimes_module_coming(struct module *mod)
{
	int err;

	err = static_call(klp_core_module_coming)(mod);
	if (err)
		klp_shadow_module_going(mod);

	return err;
}

#define KLP_LIFETIMES_HOOK(_name, _target)	\
	{ .name = (_name), .target = (_target), .hook = true }

static struct klp_redirection klp_lifetimes_hooks[] = {
	KLP_LIFETIMES_HOOK("klp_enable_patch", klp_lifetimes_enable),
	KLP_LIFETIMES_HOOK("klp_kobj_release_patch", klp_lifetimes_release),
	KLP_LIFETIMES_HOOK("klp_init_transition", klp_lifetimes_init_transition),
	KLP_LIFETIMES_HOOK("klp_reverse_transition", klp_lifetimes_reverse_transition),
	KLP_LIFETIMES_HOOK("klp_complete_transition", klp_lifetimes_complete_transition),
	KLP_LIFETIMES_HOOK("klp_module_coming", klp_lifetimes_module_coming),
};

/* After an error some functions may be redirected, for klp_lifetimes_exit(). */
int klp_lifetimes_init(void)
{
	if (!klp_kernel_find_function(klp_core_enable, "klp_enable_patch") ||
	    !klp_kernel_find_function(klp_core_release, "klp_kobj_release_patch") ||
	    !klp_kernel_find_function(klp_core_init_transition, "klp_init_transition") ||
	    !klp_kernel_find_function(klp_core_reverse_transition, "klp_reverse_transition") ||
	    !klp_kernel_find_function(klp_core_complete_transition, "klp_complete_transition") ||
	    !klp_kernel_find_function(klp_core_module_coming, "klp_module_coming"))
		return -ENODEV;

	return klp_redirect(klp_lifetimes_hooks, ARRAY_SIZE(klp_lifetimes_hooks));
}

/* Tasks may still be in the hooks. */
void klp_lifetimes_exit(void)
{
	klp_unredirect(klp_lifetimes_hooks, ARRAY_SIZE(klp_lifetimes_hooks));
}
