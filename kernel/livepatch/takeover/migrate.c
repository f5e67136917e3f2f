// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moving all variables from the table of the stock store to ours, and back. calls.c
 * explains why lookups find them at any time.
 *
 * A chain may have any number of variables: most are attached to NULL in the field. The lock
 * is held for KLP_SHADOW_BATCH of them at a time.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../shadow_table.h"
#include "takeover.h"

/* How long klp_shadow_lock was held at most, in ns. */
static u64 klp_migrate_longest;

static u64 klp_migrate_lock(void)
	__acquires(&klp_shadow_lock)
{
	spin_lock_irq(&klp_shadow_lock);

	return ktime_get_ns();
}

static void klp_migrate_unlock(u64 start)
	__releases(&klp_shadow_lock)
{
	klp_migrate_longest = max(klp_migrate_longest, ktime_get_ns() - start);
	spin_unlock_irq(&klp_shadow_lock);
}

/* === Adopting === */

static unsigned long klp_migrate_count(void)
{
	struct hlist_nulls_node *node;
	unsigned long n = 0;
	unsigned int chain;

	for (chain = 0; chain < KLP_STOCK_CHAINS; chain++) {
		rcu_read_lock();
		for (node = READ_ONCE(klp_kernel.hash[chain].first); node;
		     node = READ_ONCE(node->next))
			n++;
		rcu_read_unlock();
		cond_resched();
	}

	return n;
}

/* Go on to the last variable of a chain. Returns false there. */
static bool klp_migrate_to_last(void)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	u64 start = klp_migrate_lock();
	bool more;

	while (klp_stock_cursor && klp_stock_cursor->next && budget--)
		klp_stock_cursor = klp_stock_cursor->next;
	more = klp_stock_cursor && klp_stock_cursor->next;
	klp_migrate_unlock(start);
	cond_resched();

	return more;
}

/* Take some variables over, from the last one of a chain on. Returns whether there are more. */
static bool klp_migrate_take(struct hlist_nulls_head *chain, unsigned long *n)
{
	unsigned int budget = KLP_SHADOW_BATCH;
	u64 start = klp_migrate_lock();
	bool more;

	while (klp_stock_cursor && budget--) {
		klp_stock_cursor = klp_store_take(klp_stock_cursor, chain);
		++*n;
	}
	more = klp_stock_cursor;
	klp_migrate_unlock(start);
	cond_resched();

	return more;
}

static void klp_migrate_adopt_chain(struct hlist_nulls_head *chain, unsigned long *n)
{
	u64 start;

	/* Again if those were removed that the cursor was at. */
	while (READ_ONCE(chain->first)) {
		start = klp_migrate_lock();
		klp_stock_cursor = chain->first;
		klp_migrate_unlock(start);
		while (klp_migrate_to_last())
			;
		while (klp_migrate_take(chain, n))
			;
	}
}

/* No task is in a function of the stock store, and none gets there. */
void klp_migrate_adopt(void)
{
	unsigned long n = 0;
	unsigned int chain;
	u64 start = ktime_get_ns();

	klp_store_reserve(klp_migrate_count());

	/* All lookups look into both tables before anything is added to ours. */
	klp_calls_set_mode(KLP_ADOPT);
	synchronize_rcu();
	klp_calls_add_to_ours(true);

	for (chain = 0; chain < KLP_STOCK_CHAINS; chain++)
		klp_migrate_adopt_chain(&klp_kernel.hash[chain], &n);

	/* Lookups that still look into both find them as well. */
	klp_calls_set_mode(KLP_OURS);
	klp_store_settle();
	pr_info("took over %lu shadow variables in %llu us; the lock was held for %llu us at most, a search of all tasks took %llu us at most\n",
		n, (ktime_get_ns() - start) / NSEC_PER_USEC, klp_migrate_longest / NSEC_PER_USEC,
		klp_tasks_longest / NSEC_PER_USEC);
}

/* === Giving back === */

/* Take a variable whose pair is in our table as well out of a stock chain, or NULL. */
static struct klp_shadow *klp_migrate_unlink_twin(unsigned int chain)
{
	struct klp_shadow *shadow, *twin = NULL;
	struct hlist_nulls_node *node;

	spin_lock_irq(&klp_shadow_lock);
	for (node = klp_kernel.hash[chain].first; node && !twin; node = node->next) {
		shadow = container_of(node, struct klp_shadow, node);
		if (klp_shadow_find(shadow->obj, shadow->id))
			twin = shadow;
	}
	if (twin)
		klp_stock_unlink(twin);
	spin_unlock_irq(&klp_shadow_lock);

