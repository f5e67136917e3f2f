/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Common code of the test modules of shadow variables. A module runs its checks in the
 * init function, which logs the results as TAP and leaves no variables.
 * ../shadow_functions.sh reads the log.
 */
#ifndef _TEST_KLP_SHADOW_H
#define _TEST_KLP_SHADOW_H

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>

static unsigned int checks;

/* Logs the result of a check. The text starts with the label of the guarantee. */
static inline __printf(2, 3) void check(bool good, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	pr_info("%s: %s %pV\n", KBUILD_MODNAME, good ? "ok" : "not ok", &vaf);
	va_end(args);
	checks++;
}

/* The number of checks, so that missing lines are noticed. */
static inline void checks_done(void)
{
	pr_info("%s: 1..%u\n", KBUILD_MODNAME, checks);
}

/* Spin until @cond is true, for at most about @ms. For any context. */
#define spin_until(cond, ms)						\
({									\
	unsigned int __us = (ms) * 1000;				\
	bool __met;							\
									\
	for (;;) {							\
		__met = (cond);						\
		if (__met || !__us--)					\
			break;						\
		udelay(1);						\
	}								\
	__met;								\
})

struct test_thread {
	struct task_struct *task;
	void (*work)(void *arg);
	void *arg;
	struct test_thread *partner;
	struct completion met;
	struct completion done;
};

static inline int test_thread_fn(void *data)
{
	struct test_thread *thread = data;

	if (thread->partner) {
		complete(&thread->partner->met);
		wait_for_completion(&thread->met);
	}
	thread->work(thread->arg);
	complete(&thread->done);

	/* kthread_stop() needs a thread that has not exited. */
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);

	return 0;
}

/* Create a thread for @work on the @nth online CPU, modulo their number; does not run yet. */
static inline int test_thread_create(struct test_thread *thread, unsigned int nth,
				     void (*work)(void *arg), void *arg)
{
	unsigned int cpu;

	thread->work = work;
	thread->arg = arg;
	thread->partner = NULL;
	init_completion(&thread->met);
	init_completion(&thread->done);
	thread->task = kthread_create(test_thread_fn, thread, "%s/%u", KBUILD_MODNAME, nth);
	if (IS_ERR(thread->task))
		return PTR_ERR(thread->task);

	nth %= num_online_cpus();
	for_each_online_cpu(cpu) {
		if (nth-- == 0) {
			kthread_bind(thread->task, cpu);
			break;
		}
	}

	return 0;
}

static inline void test_thread_join(struct test_thread *thread)
{
	wait_for_completion(&thread->done);
	kthread_stop(thread->task);
}

/*
 * Run two functions at the same time, on different CPUs if there are two. The threads wait
 * for each other first, because one that spins with interrupts off could delay the wake-up
 * of the other. It could also delay timers, so the other calls spin_until() instead of
 * sleeping.
 */
static inline int test_run_both(void (*work0)(void *arg), void (*work1)(void *arg), void *arg)
{
	struct test_thread thread0, thread1;
	int ret;

	ret = test_thread_create(&thread0, 0, work0, arg);
	if (ret)
		return ret;
	ret = test_thread_create(&thread1, 1, work1, arg);
	if (ret) {
		kthread_stop(thread0.task);
		return ret;
	}
	thread0.partner = &thread1;
	thread1.partner = &thread0;
	wake_up_process(thread0.task);
	wake_up_process(thread1.task);
	test_thread_join(&thread0);
	test_thread_join(&thread1);

	return 0;
}

#endif /* _TEST_KLP_SHADOW_H */
