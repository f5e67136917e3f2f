// SPDX-License-Identifier: GPL-2.0-or-later
/* Redirects klp_shadow_free(), so that the module klp_shadow has to refuse. */
#include <linux/ftrace.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static void notrace handler(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
}

static struct ftrace_ops ops = {
	.func = handler,
	.flags = FTRACE_OPS_FL_IPMODIFY,
};

static int __init test_takeover_rival_init(void)
{
	int err = ftrace_set_filter_ip(&ops, (unsigned long)klp_shadow_free, 0, 0);

	err = err ?: register_ftrace_function(&ops);
	if (err)
		ftrace_free_filter(&ops);

	return err;
}

static void __exit test_takeover_rival_exit(void)
{
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}

module_init(test_takeover_rival_init);
module_exit(test_takeover_rival_exit);
MODULE_DESCRIPTION("Test of taking over: another redirection");
MODULE_LICENSE("GPL");
