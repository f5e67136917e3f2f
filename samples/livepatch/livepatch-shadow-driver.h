/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sample driver and the livepatches that mend it have to agree on.
 */
#ifndef _LIVEPATCH_SHADOW_DRIVER_H
#define _LIVEPATCH_SHADOW_DRIVER_H

#include <linux/atomic.h>
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
 * Ids of the shadow variables, all of them in one place: no two livepatches
 * may use the same by accident, and a successor's data looks different.
 */
enum {
	SEEN_LIFETIME = 0x6e6f7465,
	SEEN_INFLIGHT,
	SEEN_FLAG,
	NOTE_STATS,
};

/* What livepatches hand on from one to the next. */
struct note_stats {
	atomic_t writes;
};

#endif /* _LIVEPATCH_SHADOW_DRIVER_H */
