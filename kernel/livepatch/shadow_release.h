/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Releasing functions, as the other files of the store see them. */
#ifndef _LIVEPATCH_SHADOW_RELEASE_H
#define _LIVEPATCH_SHADOW_RELEASE_H

#include <linux/workqueue.h>

#include "shadow.h"

struct module;

extern struct workqueue_struct *klp_shadow_release_wq;

void klp_shadow_release_later(struct klp_shadow *shadow, klp_shadow_release_t release);
bool klp_shadow_release_all(struct module *mod);

#endif /* _LIVEPATCH_SHADOW_RELEASE_H */
