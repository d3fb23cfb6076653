// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutated frames through every entry program, by BPF_PROG_TEST_RUN on a real instance, from a fixed
 * seed. Whatever comes in, these hold:
 *
 *   - each packet is counted once, by the program that saw it last
 *   - a packet that is passed or dropped is unchanged
 *   - a packet that is sent has its length (but for an answer made by the host), a TTL one lower,
 *     the host's address as its source if it leaves by the uplink, a private address as its destination if
 *     it enters a namespace, and right checksums where they were right before
 *   - nothing of one namespace's private address is seen by another, but its own connections to published ports,
 *     nor outside; nothing with a VLAN tag, a wrong IP checksum or another's address leaves a namespace
 *
 *   fuzz NSXDP FRAMES [SEED]
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"
#include "world.h"

#define FRAME_MAX 1500
#define HOST 0xcb007101U	/* 203.0.113.1 */
#define POOL 0xc0a80000U	/* 192.168.0.0/16 */

/* Frames to begin with: each kind that means something to the datapath. */
static const char *const corpus[] = {
	"tcp 203.0.113.10:4000 > 203.0.113.1:6000 S",
	"tcp 203.0.113.10:4000 > 203.0.113.1:7000 A opts=8",
	"udp 203.0.113.10:4000 > 203.0.113.1:6000 len=100",
	"udp 203.0.113.10:4000 > 203.0.113.1:6000 csum=0",
	"udp 203.0.113.10:4000 > 203.0.113.1:6000 mf len=64",
	"ip 203.0.113.10 > 203.0.113.1 proto=17 off=9 len=64",
	"udp 198.51.100.8:53 > 203.0.113.1:5000",
	"echo 203.0.113.10 > 203.0.113.1 id=7",
	"echo-reply 198.51.100.8 > 203.0.113.1 id=7",
	"error 198.51.100.1 > 203.0.113.1 type=11 cut=8 [ udp 203.0.113.1:5000 > 198.51.100.8:53 ttl=1 ]",
	"error 203.0.113.9 > 203.0.113.1 type=3 code=4 mtu=1000 [ tcp 203.0.113.1:6000 > 203.0.113.10:4000 len=80 ]",
	"tcp 203.0.113.10:4000 > 192.168.0.2:8080 S",
	"tcp 192.168.0.2:8080 > 203.0.113.10:4000 SA eth=192.168.0.2>host",
	"udp 192.168.0.2:5353 > 203.0.113.10:4000 eth=192.168.0.2>host",
	"udp 192.168.0.2:5000 > 198.51.100.8:53 eth=192.168.0.2>host",
	"udp 192.168.0.2:5000 > 198.51.100.8:53 csum=0 opts=4 eth=192.168.0.2>host",
	"tcp 192.168.0.2:20000 > 198.51.100.8:80 S eth=192.168.0.2>host",
	"tcp 192.168.0.2:3000 > 203.0.113.1:6001 S eth=192.168.0.2>host",
	"tcp 192.168.0.2:3000 > 192.168.0.6:8080 S eth=192.168.0.2>host",
	"echo 192.168.0.2 > 198.51.100.8 id=7 eth=192.168.0.2>host",
	"udp 192.168.0.2:3000 > 198.51.100.8:33434 ttl=1 eth=192.168.0.2>host",
	"error 192.168.0.2 > 203.0.113.10 type=3 code=3 eth=192.168.0.2>host [ udp 203.0.113.10:4000 > 192.168.0.2:5353 ]",
	"udp 192.168.0.2:5000 > 198.51.100.8:53 mf len=64 eth=192.168.0.2>host",
	"udp 192.168.0.2:5000 > 198.51.100.200:53 df len=900 eth=192.168.0.2>host",
	"tcp 192.168.0.10:3000 > 198.51.100.8:80 S mss=1460 eth=192.168.0.10>host",
	"tcp 192.168.0.10:3000 > 198.51.100.8:80 S nops=3 mss=1460 eth=192.168.0.10>host",
	"tcp 203.0.113.10:4000 > 203.0.113.1:6003 S mss=1460",
	"udp 192.168.0.10:3000 > 198.51.100.8:53 eth=192.168.0.10>host",
	"udp 198.51.100.9:99 > 203.0.113.1:3000",
	"ip 192.168.0.2 > 198.51.100.8 proto=17 off=9 eth=192.168.0.2>host",
	"udp 192.168.0.2:5000 > 198.51.100.8:53 vlan=0x2000 eth=192.168.0.2>host",
	"tcp 192.168.0.2:3000 > 192.168.0.6:8080 S vlan=100 eth=192.168.0.2>host",
	"tcp 203.0.113.10:4000 > 203.0.113.1:6000 S vlan=100",
	"tcp 192.168.0.2:3000 > 169.254.169.254:80 S eth=192.168.0.2>host",
	"arp 192.168.0.2 > 192.168.0.1 eth=192.168.0.2>host",
	"nd 192.168.0.2 > 192.168.0.1 type=135 eth=192.168.0.2>host",
	"nd 192.168.0.2 > 192.168.0.1 type=134 eth=192.168.0.2>host",
	"udp 192.168.0.6:5000 > 198.51.100.8:53 eth=192.168.0.6>host",
	"tcp 192.168.0.6:3000 > 203.0.113.1:6000 S eth=192.168.0.6>host",
	"tcp 192.168.0.6:8080 > 192.168.0.2:3000 SA eth=192.168.0.6>host",
	"error 192.168.0.10 > 192.168.0.2 type=3 code=3 eth=192.168.0.10>host "
	"[ tcp 192.168.0.2:3000 > 192.168.0.6:8080 ]",
};
#define CORPUS (sizeof(corpus) / sizeof(corpus[0]))

