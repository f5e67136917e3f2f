// SPDX-License-Identifier: GPL-2.0-or-later
/* klp-shadow: show the shadow variables of livepatches of the running kernel. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "btf.h"
#include "memory.h"
#include "slab.h"
#include "store.h"

/* Data of a variable that is shown. */
#define MAX_DATA	4096

/* Looks for the store, whose module may be unloaded after its symbols have been read. */
#define MAX_FINDS	3

/* Slab caches that are told apart among the parents of an id. */
#define MAX_PARENTS	16

static struct {
	bool json;
	bool data;
	bool by_id;
	bool by_parent;
	u64 id;
	u64 parent;
	const char *kcore;
	const char *kallsyms;
	const char *btf;
} options = {
	.kcore = "/proc/kcore",
	.kallsyms = "/proc/kallsyms",
	.btf = "/sys/kernel/btf/vmlinux",
};

static struct memory memory;
static struct btf *btf;
static struct symbol symbols[NR_SYMBOLS];
static struct store store;
static struct slabs *slabs;

/* Variables of one id. */
struct row {
	u64 id;
	u64 variables;
	u64 bytes;
	u64 unsized;	/* variables whose size is not known */
	struct {
		const struct slab_cache *cache;
		u64 variables;
	} parents[MAX_PARENTS];	/* most frequent first, when complete */
	unsigned int nr_parents;
	u64 other_parents;	/* variables whose parents are in no known cache */
};

struct rows {
	struct row *rows;
	size_t nr;
};

/* === Summary === */

static const struct type *next_type(const struct snapshot *snapshot, u64 id,
				    const struct type *type)
{
	const struct type *end = snapshot->types + snapshot->nr_types;

	for (type = type ? type + 1 : snapshot->types; type < end; type++) {
		if (type->id == id)
			return type;
	}

	return NULL;
}

/* What a variable takes: as the allocator says, or else as its type does. 0 if unknown. */
static u64 variable_bytes(const struct snapshot *snapshot, const struct variable *variable)
{
	const struct slab_cache *cache = slabs_find(slabs, variable->address);
	const struct type *type;

	if (cache)
		return cache->size;
	type = next_type(snapshot, variable->id, NULL);

	return type ? type->size + store.shadow_data : 0;
}

static void count_parent(struct row *row, u64 parent)
{
	const struct slab_cache *cache = slabs_find(slabs, parent);
	unsigned int i;

	for (i = 0; i < row->nr_parents; i++) {
		if (row->parents[i].cache == cache)
			break;
	}
	if (!cache || i == MAX_PARENTS) {
		row->other_parents++;
		return;
	}
	if (i == row->nr_parents) {
		row->nr_parents++;
		row->parents[i].cache = cache;
		row->parents[i].variables = 0;
	}
	row->parents[i].variables++;
}

static void sort_parents(struct row *row)
{
	unsigned int i, j;

	for (i = 1; i < row->nr_parents; i++) {
		for (j = i; j && row->parents[j].variables > row->parents[j - 1].variables; j--) {
			struct row copy = { .parents[0] = row->parents[j] };

			row->parents[j] = row->parents[j - 1];
			row->parents[j - 1] = copy.parents[0];
		}
	}
}

static struct row *find_row(struct rows *rows, u64 id)
{
	size_t low = 0, high = rows->nr, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (rows->rows[middle].id == id)
			return &rows->rows[middle];
		if (rows->rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}

	return NULL;
}

static int by_row_id(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	if (left->id != right->id)
		return left->id < right->id ? -1 : 1;

	return 0;
}

static void add_row(struct rows *rows, u64 id)
{
	rows->rows = xrealloc(rows->rows, rows->nr + 1, sizeof(*rows->rows));
	rows->rows[rows->nr++] = (struct row){ .id = id };
}

/* A row for each id of a variable or type. */
static void summarize(const struct snapshot *snapshot, struct rows *rows)
{
	const struct variable *variable;
	struct row *row = NULL;
	u64 bytes;
	size_t i;

	*rows = (struct rows){};
	for (i = 0; i < snapshot->nr; i++) {
		variable = &snapshot->variables[i];
		if (!row || row->id != variable->id) {
			add_row(rows, variable->id);
			row = &rows->rows[rows->nr - 1];
		}
		row->variables++;
		bytes = variable_bytes(snapshot, variable);
		row->bytes += bytes;
		row->unsized += !bytes;
		count_parent(row, variable->parent);
	}
	for (i = 0; i < rows->nr; i++)
		sort_parents(&rows->rows[i]);
	for (i = 0; i < snapshot->nr_types; i++) {
		if (find_row(rows, snapshot->types[i].id))
			continue;
		add_row(rows, snapshot->types[i].id);
		qsort(rows->rows, rows->nr, sizeof(*row), by_row_id);
	}
}

