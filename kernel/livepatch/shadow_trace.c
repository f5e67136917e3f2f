// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracepoints of the store. They are exported for modules that have a copy of the
 * store, and for tests.
 */
#include <linux/export.h>
#include <linux/tracepoint.h>

#define CREATE_TRACE_POINTS
#include <trace/events/klp_shadow.h>

EXPORT_TRACEPOINT_SYMBOL_GPL(klp_shadow_added);
EXPORT_TRACEPOINT_SYMBOL_GPL(klp_shadow_removed);
EXPORT_TRACEPOINT_SYMBOL_GPL(klp_shadow_moved);
EXPORT_TRACEPOINT_SYMBOL_GPL(klp_shadow_released);
EXPORT_TRACEPOINT_SYMBOL_GPL(klp_shadow_resized);
