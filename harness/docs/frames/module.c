// SPDX-License-Identifier: GPL-2.0-or-later
/* Frame for the init and exit functions of a livepatch. Its list of functions is empty. */
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
