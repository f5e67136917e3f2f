// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Symbols of the running kernel that are not exported.
 *
 * The module loader resolves one livepatch relocation, of klp_kernel_lookup. All other
 * symbols are looked up by name, so that the log names the one that a kernel does not have.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/errno.h>
#include <linux/kallsyms.h>
#include <linux/string.h>

#include "takeover.h"

#if !defined(CONFIG_LIVEPATCH) || !defined(CONFIG_HAVE_RELIABLE_STACKTRACE) || \
	!defined(CONFIG_64BIT) || !defined(CONFIG_SMP)
#error "Needs CONFIG_LIVEPATCH, CONFIG_HAVE_RELIABLE_STACKTRACE, CONFIG_64BIT and CONFIG_SMP"
#endif

/*
 * The address of kallsyms_lookup_name(). scripts/livepatch/klp-reloc.c adds the relocation;
 * in .data, because relocations are not applied to .bss.
 */
unsigned long (*klp_kernel_lookup)(const char *name) __section(".data");

struct klp_kernel klp_kernel;
spinlock_t *klp_takeover_lock;	/* that of the stock store */

/* None is called before klp_kernel_init() has set it. */
DEFINE_STATIC_CALL_NULL(klp_kernel_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(klp_kernel_lookup_size, kallsyms_lookup_size_offset);
DEFINE_STATIC_CALL_NULL(klp_kernel_stack_trace, stack_trace_save_tsk_reliable);
#undef _printk_deferred
DEFINE_STATIC_CALL_NULL(klp_kernel_printk_deferred, _printk_deferred);

/* The address of a symbol; 0 and a message in the log if there is none. */
unsigned long klp_kernel_symbol(const char *name)
{
	unsigned long address = static_call(klp_kernel_lookup_name)(name);

	if (!address)
		pr_err("this kernel is not known: it has no symbol %s\n", name);

	return address;
}

void klp_kernel_function(unsigned long address, struct klp_range *range)
{
	unsigned long size = 0, offset = 0;

	static_call(klp_kernel_lookup_size)(address, &size, &offset);
	range->start = address - offset;
	range->end = range->start + size;
}

/* Whether an address is in a function of the stock store. */
static bool klp_kernel_is_stock(unsigned long address)
{
	char name[KSYM_SYMBOL_LEN];
	const char *base = name;

	sprint_symbol_no_offset(name, address);
	/* Newer kernels have symbols also for the padding before functions. */
	if (!strncmp(base, "__pfx_", 6))
		base += 6;
	while (*base == '_')
		base++;

	return !strncmp(base, "klp_shadow_", 11);
}

/*
 * The text of the stock store: the functions that it exports, and its static functions,
 * which the compiler has put between, before and behind them. A part that it has split off
 * as cold is elsewhere. A task that is preempted there does no harm: that code frees a new
 * variable or prints an error, and returns.
 */
static int klp_kernel_find_text(void)
{
	static const char * const names[] = {
		"klp_shadow_get", "klp_shadow_alloc", "klp_shadow_get_or_alloc",
		"klp_shadow_free", "klp_shadow_free_all",
	};
	struct klp_range *text = &klp_kernel.text, function;
	unsigned long address;
	unsigned int i;

	text->start = ULONG_MAX;
	text->end = 0;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		address = klp_kernel_symbol(names[i]);
		if (!address)
			return -ENODEV;
		klp_kernel_function(address, &function);
		text->start = min(text->start, function.start);
		text->end = max(text->end, function.end);
	}
	while (klp_kernel_is_stock(text->start - 1)) {
		klp_kernel_function(text->start - 1, &function);
		if (function.start >= text->start)
			break;
		text->start = function.start;
	}
	while (klp_kernel_is_stock(text->end)) {
		klp_kernel_function(text->end, &function);
		if (function.end <= text->end)
			break;
		text->end = function.end;
	}
	/* Of 1 KiB in known kernels. */
	if (text->start >= text->end || text->end - text->start > 0x4000) {
		pr_err("this kernel is not known: its shadow variables have %ld bytes of text\n",
		       (long)(text->end - text->start));
		return -ENODEV;
	}

	return 0;
}

int klp_kernel_init(void)
{
	unsigned long lock, hash;

	if (!klp_kernel_lookup) {
		pr_err("not built completely: klp-reloc has not added the livepatch relocation\n");
		return -ENOEXEC;
	}
	static_call_update(klp_kernel_lookup_name, klp_kernel_lookup);
	if (static_call(klp_kernel_lookup_name)("klp_shadow_move")) {
		pr_err("this kernel has this store built in, it needs no module\n");
		return -EEXIST;
	}

#define klp_kernel_find(variable, name) \
	((variable) = (typeof(variable))klp_kernel_symbol(name))
	if (!klp_kernel_find(hash, "klp_shadow_hash") ||
	    !klp_kernel_find(lock, "klp_shadow_lock") ||
	    !klp_kernel_find(klp_kernel.ftrace_disabled, "ftrace_disabled") ||
	    !klp_kernel_find(klp_kernel.patches, "klp_patches") ||
	    !klp_kernel_find(klp_kernel.transition_patch, "klp_transition_patch") ||
	    !klp_kernel_find(klp_kernel.target_state, "klp_target_state") ||
	    !klp_kernel_find_function(klp_kernel_stack_trace, "stack_trace_save_tsk_reliable") ||
	    !klp_kernel_find_function(klp_kernel_lookup_size, "kallsyms_lookup_size_offset") ||
	    !klp_kernel_find_function(klp_kernel_printk_deferred, "_printk_deferred"))
		return -ENODEV;
	klp_kernel.hash = (struct hlist_nulls_head *)hash;
	klp_takeover_lock = (spinlock_t *)lock;

	return klp_kernel_find_text();
}
