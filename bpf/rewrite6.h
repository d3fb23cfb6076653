/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing a translation into an IPv6 packet. There is no header checksum; all upper layers have the
 * addresses in theirs, ICMPv6 too (RFC 8200, 8.1). The flow label and the traffic class stay.
 */
#ifndef NSXDP_REWRITE6_H
#define NSXDP_REWRITE6_H

#include "defs.h"
#include "csum.h"
#include "parse.h"

/* One less in the half word that the hop limit is the second byte of. */
#define HOP_DELTA ((__u16)~bpf_htons(0x0001))

static __always_inline void addr_to_v6(struct in6_addr *to, const struct nsx_addr *from)
{
	__builtin_memcpy(to, from, sizeof(*from));
}

/* The ports or the identifier, with the checksum that covers them; it may invalidate pointers. */
static __always_inline int rewrite_l4_v6(CTX *ctx, const struct pkt *p, const struct xlat *x,
					 enum side side, __u32 addr_delta)
{
	__u32 off = l4_offset(p), port_delta;
	__be16 *port = ctx_data(ctx) + off + (p->proto == NSX_ICMP ? 4 : side == SIDE_SRC ? 0 : 2);

	if ((void *)(port + 1) > ctx_data_end(ctx))
		return -1;
	port_delta = csum_delta16(*port, x->port);
	*port = x->port;
	if (p->proto == NSX_TCP)
		return ctx_l4_csum(ctx, off + TCP_CSUM, addr_delta, port_delta, false);
	if (p->proto == NSX_UDP)
		return ctx_l4_csum(ctx, off + UDP_CSUM, addr_delta, port_delta, true);
	return ctx_l4_csum(ctx, off + ICMP_CSUM, addr_delta, port_delta, false);
}

/* The quoted L4 checksum, which is as it was when the packet left, changes with what it covers. */
static __always_inline __sum16 *quoted_csum(const struct pkt *p, __be16 *l4, void *end)
{
	if (p->proto == NSX_ICMP)
		return (__sum16 *)&l4[1];
	if (p->proto == NSX_UDP)
		return l4[3] ? (__sum16 *)&l4[3] : NULL;
	return (void *)(l4 + 9) <= end ? (__sum16 *)&l4[8] : NULL;
}

/*
 * The packet that an error quotes: it went the other way, so its opposite end is translated. The
 * checksum of the error covers all of it, and the error's own addresses.
 */
static __always_inline int rewrite_quoted6(CTX *ctx, const struct pkt *p, const struct xlat *x,
					   __u32 outer_delta)
{
	void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
	struct ipv6hdr *ip = data + (p->inner_l3 & L4_OFFSET_MAX);
	__be16 *l4 = data + (p->inner_l4 & L4_OFFSET_MAX), *port;
	__u32 addr_delta, port_delta, delta;
	struct nsx_addr was;
	__sum16 *check, old;

	if ((void *)(ip + 1) > end || (void *)(l4 + 4) > end)
		return -1;
	if (x->side == SIDE_SRC) {
		addr_from_v6(&was, &ip->daddr);
		addr_to_v6(&ip->daddr, &x->addr);
	} else {
		addr_from_v6(&was, &ip->saddr);
		addr_to_v6(&ip->saddr, &x->addr);
	}
	addr_delta = csum_delta128(&was, &x->addr);
	port = &l4[p->proto == NSX_ICMP ? 2 : x->side == SIDE_SRC ? 1 : 0];
	port_delta = csum_delta16(*port, x->port);
	*port = x->port;
	delta = addr_delta + port_delta;
	check = quoted_csum(p, l4, end);
	if (check) {
		old = *check;
		*check = csum_apply(old, addr_delta + port_delta);
		delta += csum_delta16(old, *check);
	}
	return ctx_l4_csum(ctx, l4_offset(p) + ICMP_CSUM, outer_delta, delta, false);
}

/**
 * rewrite_v6() - write the translation of an IPv6 packet
 * @flags: enum side, and REWRITE_HOP where the packet is forwarded by this: the hop limit goes down
 *
 * Return: NSX_CONTINUE, or DROP_ERROR where the packet cannot be written.
 */
XDP_INLINE int rewrite_v6(CTX *ctx, const struct pkt *p, const struct xlat *x, __u32 flags)
{
	struct ipv6hdr *ip = ctx_data(ctx) + ETH_HLEN;
	enum side side = flags & 1;
	__u32 delta;

	if (!p || !x || (void *)(ip + 1) > ctx_data_end(ctx))
		return NSX_DROP_ERROR;
	delta = csum_delta128(side == SIDE_SRC ? &p->saddr : &p->daddr, &x->addr);
	addr_to_v6(side == SIDE_SRC ? &ip->saddr : &ip->daddr, &x->addr);
	if (flags & REWRITE_HOP) {
		ip->hop_limit = p->ttl - 1;
		ctx_header_changed(ctx, HOP_DELTA);
	}
#ifndef NSXDP_AT_XDP	/* which leaves these to TC */
	if (p->fragment == FRAGMENT_LATER) {
		/* The checksum that balances the address went with the first. */
		ctx_header_changed(ctx, delta);
		return NSX_CONTINUE;
	}
	if (p->icmp_error)
		return rewrite_quoted6(ctx, p, x, delta) ? NSX_DROP_ERROR : NSX_CONTINUE;
#endif
	return rewrite_l4_v6(ctx, p, x, side, delta) ? NSX_DROP_ERROR : NSX_CONTINUE;
}

#endif
