/* SPDX-License-Identifier: GPL-2.0-only */
/* The same errors in ICMPv6 (RFC 4443), for answer.h. */
#ifndef NSXDP_ANSWER6_H
#define NSXDP_ANSWER6_H

#include "defs.h"
#include "csum.h"
#include "parse.h"
#include "rewrite6.h"

#define ICMP6_ROOM	(IP6_HLEN + ICMP_HLEN)
/* How much an error may quote: it must fit the minimum MTU (RFC 4443, 2.4) */
#define QUOTE6_MAX	(MTU6_LEAST - ICMP6_ROOM)
#define SUM_WORDS	((ICMP_HLEN + QUOTE6_MAX) / 4)

struct icmp6_reply {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmphdr icmp;
} __attribute__((packed));

/* A sum over 32-bit words of the packet; a helper would take 512 bytes at most. */
struct sum_walk {
	CTX *ctx;
	__u32 at;	/* offset in the frame */
	__u32 bytes;	/* that are left */
	__u64 sum;
};

static long sum_step(__u64 i, struct sum_walk *w)
{
	__u8 *data = ctx_data(w->ctx) + (w->at & 0x7ff);

	if (w->bytes >= 4 && (void *)(data + 4) <= ctx_data_end(w->ctx)) {
		w->sum += *(__u32 *)data;
		w->at += 4;
		w->bytes -= 4;
		return 0;
	}
	if (w->bytes >= 2 && (void *)(data + 2) <= ctx_data_end(w->ctx)) {
		w->sum += *(__u16 *)data;
		w->at += 2;
		w->bytes -= 2;
	}
	if (w->bytes && (void *)(data + 1) <= ctx_data_end(w->ctx)) {
		data = ctx_data(w->ctx) + (w->at & 0x7ff);
		if ((void *)(data + 1) <= ctx_data_end(w->ctx))
			w->sum += bpf_htons((__u16)(*data << 8));
	}
	return 1;
}

/* The sum of so many bytes from an offset in the frame on, folded. */
__noinline int sum_bytes(CTX *ctx, __u32 at, __u32 bytes)
{
	struct sum_walk w = { .ctx = ctx, .at = at, .bytes = bytes };

	bpf_loop(SUM_WORDS + 1, sum_step, &w, 0);
	return csum_fold(csum_narrow((w.sum & 0xffffffff) + (w.sum >> 32)));
}

/* Translate an ANSWER_*, which is in terms of ICMPv4, to ICMPv6. */
static __always_inline void icmp6_of(__u32 what, struct icmp6_reply *r)
{
	r->icmp.type = ICMPV6_DEST_UNREACH;
	r->icmp.code = 1;	/* administratively prohibited */
	r->icmp.un.gateway = 0;
	switch (what & 0xffff) {
	case ANSWER_TTL:
		r->icmp.type = ICMPV6_TIME_EXCEEDED;
		r->icmp.code = 0;
		break;
	case ANSWER_TOO_BIG(0):
		r->icmp.type = ICMPV6_TOO_BIG;
		r->icmp.code = 0;
		r->icmp.un.gateway = bpf_htonl(what >> 16);
		break;
	case ANSWER_UNREACHABLE:
		r->icmp.code = 4;	/* port */
		break;
	case ANSWER_NO_ROUTE:
		r->icmp.code = 0;
		break;
	}
}

/* How the sum of what is quoted changes, as partial_delta() in answer.h says. */
static __always_inline __u32 partial_delta6(CTX *ctx, __u32 frame_end)
{
	__u32 start, offset, at;
	__u16 *field, sum;

	if (!ctx_partial(ctx, &start, &offset) || start >= frame_end)
		return 0;
	at = (start + offset) & 0x7ff;
	sum = ~sum_bytes(ctx, start, frame_end - start);
	field = ctx_data(ctx) + at;
	if ((void *)(field + 1) > ctx_data_end(ctx))
		return 0;
	return csum_delta16(*field, sum ? sum : 0xffff);
}

/* The headers of the error; quote: bytes of the packet behind them. */
static __always_inline int answer6_write(CTX *ctx, const struct pkt *p, const struct nsx_addr *from,
					 __u32 what, __u32 quote)
{
	struct icmp6_reply *r = ctx_data(ctx);
	__u8 mac[ETH_ALEN];

	if ((void *)(r + 1) > ctx_data_end(ctx))
		return -1;
	mac_copy(mac, r->eth.h_dest);
	mac_copy(r->eth.h_dest, r->eth.h_source);
	mac_copy(r->eth.h_source, mac);
	r->ip.version = 6;
	r->ip.priority = 0;
	__builtin_memset(r->ip.flow_lbl, 0, sizeof(r->ip.flow_lbl));
	r->ip.payload_len = bpf_htons(ICMP_HLEN + quote);
	r->ip.nexthdr = IPPROTO_ICMPV6_;
	r->ip.hop_limit = 64;
	__builtin_memcpy(&r->ip.saddr, from, sizeof(*from));
	__builtin_memcpy(&r->ip.daddr, &p->saddr, sizeof(p->saddr));
	icmp6_of(what, r);
	/* The pseudo-header's length and next header: the addresses are summed in place. */
	r->icmp.checksum = bpf_htons(ICMP_HLEN + quote);
	return 0;
}

/**
 * answer6_pkt() - as answer_pkt(), which has asked whether it may
 *
 * The sum runs over the addresses and all behind them, which stand in one piece.
 */
__noinline int answer6_pkt(CTX *ctx, const struct pkt *p, const struct nsx_addr *from, __u32 what)
{
	__u32 quote = ctx_len(ctx) - ETH_HLEN, delta;
	struct icmp6_reply *r;
	__u16 sum;

	if (!p || !from)
		return -1;
	quote = quote > QUOTE6_MAX ? QUOTE6_MAX : quote;
	if (bpf_skb_change_tail(ctx, ETH_HLEN + quote, 0) < 0 ||
	    bpf_skb_adjust_room(ctx, ICMP6_ROOM, BPF_ADJ_ROOM_MAC, 0) < 0 ||
	    bpf_skb_pull_data(ctx, ETH_HLEN + ICMP6_ROOM + quote) < 0 ||
	    answer6_write(ctx, p, from, what, quote) < 0)
		return -1;
	delta = partial_delta6(ctx, ETH_HLEN + ICMP6_ROOM + quote);
	delta += sum_bytes(ctx, ETH_HLEN + 8, IP6_HLEN - 8);
	delta += sum_bytes(ctx, ETH_HLEN + IP6_HLEN, ICMP_HLEN + quote);
	sum = ~csum_fold(delta + bpf_htons(IPPROTO_ICMPV6_));
	r = ctx_data(ctx);
	if ((void *)(r + 1) > ctx_data_end(ctx))
		return -1;
	r->icmp.checksum = sum;
	return 0;
}

#endif