	return twin;
}

/* Those that a call which ftrace did not redirect has added again. */
static void klp_migrate_drop_strays(void)
{
	struct klp_shadow *twin;
	unsigned long n = 0;
	unsigned int chain;

	for (chain = 0; chain < KLP_STOCK_CHAINS; chain++) {
		while ((twin = klp_migrate_unlink_twin(chain))) {
			kfree_rcu(twin, rcu);
			n++;
		}
	}
	if (n)
		pr_warn("%lu shadow variables had been added twice by calls that ftrace did not redirect; one of each is freed\n",
			n);
}

/* No task is in a function of our store but klp_calls_...(), and none gets there. */
void klp_migrate_return(void)
{
	unsigned long n = 0, chain;
	u64 start = ktime_get_ns();

	klp_migrate_longest = 0;
	klp_store_leave();
	klp_migrate_drop_strays();

	/* All lookups look into both tables before anything is added to that of the kernel. */
	klp_calls_set_mode(KLP_RETURN);
	synchronize_rcu();
	klp_calls_add_to_ours(false);

	for (chain = 0; chain < klp_store_chains(); chain++) {
		while (klp_store_give(chain, &n, &klp_migrate_longest))
			cond_resched();
		if (!(chain % 4096))
			cond_resched();
	}

	klp_calls_set_mode(KLP_STOCK);
	/* No lookup uses our table when it is freed. */
	synchronize_rcu();
	klp_store_left();
	pr_info("gave %lu shadow variables back in %llu us; the lock was held for %llu us at most\n",
		n, (ktime_get_ns() - start) / NSEC_PER_USEC, klp_migrate_longest / NSEC_PER_USEC);
}

/* === Variables that get into the table of the stock store later === */

/*
 * There should be none. ftrace does not redirect a call that a callback of another tracer
 * makes if that has recursed twice. Such a variable is invisible to all redirected calls;
 * the stock code may still use it, so lookups must not be led to chains of the module's table.
 */
#define KLP_MIGRATE_PERIOD	(30 * HZ)

/* Take one out of the stock table, if ours does not have that pair. */
static struct klp_shadow *klp_migrate_unlink_stray(struct hlist_nulls_head *chain)
{
	struct hlist_nulls_node *node;
	struct klp_shadow *shadow;

	spin_lock_irq(&klp_shadow_lock);
	for (node = chain->first; node; node = node->next) {
		shadow = container_of(node, struct klp_shadow, node);
		if (!klp_shadow_find(shadow->obj, shadow->id)) {
			klp_stock_unlink(shadow);
			break;
		}
	}
	spin_unlock_irq(&klp_shadow_lock);

	return node ? shadow : NULL;
}

/* Link it into the module's table. Returns false if that has the pair now. */
static bool klp_migrate_link_stray(struct klp_shadow *shadow)
{
	bool exists;

	spin_lock_irq(&klp_shadow_lock);
	exists = klp_shadow_find(shadow->obj, shadow->id);
	if (exists)
		klp_stock_link(shadow);
	else
		klp_shadow_link(shadow);
	spin_unlock_irq(&klp_shadow_lock);
	klp_shadow_table_maybe_resize();

	return !exists;
}

static void klp_migrate_watch_fn(struct work_struct *work)
{
	unsigned long adopted = 0;
	struct klp_shadow *shadow;
	unsigned int chain;

	for (chain = 0; chain < KLP_STOCK_CHAINS; chain++) {
		if (likely(!READ_ONCE(klp_kernel.hash[chain].first)))
			continue;
		while ((shadow = klp_migrate_unlink_stray(&klp_kernel.hash[chain]))) {
			/* Lookups by the stock code leave it first. */
			synchronize_rcu();
			if (!klp_migrate_link_stray(shadow))
				break;
			adopted++;
		}
	}
	if (adopted)
		pr_warn("%lu shadow variables had been added by calls that ftrace did not redirect; they were lost until now\n",
			adopted);
	queue_delayed_work(system_unbound_wq, to_delayed_work(work), KLP_MIGRATE_PERIOD);
}

static DECLARE_DELAYED_WORK(klp_migrate_watch_work, klp_migrate_watch_fn);

void klp_migrate_watch(void)
{
	queue_delayed_work(system_unbound_wq, &klp_migrate_watch_work, KLP_MIGRATE_PERIOD);
}

void klp_migrate_unwatch(void)
{
	cancel_delayed_work_sync(&klp_migrate_watch_work);
}
