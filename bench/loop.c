// SPDX-License-Identifier: GPL-2.0-only
/*
 * The closed loop: attach a reflector at each end, inject W packets, let them circulate, and print
 * how many passed the client's end per second, and how many of them were still there at the end.
 *
 * A datapath may lose packets, above all where every packet is a new flow: the time is cut into
 * slices, and each begins with W fresh packets.
 *
 *   loop --client NETNS IF --ns NETNS IF --mac DEST --from ADDR:PORT --to ADDR:PORT [--out]
 *        [--hook tc|xdp] [--flows N] [--addr ADDR] [--window W] [--size BYTES] [--seconds S] [--warm S]
 *   loop --bare NETNS IF OUT_IF [--peer] [--hook tc|xdp]     attach a bare redirect and wait for a signal
 *
 * --out: the namespace's end chooses the flows and injects (masquerade), else the client's end
 * does.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reflect.skel.h"

#define ATTACH_TCX_INGRESS 46

struct end {
	const char *netns;
	const char *dev;
	struct reflect_bpf *skel;
	int link;
};

struct options {
	struct end client, ns;
	const char *mac, *from, *to, *addr;
	int out, xdp;
	unsigned flows, window, size;
	double seconds, warm;
};

static void die(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
	return 0;
}

/* "1.2.3.4:5" or "[2001:db8::1]:5". Returns the length of the address. */
static int endpoint(const char *text, uint8_t addr[16], uint16_t *port)
{
	char host[64];
	int p, len = 0;

	if (sscanf(text, "[%63[^]]]:%d", host, &p) == 2)
		len = inet_pton(AF_INET6, host, addr) == 1 ? 16 : 0;
	else if (sscanf(text, "%63[^:]:%d", host, &p) == 2)
		len = inet_pton(AF_INET, host, addr) == 1 ? 4 : 0;
	if (!len) {
		fprintf(stderr, "loop: '%s' is neither ADDR:PORT nor [ADDR]:PORT\n", text);
		exit(2);
	}
	*port = htons(p);
	return len;
}

static void attach(struct end *e, const struct options *o, int vary)
{
	struct bpf_program *prog;
	struct in_addr addr;
	int type = o->xdp ? BPF_XDP : ATTACH_TCX_INGRESS;
	/* XDP_FLAGS_DRV_MODE */
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = o->xdp ? 1U << 2 : 0);

	enter(e->netns);
	e->skel = reflect_bpf__open();
	if (!e->skel)
		die("open");
	e->skel->rodata->vary = vary;
	e->skel->rodata->flows = o->flows;
	e->skel->rodata->vary_remote = o->out;
	if (vary && o->addr && inet_pton(AF_INET, o->addr, &addr) == 1)
		e->skel->rodata->vary_addr = ntohl(addr.s_addr);
	if (reflect_bpf__load(e->skel))
		die("load");
	prog = o->xdp ? e->skel->progs.xdp_reflect : e->skel->progs.tc_reflect;
	e->link = bpf_link_create(bpf_program__fd(prog), if_nametoindex(e->dev), type, &opts);
	if (e->link < 0)
		die("attach");
}

static uint16_t sum16(const void *data, size_t len, uint32_t sum)
{
	const uint16_t *p = data;

	for (size_t i = 0; i < len / 2; i++)
		sum += p[i];
	if (len & 1)
		sum += ((const uint8_t *)data)[len - 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The IP header of a packet of len bytes; returns its length. */
static int put_ip(uint8_t *ip, int len, const uint8_t *src, const uint8_t *dst, int addr_len)
{
	uint16_t word;

	if (addr_len == 16) {
		ip[0] = 0x60;
		ip[4] = (len - 40) >> 8;
		ip[5] = len - 40;
		ip[6] = 17;
		ip[7] = 64;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, dst, 16);
		return 40;
	}
	ip[0] = 0x45;
	ip[2] = len >> 8;
	ip[3] = len;
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, src, 4);
	memcpy(ip + 16, dst, 4);
	word = ~sum16(ip, 20, 0);
	memcpy(ip + 10, &word, 2);
	return 20;
}

