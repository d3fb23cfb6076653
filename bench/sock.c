// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets as programs use them, with as little of their own cost as can be.
 *
 *   sock serve PORT                        echo, TCP and UDP, until killed
 *   sock rr tcp|udp HOST PORT SECONDS      one byte there and back: prints rate, p50, p99 (microseconds)
 *   sock crr HOST PORT SECONDS             connect, one byte there and back, close: the same
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES (1 << 20)

static void die(const char *what)
{
	fprintf(stderr, "sock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int bound(int type, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	return fd;
}

static void serve(int port)
{
	int tcp = bound(SOCK_STREAM, port), udp = bound(SOCK_DGRAM, port), ep = epoll_create1(0),
	    one = 1;
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = tcp };
	char buf[2048];

	listen(tcp, 4096);
	epoll_ctl(ep, EPOLL_CTL_ADD, tcp, &ev);
	ev.data.fd = udp;
	epoll_ctl(ep, EPOLL_CTL_ADD, udp, &ev);
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n;

		if (epoll_wait(ep, &ev, 1, -1) < 1)
			continue;
		if (ev.data.fd == udp) {
			n = recvfrom(udp, buf, sizeof(buf), 0, (void *)&from, &len);
			if (n >= 0)
				sendto(udp, buf, n, 0, (void *)&from, len);
		} else if (ev.data.fd == tcp) {
			ev.data.fd = accept(tcp, NULL, NULL);
			setsockopt(ev.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			ev.events = EPOLLIN;
			epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
		} else {
			n = read(ev.data.fd, buf, sizeof(buf));
			if (n <= 0 || write(ev.data.fd, buf, n) != n)
				close(ev.data.fd);
		}
	}
}

static int dial(int type, const char *host, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, host, &a.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
		die("connect");
	return fd;
}

static void ping_pong(int fd)
{
	char c = 'x';

	if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		die("no answer");
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void measure(int type, int connects, const char *host, int port, double seconds)
{
	static float sample[SAMPLES];
	double start = now(), before;
	struct linger abort_now = { 1, 0 };
	int fd = connects ? -1 : dial(type, host, port);
	size_t n = 0;

	for (before = start; before - start < seconds && n < SAMPLES; n++) {
		double after;

		if (connects)
			fd = dial(type, host, port);
		ping_pong(fd);
		if (connects) {
			/* No TIME_WAIT: a loop of minutes would run out of ports, not of speed. */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof(abort_now));
			close(fd);
		}
		after = now();
		sample[n] = (after - before) * 1e6;
		before = after;
	}
	qsort(sample, n, sizeof(*sample), compare);
	printf("%.0f %.1f %.1f\n", n / (before - start), sample[n / 2], sample[n * 99 / 100]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	else if (argc == 6 && strcmp(argv[1], "rr") == 0)
		measure(strcmp(argv[2], "tcp") ? SOCK_DGRAM : SOCK_STREAM, 0, argv[3],
			atoi(argv[4]), atof(argv[5]));
	else if (argc == 5 && strcmp(argv[1], "crr") == 0)
		measure(SOCK_STREAM, 1, argv[2], atoi(argv[3]), atof(argv[4]));
	else
		return fprintf(stderr, "sock: see the head of bench/sock.c\n"), 2;
	return 0;
}
