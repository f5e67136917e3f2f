// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Let an allocation fail while the module klp_shadow is initialized: that with the number
 * in the parameter "nth". The parameter "count" is the number of all allocations.
 */
#define pr_fmt(fmt) "test_takeover_nomem: " fmt

#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#ifdef ftrace_instruction_pointer_set
#define ftrace_regs_set_instruction_pointer	ftrace_instruction_pointer_set
#endif

static unsigned int nth, count;
module_param(nth, uint, 0644);
module_param(count, uint, 0444);

static struct task_struct *victim;

static noinline void *fail(void)
{
	return NULL;
}

static void notrace handler(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
	if (READ_ONCE(victim) != current || !in_task() || ++count != nth)
		return;
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)fail);
}

static struct ftrace_ops ops = {
	.func = handler,
	.flags = FTRACE_OPS_FL_IPMODIFY,
};

/* From before the init function until after it. */
static int module_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct module *mod = data;

	if (strcmp(mod->name, "klp_shadow"))
		return NOTIFY_OK;
	if (event == MODULE_STATE_COMING) {
		count = 0;
		WRITE_ONCE(victim, current);
	} else {
		WRITE_ONCE(victim, NULL);
	}

	return NOTIFY_OK;
}

static struct notifier_block module_nb = {
	.notifier_call = module_event,
	.priority = INT_MIN,
};

/* The allocators that are called while klp_shadow is initialized. */
static const unsigned long functions[] = {
#ifdef kmalloc
	(unsigned long)__kmalloc_noprof,
	(unsigned long)__kmalloc_node_noprof,
	(unsigned long)__kmalloc_cache_noprof,
	(unsigned long)kmem_cache_alloc_noprof,
	(unsigned long)kmem_cache_alloc_node_noprof,
	(unsigned long)__kvmalloc_node_noprof,
#else
	(unsigned long)__kmalloc,
	(unsigned long)__kmalloc_node,
	(unsigned long)kmalloc_trace,
	(unsigned long)kmem_cache_alloc,
	(unsigned long)kmem_cache_alloc_node,
	(unsigned long)kvmalloc_node,
#endif
};

static int __init test_takeover_nomem_init(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(functions) && !err; i++)
		err = ftrace_set_filter_ip(&ops, functions[i], 0, 0);
	if (!err)
		err = register_ftrace_function(&ops);
	if (err)
		goto err_filter;
	err = register_module_notifier(&module_nb);
	if (err)
		goto err_function;

	return 0;

err_function:
	unregister_ftrace_function(&ops);
err_filter:
	ftrace_free_filter(&ops);
	return err;
}

static void __exit test_takeover_nomem_exit(void)
{
	unregister_module_notifier(&module_nb);
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}

module_init(test_takeover_nomem_init);
module_exit(test_takeover_nomem_exit);
MODULE_DESCRIPTION("Test of taking over: allocations that fail");
MODULE_LICENSE("GPL");
