// SPDX-License-Identifier: GPL-2.0
/*
 * A new field of every task: the task that forked it.
 *
 * PPid in /proc/<pid>/status changes when the parent exits. This adds a line
 * ForkedBy, which does not:
 *
 *   # modprobe livepatch-shadow-tasks
 *   # grep -E '^(PPid|ForkedBy)' /proc/self/status
 *   PPid:	218
 *   ForkedBy:	218
 *
 * Older tasks have 0, for not known: their variables are attached when all tasks
 * run the livepatch.
 *
 * Fits Linux 6.1 with CPUSETS, without UCLAMP_TASK and DEBUG_CREDENTIALS. The patched
 * functions are the kernel's own, of kernel/sched/core.c, kernel/cred.c and
 * kernel/cgroup/cpuset.c, hence GPL-2.0.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>

static int forker_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct pid **forker = shadow_data;

	*forker = get_pid(ctor_data);

	return 0;
}

/* Not in the destructor: a reader may still be using the struct pid. */
static void forker_release(void *obj, void *shadow_data)
{
	struct pid **forker = shadow_data;

	put_pid(*forker);
}

#ifdef NEXT
/* livepatch-shadow-tasks-next, which converts. The reference belongs to the new variable. */
static int forker_convert(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	*(struct pid **)shadow_data = *(struct pid **)old_data;

	return 0;
}

static DEFINE_KLP_SHADOW(task_forker, 0x7a5c0003, struct pid *, .ctor = forker_ctor,
			 .release = forker_release, KLP_SHADOW_CONVERT(forker_convert, 0x7a5c0002));
#else
static DEFINE_KLP_SHADOW(task_forker, 0x7a5c0002, struct pid *, .ctor = forker_ctor,
			 .release = forker_release);
#endif

/* In copy_process(), after its last error. The task is in the list, but has not run. */
static void patched_sched_post_fork(struct task_struct *p)
{
	/* attach_all() may have been faster. */
	klp_shadow_var_get_or_alloc(p, task_forker, GFP_KERNEL, task_pid(current));
}

/*
 * The last reference of a task is dropped, or its fork has failed. Not in do_exit(): a
 * task that has left the task list there is no longer part of transitions, and may
 * run the rest of the old function.
 */
static void patched_exit_creds(struct task_struct *tsk)
{
	const struct cred *cred;

	klp_shadow_var_free(tsk, task_forker);

	cred = unrcu_pointer(tsk->real_cred);
	RCU_INIT_POINTER(tsk->real_cred, NULL);
	put_cred(cred);

	cred = unrcu_pointer(tsk->cred);
	RCU_INIT_POINTER(tsk->cred, NULL);
	put_cred(cred);

#ifdef CONFIG_KEYS_REQUEST_CACHE
	key_put(tsk->cached_requested_key);
	tsk->cached_requested_key = NULL;
#endif
}

/* Among the last lines of /proc/<pid>/status. */
static void patched_cpuset_task_status_allowed(struct seq_file *m, struct task_struct *task)
{
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);
	struct pid **forker;

	seq_printf(m, "Mems_allowed:\t%*pb\n",
		   nodemask_pr_args(&task->mems_allowed));
	seq_printf(m, "Mems_allowed_list:\t%*pbl\n",
		   nodemask_pr_args(&task->mems_allowed));

	rcu_read_lock();
	forker = klp_shadow_var_get(task, task_forker);
	if (forker)
		seq_printf(m, "ForkedBy:\t%d\n", pid_nr_ns(*forker, ns));
	rcu_read_unlock();
}

/* All tasks run the livepatch: attach a variable to each that has none. */
static void attach_all(struct klp_object *obj)
{
	struct task_struct *leader, *task;

	/* A task that is found here is not freed before rcu_read_unlock(). */
	rcu_read_lock();
	for_each_process_thread(leader, task)
		klp_shadow_var_get_or_alloc(task, task_forker, GFP_ATOMIC, NULL);
	rcu_read_unlock();
}

static struct klp_func funcs[] = {
	{ .old_name = "sched_post_fork", .new_func = patched_sched_post_fork },
	{ .old_name = "exit_creds", .new_func = patched_exit_creds },
	{ .old_name = "cpuset_task_status_allowed",
	  .new_func = patched_cpuset_task_status_allowed },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs, .callbacks = { .post_patch = attach_all } },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init tasks_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit tasks_exit(void)
{
}

module_init(tasks_init);
module_exit(tasks_exit);
MODULE_DESCRIPTION("Sample livepatch: a new field of every task");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
