/* SPDX-License-Identifier: GPL-2.0-only */
/* May a packet have the source that it has? */
#ifndef NSXDP_SOURCE_H
#define NSXDP_SOURCE_H

#include "defs.h"
#include "local_addr.h"
#include "parse.h"
#include "scope.h"

/* Namespaces keep their own addresses in this family: see routed.h. */
static __always_inline bool is_routed(const struct pkt *p)
{
	return p->family == NSX_V6 && nsx_conf.ipv6 == NSX_IPV6_ROUTED;
}

/* What a packet's destination is. */
static __always_inline bool to_multicast(const struct pkt *p)
{
	return is_multicast_of(&p->daddr, p->family);
}

/* Those of IPv6 never get beyond the parser. */
static __always_inline bool to_martian(const struct pkt *p)
{
	return p->family == NSX_V4 && is_martian4(p->daddr.w[3]);
}

/**
 * source_check() - may a packet from outside, to an address of the host's, have this source?
 *
 * What goes to a namespace does not pass the host's own checks (RFC 1812, 5.3.8), so they are made
 * here.
 * Return: NSX_CONTINUE, or the verdict that drops it.
 */
static __always_inline int source_check(CTX *ctx, const struct nsx_conf *conf, const struct pkt *p)
{
	__u8 first = p->saddr.w[3] & 0xff;	/* IPv4: the first byte on the wire */

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	first = p->saddr.w[3] >> 24;
#endif
	/* Martians and groups in one comparison less; of IPv6's martians the parser leaves :: only. */
	if (p->family == NSX_V6 ? is_multicast_of(&p->saddr, NSX_V6) || is_unspecified(&p->saddr)
				: first == 0 || first == 127 || first >= 224)
		return NSX_DROP_MARTIAN;
	if (addr_eq(&p->saddr, &p->daddr))
		return NSX_DROP_LAND;
	/* Not p->src, which an ICMP error does not describe. The one address is the destination. */
	if (nsx_learned.further[p->family & 1] && local_has(ctx, &p->saddr))
		return NSX_DROP_LOCAL_SOURCE;
	return in_pool_of(conf, &p->saddr, p->family) ? NSX_DROP_SPOOFED : NSX_CONTINUE;
}

/*
 * The source address or MAC is not that of the namespace behind this veth. One without IPv6 has
 * the address ::, which is no source but of neighbour discovery (RFC 4291, 2.5.2).
 */
static __always_inline bool is_spoofed(const struct pkt *p, const struct nsx_veth *veth)
{
	return (p->family == NSX_V6 && is_unspecified(&p->saddr)) ||
	       !addr_eq(&p->saddr, &veth->addr[p->family & 1]) || !mac_eq(p->mac, veth->mac);
}

#endif
