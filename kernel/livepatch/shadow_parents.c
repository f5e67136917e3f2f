// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An optional check that reports parents which are freed before their variables. Without
 * it nothing notices: the next object at the address has the old data.
 *
 * klp_shadow.check_parents=1 on the kernel's command line, or
 * /sys/module/klp_shadow/parameters/check_parents. While it is on, the tracepoints of the
 * allocators call probes, which look the variables of the memory up, as any other reader
 * does: memory that is freed must not have any, nor must memory that is allocated, which
 * finds the parents that were freed without a tracepoint. Filters exclude memory that has
 * never had a parent: most of it. The first freed parent of each id is reported, from a
 * work item, because memory is freed in all contexts.
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <trace/events/klp_shadow.h>
#include <trace/events/kmem.h>

#include "shadow_walk.h"
#include "shadow_table.h"
#include "shadow_type.h"

#define KLP_SHADOW_WATCHES	64
#define KLP_SHADOW_STACK	16

/* Parents are aligned to a pointer, and filtered by page, line and address. */
#define KLP_SHADOW_ALIGN	sizeof(void *)
#define KLP_SHADOW_LINE		64
#define KLP_SHADOW_PAGE_BITS	20
#define KLP_SHADOW_PLACE_BITS	22

/**
 * struct klp_shadow_watch - an id whose parents are checked, and its report
 * @id:		identifier; constant
 * @state:	the context that makes it KLP_SHADOW_CLAIMED writes the report
 * @parent:	parent that was freed, or that was in what was freed
 * @event:	what the task below did with the memory
 * @comm:	task that freed it, or that allocated its memory anew
 * @pid:	its PID
 * @nr_entries:	number of @entries
 * @entries:	stack
 */
