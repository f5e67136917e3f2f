// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An optional check that reports parents which are freed before their variables. Without
 * it nothing notices: the next object at the address has the old data.
 *
 * klp_shadow.check_parents=1 on the kernel's command line, or
 * /sys/module/klp_shadow/parameters/check_parents. While it is on, the tracepoints of the
 * allocators that free memory call probes, which look the variables of the memory up, as any
 * other reader does. Two filters exclude memory that has never had a parent: most of it. The
 * first freed parent of each id is reported, from a work item, because memory is freed
 * in all contexts.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <trace/events/klp_shadow.h>
#include <trace/events/kmem.h>
#include <trace/events/rcu.h>

#include "shadow_reader.h"
#include "shadow_table.h"
#include "shadow_type.h"

#define KLP_SHADOW_WATCHES	64
#define KLP_SHADOW_STACK	16

/* Parents are aligned to a pointer, and have been filtered by page and by line. */
#define KLP_SHADOW_ALIGN	sizeof(void *)
#define KLP_SHADOW_LINE_SHIFT	6
#define KLP_SHADOW_PAGE_BITS	20
#define KLP_SHADOW_LINE_BITS	22

/**
 * struct klp_shadow_watch - an id whose parents are checked, and its report
 * @id:		identifier; constant
 * @state:	the context that makes it KLP_SHADOW_CLAIMED writes the report
 * @parent:	parent that was freed, or that was in what was freed
 * @comm:	task that freed it
 * @pid:	its PID
 * @nr_entries:	number of @entries
 * @entries:	stack
 */
struct klp_shadow_watch {
	unsigned long id;
	atomic_t state;
	void *parent;
	char comm[TASK_COMM_LEN];
	pid_t pid;
	unsigned int nr_entries;
	unsigned long entries[KLP_SHADOW_STACK];
};

enum { KLP_SHADOW_NOTHING, KLP_SHADOW_CLAIMED, KLP_SHADOW_SEEN, KLP_SHADOW_REPORTED };

/**
 * struct klp_shadow_parents - data of the probes
 * @lock:	taken when an id is added. Raw: variables are added in all contexts
 * @nr:		number of @watches; a release publishes the watch, written with @lock held
 * @full:	there are more ids; set once
 * @pages:	hashed pages that have had a parent; bits are set only
 * @lines:	hashed lines that have had a parent; bits are set only
 * @watches:	ids
 */
struct klp_shadow_parents {
	raw_spinlock_t lock;	/* see above */
	unsigned int nr;
	bool full;
	unsigned long pages[BITS_TO_LONGS(BIT(KLP_SHADOW_PAGE_BITS))];
	unsigned long lines[BITS_TO_LONGS(BIT(KLP_SHADOW_LINE_BITS))];
	struct klp_shadow_watch watches[KLP_SHADOW_WATCHES];
};

/* NULL if the switch is off. Guarded by klp_shadow_switch_mutex. */
static struct klp_shadow_parents *klp_shadow_parents;
static DEFINE_MUTEX(klp_shadow_switch_mutex);

/* Pairs with the release in klp_shadow_watch_id(): the watches are complete. */
static unsigned int klp_shadow_nr_watches(struct klp_shadow_parents *parents)
{
	/* see above */
	return smp_load_acquire(&parents->nr);
}

/* === Reports === */

static void klp_shadow_report(struct klp_shadow_watch *watch)
{
	struct klp_shadow_type *type;
	bool silent;

	mutex_lock(&klp_shadow_patches_lock);
	type = klp_shadow_other_type(watch->id, NULL);
	silent = type && type->outlives_parent;
	if (!silent)
		pr_warn("parent %p of shadow variable '%s' (%#lx) was freed before the variable, by %s/%d:\n",
			watch->parent, type ? type->name : "-", watch->id, watch->comm, watch->pid);
	mutex_unlock(&klp_shadow_patches_lock);
	if (silent)
		return;
	stack_trace_print(watch->entries, watch->nr_entries, 2);
}

