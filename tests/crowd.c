// SPDX-License-Identifier: GPL-2.0-only
/*
 * Crowds of flows, for the tests and the benchmark of capacity. Everything is bounded in count and
 * in time.
 *
 *   crowd serve ADDR PORT...           echo at TCP and UDP; a line on stdin has every UDP client that was heard sent a datagram
 *   crowd connect ADDR PORT COUNT FIRST [RATE]
 *                                      COUNT connections one after the other, bound to ports from FIRST on, a byte each way;
 *                                      prints how many succeeded. RATE a second, 0: as fast as they go
 *   crowd fleet ADDR COUNT PORT...     the same out of the namespaces in /run/netns whose names are on stdin, in turn
 *   crowd hold ADDR COUNT FIRST PORT...
 *                                      COUNT UDP sockets bound to ports from FIRST on, each to one of the PORTs in turn;
 *                                      prints how many were answered, and after a line on stdin how many were sent to
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int longest = 120;	/* seconds of a run, at most; ten times that on an emulated machine */
static int pause_us = 2000;	/* between fifty datagrams; the same */
static int most_tries = 2;

static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in at(const char *addr, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, addr, &a.sin_addr) != 1)
		die(addr);
	return a;
}

static int opened(int type, const char *addr, int port)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1, room = 8 << 20;
	struct sockaddr_in a = at(addr, port);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	return fd;
}

/* Clients of UDP, in the order in which they were first heard. */
struct heard {
	int fd;
	struct sockaddr_in peer;
};
static struct heard *heard;
static size_t heard_count;

static void hear(int fd, const struct sockaddr_in *peer)
{
	if (heard_count % 1024 == 0)
		heard = realloc(heard, (heard_count + 1024) * sizeof(*heard));
	if (!heard)
		die("memory");
	heard[heard_count++] = (struct heard){ fd, *peer };
}

static void tell_all(void)
{
	for (size_t i = 0; i < heard_count; i++) {
		sendto(heard[i].fd, "!", 1, 0, (void *)&heard[i].peer, sizeof(heard[i].peer));
		if (i % 50 == 49)
			usleep(pause_us);	/* for their buffers' sake */
	}
	printf("told %zu\n", heard_count);
	fflush(stdout);
}

static void serve_datagrams(int fd)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	char buf[64];

	for (ssize_t n;
	     (n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (void *)&peer, &len)) >= 0;
	     len = sizeof(peer)) {
		if (n && buf[0] == 'n')
			hear(fd, &peer);
		sendto(fd, buf, n, 0, (void *)&peer, len);
	}
}

static void serve_stream(int fd)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf));

	/* The client closes first: TIME-WAIT is its. */
	if (n <= 0 || write(fd, buf, n) != n)
		close(fd);
}

static int serve(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), listeners = argc - 1;
	int listener[64], datagram[64];
	time_t end = time(NULL) + 2 * longest;

	for (int i = 0; i < listeners && i < 64; i++) {
		struct epoll_event e = { .events = EPOLLIN };

		listener[i] = opened(SOCK_STREAM, argv[0], atoi(argv[i + 1]));
		datagram[i] = opened(SOCK_DGRAM, argv[0], atoi(argv[i + 1]));
		if (listen(listener[i], 4096))
			die("listen");
		e.data.fd = listener[i];
		epoll_ctl(epoll, EPOLL_CTL_ADD, listener[i], &e);
		e.data.fd = datagram[i];
		epoll_ctl(epoll, EPOLL_CTL_ADD, datagram[i], &e);
	}
	struct epoll_event input = { .events = EPOLLIN, .data.fd = 0 };

	epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
	while (time(NULL) < end) {
		struct epoll_event ready[256];
		int n = epoll_wait(epoll, ready, 256, 1000);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd, which = -1;
			char line[16];

			if (fd == 0) {
				if (read(0, line, sizeof(line)) <= 0)
					return 0;
				tell_all();
				continue;
			}
			for (int l = 0; l < listeners && l < 64; l++) {
				if (fd == datagram[l])
					which = 1;
				else if (fd == listener[l])
					which = 0;
			}
			if (which == 1) {
				serve_datagrams(fd);
			} else if (which == 0) {
				int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
				struct epoll_event e = { .events = EPOLLIN, .data.fd = client };

				if (client >= 0)
					epoll_ctl(epoll, EPOLL_CTL_ADD, client, &e);
			} else {
				serve_stream(fd);
			}
		}
	}
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* One connection; NULL, or what failed. */
static const char *connect_once(const struct sockaddr_in *to, int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 5 };
	const char *failed = NULL;
	char c = 'x';

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || (port && bind(fd, (void *)&from, sizeof(from))))
		failed = "bind";
	else if (connect(fd, (const void *)to, sizeof(*to)))
		failed = "connect";
	else if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		failed = "talk";
	if (failed)
		fprintf(stderr, "crowd: %s, from port %d: %s\n", failed, port, strerror(errno));
	close(fd);
	return failed;
}

