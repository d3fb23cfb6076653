/* SPDX-License-Identifier: GPL-2.0-only */
/* What the packet is: bounds, lengths and the tuple; reads only. */
#ifndef NSXDP_PARSE_H
#define NSXDP_PARSE_H

#include "defs.h"

enum fragment {
	FRAGMENT_NONE,		/* a whole datagram */
	FRAGMENT_FIRST,		/* its beginning: the ports are there */
	FRAGMENT_LATER,
};

/*
 * struct pkt - a parsed packet of either family
 *
 * An ICMP error is described by the packet that it quotes, with its ends exchanged: so src and dst
 * mean the same direction as those of an answer to the quoted packet, and every look-up serves
 * both.
 */
struct pkt {
	struct nsx_addr src;
	struct nsx_addr dst;
	struct nsx_addr saddr;	/* as in the outer header */
	struct nsx_addr daddr;
	__u8 mac[ETH_ALEN];	/* of the sender */
	__be16 ethertype;
	/*
	 * from here on zero where not set. ICMP echo: both are 0 but the identifier, on the asker's
	 * side
	 */
	__be16 sport;
	__be16 dport;
	__u8 proto;		/* enum nsx_proto; NSX_PROTOS where it is none of them */
	__u8 row;		/* of the registry: NSX_ROW() of .proto; NSX_ROWS where it is none */
	__u8 family;		/* enum nsx_family */
	__u8 tcp_flags;
	__u8 ttl;		/* or hop limit */
	__u8 icmp_error;	/* the tuple is that of the quoted packet */
	__u8 echo_reply;
	__u8 fragment;		/* enum fragment */
	__u8 ip_proto;		/* IPv6: of what is behind the extension headers */
	__u8 inner_proto;	/* ICMP error: IP protocol of the quoted packet */
	__u16 veth_flags;	/* NSX_V_* of the sender, once its veth was looked up */
	__u32 l4;		/* offset of the L4 header in the frame */
	__u32 inner_l3;		/* ICMP error: offsets in the quoted packet */
	__u32 inner_l4;
	__be32 ip_id;		/* of a fragment */
	/* A fragment's part of its datagram, in units of 8 bytes; end is beyond it */
	__u16 begin;
	__u16 end;
	__u8 dont_fragment;
	__u8 l4_len;		/* TCP: of the header with options, bytes */
	__u8 tagged;		/* a VLAN tag is kept beside the packet */
	__u8 icmp_type;
	__u16 local;		/* index of the host's address that a new flow would leave from */
	__u8 reassembled;	/* a fragment of a datagram that was, and was cut again */
	__u8 last;		/* a fragment behind which there is none */
};

/* A parser found less than it needs in the directly accessible part of the packet. */
#define PARSE_SHORT (-2)

/*
 * Length of the IPv4 header, bytes; 0 if it is none. XDP leaves headers with options to TC, and
 * returns 0 for them.
 */
static __always_inline __u32 ip_hlen(const struct iphdr *ip)
{
#ifdef NSXDP_AT_XDP
	return ip->version == 4 && ip->ihl == IP_HLEN_MIN / 4 ? IP_HLEN_MIN : 0;
#else
	return ip->version == 4 ? ip->ihl * 4 : 0;
#endif
}

/* The offset of the L4 header, which the parser has bounded; the mask tells the verifier. */
static __always_inline __u32 l4_offset(const struct pkt *p)
{
#ifdef NSXDP_AT_XDP
	return ETH_HLEN + (p->family == NSX_V6 ? IP6_HLEN : IP_HLEN_MIN);
#else
	return p->l4 & 0xff;
#endif
}

static __always_inline bool is_icmp(const struct pkt *p)
{
	return p->ip_proto == (p->family == NSX_V6 ? IPPROTO_ICMPV6_ : IPPROTO_ICMP_);
}

/* The IP protocols that are translated. */
static __always_inline bool is_forwarded(const struct pkt *p)
{
	return p->ip_proto == IPPROTO_TCP_ || p->ip_proto == IPPROTO_UDP_ || is_icmp(p);
}

