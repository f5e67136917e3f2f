// SPDX-License-Identifier: GPL-2.0-or-later
#define HAS_TYPES	0
#include "test_klp_shadow_lp.h"