/* klp_shadow_switch_off() flushes this work before it frees the data. */
static void klp_shadow_report_fn(struct work_struct *work)
{
	struct klp_shadow_parents *parents = READ_ONCE(klp_shadow_parents);
	unsigned int i, nr;

	if (!parents)
		return;
	nr = klp_shadow_nr_watches(parents);
	for (i = 0; i < nr; i++) {
		/* Acquire: pairs with the release in klp_shadow_seen(). */
		if (atomic_cmpxchg_acquire(&parents->watches[i].state, KLP_SHADOW_SEEN,
					   KLP_SHADOW_REPORTED) == KLP_SHADOW_SEEN)
			klp_shadow_report(&parents->watches[i]);
	}
	if (READ_ONCE(parents->full))
		pr_notice_once("more than %u ids have shadow variables; parents of the others are not checked\n",
			       KLP_SHADOW_WATCHES);
}

static DECLARE_WORK(klp_shadow_report_work, klp_shadow_report_fn);

static void klp_shadow_report_irq_fn(struct irq_work *work)
{
	schedule_work(&klp_shadow_report_work);
}

static struct irq_work klp_shadow_report_irq = IRQ_WORK_INIT(klp_shadow_report_irq_fn);

/* A freed parent has a variable. Called once for most ids, so it need not be fast. */
static void klp_shadow_seen(struct klp_shadow_watch *watch, void *parent)
{
	if (atomic_cmpxchg(&watch->state, KLP_SHADOW_NOTHING, KLP_SHADOW_CLAIMED))
		return;
	watch->parent = parent;
	watch->pid = current->pid;
	memcpy(watch->comm, current->comm, sizeof(watch->comm));
	watch->nr_entries = stack_trace_save(watch->entries, KLP_SHADOW_STACK, 1);
	/* The report is complete. */
	atomic_set_release(&watch->state, KLP_SHADOW_SEEN);
	irq_work_queue(&klp_shadow_report_irq);
}

/* === What is freed === */

static unsigned long klp_shadow_page_bit(unsigned long address)
{
	return hash_long(address >> PAGE_SHIFT, KLP_SHADOW_PAGE_BITS);
}

static unsigned long klp_shadow_line_bit(unsigned long address)
{
	return hash_long(address >> KLP_SHADOW_LINE_SHIFT, KLP_SHADOW_LINE_BITS);
}

/* Parents in [@address, @end), part of a line that has had some. */
static void klp_shadow_check_line(struct klp_shadow_parents *parents, unsigned long address,
				  unsigned long end)
{
	unsigned int i, nr = klp_shadow_nr_watches(parents);
	struct klp_shadow_watch *watch;

	for (; address < end; address += KLP_SHADOW_ALIGN) {
		for (i = 0; i < nr; i++) {
			watch = &parents->watches[i];
			if (atomic_read(&watch->state) == KLP_SHADOW_NOTHING &&
			    klp_shadow_lookup((void *)address, watch->id))
				klp_shadow_seen(watch, (void *)address);
		}
	}
}

/* Memory is about to be freed, so no variables are added to parents in it. */
static void klp_shadow_check_memory(struct klp_shadow_parents *parents, const void *memory,
				    size_t size)
{
	unsigned long address = (unsigned long)memory, end = address + size, next;

	for (; address < end; address = next) {
		if (!test_bit(klp_shadow_page_bit(address), parents->pages)) {
			next = ALIGN_DOWN(address, PAGE_SIZE) + PAGE_SIZE;
			continue;
		}
		next = ALIGN_DOWN(address, BIT(KLP_SHADOW_LINE_SHIFT)) + BIT(KLP_SHADOW_LINE_SHIFT);
		if (test_bit(klp_shadow_line_bit(address), parents->lines))
			klp_shadow_check_line(parents, ALIGN(address, KLP_SHADOW_ALIGN),
					      min(next, end));
	}
}

