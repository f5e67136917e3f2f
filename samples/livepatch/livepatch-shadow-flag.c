// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable without data: it exists, or it does not.
 *
 * A session of livepatch-shadow-driver that has a variable has read the text that the
 * note has now. A read attaches the variable, a write removes it from all sessions,
 * and a write without one fails.
 *
 * Removing from all takes time for each variable of the type, so not on a hot path.
 *
 *   # modprobe livepatch-shadow-flag
 *   # cat <&$alice
 *   # cat <&$bob
 *   # echo 3 >&$alice
 *   # echo 3 >&$bob
 *   bash: echo: write error: Stale file handle
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

static DEFINE_KLP_SHADOW(seen, SEEN_FLAG, struct {},
			 .parent_module = "livepatch_shadow_driver");

/* If there is no memory, the session has to read again. */
static void set_seen(struct session *session)
{
	klp_shadow_var_get_or_alloc(session, seen, GFP_KERNEL, NULL);
}

static ssize_t patched_session_read(struct session *session, char *text)
{
	set_seen(session);

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	if (!klp_shadow_var_get(session, seen))
		return -ESTALE;

	klp_shadow_var_free_all(seen);
	set_seen(session);

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

static int __init flag_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit flag_exit(void)
{
}

module_init(flag_init);
module_exit(flag_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables as flags");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
