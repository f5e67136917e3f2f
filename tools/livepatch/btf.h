/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes of structures and offsets of members, from the kernel's BTF. */
#ifndef _KLP_SHADOW_BTF_H
#define _KLP_SHADOW_BTF_H

#include <stdbool.h>

struct btf;

/* NULL if there is none. */
struct btf *btf_open(const char *path);
void btf_close(struct btf *btf);
/* Size of a struct, or -1. */
int btf_size(const struct btf *btf, const char *name);
/* Offset of a member, also one of an unnamed member, or -1. */
int btf_offset(const struct btf *btf, const char *name, const char *member);

#endif /* _KLP_SHADOW_BTF_H */
