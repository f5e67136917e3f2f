// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hash table of the shadow variable store: readers walk its chains without a lock
 * while it grows and shrinks.
 *
 * Every lookup begins in the first table, which is static, and is as fast as in a
 * table of fixed size while that one is sufficient. klp_shadow_first.next leads to
 * a larger table.
 *
 * Writers hold klp_shadow_lock. Readers are in an RCU read-side critical section,
 * or hold the lock, under which tables are published and replaced. An entry is
 * linked by a store-release when it is complete, and freed a grace period after it
 * has been unlinked. Names in brackets are litmus tests in
 * Documentation/litmus-tests/livepatch-shadow. [add+get, free+get]
 *
 * A resize publishes a second table as the next one of the first, and moves the
 * entries there one by one. New entries are added to the next table. Each chain ends
 * in a marker of its table, so a reader at the end of a chain knows which table it
 * has come to. [resize-init+get] A reader finds every variable that exists during
 * the whole lookup, because
 *
 *  - only the last entry of a chain is moved, so no other entry is cut off;
 *  - the entry is linked in the next table first, and then cut off with the marker
 *    of that table. A reader of this marker continues in the next table and finds the
 *    entry: a write barrier is between the two writes, and the address in the marker
 *    between the two reads [resize-cut+get, resize-marker+get];
 *  - a reader that visits the entry while it is moved continues in a chain of the next
 *    table. At its end it finds the marker, and begins with the right chain of that
 *    table. If its variable was moved earlier, it is there: the link that led the
 *    reader over was written after the barrier of that move
 *    [resize-stand+get, resize-join+get, resize-link+get];
 *  - a removed entry keeps its link to the next entry, where a reader that visits it
 *    continues;
 *  - a reader that ends in the table it began with has met no moved entry. If its
 *    variable was added to the next table, this was before the lookup began, so the
 *    reader sees the next table [resize-add+get];
 *  - a table is replaced when it is empty, and freed a grace period later, when no
 *    reader uses it. The next resize begins after that, so no reader meets more than
 *    the first table and two others [resize-replace+get, resize-free+get].
 *
 * The first table is never replaced, and its end marker is a constant. Therefore
 *
 *  - after growing out of it, its heads are reset a grace period after the last
 *    entry was moved: readers of a reset head see klp_shadow_first.next
 *    [first-reset+get];
 *  - when shrinking into it, a reader that found nothing in the larger table visits
 *    the first one again, after smp_rmb() in place of the address in the marker
 *    [first-shrink+get];
 *  - klp_shadow_first.next is cleared a grace period after the last entry was moved:
 *    a reader that sees it cleared has looked into the first table after that
 *    [first-clear+get].
 */
#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/error-injection.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <trace/events/klp_shadow.h>

#include "shadow_table.h"

#define KLP_SHADOW_FIRST_CHAINS	BIT(KLP_SHADOW_FIRST_BITS)

/* The first table is used for up to two entries per chain on average. */
#define KLP_SHADOW_FIRST_MAX	(2 * KLP_SHADOW_FIRST_CHAINS)

/* The largest table has 1 GiB; kvmalloc() supports less than 2 GiB. */
#define KLP_SHADOW_MAX_BITS	27

/* Longest pause after a table could not be allocated. */
#define KLP_SHADOW_MAX_DELAY	(64 * HZ)

struct klp_shadow_table klp_shadow_first = {
	.bits = KLP_SHADOW_FIRST_BITS,
	.chains = { [0 ... KLP_SHADOW_FIRST_CHAINS - 1] = { KLP_SHADOW_FIRST_END } },
};

struct klp_shadow_state klp_shadow_state = {
	.lock = __SPIN_LOCK_UNLOCKED(klp_shadow_state.lock),
	.max = KLP_SHADOW_FIRST_MAX,
};

/*
 * The larger table, except while the first one is moved to it. It is itself being moved
 * if its @next is set. Under RCU, written with klp_shadow_lock held.
 */
static struct klp_shadow_table __rcu *klp_shadow_large __read_mostly;

/* Resizes, and those for which there was no memory; written by the resize work only. */
unsigned long klp_shadow_resizes;
unsigned long klp_shadow_failed_resizes;

/* Unbound, so that a resize makes progress while callers keep their CPUs busy. */
static struct workqueue_struct *klp_shadow_wq __ro_after_init;

