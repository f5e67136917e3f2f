/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included before livepatch-shadow-socks.c, to implement the typed API by the id-based API
 * of a copy of the kernel's store.
 */
#ifndef _KLP_REAL_STOCK_H
#define _KLP_REAL_STOCK_H

#include <linux/livepatch.h>
#include <linux/module.h>

void *stock_shadow_get(void *obj, unsigned long id);
void *stock_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
				klp_shadow_ctor_t ctor, void *ctor_data);
void stock_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void stock_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);

#undef DEFINE_KLP_SHADOW
#define DEFINE_KLP_SHADOW(_name, _id, _type, ...)			\
	const struct klp_shadow_type _name = {				\
		.id = (_id),						\
		.size = sizeof(_type),					\
		__VA_ARGS__						\
	};								\
	typedef _type __KLP_SHADOW_DATA(_name)

#undef klp_shadow_var_get
#define klp_shadow_var_get(obj, _name)					\
	((__KLP_SHADOW_DATA(_name) *)stock_shadow_get(obj, (_name).id))

#undef klp_shadow_var_get_or_alloc
#define klp_shadow_var_get_or_alloc(obj, _name, gfp_flags, ctor_data)	\
	((__KLP_SHADOW_DATA(_name) *)					\
	 stock_shadow_get_or_alloc(obj, (_name).id, (_name).size, gfp_flags, \
				   (_name).ctor, ctor_data))

#undef klp_shadow_var_free
#define klp_shadow_var_free(obj, _name)					\
	stock_shadow_free(obj, (_name).id, (_name).dtor)

/* The kernel's store does not free variables when the livepatch is disabled. */
#undef module_exit
#define module_exit(exitfn)						\
	void cleanup_module(void)					\
	{								\
		stock_shadow_free_all(sock_sent.id, sock_sent.dtor);	\
		exitfn();						\
	}

#endif /* _KLP_REAL_STOCK_H */
