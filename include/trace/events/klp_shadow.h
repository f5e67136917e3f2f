/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracepoints of the shadow variable store. They are called without its lock. Lookups
 * have none.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM klp_shadow

#if !defined(_TRACE_KLP_SHADOW_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KLP_SHADOW_H

#include <linux/tracepoint.h>

/* An alloc or get_or_alloc call has added a variable. */
TRACE_EVENT(klp_shadow_added,

	TP_PROTO(void *obj, unsigned long id, size_t size),

	TP_ARGS(obj, id, size),

	TP_STRUCT__entry(
		__field(void *, obj)
		__field(unsigned long, id)
		__field(size_t, size)
	),

	TP_fast_assign(
		__entry->obj = obj;
		__entry->id = id;
		__entry->size = size;
	),

	TP_printk("id=%#lx obj=%p size=%zu", __entry->id, __entry->obj, __entry->size)
);

DECLARE_EVENT_CLASS(klp_shadow_variable,

	TP_PROTO(void *obj, unsigned long id),

	TP_ARGS(obj, id),

	TP_STRUCT__entry(
		__field(void *, obj)
		__field(unsigned long, id)
	),

	TP_fast_assign(
		__entry->obj = obj;
		__entry->id = id;
	),

	TP_printk("id=%#lx obj=%p", __entry->id, __entry->obj)
);

/* A variable has been removed, and will be freed; also one that has been converted. */
DEFINE_EVENT(klp_shadow_variable, klp_shadow_removed,

	TP_PROTO(void *obj, unsigned long id),

	TP_ARGS(obj, id)
);

/* The release callback of a removed variable is about to be called. */
DEFINE_EVENT(klp_shadow_variable, klp_shadow_released,

	TP_PROTO(void *obj, unsigned long id),

	TP_ARGS(obj, id)
);

TRACE_EVENT(klp_shadow_moved,

	TP_PROTO(void *from, void *to, unsigned long id),

	TP_ARGS(from, to, id),

	TP_STRUCT__entry(
		__field(void *, from)
		__field(void *, to)
		__field(unsigned long, id)
	),

	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		__entry->id = id;
	),

	TP_printk("id=%#lx from=%p to=%p", __entry->id, __entry->from, __entry->to)
);

/* A variable of a predecessor was converted; in place of klp_shadow_added. */
TRACE_EVENT(klp_shadow_converted,

	TP_PROTO(void *obj, unsigned long old_id, unsigned long id),

	TP_ARGS(obj, old_id, id),

	TP_STRUCT__entry(
		__field(void *, obj)
		__field(unsigned long, old_id)
		__field(unsigned long, id)
	),

	TP_fast_assign(
		__entry->obj = obj;
		__entry->old_id = old_id;
		__entry->id = id;
	),

	TP_printk("id=%#lx obj=%p old_id=%#lx", __entry->id, __entry->obj, __entry->old_id)
);

/* The table has another size, and all entries are in it. */
TRACE_EVENT(klp_shadow_resized,

	TP_PROTO(unsigned long old_chains, unsigned long chains, unsigned long variables),

	TP_ARGS(old_chains, chains, variables),

	TP_STRUCT__entry(
		__field(unsigned long, old_chains)
		__field(unsigned long, chains)
		__field(unsigned long, variables)
	),

	TP_fast_assign(
		__entry->old_chains = old_chains;
		__entry->chains = chains;
		__entry->variables = variables;
	),

	TP_printk("chains=%lu old_chains=%lu variables=%lu", __entry->chains,
		  __entry->old_chains, __entry->variables)
);

/* A livepatch with shadow types is about to be enabled. */
TRACE_EVENT(klp_shadow_patch_registered,

	TP_PROTO(const char *mod, unsigned int nr_types),

	TP_ARGS(mod, nr_types),

	TP_STRUCT__entry(
		__array(char, mod, MODULE_NAME_LEN)
		__field(unsigned int, nr_types)
	),

	TP_fast_assign(
		strscpy(__entry->mod, mod, MODULE_NAME_LEN);
		__entry->nr_types = nr_types;
	),

	TP_printk("livepatch=%s types=%u", __entry->mod, __entry->nr_types)
);

/* The variables of a disabled or replaced livepatch have been freed or converted. */
TRACE_EVENT(klp_shadow_patch_unregistered,

	TP_PROTO(const char *mod),

	TP_ARGS(mod),

	TP_STRUCT__entry(
		__array(char, mod, MODULE_NAME_LEN)
	),

	TP_fast_assign(
		strscpy(__entry->mod, mod, MODULE_NAME_LEN);
	),

	TP_printk("livepatch=%s", __entry->mod)
);

#endif /* _TRACE_KLP_SHADOW_H */

#include <trace/define_trace.h>
