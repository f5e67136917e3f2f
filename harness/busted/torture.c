// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The torture module with a private copy of the store. Before it starts, it runs the
 * initcalls of the copy, which copy.h has renamed. A store cannot be removed, so the module
 * has no exit function.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

int COPY_NAME(_klp_shadow_table_init)(void);
int COPY_NAME(_klp_shadow_reclaim_init)(void);

#undef module_init
#undef module_exit
#define module_init(fn)							\
	int __init init_module(void)					\
	{								\
		return COPY_NAME(_klp_shadow_table_init)() ?:		\
		       COPY_NAME(_klp_shadow_reclaim_init)() ?: fn();	\
	}
#define module_exit(fn)	static void *fn ## _unused __maybe_unused = fn

#include "shadow_torture.c"