/* Where a frame comes from. ns3 clamps segments and lets everybody answer. */
enum from {
	FROM_NS1,
	FROM_NS2,
	FROM_NS3,
	FROM_UPLINK,
	FROMS,
};
static const char *const from_names[FROMS] = { "ns1", "ns2", "ns3", "the uplink" };
static const unsigned from_addrs[FROMS] = { POOL + 2, POOL + 6, POOL + 10 };

static unsigned long long rng_state;

/* xorshift64*: the same frames for the same seed. */
static unsigned rng(unsigned below)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (unsigned)((rng_state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static unsigned get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static unsigned get32(const uint8_t *p)
{
	return (unsigned)get16(p) << 16 | get16(p + 2);
}

static unsigned sum(const uint8_t *p, size_t len, unsigned s)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		s += get16(p + i);
	if (len & 1)
		s += p[len - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Is the L4 checksum right (or absent), as far as the whole of the segment is here? */
static bool l4_right(const uint8_t *ip, size_t len)
{
	unsigned ihl = (ip[0] & 15) * 4, total = get16(ip + 2), l4 = total - ihl;

	if (ihl < 20 || total < ihl + 8 || total > len || (get16(ip + 6) & 0x3fff))
		return false;
	if (ip[9] == 1)
		return sum(ip + ihl, l4, 0) == 0xffff;
	if (ip[9] == 17 && get16(ip + ihl + 6) == 0)
		return true;
	if (ip[9] == 17 && get16(ip + ihl + 4) != l4)
		return false;
	if (ip[9] == 6 && l4 < 20)
		return false;
	return (ip[9] == 6 || ip[9] == 17) &&
	       sum(ip + ihl, l4, sum(ip + 12, 8, ip[9] + l4)) == 0xffff;
}

static bool ip_right(const uint8_t *ip)
{
	return sum(ip, (ip[0] & 15) * 4, 0) == 0xffff;
}

/* Repair the IP checksum, so that mutations further in are reached. */
static void ip_repair(uint8_t *ip)
{
	unsigned c;

	ip[10] = ip[11] = 0;
	c = ~sum(ip, (ip[0] & 15) * 4, 0);
	ip[10] = c >> 8;
	ip[11] = c;
}

/* What the kernel takes for a test run: a whole header of IPv4, or of IPv6. */
static size_t least(const uint8_t *frame)
{
	return get16(frame + 12) == 0x86dd ? 54 : 34;
}

static size_t mutate(uint8_t *frame)
{
	static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, 0x45, 0x46, 6, 17, 0x20 };
	size_t len = pkt_build(corpus[rng(CORPUS)], frame);
	int changes = rng(5);

	for (int i = 0; i < changes; i++) {
		size_t at = rng(4) ? 14 + rng(len - 14 < 60 ? len - 14 : 60) : rng(len);

		switch (rng(4)) {
		case 0: frame[at] ^= 1 << rng(8); break;
		case 1: frame[at] = rng(256); break;
		case 2: frame[at] = telling[rng(sizeof(telling))]; break;
		case 3: frame[at] += rng(2) ? 1 : -1; break;
		}
	}
	if (rng(8) == 0 && len > 60)
		len = least(frame) + rng(len - least(frame));
	if (len < least(frame))
		frame[12] = 8;
	if (rng(2) && len >= 14 + (frame[14] & 15) * 4u)
		ip_repair(frame + 14);
	return len;
}

static const char *check_sent(const uint8_t *was, size_t was_len, const uint8_t *is, size_t is_len,
			      enum from from, const char *verdict)
{
	const uint8_t *a = was + 14, *b = is + 14;
	bool uplink = from == FROM_UPLINK;

	if (strcmp(verdict, "defrag") == 0)
		return is_len == was_len && memcmp(was + 6, is + 6, is_len - 6) == 0
			       ? NULL
			       : "a fragment to be put in order changed";
	if (get16(was + 12) != 0x0800)
		return "a frame that is not IPv4 was sent";
	if (!uplink && verdict_class(verdict) != NSX_CLASS_ANSWER &&
	    (get32(a + 12) != from_addrs[from] || !ip_right(a)))
		return "left a namespace with another's address or a wrong IP checksum";

	if (verdict_class(verdict) == NSX_CLASS_ANSWER)
		return ip_right(b) && l4_right(b, is_len - 14)
			       ? NULL
			       : "the host's answer has a wrong checksum";
	if (is_len != was_len)
		return "the length changed";
	if (b[8] != a[8] - 1)
		return "the TTL is not one lower";
	if (ip_right(a) != ip_right(b))
		return "the IP checksum changed its truth";
	if (l4_right(a, was_len - 14) && !l4_right(b, is_len - 14))
		return "a right L4 checksum became wrong";
	if (uplink && (get32(b + 16) & 0xffff0000) != POOL)
		return "delivered to a namespace with another's address";
	if (!uplink && strcmp(verdict, "hairpin") && get32(b + 12) != HOST &&
	    (get32(b + 16) & 0xffff0000) != POOL)
		return "left by the uplink with another source than the host's";
	/*
	 * Only to a published port does a private address get: from a client to the server that it
	 * asked for.
	 */
	if (!uplink && (get32(b + 16) & 0xffff0000) == POOL &&
	    (get32(b + 12) & 0xffff0000) == POOL && (get32(a + 16) & 0xffff0000) == POOL)
		return "a private address reached another's";
	return NULL;
}

static int total(struct nsx_count c[NSX_HOOKS][NSX_VERDICT_COUNT],
		 struct nsx_count d[NSX_HOOKS][NSX_VERDICT_COUNT], int *verdict)
{
	int n = 0;

	/* The kernel's own listener reports come from the private namespace at any time. */
	for (int h = 0; h < NSX_FROM_PRIVATE; h++)
		for (int v = 0; v < NSX_VERDICT_COUNT; v++)
			if (d[h][v].packets != c[h][v].packets) {
				n += d[h][v].packets - c[h][v].packets;
				*verdict = v;
			}
	return n;
}

/* One frame through XDP, where it runs, and TC; returns what does not hold, or NULL. */
static const char *run_one(const uint8_t *frame, size_t len, enum from from, bool with_xdp,
			   const unsigned ifindex[FROMS], uint8_t *out, size_t *out_len)
{
	static struct nsx_count before[NSX_HOOKS][NSX_VERDICT_COUNT],
		after[NSX_HOOKS][NSX_VERDICT_COUNT];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = PKT_MAX);
	struct xdp_md xdp = { .data_end = len };
	struct __sk_buff skb = {};
	int action = XDP_PASS, verdict = 0, counted;
	bool uplink = from == FROM_UPLINK;

	skb.ifindex = xdp.ingress_ifindex = ifindex[from];
	/* As received by a veth, or as sent by a netkit device. */
	skb.ingress_ifindex = len & 1 ? skb.ifindex : 0;
	memcpy(before, after, sizeof(before));
	if (with_xdp) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
		action = prog_run(uplink ? "xdp_from_uplink" : "xdp_from_ns", &opts);
		*out_len = opts.data_size_out;
		if (action == XDP_PASS && (*out_len != len || memcmp(out, frame, len)))
			return "XDP passed a changed packet";
	}
	if (action == XDP_PASS) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
		opts.data_size_out = PKT_MAX;
		action = prog_run(uplink ? "tc_from_uplink" : "tc_from_ns", &opts);
		*out_len = opts.data_size_out;
	} else {
		action = action == XDP_REDIRECT ? 7 : 2;
	}
	must(table_counts(&in, after), "counters");
	counted = total(before, after, &verdict);
	if (counted != 1)
		return counted ? "counted more than once" : "not counted";
	if (action == 7)
		return check_sent(frame, len, out, *out_len, from, verdict_names[verdict]);
	if (verdict == NSX_DROP_ERROR)
		return "the kernel refused to change it";
	if (verdict == NSX_DROP_EGRESS_SOURCE)
		return "only the last look stopped it";
	return *out_len == len && memcmp(out, frame, len) == 0 ? NULL
							       : "passed or dropped, but changed";
}