/* Returns whether it is another one than before. */
static bool find_store(void)
{
	u64 first = store.first;
	unsigned int i;

	for (i = 0; i < MAX_FINDS; i++) {
		symbols_find(options.kallsyms, symbols);
		if (store_find(&store, &memory, symbols, btf))
			return store.first != first;
	}
	die("the description of the store cannot be read, or is damaged");
}

static void take(struct snapshot *snapshot, struct rows *rows)
{
	store_read(&store, snapshot);
	/* The takeover module brings another store, or was unloaded with it. */
	while (find_store()) {
		snapshot_free(snapshot);
		store_read(&store, snapshot);
	}
	summarize(snapshot, rows);
}

/* Say what is missing. Returns the exit status. */
static int tell_incomplete(const struct snapshot *snapshot)
{
	const char *what = NULL;

	if (snapshot->two_stores)
		what = "klp_shadow.ko moves variables between stores: numbers are lower bounds";
	else if (snapshot->torn)
		what = "chains that change too fast or are damaged: numbers are lower bounds";
	else if (snapshot->moving)
		what = "the table changes all the time: numbers are lower bounds";
	else if (snapshot->types_torn)
		what = "the list of livepatches changes all the time: names are missing";
	if (!what)
		return EXIT_OK;
	fflush(stdout);
	fprintf(stderr, "klp-shadow: %s; try again\n", what);

	return EXIT_INCOMPLETE;
}

/* === Text === */

/* Names of types, or of their livepatches, without repetition; "-" if there is none. */
static void join(const struct snapshot *snapshot, u64 id, size_t member, char *text,
		 size_t size)
{
	const struct type *type = NULL, *other;
	size_t length = 0;
	const char *name;

	strcpy(text, "-");
	while ((type = next_type(snapshot, id, type))) {
		name = (const char *)type + member;
		for (other = next_type(snapshot, id, NULL); other != type;
		     other = next_type(snapshot, id, other)) {
			if (!strcmp((const char *)other + member, name))
				break;
		}
		if (other == type && length < size)
			length += snprintf(text + length, size - length, "%s%s",
					   length ? "," : "", name);
	}
}

static void number(char *text, size_t size, u64 value, bool more)
{
	snprintf(text, size, "%llu%s", value, more ? "+" : "");
}

static void print_row(const struct snapshot *snapshot, const struct row *row)
{
	bool partial = snapshot->torn || snapshot->moving;
	char id[32], name[256], patches[1024], variables[32], bytes[32], parents[128];

	snprintf(id, sizeof(id), "0x%llx", row->id);
	join(snapshot, row->id, offsetof(struct type, name), name, sizeof(name));
	join(snapshot, row->id, offsetof(struct type, patch), patches, sizeof(patches));
	number(variables, sizeof(variables), row->variables, partial);
	number(bytes, sizeof(bytes), row->bytes, partial || row->unsized);
	if (row->unsized && !row->bytes)
		strcpy(bytes, "-");
	if (!row->nr_parents)
		strcpy(parents, "-");
	else if (row->nr_parents == 1 && !row->other_parents)
		snprintf(parents, sizeof(parents), "%s", row->parents[0].cache->name);
	else
		snprintf(parents, sizeof(parents), "%s (%llu), others (%llu)",
			 row->parents[0].cache->name, row->parents[0].variables,
			 row->variables - row->parents[0].variables);
	printf("%-18s %10s %12s  %-20s %-16s %s\n", id, variables, bytes, parents, name, patches);
}

static void print_header(void)
{
	printf("%-18s %10s %12s  %-20s %-16s %s\n", "ID", "VARIABLES", "BYTES", "PARENTS", "NAME",
	       "LIVEPATCHES");
}

/* === JSON === */

static void print_string(const char *string)
{
	putchar('"');
	for (; *string; string++) {
		if (*string == '"' || *string == '\\')
			putchar('\\');
		putchar(*string);
	}
	putchar('"');
}

static void print_types(const struct snapshot *snapshot, u64 id)
{
	const struct type *type = NULL;
	const char *comma = "";

	printf("[");
	while ((type = next_type(snapshot, id, type))) {
		printf("%s{\"name\":", comma);
		print_string(type->name);
		printf(",\"livepatch\":");
		print_string(type->patch);
		printf(",\"size\":%llu}", type->size);
		comma = ",";
	}
	printf("]");
}

