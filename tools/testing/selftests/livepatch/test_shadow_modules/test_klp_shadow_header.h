/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shadow type in a header that two files of a livepatch include. */
#include <linux/livepatch.h>

#define ID_HEADER	0x5d0b0100UL

struct header_var {
	unsigned long sum;
};

static __maybe_unused void header_dtor(void *obj, void *shadow_data)
{
}

static DEFINE_KLP_SHADOW(header_var, ID_HEADER, struct header_var, .dtor = header_dtor,
			 .parent_module = "vmlinux");

void header_add(void *obj, unsigned long n);
