// SPDX-License-Identifier: GPL-2.0
/*
 * A new field of every task: who forked it.
 *
 * PPid in /proc/<pid>/status is whoever has adopted the task by now. This adds
 * a line ForkedBy, which stays:
 *
 *   # modprobe livepatch-shadow-tasks
 *   # grep -E '^(PPid|ForkedBy)' /proc/self/status
 *   PPid:	218
 *   ForkedBy:	218
 *
 * Tasks that were there before say 0, for not known. Their variables are
 * attached when every task runs patched functions, so that none is forked or
 * exits behind the livepatch's back.
 *
 * Fits Linux 6.1 with CPUSETS, without UCLAMP_TASK and DEBUG_CREDENTIALS. The patched
 * functions are the kernel's own, of kernel/sched/core.c, kernel/cred.c and
 * kernel/cgroup/cpuset.c, hence GPL-2.0.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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

/*
 * @start:	of the task. While a transition lasts, a task that is not patched yet
 *		may free another one and leave its variable behind, for the next task
 *		at that address: that one has started later.
 * @forker:	whom it refers to, or NULL
 */
struct birth {
	u64 start;
	struct pid *forker;
};

/* Constructor and destructor count under klp_shadow_lock. */
static unsigned int created;
module_param(created, uint, 0444);
MODULE_PARM_DESC(created, "variables that came to life");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that are gone again");

static int birth_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct task_struct *task = obj;
	struct birth *birth = shadow_data;

	birth->start = task->start_boottime;
	birth->forker = get_pid(ctor_data);
	created++;

	return 0;
}

static void birth_dtor(void *obj, void *shadow_data)
{
	freed++;
}

/* Here, as a reader may still be asking for its number before. */
static void birth_release(void *obj, void *shadow_data)
{
	struct birth *birth = shadow_data;

	put_pid(birth->forker);
}

static DEFINE_KLP_SHADOW(task_birth, 0x7a5c0001, struct birth, .ctor = birth_ctor,
			 .dtor = birth_dtor, .release = birth_release);

static struct birth *birth_get(struct task_struct *task)
{
	struct birth *birth = klp_shadow_var_get(task, task_birth);

	return birth && birth->start == task->start_boottime ? birth : NULL;
}

/*
 * Copying a process, when nothing can fail any more. The task can be seen, but
 * has not run.
 */
static void noted_sched_post_fork(struct task_struct *p)
{
	/* One that was left behind. */
	klp_shadow_var_free(p, task_birth);
	klp_shadow_var_alloc(p, task_birth, GFP_KERNEL, task_pid(current));
}

/* The last reference of a task is gone, or its fork has failed. */
static void noted_exit_creds(struct task_struct *tsk)
{
	const struct cred *cred;

	klp_shadow_var_free(tsk, task_birth);

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
static void noted_cpuset_task_status_allowed(struct seq_file *m, struct task_struct *task)
{
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);
	struct birth *birth;

	seq_printf(m, "Mems_allowed:\t%*pb\n",
		   nodemask_pr_args(&task->mems_allowed));
	seq_printf(m, "Mems_allowed_list:\t%*pbl\n",
		   nodemask_pr_args(&task->mems_allowed));

	rcu_read_lock();
	birth = birth_get(task);
	if (birth)
		seq_printf(m, "ForkedBy:\t%d\n", pid_nr_ns(birth->forker, ns));
	rcu_read_unlock();
}

/* Every task is patched: give the field to those that have none yet. */
static void attach_all(struct klp_object *obj)
{
	struct task_struct *leader, *task;

	/* A task that can be found here is not freed before the end of it. */
	rcu_read_lock();
	for_each_process_thread(leader, task) {
		/* Its own forker is about to. */
		if (READ_ONCE(task->__state) == TASK_NEW || birth_get(task))
			continue;
		klp_shadow_var_free(task, task_birth);
		klp_shadow_var_alloc(task, task_birth, GFP_ATOMIC, NULL);
	}
	rcu_read_unlock();
}

static struct klp_func funcs[] = {
	{ .old_name = "sched_post_fork", .new_func = noted_sched_post_fork },
	{ .old_name = "exit_creds", .new_func = noted_exit_creds },
	{ .old_name = "cpuset_task_status_allowed",
	  .new_func = noted_cpuset_task_status_allowed },
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
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(tasks_init);
module_exit(tasks_exit);
MODULE_DESCRIPTION("Sample livepatch: a new field of every task");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
