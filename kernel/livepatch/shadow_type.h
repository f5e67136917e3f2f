/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internal definitions of shadow types and of the livepatches that have them. */
#ifndef _LIVEPATCH_SHADOW_TYPE_H
#define _LIVEPATCH_SHADOW_TYPE_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>

#include "shadow.h"

struct module;

/**
 * struct klp_shadow_patch - a livepatch that has shadow types
 * @list:	link in klp_shadow_patches
 * @key:	identifies the patch: the address of its struct klp_patch. A module that failed
 *		to enable a patch may try another
 * @mod:	module of the livepatch; constant
 * @types:	its types, an array in @mod; constant
 * @nr_types:	number of @types; constant
 * @replace:	replaces all patches registered before; guarded by klp_shadow_lock
 * @seq:	order of registering; guarded by klp_shadow_lock
 * @registered:	from klp_shadow_register() until its variables are freed; written with
 *		klp_shadow_lock and klp_shadow_patches_lock held
 * @leaving:	unregistered, but its variables are not freed yet; guarded by
 *		klp_shadow_lock
 * @forced:	a transition away from it was forced; guarded by klp_shadow_lock
 * @before:	run by tasks that have not changed over in the current transition, or by all
 *		tasks if there is none; guarded by klp_shadow_lock
 * @after:	run by tasks that have changed over, or by all if there is no transition;
 *		guarded by klp_shadow_lock
 * @completed:	a transition to it has completed; guarded by klp_shadow_lock
 * @owned:	bit of each type in @types whose variables may be its own, not those of others
 *		that it would adopt: it was open, or shared state that was created or has been
 *		adopted when a transition to the patch completed, or another patch with the id
 *		has left it. Atomic
 * @hidden:	variables that were removed while tasks may have had pointers to them, freed
 *		when the module of the parents goes, or the patch is unregistered and no other
 *		one has the type; guarded by klp_shadow_patches_lock
 */
struct klp_shadow_patch {
	struct list_head list;
	const void *key;
	struct module *mod;
	struct klp_shadow_type *types;
	unsigned int nr_types;
	unsigned long seq;
	bool replace;
	bool registered;
	bool leaving;
	bool forced;
	bool before;
	bool after;
	bool completed;
	unsigned long *owned;
	struct llist_head hidden;
};

/* Guards registering and unregistering; taken inside klp_mutex, outside klp_shadow_lock. */
extern struct mutex klp_shadow_patches_lock;

/* Written with klp_shadow_patches_lock and klp_shadow_lock held. */
extern struct list_head klp_shadow_patches;

extern bool klp_shadow_any_closed;

#define klp_shadow_for_each_type(type, patch) \
	for ((type) = (patch)->types; (type) < (patch)->types + (patch)->nr_types; (type)++)

struct klp_shadow_conversion {
	unsigned long done;	/* variables converted */
	unsigned long failed;	/* variables freed instead */
	int err;		/* of the first variable that failed */
};

bool klp_shadow_converts(const struct klp_shadow_type *type, unsigned long id);
bool klp_shadow_succeeds(const struct klp_shadow_type *to, const struct klp_shadow_type *from)
	__must_hold(&klp_shadow_lock);
bool klp_shadow_linked(const struct klp_shadow_type *type, const struct klp_shadow_type *other)
	__must_hold(&klp_shadow_lock);
struct klp_shadow_type *klp_shadow_find_linked(struct klp_shadow_type *type,
					       struct klp_shadow_type *prev)
	__must_hold(&klp_shadow_lock);
void klp_shadow_type_free_all(struct klp_shadow_type *type);
void klp_shadow_convert(struct klp_shadow_type *from, struct klp_shadow_type *to,
			struct klp_shadow_conversion *result);

struct klp_shadow_type *klp_shadow_other_type(unsigned long id, struct klp_shadow_patch *not)
	__must_hold(&klp_shadow_patches_lock);
bool klp_shadow_same_module(const char *a, const char *b);
int klp_shadow_check(struct klp_shadow_patch *patch) __must_hold(&klp_shadow_patches_lock);

int klp_shadow_register(const void *key, struct module *mod, struct klp_shadow_type *types,
			unsigned int nr_types, bool replace);

#endif /* _LIVEPATCH_SHADOW_TYPE_H */
