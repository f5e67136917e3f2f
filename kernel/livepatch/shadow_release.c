// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Releasing what removed variables refer to, where sleeping is allowed.
 *
 * Variables are removed in any context, and the removing caller may hold locks
 * that queueing work needs. So they are put on a list without a lock, an
 * interrupt of its own queues the work, and that waits for a grace period and
 * calls the releasing functions.
 */
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "shadow_release.h"

/* Removed variables; lockless: anybody adds, who holds the mutex takes all. */
static LLIST_HEAD(klp_shadow_released);

/* Who has held it knows that what was on the list before has been released. */
static DEFINE_MUTEX(klp_shadow_release_mutex);

/*
 * Apart from resizes, which must not wait for what others do in here. Ordered, so that
 * livepatches are put in the order in which they were given up: a releasing function of
 * one that was replaced with a conversion still leads to the declaration of the next.
 */
struct workqueue_struct *klp_shadow_release_wq __ro_after_init;

/**
 * klp_shadow_release_all() - release all that has been removed so far
 * @mod:	module that the caller asks for, or NULL
 *
 * Context: Process context, sleeps.
 * Return: true if a releasing function in @mod was called.
 */
bool klp_shadow_release_all(struct module *mod)
{
	struct klp_shadow *shadow, *next;
	struct llist_node *list;
	bool called = false;

	mutex_lock(&klp_shadow_release_mutex);
	list = llist_reverse_order(llist_del_all(&klp_shadow_released));
	if (list)
		/* Lookups that began before the removal may still be there. (G14) */
		synchronize_rcu();
	llist_for_each_entry_safe(shadow, next, list, released) {
		called |= mod && within_module((unsigned long)shadow->release, mod);
		shadow->release(shadow->obj, shadow->data);
		kfree(shadow);
		cond_resched();
	}
	mutex_unlock(&klp_shadow_release_mutex);

	return called;
}

static void klp_shadow_release_work_fn(struct work_struct *work)
{
	klp_shadow_release_all(NULL);
}

static DECLARE_WORK(klp_shadow_release_work, klp_shadow_release_work_fn);

static void klp_shadow_queue_release(struct irq_work *work)
{
	queue_work(klp_shadow_release_wq, &klp_shadow_release_work);
}

static struct irq_work klp_shadow_release_irq = IRQ_WORK_INIT(klp_shadow_queue_release);

/**
 * klp_shadow_release_later() - have a removed variable released and given back
 * @shadow:	variable that has left the table and the list of its id
 * @release:	what to call
 *
 * Context: Any but NMI, without klp_shadow_lock.
 */
void klp_shadow_release_later(struct klp_shadow *shadow, klp_shadow_release_t release)
{
	shadow->release = release;
	if (llist_add(&shadow->released, &klp_shadow_released))
		irq_work_queue(&klp_shadow_release_irq);
}

static int __init klp_shadow_release_init(void)
{
	klp_shadow_release_wq = alloc_ordered_workqueue("klp_shadow_release", 0);

	return klp_shadow_release_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_release_init);
