// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files in debugfs. Their contents are counted when they are read.
 *
 * klp_shadow/ids		a line for each id: its types and variables
 * klp_shadow/variables		a line for each variable
 * klp_shadow/table		the hash table
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist_nulls.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "shadow_walk.h"
#include "shadow_table.h"
#include "shadow_type.h"

/* === variables === */

struct klp_shadow_variables {
	struct klp_shadow_walk walk;
	struct klp_shadow_record *record;
};

/* Position 0 is the heading; at any other one, seq_file continues where it was. */
static void *klp_shadow_variables_start(struct seq_file *m, loff_t *pos)
{
	struct klp_shadow_variables *variables = m->private;

	if (*pos)
		return variables->record;
	klp_shadow_walk_start(&variables->walk);

	return SEQ_START_TOKEN;
}

static void *klp_shadow_variables_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct klp_shadow_variables *variables = m->private;

	++*pos;
	variables->record = klp_shadow_walk_next(&variables->walk);

	return variables->record;
}

static void klp_shadow_variables_stop(struct seq_file *m, void *v)
{
}

static int klp_shadow_variables_show(struct seq_file *m, void *v)
{
	struct klp_shadow_record *record = v;

	if (v == SEQ_START_TOKEN)
		seq_puts(m, "id parent bytes\n");
	else
		seq_printf(m, "%#lx %pK %zu\n", record->id, record->obj, record->bytes);

	return 0;
}

static const struct seq_operations klp_shadow_variables_ops = {
	.start = klp_shadow_variables_start,
	.next = klp_shadow_variables_next,
	.stop = klp_shadow_variables_stop,
	.show = klp_shadow_variables_show,
};

static int klp_shadow_variables_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &klp_shadow_variables_ops,
				sizeof(struct klp_shadow_variables));
}

static int klp_shadow_variables_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct klp_shadow_variables *variables = m->private;

	klp_shadow_walk_stop(&variables->walk);

	return seq_release_private(inode, file);
}

static const struct file_operations klp_shadow_variables_fops = {
	.owner = THIS_MODULE,
	.open = klp_shadow_variables_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = klp_shadow_variables_release,
};

/* === ids === */

struct klp_shadow_count {
	unsigned long variables;
	unsigned long bytes;
};

/* The counters of an id, from zero if it has none yet. */
static struct klp_shadow_count *klp_shadow_count_of(struct xarray *counts, unsigned long id)
{
	struct klp_shadow_count *count = xa_load(counts, id);

	if (count)
		return count;
	count = kzalloc(sizeof(*count), GFP_KERNEL);
	if (count && xa_err(xa_store(counts, id, count, GFP_KERNEL))) {
		kfree(count);
		return NULL;
	}

	return count;
}

