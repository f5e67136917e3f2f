/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A livepatch that replaces all others, and counts how often /proc/version is read: in a
 * shadow variable of the kernel's own store, which it hands on to the next livepatch.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#define ID_READS	0x7e590001UL

static int patched_version_proc_show(struct seq_file *m, void *v)
{
	unsigned long *reads;

	reads = klp_shadow_get_or_alloc(NULL, ID_READS, sizeof(*reads), GFP_KERNEL, NULL, NULL);
	if (reads)
		seq_printf(m, "%s: %lu\n", KBUILD_MODNAME, ++*reads);
	else
		seq_puts(m, "no variable\n");

	return 0;
}

static void post_unpatch(struct klp_object *obj)
{
	klp_shadow_free_all(ID_READS, NULL);
}

static struct klp_func funcs[] = {
	{ .old_name = "version_proc_show", .new_func = patched_version_proc_show, },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs, .callbacks = { .post_unpatch = post_unpatch, }, },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init livepatch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_exit(void)
{
}

module_init(livepatch_init);
module_exit(livepatch_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Test of taking over: a livepatch");
MODULE_LICENSE("GPL");
