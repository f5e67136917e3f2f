// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Usage: klp-reloc MODULE.ko VARIABLE SYMBOL
 *
 * Add a livepatch relocation to a module: when it is loaded, the kernel sets the global
 * pointer VARIABLE to the address of the symbol SYMBOL, which need not be exported.
 * Documentation/livepatch/module-elf-format.rst describes the format. A signed module is
 * refused, because the signature would become invalid.
 *
 * The file is replaced when the result is complete, and not changed if the module has the
 * relocation already.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of include/linux/livepatch.h and include/uapi/linux/elf.h. */
#define SHF_RELA_LIVEPATCH	0x00100000
#define SHN_LIVEPATCH		0xff20

#define SIGNED			"~Module signature appended~\n"

static const char *path;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "klp-reloc: %s: ", path);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* === The file in memory, to which tables are appended === */

static char *file;
static size_t file_size;

static void read_file(void)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET))
		die("%s", strerror(errno));
	file = malloc(size + 1);
	if (!file || fread(file, 1, size, f) != (size_t)size)
		die("cannot be read");
	fclose(f);
	file_size = size;
}

/* Append data, zeroes if @data is NULL, and return where it is. */
static size_t append(const void *data, size_t size)
{
	size_t offset = (file_size + 7) & ~7UL;

	file = realloc(file, offset + size);
	if (!file)
		die("no memory");
	memset(file + file_size, 0, offset - file_size);
	if (data)
		memcpy(file + offset, data, size);
	else
		memset(file + offset, 0, size);
	file_size = offset + size;

	return offset;
}

static void write_file(void)
{
	char temporary[PATH_MAX];
	struct stat st;
	FILE *f;

	if (stat(path, &st) ||
	    snprintf(temporary, sizeof(temporary), "%s.klp~", path) >= (int)sizeof(temporary))
		die("cannot be replaced");
	f = fopen(temporary, "wb");
	if (!f)
		die("cannot be replaced: %s", strerror(errno));
	if (fwrite(file, 1, file_size, f) != file_size || fclose(f) ||
	    chmod(temporary, st.st_mode & 07777) || rename(temporary, path)) {
		unlink(temporary);
		die("cannot be replaced: %s", strerror(errno));
	}
}

/* === ELF === */

static Elf64_Ehdr *header(void)
{
	return (Elf64_Ehdr *)file;
}

static Elf64_Shdr *section(unsigned int i)
{
	return (Elf64_Shdr *)(file + header()->e_shoff) + i;
}

/* A string of a table; an empty one if there is none. */
static const char *string(const Elf64_Shdr *table, size_t offset)
{
	if (offset >= table->sh_size)
		return "";

	return file + table->sh_offset + offset;
}

static const char *section_name(unsigned int i)
{
	return string(section(header()->e_shstrndx), section(i)->sh_name);
}

/* Nothing leads out of the file, and tables of strings are terminated. */
static void check_file(void)
{
	const Elf64_Ehdr *ehdr = header();
	const Elf64_Shdr *shdr;
	unsigned int i;

	if (file_size < sizeof(*ehdr) || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) ||
	    ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr->e_type != ET_REL)
		die("not a kernel module of 64 bits");
	if (ehdr->e_machine != EM_X86_64)
		die("not built for x86-64");
	if (ehdr->e_shentsize != sizeof(*shdr) || !ehdr->e_shnum || ehdr->e_shoff % 8 ||
	    ehdr->e_shoff > file_size ||
	    (file_size - ehdr->e_shoff) / sizeof(*shdr) < ehdr->e_shnum ||
	    ehdr->e_shstrndx >= ehdr->e_shnum)
		die("damaged: sections");
	for (i = 0; i < ehdr->e_shnum; i++) {
		shdr = section(i);
		if (shdr->sh_type == SHT_NOBITS || shdr->sh_type == SHT_NULL)
			continue;
		if (shdr->sh_offset > file_size || shdr->sh_size > file_size - shdr->sh_offset)
			die("damaged: section %u", i);
		if (shdr->sh_type == SHT_STRTAB &&
		    (!shdr->sh_size || file[shdr->sh_offset + shdr->sh_size - 1]))
			die("damaged: strings of section %u", i);
		if (shdr->sh_type == SHT_SYMTAB &&
		    (shdr->sh_entsize != sizeof(Elf64_Sym) || shdr->sh_offset % 8 ||
		     shdr->sh_link >= ehdr->e_shnum ||
		     section(shdr->sh_link)->sh_type != SHT_STRTAB))
			die("damaged: symbols");
	}
	if (section(ehdr->e_shstrndx)->sh_type != SHT_STRTAB)
		die("damaged: names of sections");
	if (file_size >= strlen(SIGNED) &&
	    !memcmp(file + file_size - strlen(SIGNED), SIGNED, strlen(SIGNED)))
		die("signed already: add the relocation before");
}

