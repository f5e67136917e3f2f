// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State without a parent, which each livepatch passes to the next.
 *
 * All writes to livepatch-shadow-driver are counted in one place, by this livepatch
 * and by livepatch-shadow-upgrade. The count continues when one replaces the other.
 * It starts at zero before any patched function of the first one runs, and is freed
 * when neither is enabled.
 *
 * Use this for a global variable of the fix that must survive a replace: a lock that
 * all callers take, a counter, a list.
 *
 *   # modprobe livepatch-shadow-shared
 *   # echo 8 >/dev/shadow-note
 *   # cat /sys/module/livepatch_shadow_shared/parameters/writes
 *   1
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "livepatch-shadow-driver.h"

static DEFINE_KLP_SHADOW_SHARED(note_stats, NOTE_STATS, struct note_stats);

static ssize_t counting_session_write(struct session *session, const char *text)
{
	atomic_inc(&klp_shadow_shared(note_stats)->writes);

	return strscpy(session->note->text, text, NOTE_SIZE);
}

/* Not a patched function: it may run before the livepatch is enabled, and afterwards. */
static int writes_get(char *buffer, const struct kernel_param *kp)
{
	struct note_stats *stats;
	int writes = 0;

	rcu_read_lock();
	stats = klp_shadow_shared(note_stats);
	if (stats)
		writes = atomic_read(&stats->writes);
	rcu_read_unlock();

	return sysfs_emit(buffer, "%d\n", writes);
}

static const struct kernel_param_ops writes_ops = { .get = writes_get };
module_param_cb(writes, &writes_ops, NULL, 0444);
MODULE_PARM_DESC(writes, "writes counted by all livepatches that share the state");

static struct klp_func funcs[] = {
	{ .old_name = "session_write", .new_func = counting_session_write },
	{ }
};

static struct klp_object objs[] = {
	{ .name = "livepatch_shadow_driver", .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init shared_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit shared_exit(void)
{
}

module_init(shared_init);
module_exit(shared_exit);
MODULE_DESCRIPTION("Sample livepatch: state that is shared with the next livepatch");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
