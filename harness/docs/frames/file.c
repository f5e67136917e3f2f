// SPDX-License-Identifier: GPL-2.0-or-later
/* Frame for definitions at file scope of a livepatch. */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "objects.h"

EARLIER
EXAMPLE
