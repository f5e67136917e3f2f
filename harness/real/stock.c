// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's store, unmodified, with functions renamed to stock_shadow_get() etc. */
#include STOCK_SHADOW
