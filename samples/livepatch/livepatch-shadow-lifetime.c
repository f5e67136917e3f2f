// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that lives as long as its parent.
 *
 * Each session of livepatch-shadow-driver gets a buffer when it is opened, for the
 * text that it reads, and loses it when it is closed. A write fails if the text of
 * the note is no longer the one in that buffer.
 *
 * Use this if parents come and go, both ends of their life can be patched, and it
 * is enough to fix parents created from now on. A session without a variable is
 * treated as before the fix: one that is older than the livepatch, one that was
 * opened while not all tasks ran it, and one for which there was no memory.
 *
 *   # modprobe livepatch-shadow-lifetime
 *   # exec {carol}<>/dev/shadow-note {dave}<>/dev/shadow-note
 *   # cat <&$carol
 *   # cat <&$dave
 *   # echo 2 >&$carol
 *   # echo 2 >&$dave
 *   bash: echo: write error: Stale file handle
 *   # grep -r . /sys/module/livepatch_shadow_lifetime/parameters
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

struct seen {
	char text[NOTE_SIZE];
};

/* Constructor and destructor count under klp_shadow_lock. */
static unsigned int created;
module_param(created, uint, 0444);
MODULE_PARM_DESC(created, "variables that were constructed");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that were destroyed");

static int seen_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	created++;

	return 0;
}

static void seen_dtor(void *obj, void *shadow_data)
{
	freed++;
}

/*
 * Sessions may outlive the livepatch, and the driver may be unloaded before it: the
 * variables are freed in both cases.
 */
static DEFINE_KLP_SHADOW(seen, SEEN_V1, struct seen,
			 .parent_module = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor);

static struct session *patched_session_open(struct note *note)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->note = note;
	/* Zeroed: a session that has read nothing may write if the note is empty. */
	klp_shadow_var_alloc(session, seen, GFP_KERNEL, NULL);

	return session;
}

static void patched_session_close(struct session *session)
{
	/* Before kfree(): the address may be in use again at once. */
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static ssize_t patched_session_read(struct session *session, char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last)
		strscpy(last->text, session->note->text, NOTE_SIZE);

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last) {
		if (strcmp(last->text, session->note->text))
			return -ESTALE;
		strscpy(last->text, text, NOTE_SIZE);
	}

	return strscpy(session->note->text, text, NOTE_SIZE);
}

static struct klp_func funcs[] = {
	{ .old_name = "session_open", .new_func = patched_session_open },
	{ .old_name = "session_close", .new_func = patched_session_close },
	{ .old_name = "session_read", .new_func = patched_session_read },
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

static int __init lifetime_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit lifetime_exit(void)
{
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(lifetime_init);
module_exit(lifetime_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables that live as long as their parents");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
