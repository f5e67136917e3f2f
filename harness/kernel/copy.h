/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included first in the source files of a private copy of a store, for a kernel that has a
 * store already. Public functions get the prefix COPY, nothing is exported, and an initcall
 * fn becomes a function COPY_fn, which has to be called before the copy is used.
 */
#ifndef _KLP_SHADOW_COPY_H
#define _KLP_SHADOW_COPY_H

#define COPY_PASTE(prefix, name)	prefix ## name
#define COPY_EXPAND(prefix, name)	COPY_PASTE(prefix, name)
#define COPY_NAME(name)			COPY_EXPAND(COPY, name)

#define klp_shadow_get			COPY_NAME(shadow_get)
#define klp_shadow_alloc		COPY_NAME(shadow_alloc)
#define klp_shadow_get_or_alloc		COPY_NAME(shadow_get_or_alloc)
#define klp_shadow_free			COPY_NAME(shadow_free)
#define klp_shadow_free_all		COPY_NAME(shadow_free_all)
#define klp_shadow_move			COPY_NAME(shadow_move)

/* The files of the typed API are not a part of the copy. */
#undef CONFIG_KLP_SHADOW_TYPES

#include <linux/export.h>
#include <linux/livepatch_shadow.h>
#include <linux/module.h>
#include <linux/printk.h>

#undef EXPORT_SYMBOL
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)

/* Not exported to modules. */
#undef printk_deferred
#define printk_deferred			printk

#define COPY_INIT(fn)				\
	int __ref COPY_NAME(_ ## fn)(void);	\
	int __ref COPY_NAME(_ ## fn)(void)	\
	{					\
		return fn();			\
	}
#define COPY_NO_INIT(fn)	static void *fn ## _unused __initdata __maybe_unused = fn

/* The source file defines its own. */
#undef pr_fmt

#undef early_initcall
#undef core_initcall
#undef postcore_initcall
#undef subsys_initcall
#undef fs_initcall
#undef device_initcall
#undef late_initcall
#define early_initcall(fn)	COPY_INIT(fn)
#define core_initcall(fn)	COPY_INIT(fn)
#define postcore_initcall(fn)	COPY_INIT(fn)
#define subsys_initcall(fn)	COPY_INIT(fn)
/* Files in debugfs, for example, already exist for the store of the kernel. */
#define fs_initcall(fn)		COPY_NO_INIT(fn)
#define device_initcall(fn)	COPY_NO_INIT(fn)
#define late_initcall(fn)	COPY_NO_INIT(fn)

#endif /* _KLP_SHADOW_COPY_H */
