// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The next version of livepatch-shadow-lifetime, whose variables are larger.
 *
 * The first version lets a session that was refused try again until the note happens
 * to have the old text. In this one it has to read first. A new layout has a new id,
 * and names the ids that it can be converted from.
 *
 * While not all tasks run this livepatch, it finds no variable on a session that has
 * one of the first version: that one is converted when the transition is complete.
 *
 *   # modprobe livepatch-shadow-lifetime
 *   # exec {carol}<>/dev/shadow-note
 *   # cat <&$carol
 *   # modprobe livepatch-shadow-upgrade
 *   # dmesg | grep converted
 *   # echo 3 >&$carol
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

static int seen_convert(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	struct seen_v1 *old = old_data;
	struct seen_v2 *new = shadow_data;

	strscpy(new->text, old->text, NOTE_SIZE);

	return 0;
}

static DEFINE_KLP_SHADOW(seen, SEEN_V2, struct seen_v2,
			 .parent_module = "livepatch_shadow_driver",
			 KLP_SHADOW_CONVERT(seen_convert, SEEN_V1));

static struct session *patched_session_open(struct note *note)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->note = note;
	klp_shadow_var_alloc(session, seen, GFP_KERNEL, NULL);

	return session;
}

static void patched_session_close(struct session *session)
{
	/* Also frees a variable that has not been converted yet. */
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static ssize_t patched_session_read(struct session *session, char *text)
{
	struct seen_v2 *last = klp_shadow_var_get(session, seen);

	if (last) {
		strscpy(last->text, session->note->text, NOTE_SIZE);
		last->refused = false;
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen_v2 *last = klp_shadow_var_get(session, seen);

	if (last) {
		if (strcmp(last->text, session->note->text))
			last->refused = true;
		if (last->refused)
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

static int __init upgrade_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit upgrade_exit(void)
{
}

module_init(upgrade_init);
module_exit(upgrade_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables that are converted at an upgrade");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