static void klp_shadow_kfree(void *parents, unsigned long call_site, const void *ptr)
{
	if (!ZERO_OR_NULL_PTR(ptr))
		klp_shadow_check_memory(parents, ptr, ksize(ptr));
}

static void klp_shadow_kmem_cache_free(void *parents, unsigned long call_site, const void *ptr,
				       const struct kmem_cache *cache)
{
	klp_shadow_check_memory(parents, ptr, kmem_cache_size((struct kmem_cache *)cache));
}

#ifdef CONFIG_RCU_TRACE
/* kfree_rcu() frees many at once, without the tracepoints above. */
static void klp_shadow_kfree_bulk(void *parents, const char *rcuname, unsigned long nr, void **p)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		klp_shadow_check_memory(parents, p[i], ksize(p[i]));
}

static int klp_shadow_register_bulk(struct klp_shadow_parents *parents)
{
	return register_trace_rcu_invoke_kfree_bulk_callback(klp_shadow_kfree_bulk, parents);
}

static void klp_shadow_unregister_bulk(struct klp_shadow_parents *parents)
{
	unregister_trace_rcu_invoke_kfree_bulk_callback(klp_shadow_kfree_bulk, parents);
}
#else
/* Those parents are noticed when their slab is freed. */
static int klp_shadow_register_bulk(struct klp_shadow_parents *parents)
{
	return 0;
}

static void klp_shadow_unregister_bulk(struct klp_shadow_parents *parents)
{
}
#endif

/* Slabs whose objects were freed in bulk, large objects, and pages that are parents. */
static void klp_shadow_page_free(void *parents, struct page *page, unsigned int order)
{
	if (!PageHighMem(page))
		klp_shadow_check_memory(parents, page_address(page), PAGE_SIZE << order);
}

/* === Which parents there are === */

static bool klp_shadow_is_watched(struct klp_shadow_parents *parents, unsigned long id)
{
	unsigned int i, nr = klp_shadow_nr_watches(parents);

	for (i = 0; i < nr; i++) {
		if (parents->watches[i].id == id)
			return true;
	}

	return false;
}

static void klp_shadow_watch_id(struct klp_shadow_parents *parents, unsigned long id)
{
	unsigned long flags;

	if (klp_shadow_is_watched(parents, id) || READ_ONCE(parents->full))
		return;
	raw_spin_lock_irqsave(&parents->lock, flags);
	if (parents->nr == KLP_SHADOW_WATCHES) {
		WRITE_ONCE(parents->full, true);
		irq_work_queue(&klp_shadow_report_irq);
	} else if (!klp_shadow_is_watched(parents, id)) {
		parents->watches[parents->nr].id = id;
		/* Pairs with the acquire in klp_shadow_nr_watches(). */
		smp_store_release(&parents->nr, parents->nr + 1);
	}
	raw_spin_unlock_irqrestore(&parents->lock, flags);
}

static void klp_shadow_add_parent(struct klp_shadow_parents *parents, void *obj, unsigned long id)
{
	unsigned long address = (unsigned long)obj;

	/* Shared state has no parent. */
	if (ZERO_OR_NULL_PTR(obj))
		return;
	klp_shadow_watch_id(parents, id);
	set_bit(klp_shadow_page_bit(address), parents->pages);
	set_bit(klp_shadow_line_bit(address), parents->lines);
}

static void klp_shadow_on_added(void *parents, void *obj, unsigned long id, size_t size)
{
	klp_shadow_add_parent(parents, obj, id);
}

static void klp_shadow_on_moved(void *parents, void *from, void *to, unsigned long id)
{
	klp_shadow_add_parent(parents, to, id);
}

static void klp_shadow_on_converted(void *parents, void *obj, unsigned long old_id,
				    unsigned long id)
{
	klp_shadow_add_parent(parents, obj, id);
}

/* === The switch === */