/* === Chains === */

/*
 * Multiplying alone lays the objects of contiguous slabs on top of each other in a
 * large table, so the halves of the product are mixed. The salt keeps the chains
 * unpredictable.
 */
static struct hlist_nulls_head *klp_shadow_large_chain(struct klp_shadow_table *table, void *obj,
						       unsigned long id)
{
	u64 hash = (klp_shadow_key(obj, id) + table->salt) * GOLDEN_RATIO_64;

	return &table->chains[(u32)(hash ^ hash >> 32) >> (32 - table->bits)];
}

struct hlist_nulls_head *klp_shadow_chain(struct klp_shadow_table *table, void *obj,
					  unsigned long id)
{
	if (table != &klp_shadow_first)
		return klp_shadow_large_chain(table, obj, id);

	return &table->chains[hash_long(klp_shadow_key(obj, id), KLP_SHADOW_FIRST_BITS)];
}

static struct hlist_nulls_head *klp_shadow_entry_chain(struct klp_shadow_table *table,
						       struct klp_shadow *entry)
{
	void *parent = entry->obj == KLP_SHADOW_ALIAS ? entry->parent : entry->obj;

	return klp_shadow_chain(table, parent, entry->id);
}

static struct hlist_nulls_node *klp_shadow_end(struct klp_shadow_table *table)
{
	return table == &klp_shadow_first ? KLP_SHADOW_FIRST_END : (void *)table + 1;
}

static struct klp_shadow_table *klp_shadow_end_table(struct hlist_nulls_node *end)
{
	return end == KLP_SHADOW_FIRST_END ? &klp_shadow_first : (void *)end - 1;
}

/* Look up in all tables, with aliases. */
static struct klp_shadow *klp_shadow_find_entry(void *obj, unsigned long id)
{
	struct klp_shadow_table *table = &klp_shadow_first, *next;
	struct hlist_nulls_node *node;
	struct klp_shadow *entry;
	bool again = false;
	void *parent;

	for (;;) {
		hlist_nulls_for_each_entry_rcu(entry, node, klp_shadow_chain(table, obj, id),
					       node) {
			parent = READ_ONCE(entry->obj);
			if (parent == KLP_SHADOW_ALIAS)
				parent = entry->parent;
			if (parent == obj && entry->id == id)
				return entry;
		}
		/* A marker of another table: the entry has been moved. [resize-marker+get] */
		next = klp_shadow_end_table(node);
		if (next == table)
			next = rcu_dereference_check(table->next,
						     lockdep_is_held(&klp_shadow_lock));
		if (!next || next == table || again)
			return NULL;
		if (next == &klp_shadow_first) {
			again = true;
			/* Pairs with smp_wmb() in klp_shadow_rehash_one(). [first-shrink+get] */
			smp_rmb();
		}
		table = next;
	}
}

/* __klp_shadow_lookup() if there are aliases or a larger table. */
void *klp_shadow_lookup_slow(void *obj, unsigned long id)
{
	struct hlist_nulls_node *node;
	struct klp_shadow_table *table;
	struct klp_shadow *entry;
	void *parent;

	/* Short, so that the CPU overlaps the cache misses of several lookups. */
	table = rcu_dereference_check(klp_shadow_large, lockdep_is_held(&klp_shadow_lock));
	if (table) {
		hlist_nulls_for_each_entry_rcu(entry, node, klp_shadow_large_chain(table, obj, id),
					       node) {
			parent = READ_ONCE(entry->obj);
			if (parent == obj && entry->id == id)
				return entry->data;
			if (parent == KLP_SHADOW_ALIAS)
				break;
		}
		/* Neither stopped at an alias nor resizing. [resize-add+get] */
		if (node == (void *)table + 1 && !rcu_access_pointer(table->next))
			return NULL;
	}

	entry = klp_shadow_find_entry(obj, id);
	if (entry && READ_ONCE(entry->obj) == KLP_SHADOW_ALIAS)
		entry = entry->target;

	return entry ? entry->data : NULL;
}

/* === Writers === */

/* The table that entries are added to. [resize-add+get] */
static struct klp_shadow_table *klp_shadow_newest_table(void)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_table *table, *next;

	table = rcu_dereference_protected(klp_shadow_first.next,
					  lockdep_is_held(&klp_shadow_lock));
	if (!table)
		return &klp_shadow_first;
	next = rcu_dereference_protected(table->next, lockdep_is_held(&klp_shadow_lock));

	return next ?: table;
}