static void print_row_json(const struct snapshot *snapshot, const struct row *row)
{
	unsigned int i;

	printf("{\"id\":\"0x%llx\",\"types\":", row->id);
	print_types(snapshot, row->id);
	printf(",\"variables\":%llu,\"bytes\":", row->variables);
	if (row->unsized)
		printf("null");
	else
		printf("%llu", row->bytes);
	printf(",\"parents\":{");
	for (i = 0; i < row->nr_parents; i++) {
		printf("%s", i ? "," : "");
		print_string(row->parents[i].cache->name);
		printf(":%llu", row->parents[i].variables);
	}
	printf("}}");
}

static void print_store_json(const struct snapshot *snapshot)
{
	printf("{\"store\":\"%s\",\"chains\":%llu,", store.stock ? "kernel" : "klp-shadow",
	       snapshot->chains);
	printf("\"variables\":%zu,\"complete\":%s", snapshot->nr,
	       snapshot_complete(snapshot) ? "true" : "false");
}

static void print_summary_json(const struct snapshot *snapshot, const struct rows *rows)
{
	size_t i;

	print_store_json(snapshot);
	printf(",\"ids\":[");
	for (i = 0; i < rows->nr; i++) {
		printf("%s\n", i ? "," : "");
		print_row_json(snapshot, &rows->rows[i]);
	}
	printf("]}\n");
}

/* === Commands === */

static int summary(void)
{
	struct snapshot snapshot;
	struct rows rows;
	int status;
	size_t i;

	take(&snapshot, &rows);
	if (options.json) {
		print_summary_json(&snapshot, &rows);
	} else {
		print_header();
		for (i = 0; i < rows.nr; i++)
			print_row(&snapshot, &rows.rows[i]);
	}
	status = tell_incomplete(&snapshot);
	free(rows.rows);
	snapshot_free(&snapshot);

	return status;
}

/* Length of the data that is known to belong to a variable. */
static size_t data_length(const struct snapshot *snapshot, const struct variable *variable)
{
	const struct type *type = next_type(snapshot, variable->id, NULL);
	const struct slab_cache *cache = slabs_find(slabs, variable->address);
	u64 length = 0;

	if (type)
		length = type->size;
	else if (cache && cache->object_size > store.shadow_data)
		length = cache->object_size - store.shadow_data;

	return length < MAX_DATA ? length : MAX_DATA;
}

static void print_data(const unsigned char *data, size_t length)
{
	size_t i, j;

	for (i = 0; i < length; i += 16) {
		printf("  %04zx ", i);
		for (j = i; j < i + 16; j++) {
			if (j < length)
				printf(" %02x", data[j]);
			else
				printf("   ");
		}
		printf("  |");
		for (j = i; j < i + 16 && j < length; j++)
			putchar(data[j] >= ' ' && data[j] <= '~' ? data[j] : '.');
		printf("|\n");
	}
}

static void print_variable(const struct snapshot *snapshot, const struct variable *variable)
{
	const struct slab_cache *cache = slabs_find(slabs, variable->parent);
	u64 address = variable->address + store.shadow_data;
	size_t length = options.data ? data_length(snapshot, variable) : 0, i;
	unsigned char data[MAX_DATA];
	char name[256], id[32];
	bool readable, there;

	readable = length && memory_read(&memory, address, data, length);
	/* Data of what has gone may be that of another object. */
	there = !readable || store_has(&store, variable);
	readable &= there;
	if (options.json) {
		printf("{\"id\":\"0x%llx\",\"parent\":\"0x%llx\",\"data\":\"0x%llx\"",
		       variable->id, variable->parent, address);
		printf(",\"cache\":");
		if (cache)
			print_string(cache->name);
		else
			printf("null");
		if (readable) {
			printf(",\"bytes\":\"");
			for (i = 0; i < length; i++)
				printf("%02x", data[i]);
			printf("\"");
		}
		printf("}");
		return;
	}
	join(snapshot, variable->id, offsetof(struct type, name), name, sizeof(name));
	snprintf(id, sizeof(id), "0x%llx", variable->id);
	printf("%-18s 0x%016llx 0x%016llx  %-20s %s\n", id, variable->parent,
	       address, cache ? cache->name : "-", name);
	if (readable)
		print_data(data, length);
	else if (options.data)
		printf("  %s\n", !there ? "removed or moved meanwhile" :
		       length ? "cannot be read" : "of no size, or of one that is not known");
}