static int run_mode(bool xdp, long frames, int number)
{
	static uint8_t frame[PKT_MAX], out[PKT_MAX];
	unsigned ifindex[FROMS];
	const char *wrong = NULL;
	size_t len = 0, out_len = 0;
	enum from from = FROM_NS1;
	long sent = 0, i;

	instance_make(xdp, "");
	must(sh("nsxdp map add 6000 ns1:8080 && nsxdp map add 7000 ns1:8080 && nsxdp map add 6001 ns2:8080 &&"
		"nsxdp map add -p udp 6000 ns1:5353 &&"
		"nsxdp ns add ns3 --dns 9.9.9.9 --clamp-mss --nat endpoint-independent --datapath %s &&"
		"nsenter --net=/run/netns/ns3 sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && sleep 0.1 &&"
		"nsxdp map add 6003 ns3:80 && ip route replace 198.51.100.128/25 via 203.0.113.10 mtu lock 800",
		xdp ? "xdp" : "tc"),
	     "map add");
	ifindex[FROM_NS1] = if_nametoindex("nsx-ns1");
	ifindex[FROM_NS2] = if_nametoindex("nsx-ns2");
	ifindex[FROM_NS3] = if_nametoindex("nsx-ns3");
	ifindex[FROM_UPLINK] = if_nametoindex("ens5");
	/* The counters' first reading */
	run_one(frame, pkt_build(corpus[0], frame), FROM_UPLINK, xdp, ifindex, out, &out_len);
	/*
	 * Each kind of frame, cut at each length that the kernel takes: from a whole IP header on.
	 */
	for (size_t kind = 0; kind < CORPUS && !wrong; kind++) {
		size_t whole = pkt_build(corpus[kind], frame);

		for (len = least(frame); len < whole && !wrong; len++) {
			from = strstr(corpus[kind], "eth=192.168.0.10") ? FROM_NS3 :
			       strstr(corpus[kind], "eth=192.168.0.6") ? FROM_NS2 :
			       strstr(corpus[kind], "eth=") ? FROM_NS1 : FROM_UPLINK;
			wrong = run_one(frame, len, from, xdp, ifindex, out, &out_len);
		}
	}
	for (i = 0; i < frames && !wrong; i++) {
		len = mutate(frame);
		/* Half of them from the uplink. */
		from = rng(2) ? FROM_UPLINK : rng(FROM_UPLINK);
		wrong = run_one(frame, len, from, xdp, ifindex, out, &out_len);
		sent += memcmp(out, frame, len) != 0;
	}
	if (wrong) {
		printf("# frame %ld from %s: %s\n", i, from_names[from], wrong);
		pkt_diff(out, out_len, frame, len);
	}
	/* A fuzzer whose frames never get far shows nothing. */
	if (!wrong && sent < frames / 20)
		wrong = "too few frames were translated";
	printf("%s %d - fuzz, %s: %ld frames, %ld translated%s%s\n", wrong ? "not ok" : "ok",
	       number, xdp ? "xdp" : "tc", i, sent, wrong ? ": " : "", wrong ? wrong : "");
	instance_unmake();
	return wrong != NULL;
}

int main(int argc, char **argv)
{
	long frames = argc > 2 ? atol(argv[2]) : 0;
	int failed = 0;

	if (frames < 1) {
		fprintf(stderr, "usage: fuzz NSXDP FRAMES [SEED]\n");
		return 2;
	}
	rng_state = argc > 3 ? strtoull(argv[3], NULL, 0) | 1 : 0x9e3779b97f4a7c15ULL;
	world_path(argv[1]);
	world_make();
	for (int xdp = 0; xdp < 2; xdp++)
		failed += run_mode(xdp, frames, xdp + 1);
	puts("1..2");
	return failed != 0;
}
