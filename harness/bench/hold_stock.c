// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's own store, unmodified, with its lock holds measured. */
#include STOCK_SHADOW
