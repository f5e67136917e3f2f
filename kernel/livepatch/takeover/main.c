// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Take over the store of a running kernel, with all its variables, and give it back.
 *
 * 1. Calls of the stock functions are redirected to klp_calls_...(), which do the
 *    same with the same table and the same lock as those.
 * 2. When no task is left in the stock functions, the variables are moved to our
 *    table.
 * 3. Calls are redirected to the functions of our store itself.
 *
 * Until 2 any failure undoes all of it; nothing fails after that. The module goes the same
 * way back.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "takeover.h"

enum {
	KLP_GET,
	KLP_ALLOC,
	KLP_GET_OR_ALLOC,
	KLP_FREE,
	KLP_FREE_ALL,
	KLP_NR_CALLS,
};

static struct klp_redirection klp_takeover_calls[KLP_NR_CALLS] = {
	[KLP_GET] = { .name = "klp_shadow_get" },
	[KLP_ALLOC] = { .name = "klp_shadow_alloc" },
	[KLP_GET_OR_ALLOC] = { .name = "klp_shadow_get_or_alloc" },
	[KLP_FREE] = { .name = "klp_shadow_free" },
	[KLP_FREE_ALL] = { .name = "klp_shadow_free_all" },
};

static const struct klp_store_calls klp_takeover_moving = {
	.get = klp_calls_get,
	.alloc = klp_calls_alloc,
	.get_or_alloc = klp_calls_get_or_alloc,
	.free = klp_calls_free,
	.free_all = klp_calls_free_all,
};

/* Calls that begin later lead to these functions. */
static void klp_takeover_redirect_to(const struct klp_store_calls *calls)
{
	WRITE_ONCE(klp_takeover_calls[KLP_GET].target, calls->get);
	WRITE_ONCE(klp_takeover_calls[KLP_ALLOC].target, calls->alloc);
	WRITE_ONCE(klp_takeover_calls[KLP_GET_OR_ALLOC].target, calls->get_or_alloc);
	WRITE_ONCE(klp_takeover_calls[KLP_FREE].target, calls->free);
	WRITE_ONCE(klp_takeover_calls[KLP_FREE_ALL].target, calls->free_all);
}

/*
 * Wait for tasks in functions of our store, to which no call leads any longer. A task that is
 * preempted on the way, in a trampoline of ftrace, has the address of a stock function, of its
 * replacement or of the handler on its stack.
 */
static void klp_takeover_leave_store(void)
{
	unsigned long functions[] = {
		(unsigned long)klp_store_calls.get, (unsigned long)klp_store_calls.alloc,
		(unsigned long)klp_store_calls.get_or_alloc, (unsigned long)klp_store_calls.free,
		(unsigned long)klp_store_calls.free_all,
	};
	struct klp_range ranges[ARRAY_SIZE(functions) + 2];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		klp_kernel_function(functions[i], &ranges[i]);
	klp_redirect_range(&ranges[i++]);
	ranges[i++] = klp_kernel.text;
	klp_tasks_wait(ranges, i, "functions of this store", false);
}

/* Nothing leads to this module any longer, but tasks may be in its functions. */
static void klp_takeover_undo(void)
{
	klp_lifetimes_exit();
	klp_unredirect(klp_takeover_calls, KLP_NR_CALLS);
	klp_tasks_wait_module();
	/* Lookups in NMIs have ended as well. */
	synchronize_rcu();
	klp_store_exit();
}

static int __init klp_takeover_init(void)
{
	int err;

	err = klp_kernel_init();
	if (err)
		return err;
	err = klp_stock_check();
	if (err)
		return err;
	/*
	 * Undoing would wait for a task whose stack trace is never reliable. Until there is
	 * none, there is nothing to undo.
	 */
	err = klp_tasks_wait(NULL, 0, "the kernel's own functions", true);
	if (err)
		return err;
	err = klp_store_init();
	if (err)
		return err;

	klp_takeover_redirect_to(&klp_takeover_moving);
	err = klp_redirect(klp_takeover_calls, KLP_NR_CALLS);
	if (!err)
		err = klp_lifetimes_init();
	if (!err)
		err = klp_tasks_wait(&klp_kernel.text, 1, "the kernel's own functions", true);
	if (err) {
		klp_takeover_undo();
		return err;
	}

	klp_migrate_adopt();
	klp_takeover_redirect_to(&klp_store_calls);
	klp_migrate_watch();
	klp_store_show();

	return 0;
}

static void __exit klp_takeover_exit(void)
{
	/* While everything works: the variables stay in our table. */
	klp_redirect_stay_if_dead();
	klp_store_hide();
	klp_migrate_unwatch();
	klp_takeover_redirect_to(&klp_takeover_moving);
	klp_takeover_leave_store();
	klp_migrate_return();
	klp_takeover_undo();
}

module_init(klp_takeover_init);
module_exit(klp_takeover_exit);
MODULE_AUTHOR("klp-shadow");
MODULE_DESCRIPTION("Takes over the shadow variables of a running kernel");
MODULE_LICENSE("GPL");
/* So that the module loader resolves livepatch relocations. */
MODULE_INFO(livepatch, "Y");
