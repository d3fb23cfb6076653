/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser for IPv6 (RFC 8200), for parse.h.
 *
 * Up to EXTENSIONS extension headers are walked over, provided that the L4 header begins within the
 * first 256 bytes of the frame; XDP leaves packets that have any to TC. Where the walk cannot end,
 * the packet is not trusted: the receiver might see other ports than the datapath does.
 */
#ifndef NSXDP_PARSE6_H
#define NSXDP_PARSE6_H

#include "parse.h"
#include "scope.h"

#define EXT_HOP_BY_HOP	0
#define EXT_ROUTING	43
#define EXT_FRAGMENT	44
#define EXT_AUTH	51
#define EXT_DEST	60
#define EXTENSIONS	8
#define L4_OFFSET_MAX	0xffU

/* Bytes of the packet at an offset; a negative errno where the packet is shorter. */
#ifdef NSXDP_AT_XDP
#define ctx_load(ctx, offset, to) bpf_xdp_load_bytes(ctx, offset, to, sizeof(*(to)))
#else
#define ctx_load(ctx, offset, to) bpf_skb_load_bytes(ctx, offset, to, sizeof(*(to)))
#endif

/* The beginning of any extension header. */
struct ext_header {
	__u8 next;
	__u8 len;	/* in units that depend on the header */
	__u8 type;	/* of a routing header */
	__u8 segments_left;
	__be32 id;	/* of a fragment header; its offset is in the two fields before */
};

/**
 * struct ext_walk - a walk over extension headers; the verifier follows a call of bpf_loop() once
 * @next: what follows at @at: at the end an L4 protocol
 * @at: offset in the frame
 * @verdict: NSX_CONTINUE, or why the walk ended
 * @fragments: fragment headers that were met
 * @offset: of the last one, with its flags
 * @id: of the last one
 * @payload: where what the fragment header belongs to begins
 */
struct ext_walk {
	CTX *ctx;
	__u32 next;
	__u32 at;
	int verdict;
	__u32 fragments;
	__be16 offset;
	__u16 pad;
	__be32 id;
	__u32 payload;
};

static __always_inline bool is_extension(__u32 next)
{
	return next == EXT_HOP_BY_HOP || next == EXT_ROUTING || next == EXT_FRAGMENT ||
	       next == EXT_AUTH || next == EXT_DEST;
}

#ifndef NSXDP_AT_XDP
static long ext_step(__u64 i, struct ext_walk *w)
{
	struct ext_header h;
	__u32 len;

	/* Behind a later fragment's header is the middle of something. */
	if (!is_extension(w->next) || (w->fragments && (w->offset & IP6_OFFSET)))
		return 1;
	w->verdict = NSX_DROP_EXTENSIONS;
	if (w->at > L4_OFFSET_MAX)
		return 1;
	w->verdict = NSX_DROP_BAD_PACKET;
	if (ctx_load(w->ctx, w->at, &h) < 0)
		return 1;
	len = (h.len + 1) * 8;
	if (w->next == EXT_AUTH)
		len = (h.len + 2) * 4;	/* RFC 4302, 2.2 */
	if (w->next == EXT_FRAGMENT) {
		len = IP6_FRAGMENT_HLEN;
		w->offset = *(__be16 *)&h.type;
		w->id = h.id;
		w->payload = w->at + len;
		w->fragments++;
	}
	if ((w->next == EXT_HOP_BY_HOP && i) || w->fragments > 1)
		return 1;
	/* Type 0 may not be used (RFC 5095); others name who is to see the packet first. */
	if (w->next == EXT_ROUTING && (!h.type || h.segments_left)) {
		w->verdict = NSX_DROP_SOURCE_ROUTE;
		return 1;
	}
	w->verdict = NSX_CONTINUE;
	w->next = h.next;
	w->at += len;
	return 0;
}

/* Walk over the extension headers. Return: NSX_CONTINUE, or the verdict. */
static __always_inline int ext_walk(struct ext_walk *w)
{
	bpf_loop(EXTENSIONS, ext_step, w, 0);
	if (w->verdict != NSX_CONTINUE)
		return w->verdict;
	if (w->at > L4_OFFSET_MAX ||
	    (is_extension(w->next) && !(w->fragments && (w->offset & IP6_OFFSET))))
		return NSX_DROP_EXTENSIONS;
	return NSX_CONTINUE;
}
#endif

/* The packet that an error quotes. */
static __always_inline int parse_quoted6(CTX *ctx, struct pkt *p)
{
	__u32 l3 = (p->l4 & L4_OFFSET_MAX) + ICMP_HLEN;
	void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
	struct ipv6hdr *ip = data + l3;
#ifndef NSXDP_AT_XDP
	struct ext_walk w = { .ctx = ctx, .at = l3 + IP6_HLEN, .verdict = NSX_CONTINUE };
	int v;
#endif

	/* Where it is written to is found by offsets of 8 bits. */
	if (l3 + IP6_HLEN > L4_OFFSET_MAX)
		return NSX_DROP_EXTENSIONS;
	if ((void *)(ip + 1) > end)
		return PARSE_SHORT;
	if (ip->version != 6)
		return NSX_DROP_BAD_PACKET;
	p->inner_l3 = l3;
	p->inner_l4 = l3 + IP6_HLEN;
	p->inner_proto = ip->nexthdr;
	addr_from_v6(&p->src, &ip->daddr);
	addr_from_v6(&p->dst, &ip->saddr);
#ifndef NSXDP_AT_XDP
	if (is_extension(ip->nexthdr)) {
		w.next = ip->nexthdr;
		v = ext_walk(&w);
		if (v != NSX_CONTINUE)
			return v;
		p->inner_l4 = w.at;
		p->inner_proto = w.next;
		if (w.fragments && (w.offset & IP6_OFFSET)) {
			quotes_none(p);
			return NSX_CONTINUE;
		}
	}
#endif
	data = ctx_data(ctx);
	return parse_quoted_l4(data + (p->inner_l4 & L4_OFFSET_MAX), ctx_data_end(ctx), NSX_V6,
			       p->inner_proto, p);
}