static int klp_shadow_count_variables(struct xarray *counts)
{
	struct klp_shadow_walk *walk = kzalloc(sizeof(*walk), GFP_KERNEL);
	struct klp_shadow_record *record;
	struct klp_shadow_count *count;
	int err = walk ? 0 : -ENOMEM;

	if (err)
		return err;
	klp_shadow_walk_start(walk);
	while (!err && (record = klp_shadow_walk_next(walk))) {
		count = klp_shadow_count_of(counts, record->id);
		if (count) {
			count->variables++;
			count->bytes += record->bytes;
		} else {
			err = -ENOMEM;
		}
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	klp_shadow_walk_stop(walk);
	kfree(walk);

	return err;
}

/* Types may have no variables. */
static int klp_shadow_count_types(struct xarray *counts)
{
	struct klp_shadow_patch *patch;
	struct klp_shadow_type *type;
	int err = 0;

	mutex_lock(&klp_shadow_patches_lock);
	list_for_each_entry(patch, &klp_shadow_patches, list) {
		klp_shadow_for_each_type(type, patch) {
			if (patch->registered && !klp_shadow_count_of(counts, type->id))
				err = -ENOMEM;
		}
	}
	mutex_unlock(&klp_shadow_patches_lock);

	return err;
}

/* Name, livepatches and state of the types of an id. */
static void klp_shadow_show_types(struct seq_file *m, unsigned long id)
	__must_hold(&klp_shadow_patches_lock)
{
	bool shared = false, open = false, linked = false;
	struct klp_shadow_patch *patch, *last = NULL;
	struct klp_shadow_type *type;

	lockdep_assert_held(&klp_shadow_patches_lock);

	list_for_each_entry(patch, &klp_shadow_patches, list) {
		klp_shadow_for_each_type(type, patch) {
			/* A livepatch may define a type more than once. */
			if (!patch->registered || type->id != id || patch == last)
				continue;
			if (last)
				seq_printf(m, ",%s", patch->mod->name);
			else
				seq_printf(m, " %s %s", type->name, patch->mod->name);
			last = patch;
			shared |= type->shared;
			open |= READ_ONCE(type->open);
			linked |= READ_ONCE(type->linked);
		}
	}
	if (last)
		seq_printf(m, " %s%s%s", open ? "open" : "closed", linked ? ",linked" : "",
			   shared ? ",shared" : "");
	else
		seq_puts(m, " - - -");
}

static int klp_shadow_ids_show(struct seq_file *m, void *v)
{
	struct klp_shadow_count *count;
	struct xarray counts;
	unsigned long id;
	int err;

	xa_init(&counts);
	err = klp_shadow_count_variables(&counts);
	if (!err)
		err = klp_shadow_count_types(&counts);
	if (!err)
		seq_puts(m, "id name livepatches state variables bytes\n");
	mutex_lock(&klp_shadow_patches_lock);
	xa_for_each(&counts, id, count) {
		if (!err) {
			seq_printf(m, "%#lx", id);
			klp_shadow_show_types(m, id);
			seq_printf(m, " %lu %lu\n", count->variables, count->bytes);
		}
		kfree(count);
	}
	mutex_unlock(&klp_shadow_patches_lock);
	xa_destroy(&counts);

	return err;
}
DEFINE_SHOW_ATTRIBUTE(klp_shadow_ids);

/* === table === */

#define KLP_SHADOW_LENGTHS	16

struct klp_shadow_chain_stats {
	struct klp_shadow_table *table;
	unsigned long chains;
	unsigned long length[KLP_SHADOW_LENGTHS + 1];	/* the last one: or longer */
	unsigned long longest;
};

static void klp_shadow_count_chain(struct klp_shadow_chain_stats *chains,
				   struct hlist_nulls_head *head)
{
	struct hlist_nulls_node *node;
	unsigned long length = 0;

	for (node = rcu_dereference(hlist_nulls_first_rcu(head)); !is_a_nulls(node);
	     node = rcu_dereference(hlist_nulls_next_rcu(node)))
		length++;
	chains->length[min_t(unsigned long, length, KLP_SHADOW_LENGTHS)]++;
	chains->longest = max(chains->longest, length);
}

/*
 * Count the next chains of the table that lookups use. Returns false when all are counted.
 * Begins again when a resize has replaced the table; resizes are grace periods apart.
 */
static bool klp_shadow_count_chains(struct klp_shadow_chain_stats *chains)
{
	struct klp_shadow_table *table;
	unsigned long end;
	bool more;

	rcu_read_lock();
	table = rcu_dereference(klp_shadow_first.next) ?: &klp_shadow_first;
	if (table != chains->table || chains->chains > BIT(table->bits))
		*chains = (struct klp_shadow_chain_stats){ .table = table };
	end = min(chains->chains + 256, BIT(table->bits));
	for (; chains->chains < end; chains->chains++)
		klp_shadow_count_chain(chains, &table->chains[chains->chains]);
	more = end < BIT(table->bits);
	rcu_read_unlock();
	cond_resched();

	return more;
}

static int klp_shadow_table_show(struct seq_file *m, void *v)
{
	struct klp_shadow_chain_stats chains = {};
	unsigned long variables, aliases;
	unsigned int i;
	bool resizing;

	while (klp_shadow_count_chains(&chains)) {
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	spin_lock_irq(&klp_shadow_lock);
	variables = klp_shadow_state.entries;
	aliases = klp_shadow_state.aliases;
	resizing = READ_ONCE(klp_shadow_state.resize) != KLP_SHADOW_IDLE;
	spin_unlock_irq(&klp_shadow_lock);

	seq_printf(m, "variables %lu\nmoved %lu\nchains %lu\nlongest %lu\n", variables, aliases,
		   chains.chains, chains.longest);
	seq_printf(m, "resizing %d\nresizes %lu\nfailed %lu\n", resizing,
		   READ_ONCE(klp_shadow_resizes), READ_ONCE(klp_shadow_failed_resizes));
	for (i = 0; i < ARRAY_SIZE(chains.length); i++) {
		if (chains.length[i])
			seq_printf(m, "length %u%s %lu\n", i, i < KLP_SHADOW_LENGTHS ? "" : "+",
				   chains.length[i]);
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(klp_shadow_table);

static int __init klp_shadow_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("klp_shadow", NULL);

	debugfs_create_file("ids", 0400, dir, NULL, &klp_shadow_ids_fops);
	debugfs_create_file("variables", 0400, dir, NULL, &klp_shadow_variables_fops);
	debugfs_create_file("table", 0400, dir, NULL, &klp_shadow_table_fops);

	return 0;
}
late_initcall(klp_shadow_debugfs_init);
