// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiting for tasks that are in certain functions.
 *
 * No task can enter the functions any longer, but tasks may sleep or be preempted there. All
 * CPUs are stopped, and the stack of each task is searched, again until no stack has one of
 * the functions. One such pass is sufficient.
 *
 * With all CPUs in stop_machine() no interrupt or softirq is being handled, and no idle task
 * is in a function: the stopper would not have got the CPU. A grace period of RCU tasks
 * would not do, because it does not wait for tasks that sleep.
 *
 * As in the transitions of livepatches, a task that has left the list of tasks is not seen:
 * it is about to die, and could only be preempted in the functions.
 */
#define pr_fmt(fmt) "klp_shadow: " fmt

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/stop_machine.h>

#include "takeover.h"

/* Deeper stacks than this do not exist on 16 KiB. */
#define KLP_TASKS_ENTRIES	1024

/*
 * Pauses between searches, in ms. They become longer, because all CPUs are stopped for each
 * search: 10 ms if there are 10,000 tasks.
 */
#define KLP_TASKS_FIRST_PAUSE	20
#define KLP_TASKS_LAST_PAUSE	1000

/*
 * The longest search, in ns. All CPUs were stopped for this time, and for the time until the
 * last of them had stopped.
 */
u64 klp_tasks_longest;

struct klp_tasks_search {
	const struct klp_range *ranges;
	unsigned int nr_ranges;
	bool module;		/* all functions of this module */
	struct task_struct *caller;
	unsigned int found;
	/* the first one found */
	pid_t pid;
	char comm[TASK_COMM_LEN];
	bool unreliable;
	u64 duration;
};

static bool klp_tasks_is_in(const struct klp_tasks_search *search, unsigned long address)
{
	unsigned int i;

	if (search->module && within_module(address, THIS_MODULE))
		return true;
	for (i = 0; i < search->nr_ranges; i++) {
		if (address >= search->ranges[i].start && address < search->ranges[i].end)
			return true;
	}

	return false;
}

static void klp_tasks_look(struct klp_tasks_search *search, struct task_struct *task)
{
	/* Too large for the stack; only one CPU looks, and callers are serialized. */
	static unsigned long entries[KLP_TASKS_ENTRIES];
	int n, i;

	n = static_call(klp_kernel_stack_trace)(task, entries, ARRAY_SIZE(entries));
	for (i = 0; i < n; i++) {
		if (klp_tasks_is_in(search, entries[i]))
			break;
	}
	if (n >= 0 && i == n)
		return;

	if (!search->found++) {
		search->pid = task->pid;
		search->unreliable = n < 0;
		memcpy(search->comm, task->comm, sizeof(search->comm));
	}
}

/* All CPUs are stopped here, with interrupts off. */
static int klp_tasks_look_at_all(void *data)
{
	struct klp_tasks_search *search = data;
	struct task_struct *group, *task;
	u64 start = ktime_get_mono_fast_ns();

	search->found = 0;
	rcu_read_lock();
	for_each_process_thread(group, task) {
		/* Those that are on a CPU are the stoppers. */
		if (!READ_ONCE(task->on_cpu) && task != search->caller)
			klp_tasks_look(search, task);
	}
	rcu_read_unlock();
	search->duration = ktime_get_mono_fast_ns() - start;

	return 0;
}

static int klp_tasks_search(struct klp_tasks_search *search, const char *what,
			    bool interruptible)
{
	unsigned long report = jiffies + HZ;
	unsigned int pause = KLP_TASKS_FIRST_PAUSE;

	search->caller = current;
	for (;;) {
		stop_machine(klp_tasks_look_at_all, search, NULL);
		klp_tasks_longest = max(klp_tasks_longest, search->duration);
		if (!search->found)
			return 0;
		if (interruptible && signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, report)) {
			pr_info("waiting for %u tasks to leave %s, such as %s:%d%s\n",
				search->found, what, search->comm, search->pid,
				search->unreliable ? ", whose stack trace is not reliable" : "");
			report = jiffies + 60 * HZ;
		}
		if (interruptible)
			msleep_interruptible(pause);
		else
			msleep(pause);
		pause = min(2U * pause, (unsigned int)KLP_TASKS_LAST_PAUSE);
	}
}

/* Wait until no task is in the functions. Returns -EINTR if it was interrupted. */
int klp_tasks_wait(const struct klp_range *ranges, unsigned int nr_ranges, const char *what,
		   bool interruptible)
{
	struct klp_tasks_search search = {
		.ranges = ranges,
		.nr_ranges = nr_ranges,
	};

	return klp_tasks_search(&search, what, interruptible);
}

/* Wait until no task but the caller is in a function of this module. */
void klp_tasks_wait_module(void)
{
	struct klp_tasks_search search = { .module = true };

	klp_tasks_search(&search, "this module", false);
}
