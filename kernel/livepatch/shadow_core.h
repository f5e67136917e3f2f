/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the livepatch core calls of the shadow store. The key of a patch is its address. */
#ifndef _LIVEPATCH_SHADOW_CORE_H
#define _LIVEPATCH_SHADOW_CORE_H

#include <linux/types.h>

struct klp_patch;
struct module;

int klp_shadow_register_patch(struct klp_patch *patch);
void klp_shadow_transition(const void *key, bool replace, bool patching);
void klp_shadow_complete(bool patching);
void klp_shadow_unregister_patch(const void *key, bool forced);
void klp_shadow_flush(void);
void klp_shadow_module_going(struct module *mod);

#endif /* _LIVEPATCH_SHADOW_CORE_H */
