// SPDX-License-Identifier: GPL-2.0-or-later
/* Frame for statements of a patched function. */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "objects.h"

EARLIER
int example(struct sta_info *sta, struct sta_info *other, gfp_t gfp);
int example(struct sta_info *sta, struct sta_info *other, gfp_t gfp)
{
EXAMPLE
	return 0;
}
