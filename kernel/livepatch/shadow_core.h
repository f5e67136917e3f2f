/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the livepatch core calls of the shadow store. */
#ifndef _LIVEPATCH_SHADOW_CORE_H
#define _LIVEPATCH_SHADOW_CORE_H

struct klp_patch;

int klp_shadow_enable(struct klp_patch *patch);
void klp_shadow_give_up(struct klp_patch *patch);

#endif /* _LIVEPATCH_SHADOW_CORE_H */
