// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many TCP connections over the loopback device, for test-shadow-socks.sh.
 *
 * Usage: test_shadow_socks CONNECTIONS
 *
 * Both ends of each connection are in this process. It reads commands from standard
 * input, one per line, and answers each with "ok NUMBER" or "not ok: ERROR":
 *
 *	open		make the connections
 *	base		remember the number of bytes that each end has sent
 *	echo BYTES	send BYTES from each client to its server and back
 *	check		compare the line "sent:" of each fdinfo with the bytes sent
 *			since "base"
 *	count		print the number of ends whose fdinfo has that line
 *	time ROUNDS	echo one byte ROUNDS times, on random connections; print the
 *			time per segment in ns
 *	close COUNT	close the last COUNT connections
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections per server address, limited by the number of ephemeral ports. */
#define PER_ADDRESS	15000
#define PORT		7000
#define BYTES_MAX	4096

/* One end of a connection. */
struct end {
	int fd;
	unsigned long long base;
};

static struct end *ends;	/* client and server of each connection in turn */
static long wanted, nr_ends;

static void die(const char *what)
{
	printf("not ok: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The initramfs of a VM may not have done this. */
static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request))
		die("loopback device");
	if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request))
			die("loopback device");
	}
	close(fd);
}

static void open_all(void)
{
	int listener = -1, one = 1, buffer = 4096;
	long i;

	loopback_up();
	for (i = 0; i < wanted; i++) {
		struct sockaddr_in address = {
			.sin_family = AF_INET,
			.sin_port = htons(PORT),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i / PER_ADDRESS),
		};
		int client, server;

		if (i % PER_ADDRESS == 0) {
			if (i)
				close(listener);
			listener = socket(AF_INET, SOCK_STREAM, 0);
			if (listener < 0 ||
			    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
			    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) ||
			    bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
			    listen(listener, 16))
				die("listener");
		}
		client = socket(AF_INET, SOCK_STREAM, 0);
		if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("connect");
		server = accept(listener, NULL, NULL);
		if (server < 0)
			die("accept");
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		ends[nr_ends++].fd = client;
		ends[nr_ends++].fd = server;
	}
	close(listener);
	printf("ok %ld\n", nr_ends);
}

static unsigned long long bytes_sent(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		die("TCP_INFO");

	return info.tcpi_bytes_sent;
}

/* Returns whether fdinfo has the line, and its number in @sent. */
static bool field(int fd, unsigned long long *sent)
{
	char path[64], text[512], *line;
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		die(path);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	line = strstr(text, "\nsent:\t");

	return line && sscanf(line, "\nsent:\t%llu", sent) == 1;
}

static void base(void)
{
	long i;

	for (i = 0; i < nr_ends; i++)
		ends[i].base = bytes_sent(ends[i].fd);
	printf("ok %ld\n", nr_ends);
}

static void check(void)
{
	unsigned long long sent, wanted_sent;
	long i, wrong = 0, without = 0;

	for (i = 0; i < nr_ends; i++) {
		wanted_sent = bytes_sent(ends[i].fd) - ends[i].base;
		if (!field(ends[i].fd, &sent))
			without++;
		else if (sent != wanted_sent && ++wrong == 1)
			fprintf(stderr, "# end %ld: sent %llu bytes, its field says %llu\n",
				i, wanted_sent, sent);
	}
	if (wrong || without)
		printf("not ok: of %ld ends %ld are wrong, %ld have no field\n",
		       nr_ends, wrong, without);
	else
		printf("ok %ld\n", nr_ends);
}

static void count(void)
{
	unsigned long long sent;
	long i, with = 0;

	for (i = 0; i < nr_ends; i++)
		with += field(ends[i].fd, &sent);
	printf("ok %ld\n", with);
}

/* Send @bytes from one end to the other. */
static void pass(struct end *from, struct end *to, long bytes)
{
	static char data[BYTES_MAX];

	if (send(from->fd, data, bytes, 0) != bytes)
		die("send");
	if (recv(to->fd, data, bytes, MSG_WAITALL) != bytes)
		die("recv");
}

static void echo(long bytes)
{
	long i;

	if (bytes <= 0 || bytes > BYTES_MAX) {
		printf("not ok: %ld is no number of bytes\n", bytes);
		return;
	}
	for (i = 0; i < nr_ends; i += 2) {
		pass(&ends[i], &ends[i + 1], bytes);
		pass(&ends[i + 1], &ends[i], bytes);
	}
	printf("ok %ld\n", nr_ends);
}

static void time_echo(long rounds)
{
	struct timespec begin, end;
	double ns;
	long i;

	srandom(1);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < rounds; i++) {
		long client = random() % (nr_ends / 2) * 2;

		pass(&ends[client], &ends[client + 1], 1);
		pass(&ends[client + 1], &ends[client], 1);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	ns = (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec);
	printf("ok %.0f\n", ns / rounds / 2);
}

static void close_some(long some)
{
	struct linger at_once = { .l_onoff = 1 };

	for (some *= 2; some > 0 && nr_ends > 0; some--) {
		nr_ends--;
		/* Reset the connection: TIME_WAIT would keep its socket after the test. */
		setsockopt(ends[nr_ends].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(ends[nr_ends].fd);
	}
	printf("ok %ld\n", nr_ends);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	char line[80], word[16];
	long number;

	wanted = argc == 2 ? atol(argv[1]) : 0;
	if (wanted <= 0 || wanted > 500000) {
		fprintf(stderr, "usage: %s CONNECTIONS\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	limit.rlim_cur = 2 * wanted + 100;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	ends = calloc(2 * wanted, sizeof(*ends));
	if (!ends)
		die("calloc");

	while (fgets(line, sizeof(line), stdin)) {
		number = 0;
		if (sscanf(line, "%15s %ld", word, &number) < 1)
			continue;
		if (!strcmp(word, "open"))
			open_all();
		else if (!strcmp(word, "base"))
			base();
		else if (!strcmp(word, "check"))
			check();
		else if (!strcmp(word, "count"))
			count();
		else if (!strcmp(word, "echo"))
			echo(number);
		else if (!strcmp(word, "time"))
			time_echo(number);
		else if (!strcmp(word, "close"))
			close_some(number);
		else
			printf("not ok: '%s' is no command\n", word);
	}

	return 0;
}