struct klp_shadow_watch {
	unsigned long id;
	atomic_t state;
	void *parent;
	const char *event;
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
 * @places:	hashed lines, and addresses, that have had a parent; bits are set only
 * @watches:	ids
 */
struct klp_shadow_parents {
	raw_spinlock_t lock;	/* see above */
	unsigned int nr;
	bool full;
	unsigned long pages[BITS_TO_LONGS(BIT(KLP_SHADOW_PAGE_BITS))];
	unsigned long places[BITS_TO_LONGS(BIT(KLP_SHADOW_PLACE_BITS))];
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

/* Whether a module has gone, or is going: the store frees what its exit function leaves. (G15) */
static bool klp_shadow_module_leaves(const char *parent_module)
{
	char name[MODULE_NAME_LEN];
	struct module *mod;
	bool leaves;

	if (!parent_module || !strcmp(parent_module, "vmlinux"))
		return false;
	strscpy(name, parent_module, sizeof(name));
	strreplace(name, '-', '_');
	/* find_module() of old kernels wants preemption off. */
	rcu_read_lock_sched();
	mod = find_module(name);
	leaves = !mod || mod->state != MODULE_STATE_LIVE;
	rcu_read_unlock_sched();

	return leaves;
}

static void klp_shadow_report(struct klp_shadow_watch *watch)
{
	struct klp_shadow_type *type;
	bool silent, leaves;

	mutex_lock(&klp_shadow_patches_lock);
	type = klp_shadow_other_type(watch->id, NULL);
	leaves = type && klp_shadow_module_leaves(type->parent_module);
	/* After a forced transition, tasks that were not patched free parents. */
	silent = leaves || (type && (type->outlives_parent || READ_ONCE(type->patch->forced)));
	if (!silent)
		pr_warn("parent %p of shadow variable '%s' (%#lx) was freed before the variable, %s by %s/%d:\n",
			watch->parent, type ? type->name : "-", watch->id, watch->event,
			watch->comm, watch->pid);
	mutex_unlock(&klp_shadow_patches_lock);
	/* When the module is loaded again, its parents are those of patched code. */
	if (leaves)
		atomic_set(&watch->state, KLP_SHADOW_NOTHING);
	if (silent)
		return;
	stack_trace_print(watch->entries, watch->nr_entries, 2);
}

/* klp_shadow_stop_probes() flushes this work before it frees the data. */
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
static void klp_shadow_seen(struct klp_shadow_watch *watch, void *parent, const char *event)
{
	if (atomic_cmpxchg(&watch->state, KLP_SHADOW_NOTHING, KLP_SHADOW_CLAIMED))
		return;
	watch->parent = parent;
	watch->event = event;
	watch->pid = current->pid;
	memcpy(watch->comm, current->comm, sizeof(watch->comm));
	watch->nr_entries = stack_trace_save(watch->entries, KLP_SHADOW_STACK, 1);
	/* The report is complete. */
	atomic_set_release(&watch->state, KLP_SHADOW_SEEN);
	irq_work_queue(&klp_shadow_report_irq);
}

/* === What is freed, and allocated === */

static unsigned long klp_shadow_page_bit(unsigned long address)
{
	return hash_long(address >> PAGE_SHIFT, KLP_SHADOW_PAGE_BITS);
}

/* Of a parent, and of its line: an odd address, which no parent has. */
static unsigned long klp_shadow_place_bit(unsigned long address)
{
	return hash_long(address, KLP_SHADOW_PLACE_BITS);
}

static unsigned long klp_shadow_line(unsigned long address)
{
	return ALIGN_DOWN(address, KLP_SHADOW_LINE) + 1;
}

static void klp_shadow_check_parent(struct klp_shadow_parents *parents, void *parent,
				    const char *event)
{
	unsigned int i, nr = klp_shadow_nr_watches(parents);
	struct klp_shadow_watch *watch;

	/*
	 * Tasks that do not run a livepatch free parents, and leave the variables to the
	 * store. Pairs with the release in klp_shadow_update(): none of them is found.
	 */
	if (smp_load_acquire(&klp_shadow_any_closed))
		return;
	for (i = 0; i < nr; i++) {
		watch = &parents->watches[i];
		if (atomic_read(&watch->state) == KLP_SHADOW_NOTHING &&
		    klp_shadow_lookup(parent, watch->id))
			klp_shadow_seen(watch, parent, event);
	}
}

/* The memory is not in use, so no variables are added to parents in it. */
static void klp_shadow_check_memory(struct klp_shadow_parents *parents, const void *memory,
				    size_t size, const char *event)
{
	unsigned long address = (unsigned long)memory, end = address + size, next;

	for (; address < end; address = next) {
		if (!test_bit(klp_shadow_page_bit(address), parents->pages)) {
			next = ALIGN_DOWN(address, PAGE_SIZE) + PAGE_SIZE;
			continue;
		}
		next = ALIGN_DOWN(address, KLP_SHADOW_LINE) + KLP_SHADOW_LINE;
		if (!test_bit(klp_shadow_place_bit(klp_shadow_line(address)), parents->places))
			continue;
		for (address = ALIGN(address, KLP_SHADOW_ALIGN); address < min(next, end);
		     address += KLP_SHADOW_ALIGN) {
			if (test_bit(klp_shadow_place_bit(address), parents->places))
				klp_shadow_check_parent(parents, (void *)address, event);
		}
	}
}

static void klp_shadow_on_kfree(void *data, unsigned long call_site, const void *ptr)
{
	struct klp_shadow_parents *parents = data;
	unsigned long address = (unsigned long)ptr;

	if (ZERO_OR_NULL_PTR(ptr))
		return;
	/*
	 * ksize() is slow, and switches debug checks of the object off. An object of kmalloc()
	 * is on two pages, or on three with red zones; larger ones are freed as pages.
	 */
	if (test_bit(klp_shadow_page_bit(address), parents->pages) ||
	    test_bit(klp_shadow_page_bit(address + PAGE_SIZE), parents->pages) ||
	    test_bit(klp_shadow_page_bit(address + 2 * PAGE_SIZE), parents->pages))
		klp_shadow_check_memory(parents, ptr, ksize(ptr), "freed");
}

static void klp_shadow_on_kmem_cache_free(void *parents, unsigned long call_site,
					  const void *ptr, const struct kmem_cache *cache)
{
	klp_shadow_check_memory(parents, ptr, kmem_cache_size((struct kmem_cache *)cache),
				"freed");
}

/* Large objects, pages that are parents, and slabs. */
static void klp_shadow_on_page_free(void *parents, struct page *page, unsigned int order)
{
	if (!PageHighMem(page))
		klp_shadow_check_memory(parents, page_address(page), PAGE_SIZE << order,
					"freed");
}

/* What kfree_rcu() and kfree_bulk() have freed, which has no tracepoint on all kernels. */
static void klp_shadow_on_kmalloc(void *parents, unsigned long call_site, const void *ptr,
				  size_t size, size_t bytes, gfp_t gfp_flags, int node)
{
	/* Not @bytes, which has red zones: they reach into the next slab. */
	if (!ZERO_OR_NULL_PTR(ptr))
		klp_shadow_check_memory(parents, ptr, kmalloc_size_roundup(size),
					"allocated anew");
}

static void klp_shadow_on_kmem_cache_alloc(void *parents, unsigned long call_site,
					   const void *ptr, struct kmem_cache *cache,
					   gfp_t gfp_flags, int node)
{
	if (ptr)
		klp_shadow_check_memory(parents, ptr, kmem_cache_size(cache),
					"allocated anew");
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
	set_bit(klp_shadow_place_bit(klp_shadow_line(address)), parents->places);
	set_bit(klp_shadow_place_bit(address), parents->places);
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

#define KLP_SHADOW_PROBE(event, probe)				\
static int probe##_start(struct klp_shadow_parents *parents)	\
{								\
	return register_trace_##event(probe, parents);		\
}								\
static void probe##_stop(struct klp_shadow_parents *parents)	\
{								\
	unregister_trace_##event(probe, parents);		\
}

KLP_SHADOW_PROBE(klp_shadow_added, klp_shadow_on_added)
KLP_SHADOW_PROBE(klp_shadow_moved, klp_shadow_on_moved)
KLP_SHADOW_PROBE(klp_shadow_converted, klp_shadow_on_converted)
KLP_SHADOW_PROBE(kfree, klp_shadow_on_kfree)
KLP_SHADOW_PROBE(kmem_cache_free, klp_shadow_on_kmem_cache_free)
KLP_SHADOW_PROBE(mm_page_free, klp_shadow_on_page_free)
KLP_SHADOW_PROBE(kmalloc, klp_shadow_on_kmalloc)
KLP_SHADOW_PROBE(kmem_cache_alloc, klp_shadow_on_kmem_cache_alloc)

static const struct {
	int (*start)(struct klp_shadow_parents *parents);
	void (*stop)(struct klp_shadow_parents *parents);
} klp_shadow_probes[] = {
	{ klp_shadow_on_added_start, klp_shadow_on_added_stop },
	{ klp_shadow_on_moved_start, klp_shadow_on_moved_stop },
	{ klp_shadow_on_converted_start, klp_shadow_on_converted_stop },
	{ klp_shadow_on_kfree_start, klp_shadow_on_kfree_stop },
	{ klp_shadow_on_kmem_cache_free_start, klp_shadow_on_kmem_cache_free_stop },
	{ klp_shadow_on_page_free_start, klp_shadow_on_page_free_stop },
	{ klp_shadow_on_kmalloc_start, klp_shadow_on_kmalloc_stop },
	{ klp_shadow_on_kmem_cache_alloc_start, klp_shadow_on_kmem_cache_alloc_stop },
};

static int klp_shadow_add_parents(struct klp_shadow_parents *parents)
{
	struct klp_shadow_walk *walk = kzalloc(sizeof(*walk), GFP_KERNEL);
	struct klp_shadow_record *record;

	if (!walk)
		return -ENOMEM;
	klp_shadow_walk_start(walk);
	while ((record = klp_shadow_walk_next(walk)))
		klp_shadow_add_parent(parents, record->obj, record->id);
	kfree(walk);

	return 0;
}

/* With the first @nr probes registered. */
static void klp_shadow_stop_probes(struct klp_shadow_parents *parents, unsigned int nr)
{
	while (nr--)
		klp_shadow_probes[nr].stop(parents);
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
	unsigned int i;
	int err = 0;

	if (!parents)
		return -ENOMEM;
	raw_spin_lock_init(&parents->lock);
	WRITE_ONCE(klp_shadow_parents, parents);

	for (i = 0; i < ARRAY_SIZE(klp_shadow_probes) && !err; i++)
		err = klp_shadow_probes[i].start(parents);
	if (err)
		i--;
	/* After the probes for new variables, so that none is missed. */
	err = err ?: klp_shadow_add_parents(parents);
	if (err)
		klp_shadow_stop_probes(parents, i);

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
		klp_shadow_stop_probes(klp_shadow_parents, ARRAY_SIZE(klp_shadow_probes));
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
