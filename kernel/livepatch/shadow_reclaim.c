// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Freeing of removed shadow variables, and their release callbacks.
 *
 * A removed variable is freed after a grace period, because lookups that began before
 * the removal may still use it. (G7) [free+get] Before that, the release callback of its
 * type is called in process context. (G14) Each pending callback holds a reference of the
 * module that it is in.
 */
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <trace/events/klp_shadow.h>

#include "shadow_table.h"

/* Removed variables without and with a release callback. Lockless. */
static LLIST_HEAD(klp_shadow_to_free);
static LLIST_HEAD(klp_shadow_to_release);

/* Variables whose grace period has ended. Guarded by klp_shadow_release_lock. */
static LIST_HEAD(klp_shadow_ready);

/* Callbacks that are running, of type struct klp_shadow_running. Same lock. */
static LIST_HEAD(klp_shadow_running_list);
static DEFINE_SPINLOCK(klp_shadow_release_lock);
static DECLARE_WAIT_QUEUE_HEAD(klp_shadow_released);

/* Held while variables move to klp_shadow_ready, and while that list is searched. */
static DEFINE_MUTEX(klp_shadow_collect_mutex);

/* Callbacks that have not returned. Incremented with klp_shadow_lock held. */
static atomic_long_t klp_shadow_pending;

struct klp_shadow_running {
	struct list_head list;
	struct klp_shadow_type *type;
};

/* Link in klp_shadow_ready. It reuses @node, which lookups no longer read. */
static struct list_head *klp_shadow_ready_link(struct klp_shadow *shadow)
{
	return (struct list_head *)&shadow->node;
}

static struct klp_shadow *klp_shadow_ready_entry(struct list_head *link)
{
	return container_of((struct hlist_nulls_node *)link, struct klp_shadow, node);
}

static_assert(sizeof(struct list_head) <= sizeof(struct hlist_nulls_node));

/* Separate from release callbacks, which may sleep for long. */
static void klp_shadow_free_work_fn(struct work_struct *work)
{
	struct klp_shadow *shadow, *next;

	llist_for_each_entry_safe(shadow, next, llist_del_all(&klp_shadow_to_free), reclaim) {
		kfree_rcu(shadow, rcu);
		cond_resched();
	}
}

/* Wait until no lookup uses the variables in klp_shadow_to_release. */
static void klp_shadow_collect(void)
{
	struct klp_shadow *shadow, *next;
	struct llist_node *list;

	mutex_lock(&klp_shadow_collect_mutex);
	list = llist_reverse_order(llist_del_all(&klp_shadow_to_release));
	if (list)
		synchronize_rcu();
	llist_for_each_entry_safe(shadow, next, list, reclaim) {
		spin_lock(&klp_shadow_release_lock);
		list_add_tail(klp_shadow_ready_link(shadow), &klp_shadow_ready);
		spin_unlock(&klp_shadow_release_lock);
		cond_resched();
	}
	mutex_unlock(&klp_shadow_collect_mutex);
}

/* Take the first variable that is ready off its list, if its callback uses @mod. */
static struct klp_shadow *klp_shadow_take(struct module *mod, struct klp_shadow_running *running)
	__must_hold(&klp_shadow_release_lock)
{
	struct klp_shadow *shadow;
	struct list_head *link;

	lockdep_assert_held(&klp_shadow_release_lock);

	list_for_each(link, &klp_shadow_ready) {
		shadow = klp_shadow_ready_entry(link);
		/* The position of a search. */
		if (!shadow->type)
			continue;
		if (!klp_shadow_type_uses(shadow->type, mod))
			break;
		list_del(link);
		running->type = shadow->type;
		list_add(&running->list, &klp_shadow_running_list);
		return shadow;
	}

	return NULL;
}

/*
 * The same after a search in the whole list: those that use @mod are put first. There may
 * be many others, so the lock is dropped on the way.
 */
static struct klp_shadow *klp_shadow_search(struct module *mod, struct klp_shadow_running *running)
{
	struct klp_shadow position = {}, *shadow;
	struct list_head *link = klp_shadow_ready_link(&position);
	unsigned int budget = KLP_SHADOW_BATCH;

	/* One search at a time. */
	mutex_lock(&klp_shadow_collect_mutex);
	spin_lock(&klp_shadow_release_lock);
	list_add(link, &klp_shadow_ready);
	while (!list_is_last(link, &klp_shadow_ready)) {
		if (klp_shadow_type_uses(klp_shadow_ready_entry(link->next)->type, mod))
			list_move(link->next, &klp_shadow_ready);
		else
			list_move(link, link->next);
		if (--budget)
			continue;
		spin_unlock(&klp_shadow_release_lock);
		cond_resched();
		spin_lock(&klp_shadow_release_lock);
		budget = KLP_SHADOW_BATCH;
	}
	list_del(link);
	shadow = klp_shadow_take(mod, running);
	spin_unlock(&klp_shadow_release_lock);
	mutex_unlock(&klp_shadow_collect_mutex);

	return shadow;
}