/*
 * The size that the table should have. A table that grows or shrinks gets two to four
 * times as many chains as entries: while a grace period delays the next resize, entries
 * are still added, and chains are walked with the lock held. With more, the heads would
 * no longer fit into a cache where the entries do.
 */
static unsigned int klp_shadow_wanted_bits(void)
	__must_hold(&klp_shadow_lock)
{
	unsigned long entries = klp_shadow_state.entries;

	lockdep_assert_held(&klp_shadow_lock);

	if (entries >= klp_shadow_state.min && entries <= klp_shadow_state.max)
		return klp_shadow_newest_table()->bits;
	if (entries < KLP_SHADOW_FIRST_MAX / 2)
		return KLP_SHADOW_FIRST_BITS;

	return min_t(unsigned int, order_base_2(2 * entries), KLP_SHADOW_MAX_BITS);
}

/* New entries go to this table from now on. */
static void klp_shadow_set_limits(struct klp_shadow_table *table)
	__must_hold(&klp_shadow_lock)
{
	unsigned long chains = BIT(table->bits);

	lockdep_assert_held(&klp_shadow_lock);

	if (table == &klp_shadow_first) {
		klp_shadow_state.min = 0;
		klp_shadow_state.max = KLP_SHADOW_FIRST_MAX;
	} else {
		klp_shadow_state.min = max(chains / 16, KLP_SHADOW_FIRST_MAX / 2);
		klp_shadow_state.max = table->bits < KLP_SHADOW_MAX_BITS ? chains : ULONG_MAX;
	}
}

static void klp_shadow_count_entries(long n)
	__must_hold(&klp_shadow_lock)
{
	unsigned long entries = klp_shadow_state.entries += n;

	if (unlikely(entries < klp_shadow_state.min || entries > klp_shadow_state.max) &&
	    READ_ONCE(klp_shadow_state.resize) == KLP_SHADOW_IDLE)
		WRITE_ONCE(klp_shadow_state.resize, KLP_SHADOW_PENDING);
}

/* While aliases exist, klp_shadow_first.next is set, so that lookups see them. */
static void klp_shadow_count_aliases(long n)
	__must_hold(&klp_shadow_lock)
{
	struct klp_shadow_table *next;

	next = rcu_dereference_protected(klp_shadow_first.next, lockdep_is_held(&klp_shadow_lock));
	klp_shadow_state.aliases += n;
	/* NULL ends lookups after the first table. */
	if (!next)
		rcu_assign_pointer(klp_shadow_first.next, &klp_shadow_first);
	else if (next == &klp_shadow_first && !klp_shadow_state.aliases)
		RCU_INIT_POINTER(klp_shadow_first.next, NULL);
}

/* The entry of a variable: the variable itself, or its alias. */
struct klp_shadow *klp_shadow_table_entry(struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	return hlist_nulls_unhashed(&shadow->node) ?
	       klp_shadow_find_entry(shadow->obj, shadow->id) : shadow;
}

/* Make a complete entry visible to lookups. Its pair is not in the table. */
void klp_shadow_table_add(struct klp_shadow *entry)
{
	struct klp_shadow_table *table = klp_shadow_newest_table();

	lockdep_assert_held(&klp_shadow_lock);

	/* Before the alias is linked. [alias+get] */
	if (entry->obj == KLP_SHADOW_ALIAS)
		klp_shadow_count_aliases(1);
	hlist_nulls_add_head_rcu(&entry->node, klp_shadow_entry_chain(table, entry));
	klp_shadow_count_entries(1);
}

/* Hide an entry from lookups that begin later; earlier ones may still use it. */
void klp_shadow_table_del(struct klp_shadow *entry)
{
	lockdep_assert_held(&klp_shadow_lock);

	/* Unhashed, for klp_shadow_table_entry() and klp_shadow_rehash_chain(). */
	hlist_nulls_del_init_rcu(&entry->node);
	if (entry->obj == KLP_SHADOW_ALIAS)
		klp_shadow_count_aliases(-1);
	klp_shadow_count_entries(-1);
}

/* === Resizing === */

