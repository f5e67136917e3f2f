// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver with a fault that cannot be fixed without a new field.
 *
 * /dev/shadow-note holds a short text that several programs keep up to date:
 * each reads it, changes it and writes it back. Every open of the device is a
 * session. A write should replace the text that its session has read.
 *
 * The fault: a session does not remember the text that it has read. When two of
 * them read and then both write, the first change is lost without an error. Here
 * alice and bob count one visitor each, and only one is counted (bash):
 *
 *   # modprobe livepatch-shadow-driver
 *   # exec {alice}<>/dev/shadow-note {bob}<>/dev/shadow-note
 *   # cat <&$alice
 *   0
 *   # cat <&$bob
 *   0
 *   # echo 1 >&$alice
 *   # echo 1 >&$bob
 *   # cat /dev/shadow-note
 *   1
 *
 * When it is fixed, bob's write fails with ESTALE: he reads 1 and writes 2. That
 * takes a new field in struct session, which livepatches add as a shadow variable.
 * Each can replace any other. Documentation/livepatch/shadow-choosing.rst compares
 * these ways:
 *
 *   livepatch-shadow-lifetime  attached when the session is opened
 *   livepatch-shadow-upgrade   the next version, larger: variables are converted
 *   livepatch-shadow-inflight  attached at the first read, also to old sessions
 *   livepatch-shadow-flag      without data: it exists, or it does not
 *   livepatch-shadow-shared    not a field, but state without a parent
 *
 * To remove everything:
 *
 *   # echo 0 >/sys/kernel/livepatch/livepatch_shadow_flag/enabled
 *   # until rmmod livepatch-shadow-flag; do sleep 1; done
 *   # exec {alice}>&- {bob}>&-
 *   # rmmod livepatch-shadow-driver
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "livepatch-shadow-driver.h"

static struct note the_note = {
	.lock = __MUTEX_INITIALIZER(the_note.lock),
	.text = "0\n",
};

/*
 * The four functions that livepatches replace. The attributes keep the compiler
 * from inlining or cloning them, and from optimizing callers for these bodies.
 */
static noinline __noipa __used struct session *session_open(struct note *note)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (session)
		session->note = note;

	return session;
}

static noinline __noipa __used void session_close(struct session *session)
{
	kfree(session);
}

/* With the note's lock held. Returns the length of @text or an error. */
static noinline __noipa __used ssize_t session_read(struct session *session, char *text)
{
	return strscpy(text, session->note->text, NOTE_SIZE);
}

/* With the note's lock held. Returns the length of @text or an error. */
static noinline __noipa __used ssize_t session_write(struct session *session, const char *text)
{
	return strscpy(session->note->text, text, NOTE_SIZE);
}

static int note_open(struct inode *inode, struct file *file)
{
	file->private_data = session_open(&the_note);
	if (!file->private_data)
		return -ENOMEM;

	return stream_open(inode, file);
}

static int note_release(struct inode *inode, struct file *file)
{
	session_close(file->private_data);

	return 0;
}

/* The whole text, then its end, then the whole text as it is by then ... */
static ssize_t note_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct session *session = file->private_data;
	char text[NOTE_SIZE];
	ssize_t len = 0;

	if (size < NOTE_SIZE)
		return -EINVAL;

	mutex_lock(&session->note->lock);
	if (!session->told)
		len = session_read(session, text);
	session->told = len > 0;
	mutex_unlock(&session->note->lock);

	if (len > 0 && copy_to_user(buf, text, len))
		return -EFAULT;

	return len;
}

static ssize_t note_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	struct session *session = file->private_data;
	char text[NOTE_SIZE] = "";
	ssize_t ret;

	if (size >= NOTE_SIZE)
		return -EMSGSIZE;
	if (copy_from_user(text, buf, size))
		return -EFAULT;

	mutex_lock(&session->note->lock);
	ret = session_write(session, text);
	mutex_unlock(&session->note->lock);

	return ret < 0 ? ret : size;
}

static const struct file_operations note_fops = {
	.owner = THIS_MODULE,
	.open = note_open,
	.release = note_release,
	.read = note_read,
	.write = note_write,
};

static struct miscdevice note_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "shadow-note",
	.fops = &note_fops,
};
module_misc_device(note_device);

MODULE_DESCRIPTION("Sample: a driver whose structure lacks a field");
MODULE_LICENSE("GPL");