static __always_inline bool icmp_is_error(__u8 family, __u8 type)
{
	if (family == NSX_V6)
		return type < ICMPV6_INFO;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/*
 * Read ports of a TCP, UDP or ICMP echo header at l4; an echo's identifier goes to the asker's
 * side.
 */
static __always_inline int parse_l4(void *l4, void *end, __u8 family, __u8 ip_proto, struct pkt *p)
{
	const __u8 first = NSX_ROW(0, family);

	if (ip_proto == IPPROTO_TCP_ || ip_proto == IPPROTO_UDP_) {
		struct udphdr *uh = l4;	/* the ports of TCP stand in the same place */

		if ((void *)(uh + 1) > end)
			return PARSE_SHORT;
		p->sport = uh->source;
		p->dport = uh->dest;
		p->proto = ip_proto == IPPROTO_TCP_ ? NSX_TCP : NSX_UDP;
		p->row = first + p->proto;
		return NSX_CONTINUE;
	}
	if (ip_proto == (family == NSX_V6 ? IPPROTO_ICMPV6_ : IPPROTO_ICMP_)) {
		struct icmphdr *ih = l4;

		if ((void *)(ih + 1) > end)
			return PARSE_SHORT;
		p->proto = NSX_ICMP;
		p->row = first + NSX_ICMP;
		p->icmp_type = ih->type;
		p->sport = 0;
		p->dport = 0;
		p->echo_reply =
			ih->type == (family == NSX_V6 ? ICMPV6_ECHOREPLY : ICMP_ECHOREPLY);
		if (ih->type == (family == NSX_V6 ? ICMPV6_ECHO : ICMP_ECHO)) {
			p->sport = ih->un.echo.id;
		} else if (p->echo_reply) {
			p->dport = ih->un.echo.id;
		} else {
			p->proto = NSX_PROTOS;
			p->row = NSX_ROWS;
		}
		if (icmp_is_error(family, ih->type))
			p->icmp_error = 1;
		return NSX_CONTINUE;
	}
	p->proto = NSX_PROTOS;
	p->row = NSX_ROWS;
	return NSX_CONTINUE;
}

/* It quotes no ports. */
static __always_inline void quotes_none(struct pkt *p)
{
	p->proto = NSX_PROTOS;
	p->row = NSX_ROWS;
}

/* The L4 header of the packet that an error quotes, whose ends are exchanged. */
static __always_inline int parse_quoted_l4(void *l4, void *end, __u8 family, __u8 ip_proto,
					   struct pkt *p)
{
	__u8 type = p->icmp_type;
	int v = parse_l4(l4, end, family, ip_proto, p);
	__be16 port = p->sport;

	p->icmp_type = type;
	p->sport = p->dport;
	p->dport = port;
	p->echo_reply = !p->echo_reply;
	return v;
}

/* An ICMP error quotes the packet that it is about: RFC 792, at least its IP header and 8 bytes. */
static __always_inline int parse_quoted(void *data, void *end, struct pkt *p)
{
	__u32 l3 = p->l4 + ICMP_HLEN;
	struct iphdr *ip = data + l3;
	__u32 ihl;

	if ((void *)(ip + 1) > end)
		return PARSE_SHORT;
	ihl = ip->ihl * 4;
	if (ip->version != 4 || ihl < IP_HLEN_MIN)
		return NSX_DROP_BAD_PACKET;
	p->inner_proto = ip->protocol;
	p->inner_l3 = l3;
	p->inner_l4 = l3 + ihl;
	addr_from_v4(&p->src, ip->daddr);
	addr_from_v4(&p->dst, ip->saddr);
	if (ip->frag_off & IP_OFFSET) {
		quotes_none(p);	/* a later fragment */
		return NSX_CONTINUE;
	}
	return parse_quoted_l4((void *)ip + ihl, end, NSX_V4, ip->protocol, p);
}

/* The rest of a TCP header. left: bytes from it to the packet's end. */
static __always_inline int parse_tcp(void *l4, void *end, __u32 left, struct pkt *p)
{
	if (l4 + TCP_HLEN_MIN > end)
		return PARSE_SHORT;
	p->tcp_flags = ((__u8 *)l4)[13];
	p->l4_len = (((__u8 *)l4)[12] >> 4) * 4;
	return p->l4_len < TCP_HLEN_MIN || p->l4_len > left ? NSX_DROP_BAD_PACKET : NSX_CONTINUE;
}

static __always_inline int parse_ipv4(CTX *ctx, struct pkt *p)
{
	void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
	__u32 frame_len = ctx_len(ctx);
	struct iphdr *ip = data + ETH_HLEN;
	__u32 ihl, total;
	void *l4;
	int v;

	if ((void *)(ip + 1) > end)
		return PARSE_SHORT;
	ihl = ip_hlen(ip);
	total = bpf_ntohs(ip->tot_len);
	if (!total && ctx_gso_size(ctx))
		total = frame_len - ETH_HLEN;	/* a super-packet of more than 64 KiB (BIG TCP) */
	if (ihl < IP_HLEN_MIN || total < ihl || total > frame_len - ETH_HLEN)
		return NSX_DROP_BAD_PACKET;

	p->l4 = ETH_HLEN + ihl;
	p->ip_proto = ip->protocol;
	p->ttl = ip->ttl;
	addr_from_v4(&p->src, ip->saddr);
	addr_from_v4(&p->dst, ip->daddr);
	p->saddr = p->src;
	p->daddr = p->dst;
	p->dont_fragment = (ip->frag_off & IP_DF) != 0;
	if (ip->frag_off & IP_MF_OFFSET) {
		p->ip_id = ip->id;
		p->begin = bpf_ntohs(ip->frag_off & IP_OFFSET);
		p->end = p->begin + ((total - ihl + 7) >> 3);
		p->last = !(ip->frag_off & IP_MF);
		if (ip->frag_off & IP_OFFSET) {
			p->fragment = FRAGMENT_LATER;
			quotes_none(p);
			return NSX_CONTINUE;
		}
		p->fragment = FRAGMENT_FIRST;
	}

	l4 = (void *)ip + ihl;
	v = parse_l4(l4, end, NSX_V4, ip->protocol, p);
	if (v != NSX_CONTINUE)
		return v;
	/* What is behind the packet's end is not its, though the frame has it. */
	if (p->proto < NSX_PROTOS && total - ihl < (p->proto == NSX_TCP ? TCP_HLEN_MIN : UDP_HLEN))
		return NSX_DROP_BAD_PACKET;
	if (p->proto == NSX_TCP)
		return parse_tcp(l4, end, total - ihl, p);
	return p->icmp_error ? parse_quoted(data, end, p) : NSX_CONTINUE;
}

/* The uncommon case of a header that is not in the linear part of the packet. */
__noinline int parse_pulled(CTX *ctx, struct pkt *p)
{
	int v;

	if (!p || ctx_pull(ctx, HEADERS_MAX) < 0)
		return NSX_DROP_BAD_PACKET;
	v = parse_ipv4(ctx, p);
	return v == PARSE_SHORT ? NSX_DROP_BAD_PACKET : v;
}

#include "parse6.h"

#define SYN_ALONE(p) (((p)->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)

/**
 * parse_pkt() - describe the packet
 *
 * Return: NSX_CONTINUE with p filled, PASS_LINK where the frame is not IP or belongs to a VLAN (the
 * sender's MAC and p->ethertype are filled), DROP_* where it cannot be trusted.
 */
static __always_inline int parse_pkt(CTX *ctx, struct pkt *p)
{
	void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
	struct ethhdr *eth = data;
	int v;

	p->ethertype = 0;
	if ((void *)(eth + 1) > end)
		return NSX_PASS_LINK;
	mac_copy(p->mac, eth->h_source);
	p->tagged = ctx_tagged(ctx);
	p->ethertype = eth->h_proto;
	if (p->tagged && ctx_vlan(ctx))
		return NSX_PASS_LINK;
	if (eth->h_proto == ETH_P_IP) {
		v = parse_ipv4(ctx, p);
		return v == PARSE_SHORT ? parse_pulled(ctx, p) : v;
	}
	if (eth->h_proto != ETH_P_IPV6)
		return NSX_PASS_LINK;
	v = parse_ipv6(ctx, p);
	return v == PARSE_SHORT ? parse_pulled6(ctx, p) : v;
}

#endif