/*
 * What part of its datagram this fragment is. packet_end: offset of the packet's end in the frame
 */
static __always_inline int parse_fragment6(const struct ext_walk *w, __u32 packet_end,
					   struct pkt *p)
{
	__u32 len = packet_end - w->payload;

	if (!w->fragments || !(w->offset & (IP6_OFFSET | IP6_MF)))
		return NSX_CONTINUE;	/* a whole datagram in an atomic fragment (RFC 6946) */
	p->ip_id = w->id;
	p->begin = bpf_ntohs(w->offset & IP6_OFFSET) >> 3;
	p->end = p->begin + ((len + 7) >> 3);
	p->last = !(w->offset & IP6_MF);
	/* All but the last one are of whole units (RFC 8200, 4.5). */
	if (packet_end < w->payload || !len || (!p->last && (len & 7)))
		return NSX_DROP_BAD_PACKET;
	p->fragment = w->offset & IP6_OFFSET ? FRAGMENT_LATER : FRAGMENT_FIRST;
	return NSX_CONTINUE;
}

/* What is behind all extension headers, at p->l4. packet_end: as parse_fragment6() says */
static __always_inline int parse_upper6(CTX *ctx, struct pkt *p, __u32 packet_end)
{
	__u32 at = p->l4 & L4_OFFSET_MAX, left = packet_end - at;
	void *l4 = ctx_data(ctx) + at, *end = ctx_data_end(ctx);
	int v = parse_l4(l4, end, NSX_V6, p->ip_proto, p);

	if (v != NSX_CONTINUE)
		return v;
	if (packet_end < at || (p->proto < NSX_PROTOS &&
				left < (p->proto == NSX_TCP ? TCP_HLEN_MIN : UDP_HLEN)))
		return NSX_DROP_BAD_PACKET;	/* a first fragment has all headers (RFC 7112) */
	if (p->proto == NSX_TCP)
		return parse_tcp(l4, end, left, p);
	return p->icmp_error ? parse_quoted6(ctx, p) : NSX_CONTINUE;
}

#ifndef NSXDP_AT_XDP
/* The same where there are extension headers; next: the first of them. */
__noinline int parse_extended6(CTX *ctx, struct pkt *p, __u32 next, __u32 packet_end)
{
	struct ext_walk w = {
		.ctx = ctx, .next = next, .at = ETH_HLEN + IP6_HLEN, .verdict = NSX_CONTINUE
	};
	int v;

	if (!p)
		return NSX_DROP_BAD_PACKET;
	v = ext_walk(&w);
	if (v != NSX_CONTINUE)
		return v;
	p->l4 = w.at;
	p->ip_proto = w.next;
	v = parse_fragment6(&w, packet_end, p);
	if (v != NSX_CONTINUE || p->fragment == FRAGMENT_LATER) {
		quotes_none(p);
		return v;
	}
	return parse_upper6(ctx, p, packet_end);
}
#endif

/* As parse_pkt(); PARSE_SHORT where the headers are not in the linear part of the packet. */
XDP_INLINE int parse_ipv6(CTX *ctx, struct pkt *p)
{
	struct ipv6hdr *ip = ctx_data(ctx) + ETH_HLEN;
	__u32 frame_len = ctx_len(ctx), packet_end;

	if (!p)
		return NSX_DROP_BAD_PACKET;
#ifdef NSXDP_AT_XDP
	/* What is not translated is for TC. */
	if (nsx_conf.ipv6 != NSX_IPV6_NAT)
		return NSX_DROP_IPV6;
#endif
	if ((void *)(ip + 1) > ctx_data_end(ctx))
		return PARSE_SHORT;
	packet_end = ETH_HLEN + IP6_HLEN + bpf_ntohs(ip->payload_len);
	if (!ip->payload_len && ctx_gso_size(ctx))
		packet_end = frame_len;	/* BIG TCP */
	if (ip->version != 6 || packet_end > frame_len)
		return NSX_DROP_BAD_PACKET;
	p->family = NSX_V6;
	p->ttl = ip->hop_limit;
	p->dont_fragment = 1;
	addr_from_v6(&p->src, &ip->saddr);
	addr_from_v6(&p->dst, &ip->daddr);
	p->saddr = p->src;
	p->daddr = p->dst;
	if (is_martian_of(&p->daddr, NSX_V6) ||
	    (is_martian_of(&p->saddr, NSX_V6) && !is_unspecified(&p->saddr)))
		return NSX_DROP_MARTIAN;
	if (is_extension(ip->nexthdr))
#ifdef NSXDP_AT_XDP
		return NSX_DROP_EXTENSIONS;
#else
		return parse_extended6(ctx, p, ip->nexthdr, packet_end);
#endif
	p->l4 = ETH_HLEN + IP6_HLEN;
	p->ip_proto = ip->nexthdr;
	return parse_upper6(ctx, p, packet_end);
}

/* The uncommon case of parse_ipv6(). */
__noinline int parse_pulled6(CTX *ctx, struct pkt *p)
{
	int v;

	if (!p || ctx_pull(ctx, HEADERS6_MAX) < 0)
		return NSX_DROP_BAD_PACKET;
	v = parse_ipv6(ctx, p);
	return v == PARSE_SHORT ? NSX_DROP_BAD_PACKET : v;
}

#endif
