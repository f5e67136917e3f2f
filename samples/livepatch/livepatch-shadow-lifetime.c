// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shadow variable that lives as long as its parent.
 *
 * Each session of livepatch-shadow-driver gets a buffer at birth, for the text
 * that it reads, and loses it at death. A write is refused when the note no
 * longer says what is in that buffer.
 *
 * Choose this way when parents come and go, when birth and death can both be
 * patched, and when it is enough to mend those that are still to come: a
 * session that is older than the livepatch has no variable and keeps the fault.
 * In return the variable is simply there in all that lies between, and running
 * out of memory has to be dealt with at birth alone.
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
MODULE_PARM_DESC(created, "variables that came to life");
static unsigned int freed;
module_param(freed, uint, 0444);
MODULE_PARM_DESC(freed, "variables that are gone again");

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
 * With this, nothing is left to do at the end: sessions may outlive the livepatch,
 * and the driver may go before it does, and in both cases the variables go too.
 */
static DEFINE_KLP_SHADOW(seen, SEEN_LIFETIME, struct seen, .owner = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor);

static struct session *mended_session_open(struct note *note)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->note = note;

	/*
	 * While the transition lasts, a task that is not patched yet may close a
	 * session and leave its variable behind, at this very address.
	 */
	klp_shadow_var_free(session, seen);

	/*
	 * Zeroed is right for a session that has read nothing: it may fill an
	 * empty note, where nothing can get lost.
	 */
	if (!klp_shadow_var_alloc(session, seen, GFP_KERNEL, NULL)) {
		kfree(session);
		return NULL;
	}

	return session;
}

static void mended_session_close(struct session *session)
{
	/* First, while nobody else can get the address. */
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static ssize_t mended_session_read(struct session *session, char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last)
		strscpy(last->text, session->note->text, NOTE_SIZE);

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t mended_session_write(struct session *session, const char *text)
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
	{ .old_name = "session_open", .new_func = mended_session_open },
	{ .old_name = "session_close", .new_func = mended_session_close },
	{ .old_name = "session_read", .new_func = mended_session_read },
	{ .old_name = "session_write", .new_func = mended_session_write },
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
