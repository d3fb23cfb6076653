// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads for the hostile tests; every one is bounded by a count.
 *
 *   flood DEV MAC PATTERN ADDRESS PORT COUNT	forged packets of COUNT tuples of
 *	10.0.0.0/8; PATTERN has a letter for each packet of a tuple: s SYN, a ACK, f FIN, r RST, u
 *	UDP. Where SEED is the same the tuples are.
 *   flood short ADDRESS PORT COUNT SOURCE...	COUNT connections from each source, closed by FIN
 *   flood serve PORT				their server: waits for the end, closes
 *   flood echo PORT				sends datagrams back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHUNK 256

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char pad[6];
} __attribute__((packed));

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned int sum(const void *data, int len, unsigned int n)
{
	const unsigned char *b = data;

	for (; len > 1; len -= 2, b += 2)
		n += b[0] << 8 | b[1];
	return n;
}

static unsigned short fold(unsigned int n)
{
	n = (n >> 16) + (n & 0xffff);
	return htons(~((n >> 16) + n) & 0xffff);
}

static void fill(struct frame *f, unsigned int i, char kind, in_addr_t dst, int port)
{
	unsigned int hash = i * 2654435761U;

	memset(&f->ip, 0, sizeof(f->ip) + sizeof(f->tcp));
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.tot_len = htons(40);
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	f->ip.saddr = htonl(0x0a000001 | (hash >> 8 & 0xfffffe));
	f->ip.daddr = dst;
	f->ip.check = fold(sum(&f->ip, 20, 0));
	f->tcp.source = htons(1024 + i % 60000);
	f->tcp.dest = htons(port);
	if (kind == 'u') {
		f->ip.protocol = IPPROTO_UDP;
		f->ip.check = 0;
		f->ip.check = fold(sum(&f->ip, 20, 0));
		f->tcp.seq = htonl(20 << 16);	/* the length; and no checksum */
		return;
	}
	f->tcp.seq = htonl(hash + (kind != 's'));
	f->tcp.doff = 5;
	f->tcp.window = htons(1024);
	f->tcp.syn = kind == 's';
	f->tcp.fin = kind == 'f';
	f->tcp.rst = kind == 'r';
	f->tcp.ack = kind == 'a' || kind == 'f';
	f->tcp.check = fold(sum(&f->ip.saddr, 8, sum(&f->tcp, 20, IPPROTO_TCP + 20)));
}

static int forge(char **arg)
{
	static struct frame frame[CHUNK];
	static struct mmsghdr msg[CHUNK];
	static struct iovec iov[CHUNK];
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(arg[0]),
		.sll_halen = 6,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), count = atoi(arg[5]), buf = 8 << 20;
	struct ether_header eth = {
		.ether_type = htons(ETHERTYPE_IP),
		.ether_shost = { 2, 0, 0, 0, 0, 9 },
	};
	in_addr_t dst = inet_addr(arg[3]);
	unsigned int seed = getenv("SEED") ? atoi(getenv("SEED")) : getpid();
	__u8 *mac = eth.ether_dhost;

	if (fd < 0 || sscanf(arg[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
			     &mac[3], &mac[4], &mac[5]) != 6)
		die("flood");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buf, sizeof(buf));
	for (int n = 0; n < CHUNK; n++) {
		frame[n].eth = eth;
		iov[n] = (struct iovec){ &frame[n], 54 };
		msg[n].msg_hdr = (struct msghdr){ &to, sizeof(to), &iov[n], 1, NULL, 0, 0 };
	}
	for (int at = 0; at < count; at += CHUNK)
		for (const char *kind = arg[2]; *kind; kind++) {
			for (int n = 0; n < CHUNK; n++)
				fill(&frame[n], at + n + seed * 100000U, *kind, dst, atoi(arg[4]));
			for (int sent = 0, tries = 0; sent < CHUNK && tries < 1000; tries++) {
				int got = sendmmsg(fd, msg + sent, CHUNK - sent, 0);

				if (got < 0 && errno != ENOBUFS && errno != EAGAIN)
					die("send");
				if (got > 0)
					sent += got;
				else
					usleep(100);
			}
		}
	printf("sent %d\n", count);
	return 0;
}

static int listener(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&at, sizeof(at)) || listen(fd, 4096))
		die("listen");
	return fd;
}

static void serve(char **arg)
{
	int fd = listener(atoi(arg[0])), peer;
	struct timeval patience = { .tv_sec = 1 };
	char buf[64];

	for (;;) {
		peer = accept(fd, NULL, NULL);
		if (peer < 0)
			continue;
		setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		while (read(peer, buf, sizeof(buf)) > 0)
			;
		close(peer);
	}
}

static void echo(char **arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(arg[0])) }, peer;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20;
	char buf[2048];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (void *)&at, sizeof(at)))
		die("bind");
	for (;;) {
		socklen_t size = sizeof(peer);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&peer, &size);

		if (n >= 0)
			sendto(fd, buf, n, 0, (void *)&peer, size);
	}
}

static int shorts(int argc, char **arg)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	struct timeval patience = { .tv_sec = 1 };
	int done = 0, failed = 0, one = 1;

	to.sin_port = htons(atoi(arg[1]));
	to.sin_addr.s_addr = inet_addr(arg[0]);
	for (int s = 3; s < argc; s++)
		for (int i = 0; i < atoi(arg[2]) && failed < 20; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);

			from.sin_addr.s_addr = inet_addr(arg[s]);
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
			setsockopt(fd, SOL_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof(one));
			if (bind(fd, (void *)&from, sizeof(from)) ||
			    connect(fd, (void *)&to, sizeof(to)))
				failed++;
			else
				done++;
			close(fd);
		}
	printf("done %d failed %d\n", done, failed);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv + 2);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		echo(argv + 2);
	if (argc > 5 && strcmp(argv[1], "short") == 0)
		return shorts(argc - 2, argv + 2);
	if (argc == 7)
		return forge(argv + 1);
	fprintf(stderr, "see the top of flood.c\n");
	return 2;
}
