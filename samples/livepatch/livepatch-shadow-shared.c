// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State without a parent, which each livepatch passes to the next.
 *
 * All writes to livepatch-shadow-driver are counted and logged. The count starts at zero
 * before any patched function of the first livepatch runs, continues in the next one
 * with the type, here livepatch-shadow-shared-next, and is freed with the last one.
 *
 *   # modprobe livepatch-shadow-shared
 *   # echo 8 >/dev/shadow-note
 *   # modprobe livepatch-shadow-shared-next
 *   # echo 9 >/dev/shadow-note
 *   # dmesg
 *   livepatch_shadow_shared: write 1
 *   livepatch_shadow_shared_next: write 2
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

/* Guarded by the note's lock. */
static DEFINE_KLP_SHADOW_SHARED(note_writes, NOTE_WRITES, unsigned int);

static ssize_t patched_session_write(struct session *session, const char *text)
{
	/* Never NULL in patched functions: the type has no predecessors. */
	unsigned int *writes = klp_shadow_shared(note_writes);

	pr_info("write %u\n", ++*writes);

	return strscpy(session->note->text, text, NOTE_SIZE);
}

static struct klp_func funcs[] = {
	{ .old_name = "session_write", .new_func = patched_session_write },
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
MODULE_DESCRIPTION("Sample livepatch: state that livepatches pass on");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
