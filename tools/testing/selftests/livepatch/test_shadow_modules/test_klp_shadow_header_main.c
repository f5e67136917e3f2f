// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A livepatch of two files that include a header with a shadow type. Both files use the
 * same variables. (G15)
 */
#include <linux/module.h>

#include "test_klp_shadow_header.h"

/* sum: when n is written, both files add n to the variable; reads return it. */
static int sum_set(const char *text, const struct kernel_param *kp)
{
	struct header_var *var;
	unsigned long n;
	int err;

	err = kstrtoul(text, 0, &n);
	if (err)
		return err;
	header_add(&err, n);
	header_add(THIS_MODULE, n);
	klp_shadow_var_free(&err, header_var);
	var = klp_shadow_var_get(THIS_MODULE, header_var);
	if (!var)
		return -ENOENT;
	var->sum += n;

	return 0;
}

static int sum_get(char *buffer, const struct kernel_param *kp)
{
	struct header_var *var = klp_shadow_var_get(THIS_MODULE, header_var);

	return sysfs_emit(buffer, "%lu\n", var ? var->sum : 0);
}

module_param_call(sum, sum_set, sum_get, NULL, 0644);
MODULE_PARM_DESC(sum, "write n to have both files add n");

static void poke(void)
{
	barrier();
}

static struct klp_func funcs[] = {
	{ .old_name = "test_klp_shadow_poke", .new_func = poke },
	{ }
};

static struct klp_object objs[] = {
	{ .name = "test_klp_shadow_owner", .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init header_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit header_exit(void)
{
}

module_init(header_init);
module_exit(header_exit);
MODULE_DESCRIPTION("Test of shadow variables: a type in a header that two files include");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
