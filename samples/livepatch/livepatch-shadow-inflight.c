// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that is attached at its first use.
 *
 * A session of livepatch-shadow-driver gets its variable with its first read, however
 * old the session is. The variable owns a copy of the text that was read. A write
 * fails if there is no variable, or if the text of the note differs from the copy.
 *
 * Use this if existing parents must be fixed too, if their creation cannot be patched,
 * or if few of many need a variable. The history of an older parent is unknown: start
 * from a state that is safe, here that the session has read nothing. Every place that
 * attaches must expect NULL, for lack of memory or while not all tasks run the
 * livepatch. Here writes fail until then.
 *
 * With a session opened before the livepatch is loaded:
 *
 *   # modprobe livepatch-shadow-inflight
 *   # echo 2 >&$alice
 *   bash: echo: write error: Stale file handle
 *   # cat <&$alice
 *   # echo 2 >&$alice
 *   # grep -r . /sys/module/livepatch_shadow_inflight/parameters
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

/* Guarded by the note's lock; the text is allocated. */
struct seen {
	char *text;
};

/* Constructor and destructor count under klp_shadow_lock. */
static unsigned int created;
module_param(created, uint, 0444);
MODULE_PARM_DESC(created, "variables that were constructed");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that were destroyed");

/* Must not sleep: the text is allocated by the caller. */
static int seen_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	created++;

	return 0;
}

static void seen_dtor(void *obj, void *shadow_data)
{
	freed++;
}

/* No lookup uses the variable any longer, and none the text. */
static void seen_release(void *obj, void *shadow_data)
{
	struct seen *last = shadow_data;

	kfree(last->text);
}

static DEFINE_KLP_SHADOW(seen, SEEN_INFLIGHT, struct seen,
			 .parent_module = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor, .release = seen_release);

static ssize_t patched_session_read(struct session *session, char *text)
{
	struct seen *last;

	last = klp_shadow_var_get_or_alloc(session, seen, GFP_KERNEL, NULL);
	if (last) {
		kfree(last->text);
		/* NULL if there is no memory: the next write fails. */
		last->text = kstrdup(session->note->text, GFP_KERNEL);
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);
	char *copy;

	if (!last || !last->text || strcmp(last->text, session->note->text))
		return -ESTALE;

	copy = kstrdup(text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	kfree(last->text);
	last->text = copy;

	return strscpy(session->note->text, text, NOTE_SIZE);
}

static void patched_session_close(struct session *session)
{
	/* Before kfree(): the address may be in use again at once. */
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static struct klp_func funcs[] = {
	{ .old_name = "session_read", .new_func = patched_session_read },
	{ .old_name = "session_write", .new_func = patched_session_write },
	{ .old_name = "session_close", .new_func = patched_session_close },
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

static int __init inflight_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit inflight_exit(void)
{
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(inflight_init);
module_exit(inflight_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables for existing parents");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
