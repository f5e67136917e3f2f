// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Redirecting functions of the kernel to ours, by ftrace.
 *
 * Not by a livepatch: any that replaces all others would disable it, without a callback.
 *
 * FTRACE_OPS_FL_IPMODIFY excludes livepatches of the same functions. With
 * FTRACE_OPS_FL_PERMANENT the sysctl kernel.ftrace_enabled cannot be turned off. Not
 * FTRACE_OPS_FL_RECURSION: a call by a callback of another tracer has to be redirected as
 * well. This file is compiled without ftrace's own calls.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#include "takeover.h"

/* Its name until Linux 6.3. */
#ifdef ftrace_instruction_pointer_set
#define ftrace_regs_set_instruction_pointer	ftrace_instruction_pointer_set
#endif

#ifdef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#define KLP_REDIRECT_FLAGS	(FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT)
#else
#define KLP_REDIRECT_FLAGS	(FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | \
				 FTRACE_OPS_FL_SAVE_REGS)
#endif

/* In any context, NMI and without RCU included. */
static void notrace klp_redirect_handler(unsigned long ip, unsigned long parent_ip,
					 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_redirection *redirection = container_of(ops, struct klp_redirection, ops);

	ftrace_regs_set_instruction_pointer(fregs,
					    (unsigned long)READ_ONCE(redirection->target));
}

NOKPROBE_SYMBOL(klp_redirect_handler);

/* The same for a function that the target calls. */
static void notrace klp_redirect_hook(unsigned long ip, unsigned long parent_ip,
				      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (!within_module(parent_ip, THIS_MODULE))
		klp_redirect_handler(ip, parent_ip, ops, fregs);
}

NOKPROBE_SYMBOL(klp_redirect_hook);

/* A task that is preempted in here may have read a target that has been changed since. */
void klp_redirect_range(struct klp_range *range)
{
	klp_kernel_function((unsigned long)klp_redirect_handler, range);
}

/* ftrace turns itself off for good when it finds an error. */
static bool klp_redirect_is_dead(void)
{
	return READ_ONCE(*klp_kernel.ftrace_disabled);
}

static void klp_redirect_stay(void)
{
	pr_crit("ftrace has turned itself off, and calls stay redirected: this module has to stay until a reboot\n");
	for (;;)
		msleep(MSEC_PER_SEC);
}

/* Does not return if redirections cannot be undone. They still lead to the same functions. */
void klp_redirect_stay_if_dead(void)
{
	if (klp_redirect_is_dead())
		klp_redirect_stay();
}

static int klp_redirect_one(struct klp_redirection *redirection)
{
	unsigned long address = klp_kernel_symbol(redirection->name);
	int *enabled = (int *)klp_kernel_symbol("ftrace_enabled");
	int err;

	if (!address || !enabled)
		return -ENODEV;
	if (klp_redirect_is_dead()) {
		pr_err("ftrace has turned itself off\n");
		return -ENODEV;
	}
	redirection->ops.func = redirection->hook ? klp_redirect_hook : klp_redirect_handler;
	redirection->ops.flags = KLP_REDIRECT_FLAGS;
	err = ftrace_set_filter_ip(&redirection->ops, address, 0, 0);
	if (!err)
		err = register_ftrace_function(&redirection->ops);
	/* Neither an error nor success says what the text is if ftrace found an error in it. */
	redirection->registered = !err || klp_redirect_is_dead();
	if (!err)
		return 0;

	if (!READ_ONCE(*enabled))
		pr_err("ftrace is turned off: set the sysctl kernel.ftrace_enabled to 1\n");
	else if (err == -EBUSY)
		pr_err("%s() is redirected already, by a livepatch or another module\n",
		       redirection->name);
	else
		pr_err("%s() cannot be redirected: %d\n", redirection->name, err);
	ftrace_free_filter(&redirection->ops);

	return err;
}

/* Redirect all of the functions. After an error some may be, for klp_unredirect(). */
int klp_redirect(struct klp_redirection *redirections, unsigned int n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = klp_redirect_one(&redirections[i]);

	return err;
}

/* In the other order. Tasks may still be in the targets. */
void klp_unredirect(struct klp_redirection *redirections, unsigned int n)
{
	while (n--) {
		if (!redirections[n].registered)
			continue;
		if (WARN_ON(unregister_ftrace_function(&redirections[n].ops)) ||
		    klp_redirect_is_dead())
			klp_redirect_stay();
		ftrace_free_filter(&redirections[n].ops);
		redirections[n].registered = false;
	}
}
