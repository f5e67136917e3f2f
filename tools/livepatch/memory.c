// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /proc/kcore is an ELF file whose program headers say which addresses are where in it.
 * Memory that is not mapped reads as zeros, or as an error.
 */
#include <byteswap.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE	ELFDATA2LSB
#else
#define NATIVE	ELFDATA2MSB
#endif

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("klp-shadow: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_ERROR);
}

void *xrealloc(void *old, size_t number, size_t size)
{
	void *new = reallocarray(old, number, size);

	if (!new && number)
		die("out of memory");

	return new;
}

u64 get_u64(const struct memory *memory, const void *from)
{
	u64 value;

	memcpy(&value, from, sizeof(value));
	return memory->swapped ? bswap_64(value) : value;
}

u32 get_u32(const struct memory *memory, const void *from)
{
	u32 value;

	memcpy(&value, from, sizeof(value));
	return memory->swapped ? bswap_32(value) : value;
}

u16 get_u16(const struct memory *memory, const void *from)
{
	u16 value;

	memcpy(&value, from, sizeof(value));
	return memory->swapped ? bswap_16(value) : value;
}

static bool read_file(int fd, u64 offset, void *buffer, size_t size)
{
	ssize_t done;

	while (size) {
		done = pread(fd, buffer, size, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		buffer = (char *)buffer + done;
		offset += done;
		size -= done;
	}

	return true;
}

static bool locked_down(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";
	bool locked;

	if (!file)
		return false;
	locked = fgets(line, sizeof(line), file) && strstr(line, "[confidentiality]");
	fclose(file);

	return locked;
}

static void __noreturn cannot_open(const char *path)
{
	int error = errno;

	switch (error) {
	case EACCES:
	case EPERM:
		if (geteuid())
			die("%s: only root may read the kernel's memory", path);
		if (locked_down())
			die("%s: the kernel is locked down for confidentiality; see lockdown=",
			    path);
		die("%s: %s; CAP_SYS_RAWIO is needed, and a kernel that is not locked down",
		    path, strerror(error));
	case ENOENT:
		die("%s: does not exist; the kernel needs CONFIG_PROC_KCORE, and /proc",
		    path);
	default:
		die("%s: %s", path, strerror(error));
	}
}

void memory_open(struct memory *memory, const char *path)
{
	unsigned int i, number, size;
	struct segment *segment;
	Elf64_Phdr phdr;
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdr;
	u64 phoff;

	memory->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (memory->fd < 0)
		cannot_open(path);
	if (!read_file(memory->fd, 0, &ehdr, sizeof(ehdr)) ||
	    memcmp(ehdr.e_ident, ELFMAG, SELFMAG))
		die("%s: not an image of memory in ELF format", path);
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64)
		die("%s: not of a 64-bit kernel", path);
	memory->swapped = ehdr.e_ident[EI_DATA] != NATIVE;
	phoff = get_u64(memory, &ehdr.e_phoff);
	size = get_u16(memory, &ehdr.e_phentsize);
	number = get_u16(memory, &ehdr.e_phnum);
	if (size < sizeof(phdr))
		die("%s: its program headers are damaged", path);
	/* A number that does not fit is in the first section header. */
	if (number == PN_XNUM) {
		if (!read_file(memory->fd, get_u64(memory, &ehdr.e_shoff), &shdr, sizeof(shdr)))
			die("%s: its section header is damaged", path);
		number = get_u32(memory, &shdr.sh_info);
	}

	memory->segments = xrealloc(NULL, (size_t)number + 1, sizeof(*segment));
	memory->nr_segments = 0;
	for (i = 0; i < number; i++) {
		if (!read_file(memory->fd, phoff + (u64)i * size, &phdr, sizeof(phdr)))
			die("%s: its program headers are damaged", path);
		if (get_u32(memory, &phdr.p_type) != PT_LOAD)
			continue;
		segment = &memory->segments[memory->nr_segments++];
		segment->start = get_u64(memory, &phdr.p_vaddr);
		segment->end = segment->start + get_u64(memory, &phdr.p_memsz);
		segment->zeros = segment->start + get_u64(memory, &phdr.p_filesz);
		segment->offset = get_u64(memory, &phdr.p_offset);
		segment->physical = get_u64(memory, &phdr.p_paddr);
	}
}