/* Release one variable that is ready, if there is any whose callback uses @mod. */
static bool klp_shadow_release_one(struct module *mod)
{
	struct klp_shadow_running running;
	struct klp_shadow *shadow;
	struct module *owner;

	spin_lock(&klp_shadow_release_lock);
	shadow = klp_shadow_take(mod, &running);
	spin_unlock(&klp_shadow_release_lock);
	if (!shadow && mod)
		shadow = klp_shadow_search(mod, &running);
	if (!shadow)
		return false;

	owner = klp_shadow_type_module(running.type);
	trace_klp_shadow_released(shadow->obj, shadow->id);
	running.type->release(shadow->obj, shadow->data);
	kfree(shadow);
	module_put(owner);

	/* klp_shadow_is_running() sees this last: the module is no longer used. */
	spin_lock(&klp_shadow_release_lock);
	list_del(&running.list);
	spin_unlock(&klp_shadow_release_lock);
	/* Pairs with the acquire in klp_shadow_drain(). */
	smp_mb__before_atomic();
	atomic_long_dec(&klp_shadow_pending);
	wake_up_all(&klp_shadow_released);

	return true;
}

static bool klp_shadow_is_running(struct module *mod)
{
	struct klp_shadow_running *running;
	bool found = false;

	spin_lock(&klp_shadow_release_lock);
	list_for_each_entry(running, &klp_shadow_running_list, list)
		found |= klp_shadow_type_uses(running->type, mod);
	spin_unlock(&klp_shadow_release_lock);

	return found;
}

/**
 * klp_shadow_drain() - call all pending release callbacks that use a module
 * @mod:	the module; all callbacks if NULL
 *
 * A callback uses the module that it is in, and the module of the type's parents. Those
 * of other modules are not waited for.
 *
 * Context: Process context, sleeps.
 */
void klp_shadow_drain(struct module *mod)
{
	if (!atomic_long_read_acquire(&klp_shadow_pending))
		return;
	/* For callers between a removal and klp_shadow_reclaim(). */
	synchronize_rcu();
	klp_shadow_collect();
	while (klp_shadow_release_one(mod))
		cond_resched();
	wait_event(klp_shadow_released, !klp_shadow_is_running(mod));
}

static void klp_shadow_release_work_fn(struct work_struct *work)
{
	klp_shadow_collect();
	while (klp_shadow_release_one(NULL))
		cond_resched();
}

/* Callbacks may sleep for long: a separate queue. NULL if there was no memory at boot. */
static struct workqueue_struct *klp_shadow_release_wq __ro_after_init;

static DECLARE_WORK(klp_shadow_free_work, klp_shadow_free_work_fn);
static DECLARE_WORK(klp_shadow_release_work, klp_shadow_release_work_fn);

static void klp_shadow_reclaim_irq_fn(struct irq_work *work)
{
	if (!llist_empty(&klp_shadow_to_free))
		schedule_work(&klp_shadow_free_work);
	/* klp_shadow_drain() may have left those of other modules in klp_shadow_ready. */
	if (atomic_long_read(&klp_shadow_pending))
		queue_work(klp_shadow_release_wq ?: system_unbound_wq, &klp_shadow_release_work);
}

static struct irq_work klp_shadow_reclaim_irq = IRQ_WORK_INIT(klp_shadow_reclaim_irq_fn);

/* Call the destructor of a variable that lookups no longer find, and add it to @removed. */
void klp_shadow_drop(struct klp_shadow *shadow, klp_shadow_dtor_t dtor,
		     struct klp_shadow_type *type, struct llist_head *removed)
{
	lockdep_assert_held(&klp_shadow_lock);

	if (dtor)
		dtor(shadow->obj, shadow->data);
	shadow->type = NULL;
	if (type && type->release) {
		shadow->type = type;
		/* The module is there: its code is calling, or the core has a reference. */
		__module_get(klp_shadow_type_module(type));
		atomic_long_inc(&klp_shadow_pending);
	}
	__llist_add(&shadow->reclaim, removed);
}

/*
 * Free a removed variable, or one that was never added.
 *
 * A caller with interrupts off may hold the lock of a run queue or a timer, which
 * kfree(), kfree_rcu() and queue_work() may take: an interrupt queues work. (G6)
 */
void klp_shadow_reclaim(struct klp_shadow *shadow)
{
	bool queue;

	if (shadow->type) {
		queue = llist_add(&shadow->reclaim, &klp_shadow_to_release);
	} else if (irqs_disabled()) {
		queue = llist_add(&shadow->reclaim, &klp_shadow_to_free);
	} else {
		kfree_rcu(shadow, rcu);
		return;
	}
	if (queue)
		irq_work_queue(&klp_shadow_reclaim_irq);
}

/* Free what was removed while klp_shadow_lock was held. */
void klp_shadow_reclaim_list(struct llist_head *removed)
{
	struct klp_shadow *shadow, *next;

	llist_for_each_entry_safe(shadow, next, removed->first, reclaim) {
		if (shadow->obj != KLP_SHADOW_ALIAS)
			trace_klp_shadow_removed(shadow->obj, shadow->id);
		klp_shadow_reclaim(shadow);
	}

	klp_shadow_table_maybe_resize();
}

static int __init klp_shadow_reclaim_init(void)
{
	klp_shadow_release_wq = alloc_workqueue("klp_shadow_release", WQ_UNBOUND, 1);

	return klp_shadow_release_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_reclaim_init);
