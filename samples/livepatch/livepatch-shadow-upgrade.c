// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A later version of livepatch-shadow-lifetime, whose variables are larger.
 *
 * The first version lets a session that was refused try again until the note happens
 * to have the old text. In the second version, which is not among the samples, it had
 * to read first. This third one counts the attempts, and replaces either: a new layout
 * has a new id, and names the ids that it can be converted from.
 *
 * While not all tasks run this livepatch, it finds no variable on a session that has
 * one of an earlier version: that one is converted when the transition is complete.
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

struct seen_v1 {
	char text[NOTE_SIZE];
};

struct seen_v2 {
	char text[NOTE_SIZE];
	bool refused;
};

struct seen {
	char text[NOTE_SIZE];
	unsigned int refused;	/* writes since the last read */
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

static int seen_convert(void *obj, void *shadow_data, void *old_data, unsigned long old_id)
{
	struct seen_v1 *v1 = old_data;
	struct seen_v2 *v2 = old_data;
	struct seen *last = shadow_data;

	switch (old_id) {
	case SEEN_V1:
		strscpy(last->text, v1->text, NOTE_SIZE);
		return 0;
	case SEEN_V2:
		strscpy(last->text, v2->text, NOTE_SIZE);
		last->refused = v2->refused;
		return 0;
	default:
		return -EINVAL;
	}
}

static DEFINE_KLP_SHADOW(seen, SEEN_V3, struct seen,
			 .parent_module = "livepatch_shadow_driver",
			 .ctor = seen_ctor, .dtor = seen_dtor,
			 KLP_SHADOW_CONVERT(seen_convert, SEEN_V1, SEEN_V2));

static DEFINE_KLP_SHADOW_SHARED(note_stats, NOTE_STATS, struct note_stats);

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
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last) {
		strscpy(last->text, session->note->text, NOTE_SIZE);
		last->refused = 0;
	}

	return strscpy(text, session->note->text, NOTE_SIZE);
}

static ssize_t patched_session_write(struct session *session, const char *text)
{
	struct seen *last = klp_shadow_var_get(session, seen);

	if (last) {
		if (last->refused || strcmp(last->text, session->note->text)) {
			last->refused++;
			return -ESTALE;
		}
		strscpy(last->text, text, NOTE_SIZE);
	}
	/* Shared state without predecessors: never NULL in patched functions. */
	atomic_inc(&klp_shadow_shared(note_stats)->writes);

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
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(upgrade_init);
module_exit(upgrade_exit);
MODULE_DESCRIPTION("Sample livepatch: shadow variables that are converted at an upgrade");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
