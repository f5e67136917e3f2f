// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that is attached at its first use.
 *
 * A session of livepatch-shadow-driver gets its variable with its first read, however
 * old the session is. The history of an older one is unknown, so it starts from a state
 * that is safe: it has read nothing, and a write without a variable fails.
 *
 * The type is that of livepatch-shadow-upgrade: same name, id and layout. If this
 * livepatch replaces it, sessions keep their variables.
 *
 * With a session opened before the livepatch is loaded:
 *
 *   # modprobe livepatch-shadow-inflight
 *   # echo 2 >&$alice
 *   bash: echo: write error: Stale file handle
 *   # cat <&$alice
 *   # echo 2 >&$alice
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

static DEFINE_KLP_SHADOW(seen, SEEN_V2, struct seen_v2,
			 .parent_module = "livepatch_shadow_driver");

static ssize_t patched_session_read(struct session *session, char *text)
{
	struct seen_v2 *last;

	/* NULL for lack of memory, or while not all tasks run the livepatch. */
	last = klp_shadow_var_get_or_alloc(session, seen, GFP_KERNEL, NULL);
	if (last) {
		strscpy(last->text, session->note->text, NOTE_SIZE);
		last->refused = false;
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen_v2 *last = klp_shadow_var_get(session, seen);

	if (!last)
		return -ESTALE;
	if (strcmp(last->text, session->note->text))
		last->refused = true;
	if (last->refused)
		return -ESTALE;
	strscpy(last->text, text, NOTE_SIZE);

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
}

module_init(inflight_init);
module_exit(inflight_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables for existing parents");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
