/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the livepatch core calls of the shadow store. */
#ifndef _LIVEPATCH_SHADOW_CORE_H
#define _LIVEPATCH_SHADOW_CORE_H

#include <linux/types.h>

struct module;

int klp_shadow_enable(struct module *mod, bool replace);
void klp_shadow_give_up(struct module *mod, bool forced);

#endif /* _LIVEPATCH_SHADOW_CORE_H */
