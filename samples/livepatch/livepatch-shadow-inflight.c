// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that is attached when it is needed first.
 *
 * A session of livepatch-shadow-driver gets its variable with its first read,
 * however old it is. The variable owns a copy of the text that was read. A
 * write is refused when there is no variable, or the note no longer says what
 * the copy does.
 *
 * Choose this way when parents that are in flight already must be mended too,
 * when their birth cannot be patched, or when few of many need a variable. What
 * happened to an old parent before the livepatch came is not known: begin with
 * what is safe, here that it has read nothing. Allocation may fail wherever a
 * variable may be attached.
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
MODULE_PARM_DESC(created, "variables that came to life");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that are gone again");

/* Must not sleep, so the caller brings the first text, and here it is handed over. */
static int seen_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct seen *last = shadow_data;

	last->text = ctor_data;
	created++;

	return 0;
}

static void seen_dtor(void *obj, void *shadow_data)
{
	freed++;
}

/*
 * The store waits for lookups that may still be reading the variable before it
 * calls this, and what the variable owns is as safe as the variable itself.
 */
static void seen_release(void *obj, void *shadow_data)
{
	struct seen *last = shadow_data;

	kfree(last->text);
}

/* The sessions' variables go with the livepatch; nothing is left to do at the end. */
static DEFINE_KLP_SHADOW(seen, SEEN_INFLIGHT, struct seen, .owner = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor, .release = seen_release);

static ssize_t mended_session_read(struct session *session, char *text)
{
	struct seen *last;
	char *copy;

	copy = kstrdup(session->note->text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	last = klp_shadow_var_get_or_alloc(session, seen, GFP_KERNEL, copy);
	if (!last) {
		kfree(copy);
		return -ENOMEM;
	}
	/* One that existed was not constructed again. */
	if (last->text != copy) {
		kfree(last->text);
		last->text = copy;
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t mended_session_write(struct session *session, const char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);
	char *copy;

	if (!last || strcmp(last->text, session->note->text))
		return -ESTALE;

	copy = kstrdup(text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	kfree(last->text);
	last->text = copy;

	return strscpy(session->note->text, text, NOTE_SIZE);
}

/*
 * While the transition lasts, a task that is not patched yet may close a session
 * and leave its variable to the next session at that address. Here the worst is a
 * write by one who has read nothing. Where that is too much, patch the birth too
 * and free there what is left, as livepatch-shadow-lifetime does.
 */
static void mended_session_close(struct session *session)
{
	/* First, while nobody else can get the address. */
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static struct klp_func funcs[] = {
	{ .old_name = "session_read", .new_func = mended_session_read },
	{ .old_name = "session_write", .new_func = mended_session_write },
	{ .old_name = "session_close", .new_func = mended_session_close },
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
MODULE_DESCRIPTION("Sample livepatch: shadow variables for parents that are in flight");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
