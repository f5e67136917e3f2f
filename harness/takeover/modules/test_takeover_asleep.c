// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Make tasks sleep in the allocation of a shadow variable, for the tests of klp_shadow.
 *
 * Parameter "run": "arm" lets the next such allocation sleep, of any task; "wake" ends that
 * of all tasks. "unreliable start" starts a thread that sleeps where its stack trace is not
 * reliable; "unreliable stop" stops it. Parameter "asleep": how many tasks sleep.
 */
#define pr_fmt(fmt) "test_takeover_asleep: " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#ifdef ftrace_instruction_pointer_set
#define ftrace_regs_set_instruction_pointer	ftrace_instruction_pointer_set
#endif

/* What kzalloc() of a size that is not constant calls. */
#ifdef kmalloc
#define original	__kmalloc_noprof
#else
#define original	__kmalloc
#endif

static bool armed;
static atomic_t asleep;
module_param_named(asleep, asleep.counter, int, 0444);
static DECLARE_COMPLETION(wake);

static noinline void *sleepy(size_t size, gfp_t flags)
{
	char name[KSYM_SYMBOL_LEN];
	void *memory;

	sprint_symbol_no_offset(name, (unsigned long)__builtin_return_address(0));
	if (gfpflags_allow_blocking(flags) && strstr(name, "klp_") && xchg(&armed, false)) {
		atomic_inc(&asleep);
		wait_for_completion(&wake);
		atomic_dec(&asleep);
	}
	memory = original(size, flags);
	/* No tail call. */
	barrier();

	return memory;
}

static void notrace handler(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
	if (READ_ONCE(armed) && in_task() && !within_module(parent_ip, THIS_MODULE))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)sleepy);
}

static struct ftrace_ops ops = {
	.func = handler,
	.flags = FTRACE_OPS_FL_IPMODIFY,
};

/*
 * objtool generates no data for the unwinder. In a section of its own, because objtool does not
 * mark the absence of data at the beginning of .text.
 */
static __section(".text.unreliable") int unreliable(void *arg)
{
	while (!kthread_should_stop())
		schedule_timeout_idle(HZ / 10);

	return 0;
}

STACK_FRAME_NON_STANDARD(unreliable);

static int run_set(const char *value, const struct kernel_param *kp)
{
	static struct task_struct *thread;

	if (sysfs_streq(value, "arm")) {
		reinit_completion(&wake);
		WRITE_ONCE(armed, true);
	} else if (sysfs_streq(value, "wake")) {
		complete_all(&wake);
	} else if (sysfs_streq(value, "unreliable start")) {
		thread = kthread_run(unreliable, NULL, "unreliable");
		return PTR_ERR_OR_ZERO(thread);
	} else if (sysfs_streq(value, "unreliable stop")) {
		kthread_stop(thread);
	} else {
		return -EINVAL;
	}

	return 0;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);

static int __init test_takeover_asleep_init(void)
{
	int err = ftrace_set_filter_ip(&ops, (unsigned long)original, 0, 0);

	err = err ?: register_ftrace_function(&ops);
	if (err)
		ftrace_free_filter(&ops);

	return err;
}

static void __exit test_takeover_asleep_exit(void)
{
	WRITE_ONCE(armed, false);
	complete_all(&wake);
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}

module_init(test_takeover_asleep_init);
module_exit(test_takeover_asleep_exit);
MODULE_DESCRIPTION("Test of taking over: a task that sleeps");
MODULE_LICENSE("GPL");
