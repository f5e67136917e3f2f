// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The unchanged sources of the store, and functions by which the other files of the module
 * use its internals. These are static, so all of it is one compilation unit.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include "../shadow_trace.c"
/* Otherwise each file would define the tracepoints. */
#undef CREATE_TRACE_POINTS
#include "../shadow.c"
#include "../shadow_table.c"
#include "../shadow_reclaim.c"
#include "../shadow_layout.c"
#include "../shadow_type.c"
#include "../shadow_check.c"
#include "../shadow_patch.c"
#include "../shadow_walk.c"
#ifdef CONFIG_DEBUG_FS
#include "../shadow_debugfs.c"
#endif

#include "takeover.h"

const struct klp_store_calls klp_store_calls = {
	.get = klp_shadow_get,
	.alloc = klp_shadow_alloc,
	.get_or_alloc = klp_shadow_get_or_alloc,
	.free = klp_shadow_free,
	.free_all = klp_shadow_free_all,
};

int __init klp_store_init(void)
{
	int err;

	err = klp_shadow_table_init();
	if (err)
		return err;
	err = klp_shadow_reclaim_init();
	if (err)
		goto err_table;
	err = klp_shadow_patch_init();
	if (err)
		goto err_reclaim;

	return 0;

err_reclaim:
	destroy_workqueue(klp_shadow_release_wq);
err_table:
	destroy_workqueue(klp_shadow_wq);
	return err;
}

/*
 * No function of the module is running, and no livepatch is left that links to it: there are
 * no types, variables or pending release callbacks. Removed variables may wait to be freed.
 */
void klp_store_exit(void)
{
	WARN_ON(klp_shadow_state.entries);
	unregister_module_notifier(&klp_shadow_module_nb);
	irq_work_sync(&klp_shadow_resize_irq);
	cancel_delayed_work_sync(&klp_shadow_resize_work);
	irq_work_sync(&klp_shadow_reclaim_irq);
	flush_work(&klp_shadow_free_work);
	flush_work(&klp_shadow_release_work);
	destroy_workqueue(klp_shadow_release_wq);
	destroy_workqueue(klp_shadow_wq);
}

/*
 * Create the files in debugfs when loading can no longer fail: undoing it would have to wait
 * until they are closed.
 */
void __init klp_store_show(void)
{
#ifdef CONFIG_DEBUG_FS
	klp_shadow_debugfs_init();
#endif
}

void klp_store_hide(void)
{
#ifdef CONFIG_DEBUG_FS
	struct dentry *dir = debugfs_lookup("klp_shadow", NULL);

	debugfs_remove(dir);
	dput(dir);
#endif
}

/* === Adopting === */

/*
 * Before the first variable is added: make a table that fits for @n variables, and do not
 * resize it until klp_store_settle(). Without memory, a later resize does it.
 */
void klp_store_reserve(unsigned long n)
{
	struct klp_shadow_table *table;
	unsigned int bits;

	/* No other resize can begin: there is no variable, and the state is not PENDING. */
	spin_lock_irq(&klp_shadow_lock);
	WRITE_ONCE(klp_shadow_state.resize, KLP_SHADOW_RUNNING);
	spin_unlock_irq(&klp_shadow_lock);

	if (n <= KLP_SHADOW_FIRST_MAX)
		return;
	bits = min_t(unsigned int, order_base_2(2 * n), KLP_SHADOW_MAX_BITS);
	table = klp_shadow_table_alloc(bits);
	if (table)
		klp_shadow_rehash(&klp_shadow_first, table);
}

/* Resize as usual from now on. */
void klp_store_settle(void)
{
	spin_lock_irq(&klp_shadow_lock);
	WRITE_ONCE(klp_shadow_state.resize, KLP_SHADOW_IDLE);
	klp_shadow_count_entries(0);
	spin_unlock_irq(&klp_shadow_lock);
	klp_shadow_table_maybe_resize();
}

/*
 * Take over the last variable of a chain of the stock store. Returns the one before,
 * now the last one, or NULL.
 */
struct hlist_nulls_node *klp_store_take(struct hlist_nulls_node *last,
					struct hlist_nulls_head *chain)
{
	struct klp_shadow *shadow = hlist_nulls_entry(last, struct klp_shadow, node);
	struct hlist_nulls_node *before;

	lockdep_assert_held(&klp_shadow_lock);

	/* The stock store uses this memory only when it frees the variable. */
	hlist_add_head(&shadow->id_link,
		       klp_shadow_id_head(klp_shadow_group(shadow->id), raw_smp_processor_id()));
	before = klp_shadow_rehash_one(last, chain, klp_shadow_newest_table());
	klp_shadow_count_entries(1);
	/* Instead of the end marker of our table: the stock store expects NULL. */
	WRITE_ONCE(*(before ? &before->next : &chain->first), NULL);

	return before;
}

/* === Giving back === */

/* The table that is given back; constant in mode KLP_RETURN. */
static struct klp_shadow_table *klp_store_leaving;

/* A value of klp_shadow_state.resize that only klp_store_leave() writes. */
#define KLP_STORE_LEAVING	(KLP_SHADOW_RUNNING + 1)