static const struct segment *find_segment(const struct memory *memory, u64 address)
{
	const struct segment *segment;
	unsigned int i;

	for (i = 0; i < memory->nr_segments; i++) {
		segment = &memory->segments[i];
		if (address >= segment->start && address < segment->end)
			return segment;
	}

	return NULL;
}

bool memory_read(const struct memory *memory, u64 address, void *buffer, size_t size)
{
	const struct segment *segment;
	size_t part;
	u64 end;

	/* In some dumps each page is a segment. */
	for (; size; size -= part) {
		segment = find_segment(memory, address);
		if (!segment)
			return false;
		/* What is not in the file is zero, such as pages that makedumpfile left out. */
		end = address < segment->zeros && segment->zeros < segment->end ?
		      segment->zeros : segment->end;
		part = end - address < size ? end - address : size;
		if (address >= segment->zeros)
			memset(buffer, 0, part);
		else if (!read_file(memory->fd, segment->offset + (address - segment->start),
				    buffer, part))
			return false;
		buffer = (char *)buffer + part;
		address += part;
	}

	return true;
}

bool memory_read_u64(const struct memory *memory, u64 address, u64 *value)
{
	char buffer[sizeof(*value)];

	if (!memory_read(memory, address, buffer, sizeof(buffer)))
		return false;
	*value = get_u64(memory, buffer);

	return true;
}

bool memory_read_string(const struct memory *memory, u64 address, char *string, size_t size)
{
	size_t i;

	/* One by one: the end of the string may be the end of what is mapped. */
	for (i = 0; i < size - 1; i++) {
		if (!memory_read(memory, address + i, &string[i], 1))
			return false;
		if (!string[i])
			return i > 0;
		if (string[i] < '!' || string[i] > '~')
			return false;
	}
	string[i] = '\0';

	return true;
}

bool memory_physical(const struct memory *memory, u64 address, u64 *physical)
{
	const struct segment *segment = find_segment(memory, address);

	if (!segment || segment->physical == (u64)-1)
		return false;
	*physical = segment->physical + (address - segment->start);

	return true;
}

/* One line of the file: address, type, name, and for some the module in brackets. */
static bool parse_symbol(char *line, u64 *address, char **name, bool *module)
{
	char *end;

	*address = strtoull(line, &end, 16);
	if (end == line || strlen(end) < 4)
		return false;
	*name = end + 3;
	end = *name + strcspn(*name, "\t\n");
	*module = *end == '\t';
	*end = '\0';

	return true;
}

void symbols_find(const char *path, struct symbol symbols[NR_SYMBOLS])
{
	static const char *const names[NR_SYMBOLS] = {
		[SYMBOL_LAYOUT] = "klp_shadow_layout",
		[SYMBOL_HASH] = "klp_shadow_hash",
		[SYMBOL_ENABLE] = "klp_enable_patch",
		[SYMBOL_SLAB_CACHES] = "slab_caches",
		[SYMBOL_VMEMMAP_BASE] = "vmemmap_base",
		[SYMBOL_VMEMMAP] = "vmemmap",
	};
	bool any = false, visible = false, module;
	char *name, line[1024];
	struct symbol *symbol;
	u64 address;
	unsigned int i;
	FILE *file;

	memset(symbols, 0, NR_SYMBOLS * sizeof(*symbols));
	file = fopen(path, "re");
	if (!file)
		die("%s: %s", path, strerror(errno));
	/* Those of the kernel itself are sorted by address, those of modules follow. */
	while (fgets(line, sizeof(line), file)) {
		if (!parse_symbol(line, &address, &name, &module))
			continue;
		any = true;
		visible |= address;
		for (i = 0; i < NR_SYMBOLS; i++) {
			symbol = &symbols[i];
			if (symbol->address && !symbol->next && address > symbol->address)
				symbol->next = address;
			/* A module may bring our store to a kernel that has its own. */
			if (!strcmp(name, names[i]) && (!module || i == SYMBOL_LAYOUT))
				*symbol = (struct symbol){ .address = address };
		}
	}
	fclose(file);
	if (!any)
		die("%s: has no symbols", path);
	if (!visible && geteuid())
		die("%s: only root may see the kernel's addresses", path);
	if (!visible)
		die("%s: addresses are hidden; 'sysctl kernel.kptr_restrict=1' shows them to root",
		    path);
}
