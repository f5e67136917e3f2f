// SPDX-License-Identifier: GPL-2.0-or-later
/* A livepatch without what patches functions: that is the same as ever. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>

static struct klp_func funcs[] = {
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

EARLIER
EXAMPLE
MODULE_DESCRIPTION("An example of the manual");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
