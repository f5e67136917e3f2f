// SPDX-License-Identifier: GPL-2.0-or-later
/* Just enough of BTF. Everything in the file is checked: it may be damaged. */
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "btf.h"
#include "memory.h"

#define MAX_SIZE	(256 << 20)
/* Unnamed members inside each other, and members visited in a search. */
#define MAX_DEPTH	8
#define MAX_STEPS	100000

struct btf {
	char *data;
	const char *strings;
	u32 strings_size;
	const struct btf_type **types;	/* by id; the first one has id 1 */
	u32 nr_types;
};

/* Size of what follows a type, or -1. */
static long type_size(const struct btf_type *type)
{
	unsigned long nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
		return sizeof(u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return nr * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return nr * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return nr * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return nr * sizeof(struct btf_var_secinfo);
	case 17: /* DECL_TAG */
		return sizeof(u32);
	case 19: /* ENUM64 */
		return nr * 3 * sizeof(u32);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case 18: /* TYPE_TAG */
		return 0;
	default:
		return -1;
	}
}

static bool index_types(struct btf *btf, const char *at, const char *end)
{
	const struct btf_type *type;
	u32 room = 0;
	long more;

	while ((size_t)(end - at) >= sizeof(*type)) {
		type = (const void *)at;
		more = type_size(type);
		at += sizeof(*type);
		if (more < 0 || more > end - at)
			return false;
		at += more;
		if (btf->nr_types + 1 >= room) {
			room = room ? 2 * room : 65536;
			btf->types = xrealloc(btf->types, room, sizeof(*btf->types));
		}
		btf->types[++btf->nr_types] = type;
	}

	return true;
}

static bool parse(struct btf *btf, size_t size)
{
	const struct btf_header *header = (const void *)btf->data;
	size_t left;

	if (size < sizeof(*header) || header->magic != BTF_MAGIC ||
	    header->hdr_len < sizeof(*header) || header->hdr_len > size)
		return false;
	left = size - header->hdr_len;
	if (header->type_off % 4 || header->hdr_len % 4 ||
	    header->type_off > left || header->type_len > left - header->type_off ||
	    header->str_off > left || header->str_len > left - header->str_off ||
	    !header->str_len)
		return false;
	btf->strings = btf->data + header->hdr_len + header->str_off;
	btf->strings_size = header->str_len;
	if (btf->strings[btf->strings_size - 1])
		return false;

	return index_types(btf, btf->data + header->hdr_len + header->type_off,
			   btf->data + header->hdr_len + header->type_off + header->type_len);
}

static size_t read_all(int fd, char *data, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size && (n = read(fd, data + done, size - done)) > 0)
		done += n;

	return done;
}

struct btf *btf_open(const char *path)
{
	struct stat stat;
	struct btf *btf;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &stat) || stat.st_size <= 0 || stat.st_size > MAX_SIZE) {
		close(fd);
		return NULL;
	}
	btf = xrealloc(NULL, 1, sizeof(*btf));
	*btf = (struct btf){ .data = xrealloc(NULL, stat.st_size, 1) };
	if (!parse(btf, read_all(fd, btf->data, stat.st_size))) {
		btf_close(btf);
		btf = NULL;
	}
	close(fd);

	return btf;
}

void btf_close(struct btf *btf)
{
	if (!btf)
		return;
	free(btf->types);
	free(btf->data);
	free(btf);
}

static const char *string(const struct btf *btf, u32 offset)
{
	return offset < btf->strings_size ? btf->strings + offset : "";
}

static bool is_struct(const struct btf_type *type)
{
	unsigned int kind = BTF_INFO_KIND(type->info);

	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

static const struct btf_type *find_struct(const struct btf *btf, const char *name)
{
	const struct btf_type *type;
	u32 i;

	for (i = 1; i <= btf->nr_types; i++) {
		type = btf->types[i];
		if (BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT &&
		    !strcmp(string(btf, type->name_off), name))
			return type;
	}

	return NULL;
}

static int find_member(const struct btf *btf, const struct btf_type *type, const char *name,
		       int depth, unsigned int *steps)
{
	const struct btf_member *member = (const void *)(type + 1);
	u32 i, bits;
	int inner;

	for (i = 0; i < BTF_INFO_VLEN(type->info) && *steps < MAX_STEPS; i++, member++) {
		++*steps;
		bits = BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(member->offset) :
						    member->offset;
		if (!strcmp(string(btf, member->name_off), name))
			return bits / 8;
		if (member->name_off || depth == MAX_DEPTH || !member->type ||
		    member->type > btf->nr_types || !is_struct(btf->types[member->type]))
			continue;
		inner = find_member(btf, btf->types[member->type], name, depth + 1, steps);
		if (inner >= 0)
			return bits / 8 + inner;
	}

	return -1;
}

int btf_size(const struct btf *btf, const char *name)
{
	const struct btf_type *type = find_struct(btf, name);

	return type && type->size < 65536 ? (int)type->size : -1;
}

int btf_offset(const struct btf *btf, const char *name, const char *member)
{
	const struct btf_type *type = find_struct(btf, name);
	unsigned int steps = 0;
	int offset = type ? find_member(btf, type, member, 0, &steps) : -1;

	return offset < 65536 ? offset : -1;
}
