// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The next version of livepatch-shadow-lifetime, whose variables are larger.
 *
 * A session that was refused may not write at all until it reads again: the first
 * version let it try until the note happened to say the same as before. That takes
 * one thing more to remember. Variables that the first version has made are
 * converted when it has been replaced. Before that, while some tasks still run the
 * first version, this one finds no variable, and none can be added: every use must
 * expect that.
 *
 * It also counts writes in state that it shares with livepatch-shadow-shared.
 *
 *   # modprobe livepatch-shadow-lifetime
 *   # exec {erin}<>/dev/shadow-note
 *   # cat <&$erin
 *   # modprobe livepatch-shadow-upgrade
 *   # dmesg | grep converted
 *   # echo 5 >&$erin
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "livepatch-shadow-driver.h"

struct seen {
	char text[NOTE_SIZE];
	bool refused;
};

/* They count under klp_shadow_lock. */
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

/* The first version had the text and nothing else. */
static int seen_convert(void *obj, void *shadow_data, void *old_data, size_t old_size)
{
	struct seen *last = shadow_data;

	if (old_size != NOTE_SIZE)
		return -EINVAL;
	memcpy(last->text, old_data, NOTE_SIZE);

	return 0;
}

static DEFINE_KLP_SHADOW(seen, SEEN_LIFETIME, struct seen, .owner = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor, .convert = seen_convert);
static DEFINE_KLP_SHADOW_SHARED(note_stats, NOTE_STATS, struct note_stats);

static struct session *mended_session_open(struct note *note)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->note = note;
	/* What an unpatched task has left at this address. */
	klp_shadow_var_free(session, seen);
	/* Without one it is treated like a session that is older than the livepatch. */
	klp_shadow_var_alloc(session, seen, GFP_KERNEL, NULL);

	return session;
}

static void mended_session_close(struct session *session)
{
	klp_shadow_var_free(session, seen);
	kfree(session);
}

static ssize_t mended_session_read(struct session *session, char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last) {
		strscpy(last->text, session->note->text, NOTE_SIZE);
		last->refused = false;
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t mended_session_write(struct session *session, const char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last) {
		if (last->refused || strcmp(last->text, session->note->text)) {
			last->refused = true;
			return -ESTALE;
		}
		strscpy(last->text, text, NOTE_SIZE);
	}
	atomic_inc(&klp_shadow_shared(note_stats)->writes);

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

static int __init upgrade_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit upgrade_exit(void)
{
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(upgrade_init);
module_exit(upgrade_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables that are converted at an upgrade");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
