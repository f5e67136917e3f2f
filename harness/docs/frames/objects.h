/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structures and functions that examples of the manual use. */
#ifndef _OBJECTS_H
#define _OBJECTS_H

#include <linux/types.h>

/* Examples define functions and variables that are not declared or used elsewhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

struct sta_info {
	struct list_head list;
	bool is_mine;
	u8 addr[6];
};

void deliver(struct sta_info *sta);
void other_deliver(struct sta_info *sta);

#endif /* _OBJECTS_H */
