/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included before each source file of the module, so that the store compiles unchanged
 * as a part of it.
 */
#ifndef _KLP_TAKEOVER_PREFIX_H
#define _KLP_TAKEOVER_PREFIX_H

#include "names.h"

#define CONFIG_KLP_SHADOW_TYPES 1

#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/spinlock_types.h>
#include <linux/static_call.h>

/*
 * The lock of the stock store: a task that is still in one of its functions is
 * excluded as well. Set before anything else runs.
 */
extern spinlock_t *klp_takeover_lock;
#define klp_shadow_lock		(*klp_takeover_lock)

/* Not exported; see klp_kernel_find_function(). */
DECLARE_STATIC_CALL(klp_kernel_printk_deferred, _printk_deferred);
#define _printk_deferred	static_call(klp_kernel_printk_deferred)

/* klp_store_init() calls what the kernel calls at boot, in its own order. */
#undef core_initcall
#define core_initcall(fn)
#undef late_initcall
#define late_initcall(fn)

/* Defined by each source file. */
#undef pr_fmt

#endif /* _KLP_TAKEOVER_PREFIX_H */