/*
 * Move the last entry of a chain to another table. The top of this file explains
 * what readers see of it. Returns the entry before, now the last one, or NULL.
 */
static struct hlist_nulls_node *klp_shadow_rehash_one(struct hlist_nulls_node *last,
						      struct hlist_nulls_head *chain,
						      struct klp_shadow_table *to)
	__must_hold(&klp_shadow_lock)
{
	struct hlist_nulls_node **end = last->pprev, *first;
	struct hlist_nulls_head *head;

	lockdep_assert_held(&klp_shadow_lock);

	/*
	 * Not hlist_nulls_add_head_rcu(): readers at the entry follow its link now. The
	 * entry there is complete, since it was added under this lock. [resize-link+get]
	 */
	head = klp_shadow_entry_chain(to, hlist_nulls_entry(last, struct klp_shadow, node));
	first = head->first;
	WRITE_ONCE(last->next, first);
	WRITE_ONCE(last->pprev, &head->first);
	/* A reader sees where the entry leads in this chain. [resize-next+get] */
	rcu_assign_pointer(hlist_nulls_first_rcu(head), last);
	if (!is_a_nulls(first))
		WRITE_ONCE(first->pprev, &last->next);

	/*
	 * Pairs with the address in the marker, and with smp_rmb() in
	 * klp_shadow_find_entry(). Not a release of *@end, which would leave the next
	 * write to *@end unordered, when the entry before is moved in turn.
	 * [resize-cut+get, resize-stand+get, resize-join+get]
	 */
	smp_wmb();
	WRITE_ONCE(*end, klp_shadow_end(to));

	return end == &chain->first ? NULL : container_of(end, struct hlist_nulls_node, next);
}

/*
 * Move all entries of a chain. The last one is found without the lock, because
 * chains are long when there are many more entries than chains.
 */
static void klp_shadow_rehash_chain(struct hlist_nulls_head *chain, struct klp_shadow_table *to)
{
	struct hlist_nulls_node *node, *last;
	unsigned int budget;

	do {
		/* The entry must not be freed before it is moved. */
		rcu_read_lock();
		last = NULL;
		for (node = rcu_dereference(hlist_nulls_first_rcu(chain)); !is_a_nulls(node);
		     node = rcu_dereference(hlist_nulls_next_rcu(node)))
			last = node;

		spin_lock_irq(&klp_shadow_lock);
		/* If it has been removed, another one is the last. */
		for (budget = KLP_SHADOW_BATCH; last && budget; budget--) {
			if (hlist_nulls_unhashed(last))
				break;
			last = klp_shadow_rehash_one(last, chain, to);
		}
		spin_unlock_irq(&klp_shadow_lock);
		rcu_read_unlock();
		cond_resched();
	} while (last);
}

static noinline struct klp_shadow_table *klp_shadow_table_alloc(unsigned int bits)
{
	struct klp_shadow_table *table;
	size_t size = struct_size(table, chains, BIT(bits));
	unsigned long i;

	/* Long chains are better than a machine without a page cache. */
	if (size >> PAGE_SHIFT > si_mem_available() / 4)
		return NULL;
	table = kvmalloc(size, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!table)
		return NULL;

	table->bits = bits;
	table->salt = get_random_u64();
	RCU_INIT_POINTER(table->next, NULL);
	/* Before the table is published. [resize-init+get] */
	for (i = 0; i < BIT(bits); i++) {
		table->chains[i].first = klp_shadow_end(table);
		if (!(i % 4096))
			cond_resched();
	}

	return table;
}

ALLOW_ERROR_INJECTION(klp_shadow_table_alloc, NULL);

