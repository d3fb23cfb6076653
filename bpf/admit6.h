/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of IPv6 may come from a namespace, for admit.h. The link joins the namespace and the host:
 * neighbour discovery and multicast listener reports stay between the two. A namespace may speak
 * only of its own addresses, and never as a router.
 */
#ifndef NSXDP_ADMIT6_H
#define NSXDP_ADMIT6_H

#include "defs.h"
#include "parse.h"
#include "scope.h"

/* A solicitation or advertisement. */
struct nd_message {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 reserved;
	struct in6_addr target;
};

/* fe80::1, the gateway of all namespaces. */
static __always_inline bool is_gateway6(const struct nsx_addr *a)
{
	return a->w[0] == bpf_htonl(0xfe800000) && !a->w[1] && !a->w[2] &&
	       a->w[3] == bpf_htonl(1);
}

/*
 * The link-local address that a MAC makes (RFC 4291, 2.5.1). Others would fill the host's table of
 * neighbours.
 */
static __always_inline bool is_eui64(const struct nsx_addr *a, const __u8 *mac)
{
	const __u8 *id = (const __u8 *)&a->w[2];

	return a->w[0] == bpf_htonl(0xfe800000) && !a->w[1] && id[0] == (mac[0] ^ 2) &&
	       id[1] == mac[1] && id[2] == mac[2] && id[3] == 0xff && id[4] == 0xfe &&
	       id[5] == mac[3] && id[6] == mac[4] && id[7] == mac[5];
}

/* One of the namespace's own addresses. */
static __always_inline bool is_own6(const struct nsx_veth *veth, const struct nsx_addr *a)
{
	return is_eui64(a, veth->mac) ||
	       (addr_eq(a, &veth->addr[NSX_V6]) && !is_unspecified(a));
}

/* To the link itself; what is for another address the host might forward. */
static __always_inline bool to_link(const struct pkt *p)
{
	const struct nsx_addr *to = &p->daddr;

	return is_link_local_of(to, NSX_V6) || addr_eq(to, &nsx_conf.gw6) ||
	       (to_multicast(p) && (to->w[0] & bpf_htonl(0x000f0000)) == bpf_htonl(0x00020000));
}

/* Only the two ends may be asked for or announced (RFC 4861, 7.1; RFC 4862, 5.4). */
static __always_inline int admit_nd(CTX *ctx, const struct pkt *p, const struct nsx_veth *veth)
{
	struct nd_message nd;
	struct nsx_addr target;

	if (p->ttl != 255 || !(to_link(p) || is_local(&p->daddr)))
		return NSX_DROP_LINK;
	if (p->icmp_type == ND_ROUTER_SOLICIT)
		return NSX_PASS_LINK;
	if (ctx_load(ctx, p->l4, &nd) < 0 || nd.code)
		return NSX_DROP_BAD_PACKET;
	addr_from_v6(&target, &nd.target);
	if (p->icmp_type == ND_ADVERT)
		return is_own6(veth, &target) ? NSX_PASS_LINK : NSX_DROP_SPOOFED;
	/* From nobody it asks whether an address of its own is free. */
	if (is_unspecified(&p->saddr))
		return is_own6(veth, &target) ? NSX_PASS_LINK : NSX_DROP_LINK;
	return is_gateway6(&target) || addr_eq(&target, &nsx_conf.gw6) || is_local(&target)
		       ? NSX_PASS_LINK
		       : NSX_DROP_LINK;
}

/* The messages of the link itself; NSX_CONTINUE where it is none. */
static __always_inline int admit_icmp6(CTX *ctx, const struct pkt *p, const struct nsx_veth *veth)
{
	switch (p->icmp_type) {
	case ND_ROUTER_ADVERT:
		return NSX_DROP_ROUTER_ADVERT;
	case ND_REDIRECT:
		return NSX_DROP_REDIRECT;
	case ND_ROUTER_SOLICIT:
	case ND_SOLICIT:
	case ND_ADVERT:
		return admit_nd(ctx, p, veth);
	case MLD_QUERY:
		return NSX_DROP_LINK;	/* of a router */
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return p->ttl == 1 && to_link(p) ? NSX_PASS_LINK : NSX_DROP_LINK;
	default:
		return NSX_CONTINUE;
	}
}

/*
 * TCP or UDP from the pool to 2000::/3, as nearly all packets are. Of those admit_v6() checks the
 * source only, which is_spoofed() or the flow's own entry does later. Without IPv6 the pool is
 * ::/128, and nothing is plain.
 */
static __always_inline bool is_plain6(const struct pkt *p)
{
	return nsx_conf.ipv6 != NSX_IPV6_OFF && p->proto < NSX_ICMP && !p->fragment && !p->icmp_error &&
	       (p->daddr.w[0] & bpf_htonl(0xe0000000)) == bpf_htonl(0x20000000) &&
	       in_pool_of(&nsx_conf, &p->saddr, NSX_V6);
}

/**
 * admit_v6() - an IPv6 packet of a namespace
 *
 * Return: NSX_CONTINUE where it is to be forwarded, from the namespace's global address; or the
 * verdict.
 */
__noinline int admit_v6(CTX *ctx, const struct pkt *p)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	int v;

	if (!p)
		return NSX_DROP_ERROR;
	if (!veth)
		return NSX_DROP_DETACHED;
	if (!mac_eq(p->mac, veth->mac))
		return NSX_DROP_SPOOFED;
	if (!is_own6(veth, &p->saddr) && !is_unspecified(&p->saddr))
		return is_unspecified(&veth->addr[NSX_V6]) ? NSX_DROP_IPV6 : NSX_DROP_SPOOFED;
	v = is_icmp(p) && p->fragment != FRAGMENT_LATER ? admit_icmp6(ctx, p, veth) : NSX_CONTINUE;
	/* The host's own reassembler would take them; discovery has none (RFC 6980). */
	if (p->fragment && (v == NSX_PASS_LINK || is_gateway6(&p->daddr)))
		return NSX_DROP_FRAGMENT;
	if (v != NSX_CONTINUE)
		return v;
	if (is_unspecified(&p->saddr))
		return NSX_DROP_SPOOFED;
	if (to_multicast(p))
		return NSX_DROP_MULTICAST;
	/*
	 * Between the ends of the link all is the host's to answer. An error is about a packet that
	 * its sender got from there, or it would change the host's own flows.
	 */
	if (is_gateway6(&p->daddr))
		return p->icmp_error &&
				       (!addr_eq(&p->saddr, &p->src) || !addr_eq(&p->daddr, &p->dst))
			       ? NSX_DROP_SPOOFED
			       : NSX_PASS_GATEWAY;
	if (is_link_local_of(&p->daddr, NSX_V6) || is_link_local_of(&p->saddr, NSX_V6))
		return NSX_DROP_LINK_LOCAL;
	if (is_metadata6(&p->daddr) && !(veth->flags & NSX_V_LINK_LOCAL))
		return NSX_DROP_LINK_LOCAL;
	return NSX_CONTINUE;
}

#endif
