/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Declarations and who has made them, for the files of the store and its tests. */
#ifndef _LIVEPATCH_SHADOW_TYPE_H
#define _LIVEPATCH_SHADOW_TYPE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "shadow.h"

struct module;

/*
 * Guards klp_shadow_users, and is held while variables come and go with those who
 * declare them. Taken inside klp_mutex; klp_shadow_lock is taken inside it.
 */
extern struct mutex klp_shadow_users_lock;

/* Those that have not been given up, in the order of their enabling. */
extern struct list_head klp_shadow_users;

/**
 * struct klp_shadow_user - a livepatch that declares shadow variables
 * @list:	in klp_shadow_users, later among those that were given up
 * @key:	tells it from others: one that fails may be of the same module
 * @mod:	its module
 * @types:	its declarations
 * @nr_types:	how many
 * @forced:	was given up by force: may be in use for ever
 * @put:	gives @mod back when nothing waits for a releasing function of its any
 *		more
 */
struct klp_shadow_user {
	struct list_head list;
	const void *key;
	struct module *mod;
	struct klp_shadow_type *types;
	unsigned int nr_types;
	bool forced;
	struct work_struct put;
};

int klp_shadow_user_enable(const void *key, struct module *mod, struct klp_shadow_type *types,
			   unsigned int nr_types, bool replace);
void klp_shadow_user_give_up(const void *key, bool forced);
void klp_shadow_owner_gone(struct module *mod);

#endif /* _LIVEPATCH_SHADOW_TYPE_H */
