// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: let the memory change at a known point of the read. Before the first read
 * of at least SIZE bytes at OFFSET, the file that is read gets the content of FILE:
 * CHANGE="OFFSET SIZE FILE".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void change(int fd, const char *file)
{
	char path[64];
	struct stat stat;
	int from, to;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	from = open(file, O_RDONLY);
	to = open(path, O_WRONLY);
	if (from < 0 || to < 0 || fstat(from, &stat) ||
	    sendfile(to, from, NULL, stat.st_size) != stat.st_size)
		abort();
	close(from);
	close(to);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
	ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
	static long long at = -1;
	static char file[4096];
	static size_t least;

	if (at == -1 && sscanf(getenv("CHANGE"), "%lld %zu %4095s", &at, &least, file) != 3)
		abort();
	if (offset == at && size >= least) {
		at = -2;
		change(fd, file);
	}

	return real(fd, buffer, size, offset);
}
