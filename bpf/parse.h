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
 * struct pkt - a parsed IPv4 packet
 *
 * An ICMP error is described by the packet that it quotes, with its ends exchanged: so src and dst
 * mean the same direction as those of an answer to the quoted packet, and every look-up serves
 * both.
 */
struct pkt {
	struct nsx_addr src;
	struct nsx_addr dst;
	__be32 saddr;		/* as in the outer header */
	__be32 daddr;
	__u8 mac[ETH_ALEN];	/* of the sender */
	__be16 ethertype;
	/*
	 * from here on zero where not set. ICMP echo: both are 0 but the identifier, on the asker's
	 * side
	 */
	__be16 sport;
	__be16 dport;
	__u8 proto;		/* enum nsx_proto; NSX_PROTOS where it is none of them */
	__u8 ip_proto;
	__u8 tcp_flags;
	__u8 ttl;
	__u8 icmp_error;	/* the tuple is that of the quoted packet */
	__u8 echo_reply;
	__u8 fragment;		/* enum fragment */
	__u8 inner_proto;	/* ICMP error: IP protocol of the quoted packet */
	__u32 l4;		/* offset of the L4 header in the frame */
	__u32 inner_l3;		/* ICMP error: offsets in the quoted packet */
	__u32 inner_l4;
	__be16 ip_id;
	__u16 veth_flags;	/* NSX_V_* of the sender, once its veth was looked up */
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

/* parse_ipv4() found less than it needs in the directly accessible part of the packet. */
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
	return ETH_HLEN + IP_HLEN_MIN;
#else
	return p->l4 & 0xff;
#endif
}

/* The IP protocols that are translated. */
static __always_inline bool is_forwarded(__u8 ip_proto)
{
	return ip_proto == 6 || ip_proto == 17 || ip_proto == 1;
}

static __always_inline bool icmp_is_error(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/*
 * Read ports of a TCP, UDP or ICMP echo header at l4; an echo's identifier goes to the asker's
 * side.
 */
static __always_inline int parse_l4(void *l4, void *end, __u8 ip_proto, struct pkt *p)
{
	if (ip_proto == 6 || ip_proto == 17) {
		struct udphdr *uh = l4;	/* the ports of TCP stand in the same place */

		if ((void *)(uh + 1) > end)
			return PARSE_SHORT;
		p->sport = uh->source;
		p->dport = uh->dest;
		p->proto = ip_proto == 6 ? NSX_TCP : NSX_UDP;
		return NSX_CONTINUE;
	}
	if (ip_proto == 1) {
		struct icmphdr *ih = l4;

		if ((void *)(ih + 1) > end)
			return PARSE_SHORT;
		p->proto = NSX_ICMP;
		p->icmp_type = ih->type;
		p->sport = 0;
		p->dport = 0;
		if (ih->type == ICMP_ECHO)
			p->sport = ih->un.echo.id;
		else if (ih->type == ICMP_ECHOREPLY)
			p->dport = ih->un.echo.id;
		else
			p->proto = NSX_PROTOS;
		if (icmp_is_error(ih->type))
			p->icmp_error = 1;
		p->echo_reply = ih->type == ICMP_ECHOREPLY;
		return NSX_CONTINUE;
	}
	p->proto = NSX_PROTOS;
	return NSX_CONTINUE;
}

/* An ICMP error quotes the packet that it is about: RFC 792, at least its IP header and 8 bytes. */
static __always_inline int parse_quoted(void *data, void *end, struct pkt *p)
{
	__u32 l3 = p->l4 + ICMP_HLEN;
	struct iphdr *ip = data + l3;
	__u32 ihl;
	__be16 port;
	__u8 type;
	int v;

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
		p->proto = NSX_PROTOS;	/* a later fragment quotes no ports */
		return NSX_CONTINUE;
	}
	type = p->icmp_type;
	v = parse_l4((void *)ip + ihl, end, ip->protocol, p);
	p->icmp_type = type;
	port = p->sport;
	p->sport = p->dport;
	p->dport = port;
	p->echo_reply = !p->echo_reply;
	return v;
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
	p->saddr = ip->saddr;
	p->daddr = ip->daddr;
	addr_from_v4(&p->src, ip->saddr);
	addr_from_v4(&p->dst, ip->daddr);
	p->dont_fragment = (ip->frag_off & IP_DF) != 0;
	if (ip->frag_off & IP_MF_OFFSET) {
		p->ip_id = ip->id;
		p->begin = bpf_ntohs(ip->frag_off & IP_OFFSET);
		p->end = p->begin + ((total - ihl + 7) >> 3);
		p->last = !(ip->frag_off & IP_MF);
		if (ip->frag_off & IP_OFFSET) {
			p->fragment = FRAGMENT_LATER;
			p->proto = NSX_PROTOS;
			return NSX_CONTINUE;
		}
		p->fragment = FRAGMENT_FIRST;
	}

	l4 = (void *)ip + ihl;
	v = parse_l4(l4, end, ip->protocol, p);
	if (v != NSX_CONTINUE)
		return v;
	/* What is behind the packet's end is not its, though the frame has it. */
	if (p->proto < NSX_PROTOS && total - ihl < (p->proto == NSX_TCP ? TCP_HLEN_MIN : UDP_HLEN))
		return NSX_DROP_BAD_PACKET;
	if (p->proto == NSX_TCP) {
		if (l4 + TCP_HLEN_MIN > end)
			return PARSE_SHORT;
		p->tcp_flags = ((__u8 *)l4)[13];
		p->l4_len = (((__u8 *)l4)[12] >> 4) * 4;
		if (p->l4_len < TCP_HLEN_MIN || p->l4_len > total - ihl)
			return NSX_DROP_BAD_PACKET;
	} else if (p->icmp_error) {
		return parse_quoted(data, end, p);
	}
	return NSX_CONTINUE;
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

/**
 * parse_pkt() - describe the packet
 *
 * Return: NSX_CONTINUE with p filled, PASS_LINK where the frame is not IPv4 or belongs to a VLAN
 * (the sender's MAC and p->ethertype are filled), DROP_BAD_PACKET where it cannot be trusted.
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
	if (eth->h_proto != ETH_P_IP || (p->tagged && ctx_vlan(ctx)))
		return NSX_PASS_LINK;
	v = parse_ipv4(ctx, p);
	return v == PARSE_SHORT ? parse_pulled(ctx, p) : v;
}

#endif
