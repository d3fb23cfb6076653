/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet whose TTL ends here is answered with ICMP time-exceeded (RFC 792, RFC 1812 5.3.1), so that
 * traceroute shows the host. The stack would stay silent, for it does not forward.
 */
#ifndef NSXDP_TTL_H
#define NSXDP_TTL_H

#include "defs.h"
#include "csum.h"
#include "parse.h"

#define ICMP_ROOM	(IP_HLEN_MIN + ICMP_HLEN)
#define QUOTE_MAX	128	/* even; enough for IP options and a whole TCP header */

struct icmp_reply {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmphdr icmp;
} __attribute__((packed));

static __always_inline __u16 sum_words(void *data, void *end, __u32 words)
{
	__u16 *w = data;
	__u64 sum = 0;

	for (__u32 i = 0; i < (ICMP_HLEN + QUOTE_MAX) / 2; i++) {
		if (i >= words || (void *)(w + i + 1) > end)
			break;
		sum += w[i];
	}
	return csum_fold(sum);
}

/**
 * ttl_answer() - turn the packet into a time-exceeded message to its sender
 * @from: the host's address on the sender's side
 * @action: set to the TC action
 *
 * Never about an ICMP error (RFC 1122, 3.2.2), nor about a GSO super-packet, which must not be resized.
 */
static __noinline int ttl_answer(CTX *ctx, const struct pkt *p, __be32 from, int *action)
{
	__u32 quote = ctx_len(ctx) - ETH_HLEN;
	struct icmp_reply *r;
	__u8 mac[ETH_ALEN];

	if (!p || !action || p->icmp_error || p->fragment || ctx_is_gso(ctx))
		return NSX_DROP_TTL;
	quote = quote > QUOTE_MAX ? QUOTE_MAX : quote & ~1U;
	if (bpf_skb_change_tail(ctx, ETH_HLEN + quote, 0) < 0 ||
	    bpf_skb_adjust_room(ctx, ICMP_ROOM, BPF_ADJ_ROOM_MAC, 0) < 0 ||
	    bpf_skb_pull_data(ctx, ETH_HLEN + ICMP_ROOM + quote) < 0)
		return NSX_DROP_TTL;

	r = ctx_data(ctx);
	if ((void *)(r + 1) > ctx_data_end(ctx))
		return NSX_DROP_TTL;
	mac_copy(mac, r->eth.h_dest);
	mac_copy(r->eth.h_dest, r->eth.h_source);
	mac_copy(r->eth.h_source, mac);
	r->ip.version = 4;
	r->ip.ihl = IP_HLEN_MIN / 4;
	r->ip.tos = 0xc0;	/* precedence: internetwork control, RFC 1812 4.3.2.5 */
	r->ip.tot_len = bpf_htons(ICMP_ROOM + quote);
	r->ip.id = 0;
	r->ip.frag_off = 0;
	r->ip.ttl = 64;
	r->ip.protocol = 1;
	r->ip.check = 0;
	r->ip.saddr = from;
	r->ip.daddr = p->saddr;
	r->ip.check = ~sum_words((void *)r + ETH_HLEN, ctx_data_end(ctx), IP_HLEN_MIN / 2);
	r->icmp.type = ICMP_TIME_EXCEEDED;
	r->icmp.code = 0;
	r->icmp.checksum = 0;
	r->icmp.un.gateway = 0;
	r->icmp.checksum = ~sum_words((void *)r + ETH_HLEN + IP_HLEN_MIN, ctx_data_end(ctx), (ICMP_HLEN + quote) / 2);
	*action = bpf_redirect(ctx_ifindex(ctx), 0);
	return NSX_TTL_ANSWERED;
}

#endif
