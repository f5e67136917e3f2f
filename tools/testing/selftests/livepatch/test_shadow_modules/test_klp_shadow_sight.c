// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Variables to look at: some stay while the module is loaded, others come and go. The
 * parameter "events" makes each kind of event that id-based calls have.
 */
#include <linux/livepatch.h>
#include <linux/moduleparam.h>

#include "test_klp_shadow.h"

#define ID_STAY		0x5d0d0000UL
#define ID_CHURN	0x5d0d0001UL
#define ID_EVENTS	0x5d0d0002UL
#define CHURN		1000

static unsigned long variables = 1000;
module_param(variables, ulong, 0444);
MODULE_PARM_DESC(variables, "number of variables that stay");

static bool churn;
module_param(churn, bool, 0444);
MODULE_PARM_DESC(churn, "add and remove others all the time");

static struct test_thread thread;
static bool over;

/* Addresses that are never dereferenced. */
static void *parent(unsigned long i)
{
	return (void *)(0x7200000000UL + i * 192);
}

static void come_and_go(void *arg)
{
	unsigned long i, n = 0;

	while (!READ_ONCE(over)) {
		i = n++ * 7919 % CHURN;
		if (klp_shadow_get(parent(i), ID_CHURN))
			klp_shadow_free(parent(i), ID_CHURN, NULL);
		else
			klp_shadow_alloc(parent(i), ID_CHURN, i % 300, GFP_KERNEL, NULL, NULL);
		cond_resched();
	}
}

static int events_set(const char *text, const struct kernel_param *kp)
{
	void *one = parent(1), *two = parent(2);
	int err;

	klp_shadow_alloc(one, ID_EVENTS, 24, GFP_KERNEL, NULL, NULL);
	/* Neither of these is an event. */
	klp_shadow_get_or_alloc(one, ID_EVENTS, 24, GFP_KERNEL, NULL, NULL);
	klp_shadow_move(two, one, ID_EVENTS, GFP_KERNEL);
	err = klp_shadow_move(one, two, ID_EVENTS, GFP_KERNEL);
	klp_shadow_free(one, ID_EVENTS, NULL);
	klp_shadow_free(two, ID_EVENTS, NULL);

	return err;
}

module_param_call(events, events_set, NULL, NULL, 0200);
MODULE_PARM_DESC(events, "add, move and remove a variable");

static int __init test_init(void)
{
	unsigned long i;
	int err;

	for (i = 0; i < variables; i++) {
		klp_shadow_alloc(parent(i), ID_STAY, 8, GFP_KERNEL, NULL, NULL);
		cond_resched();
	}
	if (!churn)
		return 0;
	err = test_thread_create(&thread, 1, come_and_go, NULL);
	if (err)
		klp_shadow_free_all(ID_STAY, NULL);
	else
		wake_up_process(thread.task);

	return err;
}

static void __exit test_exit(void)
{
	if (churn) {
		WRITE_ONCE(over, true);
		test_thread_join(&thread);
	}
	klp_shadow_free_all(ID_STAY, NULL);
	klp_shadow_free_all(ID_CHURN, NULL);
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Test of the shadow variables: variables to look at");
MODULE_LICENSE("GPL");
