/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions that the sample driver shares with the livepatches that fix it.
 */
#ifndef _LIVEPATCH_SHADOW_DRIVER_H
#define _LIVEPATCH_SHADOW_DRIVER_H

#include <linux/mutex.h>
#include <linux/types.h>

#define NOTE_SIZE	128

struct note {
	struct mutex lock;	/* guards text, and the sessions' reads and writes */
	char text[NOTE_SIZE];
};

/* One open of the device. */
struct session {
	struct note *note;
	bool told;		/* the next read reports the end of the text */
};

/*
 * Ids and layouts of the shadow variables, all in one place: an id has one layout for
 * all time.
 */
enum {
	SEEN_V1 = 0x6e6f7465,
	SEEN_V2,
	SEEN_FLAG,	/* no data */
	NOTE_WRITES,	/* unsigned int */
};

/* The text that a session has read or written. */
struct seen_v1 {
	char text[NOTE_SIZE];
};

struct seen_v2 {
	char text[NOTE_SIZE];
	bool refused;		/* a write, since the last read */
};

#endif /* _LIVEPATCH_SHADOW_DRIVER_H */
