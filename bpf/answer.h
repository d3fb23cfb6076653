/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors that the host answers with (RFC 792, RFC 1812 4.3.2): the stack would stay silent,
 * for it does not forward and never sees the packet. A packet is turned into the error about itself
 * and sent back.
 */
#ifndef NSXDP_ANSWER_H
#define NSXDP_ANSWER_H

#include "defs.h"
#include "csum.h"
#include "limit.h"
#include "parse.h"

#define ICMP_ROOM	(IP_HLEN_MIN + ICMP_HLEN)
#define QUOTE_MAX	128	/* even; enough for IP options and a whole TCP header */

/*
 * What to answer: type, code and the MTU of fragmentation-needed, in one word for the sake of a
 * call's five arguments.
 */
#define ANSWER(type, code, mtu) ((__u32)(mtu) << 16 | (code) << 8 | (type))
#define ANSWER_TTL		ANSWER(ICMP_TIME_EXCEEDED, 0, 0)
#define ANSWER_TOO_BIG(mtu)	ANSWER(ICMP_DEST_UNREACH, 4, mtu)
/* Port: no soft error (RFC 1122, 4.2.3.9) */
#define ANSWER_UNREACHABLE	ANSWER(ICMP_DEST_UNREACH, 3, 0)
/* Net, prohibited: the soft ones UDP is not told */
#define ANSWER_NO_ROUTE		ANSWER(ICMP_DEST_UNREACH, 9, 0)
#define ANSWER_PROHIBITED	ANSWER(ICMP_DEST_UNREACH, 13, 0)	/* RFC 5508, REQ-8 */

#define ANSWER_COST	250000ULL	/* nanoseconds: 4,000 in a second (RFC 1812, 4.3.2.8) ... */
#define ANSWER_BURST	(512 * ANSWER_COST)	/* ... of which so many at once */

struct icmp_reply {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmphdr icmp;
} __attribute__((packed));

#include "answer6.h"

/* Answers to those outside, as nsx_veth.answer_tat. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NSX_BUDGETS);
	__type(key, __u32);
	__type(value, __u64);
} nsx_answers SEC(".maps");

/* Each namespace has budgets of its own, and all those outside have one together. */
static __always_inline bool answer_may(CTX *ctx, __u32 what)
{
	__u32 budget = (what & 0xffff) == (ANSWER_TOO_BIG(0) & 0xffff) ? NSX_BUDGET_TOO_BIG
								       : NSX_BUDGET_ERRORS;
	__u32 ifindex = ctx_ifindex(ctx);
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	__u64 *tat = veth ? &veth->answer_tat[budget] : bpf_map_lookup_elem(&nsx_answers, &budget);

	return tat && gcra_take(tat, ANSWER_COST, ANSWER_BURST);
}

static __always_inline __u16 sum_words(void *data, void *end, __u32 words)
{
	__u16 *w = data;
	__u32 sum = 0;

	for (__u32 i = 0; i < (ICMP_HLEN + QUOTE_MAX) / 2; i++) {
		if (i >= words || (void *)(w + i + 1) > end)
			break;
		sum += w[i];
	}
	return csum_fold(sum);
}

/*
 * How the sum of what is quoted changes when the device completes a checksum in it that was left to
 * it: the packet keeps that order though it is another one now.
 */
static __always_inline __u32 partial_delta(CTX *ctx)
{
	__u32 start, offset;
	__u16 *from, *field, sum;

	if (!ctx_partial(ctx, &start, &offset))
		return 0;
	from = ctx_data(ctx) + (start & 0x1fe);
	field = ctx_data(ctx) + ((start + offset) & 0x1fe);
	if ((void *)(field + 1) > ctx_data_end(ctx))
		return 0;
	sum = ~sum_words(from, ctx_data_end(ctx), QUOTE_MAX / 2);
	return csum_delta16(*field, sum ? sum : 0xffff);
}

static __always_inline int answer4_pkt(CTX *ctx, const struct pkt *p, __be32 from, __u32 what)
{
	__u32 quote = ctx_len(ctx) - ETH_HLEN;
	struct icmp_reply *r;
	__u8 mac[ETH_ALEN];

	quote = quote > QUOTE_MAX ? QUOTE_MAX : quote & ~1U;
	if (bpf_skb_change_tail(ctx, ETH_HLEN + quote, 0) < 0 ||
	    bpf_skb_adjust_room(ctx, ICMP_ROOM, BPF_ADJ_ROOM_MAC, 0) < 0 ||
	    bpf_skb_pull_data(ctx, ETH_HLEN + ICMP_ROOM + quote) < 0)
		return -1;

	r = ctx_data(ctx);
	if ((void *)(r + 1) > ctx_data_end(ctx))
		return -1;
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
	r->ip.daddr = p->saddr.w[3];
	r->ip.check = ~sum_words((void *)r + ETH_HLEN, ctx_data_end(ctx), IP_HLEN_MIN / 2);
	r->icmp.type = what & 0xff;
	r->icmp.code = what >> 8 & 0xff;
	r->icmp.checksum = 0;
	r->icmp.un.gateway = 0;
	r->icmp.un.frag.mtu = bpf_htons(what >> 16);
	r->icmp.checksum = ~sum_words((void *)r + ETH_HLEN + IP_HLEN_MIN, ctx_data_end(ctx),
				      (ICMP_HLEN + quote) / 2);
	r->icmp.checksum = csum_apply(r->icmp.checksum, partial_delta(ctx));
	return 0;
}

/**
 * answer_pkt() - turn the packet into an ICMP error to its sender
 * @from: the host's address on the sender's side
 * @what: ANSWER_*
 * @action: set to the TC action
 *
 * Never about an ICMP error, nor a later fragment, nor what came from a group (RFC 1122, 3.2.2). A
 * super-packet is cut to the quoted part first, which makes an ordinary packet of it.
 * Return: 0, or -1 where no answer is given; the packet may be changed then, and is to be dropped.
 */
__noinline int answer_pkt(CTX *ctx, const struct pkt *p, const struct nsx_addr *from, __u32 what,
			  int *action)
{
	int err;

	if (!p || !from || !action || p->icmp_error || p->fragment == FRAGMENT_LATER ||
	    !answer_may(ctx, what) || (p->tagged && ctx_untag(ctx) < 0))
		return -1;
	err = p->family == NSX_V6 ? answer6_pkt(ctx, p, from, what)
				  : answer4_pkt(ctx, p, from->w[3], what);
	if (err < 0)
		return -1;
	/* What was reassembled does not say any more which neighbour it is from. */
	if (p->reassembled && addr_eq(&p->daddr, from))
		*action = bpf_redirect_neigh(ctx_ifindex(ctx), NULL, 0, 0);
	else
		*action = bpf_redirect(ctx_ifindex(ctx), 0);
	return 0;
}

#endif