/* Move all entries from one table to another one. */
static void klp_shadow_rehash(struct klp_shadow_table *from, struct klp_shadow_table *to)
{
	unsigned long chain;

	/*
	 * New entries go to @to from now on. Tables are published and replaced under the
	 * lock, for lookups that hold it. [resize-init+get, resize-add+get,
	 * resize-lock+get]
	 */
	spin_lock_irq(&klp_shadow_lock);
	rcu_assign_pointer(from->next, to);
	klp_shadow_set_limits(to);
	spin_unlock_irq(&klp_shadow_lock);

	for (chain = 0; chain < BIT(from->bits); chain++) {
		if (!is_a_nulls(READ_ONCE(from->chains[chain].first)))
			klp_shadow_rehash_chain(&from->chains[chain], to);
		else if (!(chain % 4096))
			cond_resched();
	}

	if (from == &klp_shadow_first) {
		/* Readers of the heads below see klp_shadow_first.next. [first-reset+get] */
		synchronize_rcu();
		for (chain = 0; chain < KLP_SHADOW_FIRST_CHAINS; chain++)
			WRITE_ONCE(from->chains[chain].first, KLP_SHADOW_FIRST_END);
	} else if (to == &klp_shadow_first) {
		/* Readers that see it cleared see all entries there. [first-clear+get] */
		synchronize_rcu();
	}

	/* Readers that begin with @to see all entries there. [resize-replace+get] */
	spin_lock_irq(&klp_shadow_lock);
	if (to == &klp_shadow_first) {
		rcu_assign_pointer(klp_shadow_first.next, klp_shadow_state.aliases ? to : NULL);
		RCU_INIT_POINTER(klp_shadow_large, NULL);
	} else {
		rcu_assign_pointer(klp_shadow_first.next, to);
		rcu_assign_pointer(klp_shadow_large, to);
	}
	spin_unlock_irq(&klp_shadow_lock);

	if (from != &klp_shadow_first) {
		/* Readers that began earlier may use @from. [resize-free+get] */
		synchronize_rcu();
		kvfree(from);
	}
}

static void klp_shadow_resize(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_shadow_resize_work, klp_shadow_resize);

static void klp_shadow_resize(struct work_struct *work)
{
	/* Only this work uses it. */
	static unsigned long delay = HZ;
	struct klp_shadow_table *from, *to;
	unsigned long entries, chains;
	unsigned int bits;

	for (;;) {
		spin_lock_irq(&klp_shadow_lock);
		from = klp_shadow_newest_table();
		bits = klp_shadow_wanted_bits();
		entries = klp_shadow_state.entries;
		if (bits == from->bits)
			WRITE_ONCE(klp_shadow_state.resize, KLP_SHADOW_IDLE);
		spin_unlock_irq(&klp_shadow_lock);
		if (bits == from->bits)
			break;

		to = bits == KLP_SHADOW_FIRST_BITS ? &klp_shadow_first :
						     klp_shadow_table_alloc(bits);
		if (!to) {
			WRITE_ONCE(klp_shadow_failed_resizes, klp_shadow_failed_resizes + 1);
			pr_debug("no memory for %lu chains of shadow variables\n", BIT(bits));
			queue_delayed_work(klp_shadow_wq, &klp_shadow_resize_work, delay);
			delay = min_t(unsigned long, 2 * delay, KLP_SHADOW_MAX_DELAY);
			return;
		}

		pr_debug("moving %lu shadow variables from %lu to %lu chains\n", entries,
			 BIT(from->bits), BIT(bits));
		chains = BIT(from->bits);
		klp_shadow_rehash(from, to);
		WRITE_ONCE(klp_shadow_resizes, klp_shadow_resizes + 1);
		trace_klp_shadow_resized(chains, BIT(bits), entries);
	}
	delay = HZ;
}

static void klp_shadow_resize_irq_fn(struct irq_work *work)
{
	/* Before queueing: a livepatch may patch the workqueue code and add variables there. */
	WRITE_ONCE(klp_shadow_state.resize, KLP_SHADOW_RUNNING);
	queue_delayed_work(klp_shadow_wq, &klp_shadow_resize_work, 0);
}

static struct irq_work klp_shadow_resize_irq = IRQ_WORK_INIT(klp_shadow_resize_irq_fn);

/*
 * Callers have dropped klp_shadow_lock, but may hold locks that queueing work takes, such
 * as that of a run queue. Therefore an interrupt queues the work. (G6)
 */
void klp_shadow_table_queue_resize(void)
{
	/* NULL early at boot, and if it could not be allocated. */
	if (klp_shadow_wq)
		irq_work_queue(&klp_shadow_resize_irq);
}

static int __init klp_shadow_table_init(void)
{
	klp_shadow_wq = alloc_workqueue("klp_shadow", WQ_UNBOUND, 1);
	klp_shadow_table_maybe_resize();

	return klp_shadow_wq ? 0 : -ENOMEM;
}
core_initcall(klp_shadow_table_init);
