// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that lives as long as its parent.
 *
 * Each session of livepatch-shadow-driver gets a buffer when it is opened, for the text
 * that it reads, and loses it when it is closed. A write fails if the note has another
 * text now.
 *
 * A session without a variable is treated as before the fix: one that was opened
 * before all tasks ran the livepatch, and one for which there was no memory.
 *
 *   # modprobe livepatch-shadow-lifetime
 *   # exec {carol}<>/dev/shadow-note {dave}<>/dev/shadow-note
 *   # cat <&$carol
 *   # cat <&$dave
 *   # echo 2 >&$carol
 *   # echo 2 >&$dave
 *   bash: echo: write error: Stale file handle
 *   # klp-shadow list --id 0x6e6f7465 --data
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

/* Sessions may outlive the livepatch: the store frees their variables then. */
static DEFINE_KLP_SHADOW(seen, SEEN_V1, struct seen_v1,
			 .parent_module = "livepatch_shadow_driver");

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
	struct seen_v1 *last = klp_shadow_var_get(session, seen);

	if (last)
		strscpy(last->text, session->note->text, NOTE_SIZE);

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen_v1 *last = klp_shadow_var_get(session, seen);

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
}

module_init(lifetime_init);
module_exit(lifetime_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables that live as long as their parents");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
