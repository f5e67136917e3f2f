/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What examples of the manual use. */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

/* Examples define functions and variables that are not declared or used elsewhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

struct sta_info {
	struct list_head list;
};

void deliver(struct sta_info *sta);