/*
 * Prepare for klp_store_give(): from now on the table is not resized. No task is in the
 * functions that klp_calls_...() have replaced, but these may run.
 */
void klp_store_leave(void)
{
	bool claimed;

	/*
	 * A state other than IDLE stays until a resize begins, which sets RUNNING, or ends,
	 * which sets IDLE. So none has since then if this one is still there, and no caller
	 * has seen PENDING, which only follows IDLE.
	 */
	do {
		spin_lock_irq(&klp_shadow_lock);
		WRITE_ONCE(klp_shadow_state.resize, KLP_STORE_LEAVING);
		spin_unlock_irq(&klp_shadow_lock);
		/* For callers of klp_shadow_table_maybe_resize() that saw PENDING before. */
		synchronize_rcu();
		irq_work_sync(&klp_shadow_resize_irq);
		/* A resize that is running ends with all entries in one table, and IDLE. */
		cancel_delayed_work_sync(&klp_shadow_resize_work);

		spin_lock_irq(&klp_shadow_lock);
		claimed = klp_shadow_state.resize == KLP_STORE_LEAVING;
		klp_store_leaving = klp_shadow_newest_table();
		spin_unlock_irq(&klp_shadow_lock);
	} while (!claimed);
}

unsigned long klp_store_chains(void)
{
	return BIT(klp_store_leaving->bits);
}

/*
 * As klp_shadow_lookup(), while variables are given back: one that is moved during the
 * lookup leads into a chain of the stock store, which ends in NULL. Called under RCU.
 */
void *klp_store_lookup(void *obj, unsigned long id)
{
	struct hlist_nulls_head *chain = klp_shadow_chain(klp_store_leaving, obj, id);
	struct hlist_nulls_node *node = READ_ONCE(chain->first);
	struct klp_shadow *entry;
	void *parent;

	/* The address in a link orders the reads behind it. */
	for (; !klp_stock_is_end(node); node = READ_ONCE(node->next)) {
		entry = hlist_nulls_entry(node, struct klp_shadow, node);
		parent = READ_ONCE(entry->obj);
		if (parent == KLP_SHADOW_ALIAS) {
			if (entry->parent == obj && entry->id == id)
				return entry->target->data;
		} else if (parent == obj && entry->id == id) {
			return entry->data;
		}
	}

	return NULL;
}

/* Give the last entry of a chain back. Returns the one before, now the last one, or NULL. */
static struct hlist_nulls_node *klp_store_give_one(struct hlist_nulls_node *last,
						   struct hlist_nulls_head *chain,
						   struct llist_head *removed)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow *entry = hlist_nulls_entry(last, struct klp_shadow, node);
	bool alias = entry->obj == KLP_SHADOW_ALIAS;
	struct klp_shadow *shadow = alias ? entry->target : entry;
	struct hlist_nulls_node **end = last->pprev;

	lockdep_assert_held(&klp_shadow_lock);

	hlist_del(&shadow->id_link);
	/*
	 * A variable with an alias is in no chain, and a grace period has passed since it was
	 * moved: no lookup visits it.
	 */
	klp_stock_link(shadow);
	/* Pairs with smp_rmb() in klp_calls_lookup(): a variable that is cut off is found there. */
	smp_wmb();
	WRITE_ONCE(*end, klp_shadow_end(klp_store_leaving));
	if (alias) {
		WRITE_ONCE(last->pprev, NULL);
		klp_shadow_count_aliases(-1);
		klp_shadow_alias_remove(entry, removed);
	}
	klp_shadow_count_entries(-1);

	return end == &chain->first ? NULL : container_of(end, struct hlist_nulls_node, next);
}

/*
 * Give up to KLP_SHADOW_BATCH variables of a chain back, and add their number to *@n.
 * Returns false if there are no more.
 */
bool klp_store_give(unsigned long chain, unsigned long *n, u64 *longest)
{
	struct hlist_nulls_head *head = &klp_store_leaving->chains[chain];
	struct hlist_nulls_node *node, *last = NULL;
	unsigned int budget;
	LLIST_HEAD(removed);
	u64 start;

	/* RCU: the entry must not be freed before the lock is taken. Nothing else moves entries. */
	rcu_read_lock();
	for (node = READ_ONCE(head->first); !is_a_nulls(node); node = READ_ONCE(node->next))
		last = node;
	if (!last) {
		rcu_read_unlock();
		return false;
	}

	spin_lock_irq(&klp_shadow_lock);
	start = ktime_get_ns();
	for (budget = KLP_SHADOW_BATCH; last && budget; budget--) {
		/* It was removed before the lock was taken: another one is the last. */
		if (hlist_nulls_unhashed(last))
			break;
		last = klp_store_give_one(last, head, &removed);
		++*n;
	}
	*longest = max(*longest, ktime_get_ns() - start);
	spin_unlock_irq(&klp_shadow_lock);
	klp_shadow_reclaim_list(&removed);
	rcu_read_unlock();

	return true;
}

/* All variables have been given back: free a larger table. */
void klp_store_left(void)
{
	WARN_ON_ONCE(klp_shadow_state.entries || klp_shadow_state.aliases);
	if (klp_store_leaving != &klp_shadow_first)
		klp_shadow_rehash(klp_store_leaving, &klp_shadow_first);
}