static unsigned int find_symtab(void)
{
	unsigned int i, found = 0;

	for (i = 1; i < header()->e_shnum; i++) {
		if (section(i)->sh_type == SHT_SYMTAB)
			found = i;
	}
	if (!found)
		die("no symbols: stripped");

	return found;
}

static const Elf64_Sym *find_symbol(unsigned int symtab, const char *name)
{
	const Elf64_Shdr *shdr = section(symtab), *strings = section(shdr->sh_link);
	const Elf64_Sym *symbol = (void *)(file + shdr->sh_offset);
	size_t n = shdr->sh_size / sizeof(*symbol);

	for (; n--; symbol++) {
		if (!strcmp(string(strings, symbol->st_name), name))
			return symbol;
	}

	return NULL;
}

/* Replace a section's data by a copy with @size bytes more, and return where these are. */
static size_t grow(unsigned int i, const void *more, size_t size)
{
	size_t old = section(i)->sh_size, offset;

	offset = append(NULL, old + size);
	memcpy(file + offset, file + section(i)->sh_offset, old);
	memcpy(file + offset + old, more, size);
	section(i)->sh_offset = offset;
	section(i)->sh_size = old + size;

	return old;
}

/* Returns false if the module has the relocation already. */
static bool add_relocation(const char *variable, const char *name)
{
	Elf64_Rela rela = { .r_addend = 0 };
	Elf64_Sym added = {
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE),
		.st_shndx = SHN_LIVEPATCH,
	};
	Elf64_Shdr shdr = {
		.sh_type = SHT_RELA,
		.sh_flags = SHF_ALLOC | SHF_INFO_LINK | SHF_RELA_LIVEPATCH,
		.sh_size = sizeof(rela),
		.sh_addralign = 8,
		.sh_entsize = sizeof(rela),
	};
	char symbol_name[512], rela_name[512];
	unsigned int symtab, target;
	const Elf64_Sym *symbol;
	size_t index, offset;

	symtab = find_symtab();
	symbol = find_symbol(symtab, variable);
	if (!symbol || !symbol->st_shndx || symbol->st_shndx >= header()->e_shnum)
		die("defines no variable %s", variable);
	if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size != 8)
		die("%s is not a pointer", variable);
	target = symbol->st_shndx;
	rela.r_offset = symbol->st_value;
	if (section(target)->sh_type != SHT_PROGBITS ||
	    symbol->st_value > section(target)->sh_size - 8)
		die("%s is not in a section with data", variable);

	snprintf(symbol_name, sizeof(symbol_name), ".klp.sym.vmlinux.%s,0", name);
	snprintf(rela_name, sizeof(rela_name), ".klp.rela.vmlinux.%s", section_name(target));
	if (find_symbol(symtab, symbol_name))
		return false;

	added.st_name = grow(section(symtab)->sh_link, symbol_name, strlen(symbol_name) + 1);
	index = grow(symtab, &added, sizeof(added)) / sizeof(added);
	rela.r_info = ELF64_R_INFO(index, R_X86_64_64);
	shdr.sh_name = grow(header()->e_shstrndx, rela_name, strlen(rela_name) + 1);
	shdr.sh_link = symtab;
	shdr.sh_info = target;
	shdr.sh_offset = append(&rela, sizeof(rela));

	offset = append(NULL, (header()->e_shnum + 1) * sizeof(shdr));
	memcpy(file + offset, section(0), header()->e_shnum * sizeof(shdr));
	memcpy(file + offset + header()->e_shnum * sizeof(shdr), &shdr, sizeof(shdr));
	header()->e_shoff = offset;
	header()->e_shnum++;

	return true;
}

int main(int argc, char **argv)
{
	if (argc != 4 || strlen(argv[3]) > 255 || strpbrk(argv[3], ".,")) {
		fprintf(stderr, "usage: klp-reloc MODULE.ko VARIABLE SYMBOL\n");
		return 2;
	}
	path = argv[1];
	read_file();
	check_file();
	if (add_relocation(argv[2], argv[3]))
		write_file();

	return 0;
}