static int list(void)
{
	const struct variable *variable;
	struct snapshot snapshot;
	size_t i, found = 0;
	struct rows rows;
	int status;

	take(&snapshot, &rows);
	if (options.json) {
		print_store_json(&snapshot);
		printf(",\"list\":[");
	} else {
		printf("%-18s %-18s %-18s  %-20s %s\n", "ID", "PARENT", "DATA", "CACHE", "NAME");
	}
	for (i = 0; i < snapshot.nr; i++) {
		variable = &snapshot.variables[i];
		if ((options.by_id && variable->id != options.id) ||
		    (options.by_parent && variable->parent != options.parent))
			continue;
		if (options.json)
			printf("%s\n", found ? "," : "");
		print_variable(&snapshot, variable);
		found++;
	}
	if (options.json)
		printf("]}\n");
	status = tell_incomplete(&snapshot);
	free(rows.rows);
	snapshot_free(&snapshot);
	if (status == EXIT_OK && !found && (options.by_id || options.by_parent))
		return EXIT_NONE;

	return status;
}

/* What watch() knows of an id. */
struct watched {
	u64 id;
	u64 first;		/* variables when it was seen first */
	u64 last;		/* variables when it was seen last */
	bool grows;
	time_t since;		/* when it began to grow */
};

static void watch_row(const struct snapshot *snapshot, struct watched *seen, u64 variables)
{
	s64 change = variables - seen->last, all = variables - seen->first;
	char name[256], clock[16], id[32];
	time_t now = time(NULL);
	struct timespec uptime;
	long growing;

	/* The other clock may be set meanwhile. */
	clock_gettime(CLOCK_MONOTONIC, &uptime);
	if (change > 0 && !seen->grows)
		seen->since = uptime.tv_sec;
	seen->grows = change > 0 || (seen->grows && !change);
	growing = seen->grows ? uptime.tv_sec - seen->since : 0;
	seen->last = variables;
	if (!change)
		return;
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	if (options.json) {
		printf("{\"time\":\"%s\",\"id\":\"0x%llx\",\"variables\":%llu,", clock,
		       seen->id, variables);
		printf("\"change\":%lld,\"since_start\":%lld,\"growing\":%ld}\n", change, all,
		       growing);
		return;
	}
	join(snapshot, seen->id, offsetof(struct type, name), name, sizeof(name));
	snprintf(id, sizeof(id), "0x%llx", seen->id);
	printf("%-8s  %-18s %10llu %+9lld %+11lld  %6lds  %s\n", clock, id,
	       variables, change, all, growing, name);
}

/*
 * Print what has changed. @seen, like @rows, is sorted by id; returns it with the new ids.
 * Those of the @first time are not new.
 */
static struct watched *watch_rows(const struct snapshot *snapshot, const struct rows *rows,
				  struct watched *seen, size_t *nr, bool first)
{
	struct watched *all = xrealloc(NULL, rows->nr + *nr + 1, sizeof(*all)), *next = all;
	struct watched *old = seen, *end = seen + *nr;
	const struct row *row = rows->rows, *last = rows->rows + rows->nr;
	u64 variables;

	while (old < end || row < last) {
		variables = 0;
		if (old < end && (row == last || old->id <= row->id)) {
			if (row < last && old->id == row->id)
				variables = row++->variables;
			*next = *old++;
		} else {
			variables = row->variables;
			*next = (struct watched){ .id = row++->id };
			if (first)
				next->first = next->last = variables;
		}
		watch_row(snapshot, next++, variables);
	}
	free(seen);
	*nr = next - all;

	return all;
}

static int watch(void)
{
	struct watched *watched = NULL;
	struct timespec next, now;
	struct snapshot snapshot;
	struct rows rows;
	bool first = true;
	size_t nr = 0;

	if (!options.json)
		printf("%-8s  %-18s %10s %9s %11s  %7s  %s\n", "TIME", "ID", "VARIABLES", "CHANGE",
		       "SINCE START", "GROWING", "NAME");
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		take(&snapshot, &rows);
		/* A lower bound is not compared with another one. */
		if (tell_incomplete(&snapshot) == EXIT_OK) {
			watched = watch_rows(&snapshot, &rows, watched, &nr, first);
			first = false;
		}
		free(rows.rows);
		snapshot_free(&snapshot);
		if (fflush(stdout))
			die("cannot write: %s", strerror(errno));

		next.tv_sec++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > next.tv_sec)
			next = now;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
}

