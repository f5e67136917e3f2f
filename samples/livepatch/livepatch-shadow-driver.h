/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions that the sample driver shares with the livepatches that fix it.
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
 * Ids of the shadow variables, all in one place: an id has one layout for all time.
 * SEEN_V1, _V2 and _V3 are versions of the same field.
 */
enum {
	SEEN_V1 = 0x6e6f7465,
	SEEN_INFLIGHT,
	SEEN_FLAG,
	NOTE_STATS,
	SEEN_V2,
	SEEN_V3,
};

/* State that each livepatch passes to the next. */
struct note_stats {
	atomic_t writes;
};

#endif /* _LIVEPATCH_SHADOW_DRIVER_H */
