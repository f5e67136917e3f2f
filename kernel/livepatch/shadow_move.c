// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moving a variable to another parent.
 *
 * The data stays where it is: users may hold pointers to it. So does the struct
 * klp_shadow around it, which cannot be in two chains at once, nor go from one to
 * the other while lookups stand on it. The new parent therefore gets an entry of
 * its own, an alias, which leads lookups to the variable; the variable, or the
 * alias before, leaves the table. What was moved keeps its alias for good.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/livepatch_shadow.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "shadow_move.h"
#include "shadow_table.h"

/* Not freed by entry.rcu: lookups read what is in its place. */
struct klp_shadow_alias {
	struct rcu_head rcu;
	struct klp_shadow entry;
};

/**
 * klp_shadow_entry() - what stands for a variable in the table
 * @shadow:	variable that has not been removed
 *
 * Context: klp_shadow_lock held.
 * Return: the variable itself, or its alias.
 */
struct klp_shadow *klp_shadow_entry(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	return hlist_nulls_unhashed(&shadow->node) ?
	       klp_shadow_table_find(shadow->obj, shadow->id) : shadow;
}

/* @entry has left the table: to @dead if it is an alias. */
static void klp_shadow_entry_dead(struct klp_shadow *entry, struct klp_shadow_dead *dead)
{
	struct klp_shadow_alias *alias;

	if (klp_shadow_resolve(entry) == entry)
		return;
	alias = container_of(entry, struct klp_shadow_alias, entry);
	alias->rcu.next = dead->aliases;
	dead->aliases = &alias->rcu;
}

/**
 * klp_shadow_entry_del() - hide a variable from lookups that begin from now on
 * @entry:	what stands for it in the table
 * @dead:	gets @entry if it is an alias
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_entry_del(struct klp_shadow *entry, struct klp_shadow_dead *dead)
{
	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_table_del(entry);
	klp_shadow_entry_dead(entry, dead);
}

/**
 * klp_shadow_entry_replace() - have lookups find another variable of the same pair
 * @entry:	what stands for the old one in the table
 * @new:	complete variable, not in the table
 * @dead:	gets @entry if it is an alias
 *
 * At no moment do lookups find none.
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_entry_replace(struct klp_shadow *entry, struct klp_shadow *new,
			      struct klp_shadow_dead *dead)
{
	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_table_replace(entry, new);
	klp_shadow_entry_dead(entry, dead);
}

/**
 * klp_shadow_aliases_free() - give aliases back after a grace period
 * @aliases:	list of them, or NULL
 *
 * Context: Any but NMI, without klp_shadow_lock.
 */
void klp_shadow_aliases_free(struct rcu_head *aliases)
{
	struct klp_shadow_alias *alias;

	while (aliases) {
		alias = container_of(aliases, struct klp_shadow_alias, rcu);
		aliases = aliases->next;
		kfree_rcu(alias, rcu);
	}
}

/* 0 when @alias has taken the place of what stood for the variable. */
static int klp_shadow_move_locked(void *from, struct klp_shadow_alias *alias,
				  struct klp_shadow_dead *dead)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *entry, *shadow, *new = &alias->entry;

	lockdep_assert_held(&klp_shadow_lock);

	entry = klp_shadow_table_find(from, new->id);
	if (!entry)
		return -ENOENT;
	if (klp_shadow_table_find(new->obj, new->id))
		return -EEXIST;

	shadow = klp_shadow_resolve(entry);
	new->variable = shadow;
	klp_shadow_table_add(new);
	/*
	 * Who sees that it has left the old parent, and then looks at the new one,
	 * finds it there. (G13) [move+get]
	 */
	smp_wmb();
	klp_shadow_entry_del(entry, dead);
	/* Lookups may stand on it still: with either parent it is the right one. */
	WRITE_ONCE(shadow->obj, new->obj);

	return 0;
}

/**
 * klp_shadow_move() - move a shadow variable to another parent
 * @from:	parent that has the variable; any pointer value
 * @to:		parent that has none with the identifier; any pointer value
 * @id:		identifier; any value
 * @gfp_flags:	how to allocate; GFP_ATOMIC where the caller must not sleep
 *
 * The data stays where it is, and pointers to it stay good. The variable is always
 * on at least one of the two parents; for a moment lookups may find it on both. Who
 * looks at @from first and then at @to, and misses it on @from, puts smp_rmb()
 * between the two.
 *
 * Context: Any but NMI; sleeps only if @gfp_flags allows it. Takes
 * klp_shadow_lock.
 * Return: 0; -ENOENT when @from has no such variable; -EEXIST when @to has one,
 * which it has when both are the same; -ENOMEM. The variable stays where it is
 * on any error.
 */
int klp_shadow_move(void *from, void *to, unsigned long id, gfp_t gfp_flags)
{
	struct klp_shadow_alias *alias;
	unsigned long flags;
	struct klp_shadow_dead dead = KLP_SHADOW_DEAD(dead, NULL);
	int err;

	/* Before the lock, with the caller's flags (G6), and quietly (G11). */
	alias = kzalloc(sizeof(*alias), gfp_flags | __GFP_NOWARN);
	if (!alias)
		return -ENOMEM;
	alias->entry.obj = to;
	alias->entry.id = id;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	err = klp_shadow_move_locked(from, alias, &dead);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);

	/* No lookup has ever seen it: no grace period. */
	if (err)
		kfree(alias);
	klp_shadow_bury(&dead);

	return err;
}
EXPORT_SYMBOL_GPL(klp_shadow_move);
