// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nanoseconds per packet and program, through BPF_PROG_TEST_RUN: a fresh packet for each run (a
 * second run of the same would meet an already translated packet), the median of many. The kernel
 * times one run with its own overhead of some tens of nanoseconds, which the row "passed" shows:
 * compare with that.
 *
 *   bench_prog DIR HOST_VETH INSIDE6
 *
 * Run it in the host's network namespace. DIR is the instance's pin directory, INSIDE6 the IPv6
 * address of the namespace. Expects what rival.sh makes: 6000 published to port 8080 of 192.168.0.2.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pkt.h"

#define RUNS 20001

static int compare(const void *a, const void *b)
{
	return (*(const unsigned *)a > *(const unsigned *)b) -
	       (*(const unsigned *)a < *(const unsigned *)b);
}

/* The MAC that the uplink has, and the IPv6 addresses of this lab. Checksums stay wrong as they are. */
static uint8_t uplink_mac[6];
static uint8_t client6[16], host6[16], inside6[16];

static void read_mac(const char *dev, uint8_t mac[6])
{
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr)) {
		fprintf(stderr, "bench_prog: MAC of %s: %s\n", dev, strerror(errno));
		exit(1);
	}
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void place(uint8_t *frame, int from_ns)
{
	if (!from_ns)
		memcpy(frame, uplink_mac, 6);
	if (pkt_family == 6) {
		memcpy(frame + 22, from_ns ? inside6 : client6, 16);
		memcpy(frame + 38, from_ns ? client6 : host6, 16);
	}
}

static void measure(const char *dir, const char *prog_name, const char *dev, const char *what,
		    const char *words)
{
	static uint8_t frame[PKT_MAX], out[PKT_MAX];
	static unsigned ns[RUNS];
	struct xdp_md xdp = {};
	struct __sk_buff skb = {};
	int is_xdp = strncmp(prog_name, "xdp", 3) == 0, prog;
	size_t len = pkt_build(words, frame);
	char path[256], row[64];

	snprintf(path, sizeof(path), "%s/%s", dir, prog_name);
	prog = bpf_obj_get(path);
	if (prog < 0)
		return;	/* this instance runs without XDP */
	place(frame, strstr(prog_name, "from_ns") != NULL);
	xdp.data_end = len;
	xdp.ingress_ifindex = skb.ingress_ifindex = skb.ifindex = if_nametoindex(dev);
	for (int i = 0; i < RUNS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len,
			    .data_out = out, .data_size_out = sizeof(out),
			    .ctx_in = is_xdp ? (void *)&xdp : (void *)&skb,
			    .ctx_size_in = is_xdp ? sizeof(xdp) : sizeof(skb));

		if (bpf_prog_test_run_opts(prog, &opts)) {
			fprintf(stderr, "bench_prog: %s: %s\n", prog_name, strerror(errno));
			exit(1);
		}
		ns[i] = opts.duration;
	}
	close(prog);
	qsort(ns, RUNS, sizeof(*ns), compare);
	snprintf(row, sizeof(row), "%s%s", what, pkt_family == 6 ? ", IPv6" : "");
	printf("%-16s %-24s %4u\n", prog_name, row, ns[RUNS / 2]);
}

static void measure_family(char **argv)
{
	static const char *const uplink[] = { "tc_from_uplink", "xdp_from_uplink" };
	static const char *const ns[] = { "tc_from_ns", "xdp_from_ns" };

	for (int i = 0; i < 2; i++) {
		measure(argv[1], uplink[i], "ens5", "passed",
			"udp 203.0.113.10:4000 > 203.0.113.1:50000");
		measure(argv[1], uplink[i], "ens5", "published",
			"udp 203.0.113.10:4000 > 203.0.113.1:6000");
		if (pkt_family == 4)
			measure(argv[1], ns[i], argv[2], "to the gateway",
				"udp 192.168.0.2:4000 > 192.168.0.1:53 eth=192.168.0.2>host");
		measure(argv[1], ns[i], argv[2], "published",
			"udp 192.168.0.2:8080 > 203.0.113.10:4000 eth=192.168.0.2>host");
		measure(argv[1], ns[i], argv[2], "masquerade",
			"udp 192.168.0.2:9000 > 203.0.113.10:53 eth=192.168.0.2>host");
		measure(argv[1], uplink[i], "ens5", "masquerade",
			"udp 203.0.113.10:53 > 203.0.113.1:9000");
	}
}

int main(int argc, char **argv)
{
	static const int families[] = { 4, 6 };

	if (argc != 4 || inet_pton(AF_INET6, argv[3], inside6) != 1)
		return fprintf(stderr, "bench_prog: see the head of bench/bench_prog.c\n"), 2;
	inet_pton(AF_INET6, "2001:db8:1::1", host6);
	inet_pton(AF_INET6, "2001:db8:9::10", client6);
	read_mac("ens5", uplink_mac);
	for (int i = 0; i < 2; i++) {
		pkt_family = families[i];
		measure_family(argv);
	}
	return 0;
}
