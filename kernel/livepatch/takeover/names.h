/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the calls of the module: the kernel exports those of the stock store.
 *
 * Included before all other headers, by the module and by livepatches that link to it.
 */
#ifndef _KLP_SHADOW_NAMES_H
#define _KLP_SHADOW_NAMES_H

#define klp_shadow_get			klp_shadow_mod_get
#define klp_shadow_alloc		klp_shadow_mod_alloc
#define klp_shadow_get_or_alloc		klp_shadow_mod_get_or_alloc
#define klp_shadow_free			klp_shadow_mod_free
#define klp_shadow_free_all		klp_shadow_mod_free_all
#define klp_shadow_move			klp_shadow_mod_move

#define __klp_shadow_type_alloc		__klp_shadow_mod_type_alloc
#define __klp_shadow_type_get_or_alloc	__klp_shadow_mod_type_get_or_alloc
#define __klp_shadow_type_free		__klp_shadow_mod_type_free
#define __klp_shadow_type_free_all	__klp_shadow_mod_type_free_all
#define __klp_shadow_type_move		__klp_shadow_mod_type_move

#endif /* _KLP_SHADOW_NAMES_H */
