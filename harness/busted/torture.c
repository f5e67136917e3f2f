// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The torture module as it is, but it begins with the initcalls of its own store,
 * which copy.h made callable. It has no exit: a store has none.
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
