// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's own store, unmodified, as stock_shadow_get() and so on. */
#include STOCK_SHADOW