/* === Command line === */

static void end_output(void)
{
	if (ferror(stdout) || fclose(stdout))
		die("cannot write: %s", strerror(errno));
}

static const char usage[] =
	"Usage: klp-shadow [--json]\n"
	"       klp-shadow list [--id ID] [--parent ADDRESS] [--data] [--json]\n"
	"       klp-shadow watch [--json]\n"
	"\n"
	"Show the shadow variables of livepatches: their number and memory for each id,\n"
	"each variable, or once a second the numbers that have changed.\n"
	"\n"
	"      --id ID           of this id only\n"
	"      --parent ADDRESS  of this parent only\n"
	"      --data            show the data as well\n"
	"      --json            output for programs\n"
	"      --kcore FILE      read this instead of /proc/kcore\n"
	"      --kallsyms FILE   read this instead of /proc/kallsyms\n"
	"      --btf FILE        read this instead of /sys/kernel/btf/vmlinux\n"
	"      --help            show this help\n"
	"      --version         show the version\n"
	"\n"
	"Exit status: 0 if all went well, 1 if no variable matches, 2 after an error,\n"
	"3 if not all of the store could be read.\n";

static void __noreturn __printf(1, 2) bad_usage(const char *format, ...)
{
	va_list args;

	fputs("klp-shadow: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; see klp-shadow --help\n", stderr);
	exit(EXIT_ERROR);
}

static u64 parse(const char *text, int base, const char *what)
{
	char *end;
	u64 value;

	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || end == text || *end || strchr(text, '-'))
		bad_usage("'%s' is not %s", text, what);

	return value;
}

static const char *parse_options(int argc, char **argv)
{
	enum { ID = 256, PARENT, DATA, JSON, KCORE, KALLSYMS, BTF, HELP, VERSION_OPTION };
	static const struct option known[] = {
		{ "id", required_argument, NULL, ID },
		{ "parent", required_argument, NULL, PARENT },
		{ "data", no_argument, NULL, DATA },
		{ "json", no_argument, NULL, JSON },
		{ "kcore", required_argument, NULL, KCORE },
		{ "kallsyms", required_argument, NULL, KALLSYMS },
		{ "btf", required_argument, NULL, BTF },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION_OPTION },
		{}
	};
	const char *command = "";
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		switch (option) {
		case ID:
			options.by_id = true;
			options.id = parse(optarg, strncasecmp(optarg, "0x", 2) ? 10 : 16,
					   "an id such as 0x6e6f7465");
			break;
		case PARENT:
			options.by_parent = true;
			options.parent = parse(optarg, 16, "an address such as 0xffff888003a1c000");
			break;
		case DATA:
			options.data = true;
			break;
		case JSON:
			options.json = true;
			break;
		case KCORE:
			options.kcore = optarg;
			break;
		case KALLSYMS:
			options.kallsyms = optarg;
			break;
		case BTF:
			options.btf = optarg;
			break;
		case HELP:
			fputs(usage, stdout);
			end_output();
			exit(EXIT_OK);
		case VERSION_OPTION:
			puts("klp-shadow " VERSION);
			end_output();
			exit(EXIT_OK);
		case ':':
			bad_usage("option '%s' needs an argument", argv[optind - 1]);
		default:
			/* A letter in "-json" may not be the last one of its argument. */
			if (optopt > 0 && optopt < ID)
				bad_usage("there is no option '-%c'", optopt);
			bad_usage("there is no option '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		command = argv[optind++];
	if (optind < argc)
		bad_usage("'%s' is not expected after '%s'", argv[optind], command);
	if (*command && strcmp(command, "list") && strcmp(command, "watch"))
		bad_usage("there is no command '%s'", command);
	if (strcmp(command, "list") && (options.by_id || options.by_parent || options.data))
		bad_usage("--id, --parent and --data belong to the command 'list'");

	return command;
}

int main(int argc, char **argv)
{
	const char *command = parse_options(argc, argv);
	int status;

	memory_open(&memory, options.kcore);
	btf = btf_open(options.btf);
	find_store();
	slabs = slabs_open(&memory, symbols, btf);

	if (!strcmp(command, "list"))
		status = list();
	else if (!strcmp(command, "watch"))
		status = watch();
	else
		status = summary();

	slabs_close(slabs);
	btf_close(btf);
	free(memory.segments);
	close(memory.fd);
	end_output();

	return status;
}