static int connect_all(const char *addr, int port, int count, int first, double rate)
{
	struct sockaddr_in to = at(addr, port);
	double start = now();
	int good = 0, failed = 0;

	for (int i = 0; i < count && now() - start < longest && failed < 100; i++) {
		double due = rate > 0 ? start + i / rate - now() : 0;

		if (due > 0)
			usleep(due * 1e6);
		if (connect_once(&to, first ? first + i : 0))
			failed++;
		else
			good++;
	}
	printf("%d of %d in %.1f s\n", good, count, now() - start);
	return good != count;
}

/* Count the sockets that this has come to, until all have it or none comes for two seconds. */
static int collect(const int *fd, char *had, int count, char what)
{
	int got = 0;

	for (double last = now(); got < count && now() - last < 2;) {
		for (int i = 0; i < count; i++) {
			char buf[64];

			if (had[i] || recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT) < 1 || buf[0] != what)
				continue;
			had[i] = 1;
			got++;
			last = now();
		}
		usleep(20000);
	}
	return got;
}

/* A datagram to each that has had no answer; slowly, for the server's buffer's sake. */
static void send_all(const int *fd, const char *had, int count)
{
	for (int i = 0, sent = 0; i < count; i++) {
		if (had[i])
			continue;
		if (send(fd[i], "n", 1, 0) != 1)
			fprintf(stderr, "crowd: send: %s\n", strerror(errno));
		if (++sent % 50 == 0)
			usleep(pause_us);
	}
}

static int hold(const char *addr, int count, int first, char **ports, int port_count)
{
	int *fd = calloc(count, sizeof(*fd));
	char *had = calloc(count, 1), line[16];
	int answered = 0;

	if (!fd || !had)
		die("memory");
	for (int i = 0; i < count; i++) {
		struct sockaddr_in to = at(addr, atoi(ports[i % port_count]));

		fd[i] = opened(SOCK_DGRAM, "0.0.0.0", first + i);
		if (connect(fd[i], (void *)&to, sizeof(to)))
			fprintf(stderr, "crowd: from port %d: %s\n", first + i, strerror(errno));
	}
	/* Again, for those whose datagram was lost on the way. */
	for (int tries = 0; tries < most_tries && answered < count; tries++) {
		send_all(fd, had, count);
		answered += collect(fd, had, count, 'n');
	}
	printf("answered %d of %d\n", answered, count);
	fflush(stdout);
	/* A byte, for others may wait for theirs at the same pipe. */
	if (poll(&(struct pollfd){ .fd = 0, .events = POLLIN }, 1, longest * 1000) <= 0 ||
	    read(0, line, 1) != 1)
		return 1;
	memset(had, 0, count);
	printf("told %d of %d\n", collect(fd, had, count, '!'), count);
	return 0;
}

/* Connections out of many namespaces in turn, whose names are on stdin. */
static int fleet(const char *addr, int count, char **ports, int port_count)
{
	int netns[2048], namespaces = 0, good = 0, failed = 0;
	char name[128], path[256];
	double start = now();

	while (namespaces < 2048 && scanf("%127s", name) == 1) {
		snprintf(path, sizeof(path), "/run/netns/%s", name);
		netns[namespaces] = open(path, O_RDONLY | O_CLOEXEC);
		if (netns[namespaces++] < 0)
			die(path);
	}
	for (int i = 0; i < count && namespaces && now() - start < longest && failed < 1000; i++) {
		struct sockaddr_in to = at(addr, atoi(ports[i % port_count]));

		if (setns(netns[i % namespaces], CLONE_NEWNET))
			die("setns");
		if (connect_once(&to, 0))
			failed++;
		else
			good++;
	}
	printf("%d of %d in %.1f s\n", good, count, now() - start);
	return good != count;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 200000, 200000 };

	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	if (getenv("NSXDP_SLOW")) {
		longest *= 10;
		pause_us *= 10;
		most_tries *= 10;
	}
	if (argc >= 4 && strcmp(argv[1], "serve") == 0)
		return serve(argc - 2, argv + 2);
	if (argc >= 6 && strcmp(argv[1], "connect") == 0)
		return connect_all(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]),
				   argc > 6 ? atof(argv[6]) : 0);
	if (argc >= 6 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], atoi(argv[3]), atoi(argv[4]), argv + 5, argc - 5);
	if (argc >= 5 && strcmp(argv[1], "fleet") == 0)
		return fleet(argv[2], atoi(argv[3]), argv + 4, argc - 4);
	fprintf(stderr, "crowd: see the head of tests/crowd.c\n");
	return 2;
}
