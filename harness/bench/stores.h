/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls of the stores that are compiled into the benchmark. */
#ifndef _KLP_SHADOW_BENCH_STORES_H
#define _KLP_SHADOW_BENCH_STORES_H

#include <linux/livepatch_shadow.h>

#define STORE_CALLS(store)							\
	void *store ## _shadow_get(void *obj, unsigned long id);		\
	void *store ## _shadow_alloc(void *obj, unsigned long id, size_t size,	\
				     gfp_t gfp_flags, klp_shadow_ctor_t ctor,	\
				     void *ctor_data);				\
	void store ## _shadow_free(void *obj, unsigned long id,			\
				   klp_shadow_dtor_t dtor);			\
	void store ## _shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)

STORE_CALLS(stock);
STORE_CALLS(hold_ours);
STORE_CALLS(hold_stock);
STORE_CALLS(floor);

#endif /* _KLP_SHADOW_BENCH_STORES_H */
