// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module that the livepatches test_klp_shadow_lp*.ko patch. The parents of their
 * variables count as objects of this module. A thread calls the patched function
 * periodically, so that it is on its stack in transitions.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

static struct task_struct *thread;

noinline void test_klp_shadow_poke(void);
noinline void test_klp_shadow_poke(void)
{
	/* Not empty, so that the compiler keeps the call. */
	barrier();
}

static int poke_on(void *unused)
{
	while (!kthread_should_stop()) {
		test_klp_shadow_poke();
		msleep(20);
	}

	return 0;
}

static int __init owner_init(void)
{
	thread = kthread_run(poke_on, NULL, "test_klp_shadow");

	return PTR_ERR_OR_ZERO(thread);
}

static void __exit owner_exit(void)
{
	kthread_stop(thread);
}

module_init(owner_init);
module_exit(owner_exit);
MODULE_DESCRIPTION("Test of shadow variables: the module that owns the parents");
MODULE_LICENSE("GPL");
