/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For livepatches that use shadow types on a kernel whose store the module klp_shadow takes
 * over: included before all other headers of each source file, by the compiler's option
 * -include. The livepatch links to the module, which cannot be unloaded before.
 */
#ifndef _KLP_SHADOW_MODULE_H
#define _KLP_SHADOW_MODULE_H

#include "names.h"
#include <linux/livepatch_shadow.h>

/* A livepatch with types but no call is linked as well. */
static typeof(klp_shadow_get) * const __klp_shadow_linked __used = klp_shadow_get;

#endif /* _KLP_SHADOW_MODULE_H */
