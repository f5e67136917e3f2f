// SPDX-License-Identifier: GPL-2.0-or-later
#include "test_klp_shadow_header.h"

void header_add(void *obj, unsigned long n)
{
	struct header_var *var;

	var = klp_shadow_var_get_or_alloc(obj, header_var, GFP_KERNEL, NULL);
	if (var)
		var->sum += n;
}
