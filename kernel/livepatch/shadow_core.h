/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the livepatch core calls of the shadow store. */
#ifndef _LIVEPATCH_SHADOW_CORE_H
#define _LIVEPATCH_SHADOW_CORE_H

struct klp_patch;
struct module;

int klp_shadow_register_patch(struct klp_patch *patch);
void klp_shadow_begin_transition(struct klp_patch *patch, bool patching);
void klp_shadow_complete_transition(bool patching);
void klp_shadow_unregister_patch(struct klp_patch *patch);
void klp_shadow_flush(void);
void klp_shadow_module_going(struct module *mod);

#endif /* _LIVEPATCH_SHADOW_CORE_H */
