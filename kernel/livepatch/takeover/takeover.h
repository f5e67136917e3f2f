/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Internal definitions of the module klp_shadow. The stock store is that of the running
 * kernel; its table has the variables until they are moved to the table of the module.
 */
#ifndef _KLP_TAKEOVER_H
#define _KLP_TAKEOVER_H

#include <linux/ftrace.h>
#include <linux/list_nulls.h>
#include <linux/livepatch.h>
#include <linux/llist.h>
#include <linux/stacktrace.h>
#include <linux/static_call.h>
#include <linux/types.h>

#include "../shadow.h"

struct task_struct;

/* === kernel.c: symbols of the running kernel === */

/* Text of a function, or of several that are next to each other. */
struct klp_range {
	unsigned long start;
	unsigned long end;
};

/**
 * struct klp_kernel - addresses of the running kernel; constant once init has begun
 * @hash:	table of the stock store
 * @text:	text of the stock store
 * @ftrace_disabled:	whether ftrace has turned itself off
 * @patches:	all livepatches, guarded by klp_mutex
 * @transition_patch:	livepatch of the current transition, guarded by klp_mutex
 * @target_state:	whether that is enabled or disabled, guarded by klp_mutex
 */
struct klp_kernel {
	struct hlist_nulls_head *hash;
	struct klp_range text;
	int *ftrace_disabled;
	struct list_head *patches;
	struct klp_patch **transition_patch;
	int *target_state;
};

extern struct klp_kernel klp_kernel;

/*
 * Let a static call lead to a function of the kernel. Returns its address, or 0 if there is
 * none.
 *
 * A direct call: with indirect branch tracking (IBT) the kernel overwrites the ENDBR of
 * functions that it does not call by pointers itself, and a call by a pointer is fatal.
 */
#define klp_kernel_find_function(call, name)						\
({											\
	unsigned long __address = klp_kernel_symbol(name);				\
											\
	if (__address)									\
		static_call_update(call, (void *)__address);				\
	__address;									\
})

DECLARE_STATIC_CALL(klp_kernel_stack_trace, stack_trace_save_tsk_reliable);

int klp_kernel_init(void);
unsigned long klp_kernel_symbol(const char *name);
void klp_kernel_function(unsigned long address, struct klp_range *range);

/* === stock.c: the table of the stock store === */

#define KLP_STOCK_BITS		12
#define KLP_STOCK_CHAINS	BIT(KLP_STOCK_BITS)

/*
 * An entry of a chain that is walked in steps, or NULL. Stays in the chain: if it is
 * removed, it becomes the entry before. Guarded by klp_shadow_lock.
 */
extern struct hlist_nulls_node *klp_stock_cursor;

/* The chains of the stock store end in NULL, those of the module in a marker. */
static inline bool klp_stock_is_end(const struct hlist_nulls_node *node)
{
	return !node || is_a_nulls(node);
}

int klp_stock_check(void);
struct klp_shadow *klp_stock_find(void *obj, unsigned long id);
void klp_stock_link(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);
void klp_stock_unlink(struct klp_shadow *shadow) __must_hold(&klp_shadow_lock);

/* === store.c: access to internals of the store === */

/* Entry points of the id-based API, which lookups and writers use in the end. */
struct klp_store_calls {
	void *get;
	void *alloc;
	void *get_or_alloc;
	void *free;
	void *free_all;
};

extern const struct klp_store_calls klp_store_calls;

int klp_store_init(void);
void klp_store_exit(void);
void klp_store_show(void);
void klp_store_hide(void);
void klp_store_reserve(unsigned long n);
void klp_store_settle(void);
struct hlist_nulls_node *klp_store_take(struct hlist_nulls_node *last,
					struct hlist_nulls_head *chain)
	__must_hold(&klp_shadow_lock);
void *klp_store_lookup(void *obj, unsigned long id);
void klp_store_leave(void);
unsigned long klp_store_chains(void);
bool klp_store_give(unsigned long chain, unsigned long *n, u64 *longest);
void klp_store_left(void);

/* === calls.c: the id-based API while variables are in two tables === */

/**
 * enum klp_takeover_mode - where lookups look, in this order
 * @KLP_STOCK:	in the table of the stock store
 * @KLP_ADOPT:	there, then in ours
 * @KLP_OURS:	in ours
 * @KLP_RETURN:	in ours, then in that of the stock store
 */
enum klp_takeover_mode {
	KLP_STOCK,
	KLP_ADOPT,
	KLP_OURS,
	KLP_RETURN,
};

void klp_calls_set_mode(enum klp_takeover_mode mode);
void klp_calls_add_to_ours(bool ours);

void *klp_calls_get(void *obj, unsigned long id);
void *klp_calls_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		      klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_calls_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			     klp_shadow_ctor_t ctor, void *ctor_data);
void klp_calls_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_calls_free_all(unsigned long id, klp_shadow_dtor_t dtor);

/* === migrate.c: moving the variables === */

void klp_migrate_adopt(void);
void klp_migrate_return(void);
void klp_migrate_watch(void);
void klp_migrate_unwatch(void);

/* === tasks.c: tasks that are in functions === */

extern u64 klp_tasks_longest;

int klp_tasks_wait(const struct klp_range *ranges, unsigned int nr_ranges, const char *what,
		   bool interruptible);
void klp_tasks_wait_module(void);

/* === redirect.c: redirecting functions of the kernel === */

/**
 * struct klp_redirection - a function of the kernel that is redirected
 * @name:	name of the function
 * @target:	function of the module that is called instead
 * @hook:	@target calls the function of the kernel
 * @registered:	@ops is registered
 * @ops:	of ftrace
 */
struct klp_redirection {
	const char *name;
	void *target;
	bool hook;
	bool registered;
	struct ftrace_ops ops;
};

int klp_redirect(struct klp_redirection *redirections, unsigned int n);
void klp_unredirect(struct klp_redirection *redirections, unsigned int n);
void klp_redirect_stay_if_dead(void);
void klp_redirect_range(struct klp_range *range);

/* === lifetimes.c: which livepatches come and go === */

int klp_lifetimes_init(void);
void klp_lifetimes_exit(void);

#endif /* _KLP_TAKEOVER_H */
