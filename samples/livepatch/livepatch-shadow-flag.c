// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable without data: that it exists is all it says.
 *
 * A session of livepatch-shadow-driver that has a variable has read the note as
 * it is now. A read attaches the variable, a write takes it from all sessions,
 * and without one a write is refused.
 *
 * Choose this way when the missing field is a yes or no. Absent must be the
 * answer that is safe for any parent that the livepatch knows nothing about.
 * The answer can be withdrawn from all parents in one call, without a list of
 * them; that takes time for each variable of the id, so not on a hot path.
 *
 * This one declares nothing and makes the plain calls, as every livepatch did
 * before there were declarations; livepatch-shadow-lifetime has one. What a plain
 * call adds has to be freed by hand, below in flag_exit().
 *
 *   # modprobe livepatch-shadow-flag
 *   # cat <&$alice
 *   # cat <&$bob
 *   # echo 3 >&$alice
 *   # echo 3 >&$bob
 *   bash: echo: write error: Stale file handle
 *   # grep -r . /sys/module/livepatch_shadow_flag/parameters
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

/* Constructor and destructor count under klp_shadow_lock. */
static unsigned int created;
module_param(created, uint, 0444);
MODULE_PARM_DESC(created, "variables that came to life");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that are gone again");

static int flag_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	created++;

	return 0;
}

static void flag_dtor(void *obj, void *shadow_data)
{
	freed++;
}

/* Out of memory is no error here: the session will have to read again. */
static void set_flag(struct session *session)
{
	klp_shadow_get_or_alloc(session, SEEN_FLAG, 0, GFP_KERNEL, flag_ctor, NULL);
}

static ssize_t mended_session_read(struct session *session, char *text)
{
	set_flag(session);

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t mended_session_write(struct session *session, const char *text)
{
	if (!klp_shadow_get(session, SEEN_FLAG))
		return -ESTALE;

	klp_shadow_free_all(SEEN_FLAG, flag_dtor);
	set_flag(session);

	return strscpy(session->note->text, text, NOTE_SIZE);
}

static void mended_session_close(struct session *session)
{
	/* First, while nobody else can get the address. */
	klp_shadow_free(session, SEEN_FLAG, flag_dtor);
	kfree(session);
}

/*
 * Until the transition was over, tasks that were not patched yet have written
 * without taking the flags away, and have closed sessions without freeing
 * theirs: no flag from that time counts. There is no data in use by anybody, so
 * they can go under the feet of patched functions.
 */
static void transition_over(struct klp_object *obj)
{
	klp_shadow_free_all(SEEN_FLAG, flag_dtor);
}

static struct klp_func funcs[] = {
	{ .old_name = "session_read", .new_func = mended_session_read },
	{ .old_name = "session_write", .new_func = mended_session_write },
	{ .old_name = "session_close", .new_func = mended_session_close },
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "livepatch_shadow_driver",
		.funcs = funcs,
		.callbacks = { .post_patch = transition_over },
	},
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

/* Sessions may outlive the livepatch; their variables may not. */
static void __exit flag_exit(void)
{
	klp_shadow_free_all(SEEN_FLAG, flag_dtor);
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(flag_init);
module_exit(flag_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables as flags");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
