/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversion of variables when a livepatch declares them larger or smaller. */
#ifndef _LIVEPATCH_SHADOW_CONVERT_H
#define _LIVEPATCH_SHADOW_CONVERT_H

#include "shadow.h"
#include "shadow_type.h"

struct klp_shadow_conversion {
	unsigned long done;	/* converted */
	unsigned long failed;	/* freed instead */
	int err;		/* why, of the first that failed */
};

void klp_shadow_convert_all(struct klp_shadow_type *type, struct klp_shadow_conversion *result)
	__must_hold(&klp_shadow_users_lock);

#endif /* _LIVEPATCH_SHADOW_CONVERT_H */
