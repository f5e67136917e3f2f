/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included before livepatch-shadow-socks.c, to patch functions without variables. This
 * measures the cost of livepatching alone.
 */
#ifndef _KLP_REAL_NONE_H
#define _KLP_REAL_NONE_H

#include <linux/livepatch.h>

#undef DEFINE_KLP_SHADOW
#define DEFINE_KLP_SHADOW(_name, _id, _type, ...)			\
	const struct klp_shadow_type _name __maybe_unused = { __VA_ARGS__ }; \
	typedef _type __KLP_SHADOW_DATA(_name)

#undef klp_shadow_var_get
#define klp_shadow_var_get(obj, _name)	((__KLP_SHADOW_DATA(_name) *)NULL)

#undef klp_shadow_var_get_or_alloc
#define klp_shadow_var_get_or_alloc(obj, _name, gfp_flags, ctor_data)	\
	klp_shadow_var_get(obj, _name)

#undef klp_shadow_var_free
#define klp_shadow_var_free(obj, _name)	do { } while (0)

#endif /* _KLP_REAL_NONE_H */