static int klp_shadow_add_parents(struct klp_shadow_parents *parents)
{
	struct klp_shadow_reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL);
	struct klp_shadow_record *record;

	if (!reader)
		return -ENOMEM;
	klp_shadow_reader_start(reader);
	while ((record = klp_shadow_reader_next(reader)))
		klp_shadow_add_parent(parents, record->obj, record->id);
	klp_shadow_reader_stop(reader);
	kfree(reader);

	return 0;
}

static void klp_shadow_switch_off(struct klp_shadow_parents *parents)
{
	unregister_trace_kfree(klp_shadow_kfree, parents);
	unregister_trace_kmem_cache_free(klp_shadow_kmem_cache_free, parents);
	klp_shadow_unregister_bulk(parents);
	unregister_trace_mm_page_free(klp_shadow_page_free, parents);
	unregister_trace_klp_shadow_added(klp_shadow_on_added, parents);
	unregister_trace_klp_shadow_moved(klp_shadow_on_moved, parents);
	unregister_trace_klp_shadow_converted(klp_shadow_on_converted, parents);
	/* Probes that run on other CPUs use the data, and queue the report. */
	tracepoint_synchronize_unregister();
	irq_work_sync(&klp_shadow_report_irq);
	flush_work(&klp_shadow_report_work);
	WRITE_ONCE(klp_shadow_parents, NULL);
	vfree(parents);
}

static int klp_shadow_switch_on(void)
{
	struct klp_shadow_parents *parents = vzalloc(sizeof(*parents));
	int err;

	if (!parents)
		return -ENOMEM;
	raw_spin_lock_init(&parents->lock);
	WRITE_ONCE(klp_shadow_parents, parents);

	/* First those of new variables, so that none is missed, then the existing ones. */
	err = register_trace_klp_shadow_added(klp_shadow_on_added, parents);
	err = err ?: register_trace_klp_shadow_moved(klp_shadow_on_moved, parents);
	err = err ?: register_trace_klp_shadow_converted(klp_shadow_on_converted, parents);
	err = err ?: klp_shadow_add_parents(parents);
	err = err ?: register_trace_kfree(klp_shadow_kfree, parents);
	err = err ?: register_trace_kmem_cache_free(klp_shadow_kmem_cache_free, parents);
	err = err ?: klp_shadow_register_bulk(parents);
	err = err ?: register_trace_mm_page_free(klp_shadow_page_free, parents);
	if (err)
		klp_shadow_switch_off(parents);

	return err;
}

static bool klp_shadow_check_parents;

/* False early at boot; klp_shadow_parents_init() applies the parameter. */
static bool klp_shadow_can_switch __ro_after_init;

static int klp_shadow_apply_switch(bool on)
{
	int err = 0;

	mutex_lock(&klp_shadow_switch_mutex);
	if (on && !klp_shadow_parents)
		err = klp_shadow_switch_on();
	else if (!on && klp_shadow_parents)
		klp_shadow_switch_off(klp_shadow_parents);
	klp_shadow_check_parents = klp_shadow_parents;
	mutex_unlock(&klp_shadow_switch_mutex);

	return err;
}

static int klp_shadow_set_check_parents(const char *val, const struct kernel_param *kp)
{
	bool on;
	int err = kstrtobool(val ?: "1", &on);

	if (err)
		return err;
	if (klp_shadow_can_switch)
		return klp_shadow_apply_switch(on);
	klp_shadow_check_parents = on;

	return 0;
}

static const struct kernel_param_ops klp_shadow_check_parents_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = klp_shadow_set_check_parents,
	.get = param_get_bool,
};

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "klp_shadow."
module_param_cb(check_parents, &klp_shadow_check_parents_ops, &klp_shadow_check_parents, 0644);

static int __init klp_shadow_parents_init(void)
{
	klp_shadow_can_switch = true;

	return klp_shadow_check_parents ? klp_shadow_apply_switch(true) : 0;
}
late_initcall(klp_shadow_parents_init);
