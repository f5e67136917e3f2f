/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables: fields kept beside a structure instead of inside it.
 *
 * Livepatches include <linux/livepatch.h>, which brings this header in. The
 * calls are described where they are defined, in kernel/livepatch/shadow.c,
 * the promises G1 ... G12 in Documentation/livepatch/shadow-vars.rst.
 */
#ifndef _LINUX_LIVEPATCH_SHADOW_H
#define _LINUX_LIVEPATCH_SHADOW_H

#include <linux/types.h>

/**
 * typedef klp_shadow_ctor_t - constructor of a shadow variable
 * @obj:	the parent, as it was passed to the call that creates the variable
 * @shadow_data:	the variable's data, zeroed
 * @ctor_data:	what the caller of that call wants to hand over
 *
 * Context: klp_shadow_lock held and interrupts off, whatever the context of
 * the call; on PREEMPT_RT the lock is held and interrupts stay as they are.
 * klp_shadow_get() is allowed, the other calls deadlock.
 * Return: 0, or a negative error code, on which the variable is given up.
 */
typedef int (*klp_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);

/**
 * typedef klp_shadow_dtor_t - destructor of a shadow variable
 * @obj:	the parent; it may already be gone
 * @shadow_data:	the variable's data; klp_shadow_get() no longer finds it
 *
 * Context: as for the constructor. Lookups that began earlier may still be
 * reading the data.
 */
typedef void (*klp_shadow_dtor_t)(void *obj, void *shadow_data);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);

#endif /* _LINUX_LIVEPATCH_SHADOW_H */