static void inject(const struct options *o)
{
	const struct end *e = o->out ? &o->ns : &o->client;
	uint8_t frame[2048] = {};
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_halen = 6 };
	unsigned int mac[6];
	struct ifreq ifr = {};
	uint8_t src[16], dst[16], *uh;
	uint16_t sport, dport, word;
	int fd, addr_len, l3_len, len = o->size - 14, room = 64 << 20;

	enter(e->netns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", e->dev);
	/* What circulates may count against its sender for ever. */
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		die("packet socket");
	ll.sll_ifindex = if_nametoindex(e->dev);
	if (sscanf(o->mac, "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) !=
	    6)
		die("MAC");
	for (int i = 0; i < 6; i++)
		frame[i] = mac[i];
	memcpy(frame + 6, ifr.ifr_hwaddr.sa_data, 6);
	addr_len = endpoint(o->from, src, &sport);
	if (endpoint(o->to, dst, &dport) != addr_len) {
		fprintf(stderr, "loop: the two ends are of different families\n");
		exit(2);
	}
	memcpy(frame + 12, addr_len == 16 ? "\x86\xdd" : "\x08\x00", 2);
	l3_len = put_ip(frame + 14, len, src, dst, addr_len);
	uh = frame + 14 + l3_len;
	for (unsigned i = 0; i < o->window; i++) {
		uint16_t port = htons(10000 +
				      i % (o->flows && o->flows < 20000 ? o->flows : 20000)),
			 ulen = htons(len - l3_len);
		uint32_t pseudo = htons(17);

		memcpy(uh, &port, 2);
		memcpy(uh + 2, &dport, 2);
		memcpy(uh + 4, &ulen, 2);
		memset(uh + 6, 0, 2);
		pseudo += sum16(uh - 2 * addr_len, 2 * addr_len, 0) + ulen;
		word = ~sum16(uh, len - l3_len, pseudo);
		memcpy(uh + 6, &word, 2);
		/*
		 * The ring of the link is full for a moment: what circulates goes through it too.
		 */
		for (int tries = 0; sendto(fd, frame, o->size, 0, (void *)&ll, sizeof(ll)) < 0;
		     tries++) {
			if (errno != ENOBUFS || tries > 100)
				die("send");
			usleep(20);
		}
	}
	close(fd);
}

static unsigned long long count(const struct end *e)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned long long values[cpus], sum = 0;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(e->skel->maps.packets), &zero, values))
		die("count");
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Let everything fall out; returns how many packets were still there. */
static unsigned long long drain(struct options *o)
{
	unsigned long long fallen;

	o->client.skel->bss->fallen = o->ns.skel->bss->fallen = 0;
	o->client.skel->bss->stop = o->ns.skel->bss->stop = 1;
	usleep(5000);
	fallen = o->client.skel->bss->fallen + o->ns.skel->bss->fallen;
	o->client.skel->bss->stop = o->ns.skel->bss->stop = 0;
	return fallen;
}

#define SLICE 0.2	/* seconds */

static void measure(struct options *o)
{
	unsigned long long passed = 0, alive = 0;
	double time = 0;
	int slices = 0;

	attach(&o->client, o, !o->out);
	attach(&o->ns, o, o->out);
	inject(o);
	usleep(o->warm * 1e6);
	drain(o);
	while (time < o->seconds) {
		unsigned long long before;
		double start;

		inject(o);
		before = count(&o->client);
		start = now();
		usleep(SLICE * 1e6);
		passed += count(&o->client) - before;
		time += now() - start;
		alive += drain(o);
		slices++;
	}
	printf("%.0f %.2f\n", passed / time, (double)alive / slices / o->window);
	close(o->client.link);
	close(o->ns.link);
	reflect_bpf__destroy(o->client.skel);
	reflect_bpf__destroy(o->ns.skel);
}

static int bare(int argc, char **argv)
{
	struct reflect_bpf *skel = reflect_bpf__open();
	struct bpf_program *prog;
	int xdp = 0, i;
	LIBBPF_OPTS(bpf_link_create_opts, opts);

	if (argc < 5 || !skel)
		return 2;
	enter(argv[2]);
	for (i = 5; i < argc; i++) {
		if (strcmp(argv[i], "--peer") == 0)
			skel->rodata->peer = 1;
		else if (strcmp(argv[i], "xdp") == 0)
			xdp = 1;
	}
	skel->rodata->out_ifindex = if_nametoindex(argv[4]);
	if (reflect_bpf__load(skel))
		die("load");
	prog = xdp ? skel->progs.xdp_bare : skel->progs.tc_bare;
	opts.flags = xdp ? 1U << 2 : 0;
	if (bpf_link_create(bpf_program__fd(prog), if_nametoindex(argv[3]),
			    xdp ? BPF_XDP : ATTACH_TCX_INGRESS, &opts) < 0)
		die("attach");
	pause();
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN && getenv("NSXDP_DEBUG") ? vfprintf(stderr, format, ap) : 0;
}

int main(int argc, char **argv)
{
	struct options o = { .flows = 1, .window = 256, .size = 64, .seconds = 1, .warm = 0.2 };

	libbpf_set_print(quiet);
	if (argc > 1 && strcmp(argv[1], "--bare") == 0)
		return bare(argc, argv);
	for (int i = 1; i < argc; i++) {
		const char *w = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(w, "--client") == 0 && i + 2 < argc)
			o.client = (struct end){ argv[i + 1], argv[i + 2], NULL, -1 }, i += 2;
		else if (strcmp(w, "--ns") == 0 && i + 2 < argc)
			o.ns = (struct end){ argv[i + 1], argv[i + 2], NULL, -1 }, i += 2;
		else if (strcmp(w, "--out") == 0)
			o.out = 1;
		else if (strcmp(w, "--mac") == 0)
			o.mac = v, i++;
		else if (strcmp(w, "--from") == 0)
			o.from = v, i++;
		else if (strcmp(w, "--to") == 0)
			o.to = v, i++;
		else if (strcmp(w, "--addr") == 0)
			o.addr = v, i++;
		else if (strcmp(w, "--hook") == 0)
			o.xdp = strcmp(v, "xdp") == 0, i++;
		else if (strcmp(w, "--flows") == 0)
			o.flows = atoi(v), i++;
		else if (strcmp(w, "--window") == 0)
			o.window = atoi(v), i++;
		else if (strcmp(w, "--size") == 0)
			o.size = atoi(v), i++;
		else if (strcmp(w, "--seconds") == 0)
			o.seconds = atof(v), i++;
		else if (strcmp(w, "--warm") == 0)
			o.warm = atof(v), i++;
		else
			o.mac = NULL, i = argc;
	}
	if (!o.mac || !o.from || !o.to || !o.client.dev || !o.ns.dev || o.size < 62 ||
	    o.size > 1514) {
		fprintf(stderr, "loop: see the head of bench/loop.c\n");
		return 2;
	}
	measure(&o);
	return 0;
}
