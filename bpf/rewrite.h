/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only writer of IP and L4 headers: one end of the packet gets another address and port, the
 * TTL goes down by one, and every checksum follows incrementally. Of IPv6: rewrite6.h.
 */
#ifndef NSXDP_REWRITE_H
#define NSXDP_REWRITE_H

#include "defs.h"
#include "csum.h"
#include "parse.h"
#include "rewrite6.h"

/* Offsets are bounded by the parser; the mask tells the verifier. */
#define OFFSET(o) ((o) & 0xff)

/*
 * One less in the upper half of the word that the TTL is in: added to a sum, not read back and
 * compared.
 */
#define TTL_DELTA ((__u16)~bpf_htons(0x0100))

static __always_inline int rewrite_ip(void *data, void *end, const struct pkt *p,
				      const struct xlat *x, enum side side, __u32 addr_delta,
				      bool hop)
{
	struct iphdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) > end)
		return -1;
	if (side == SIDE_SRC)
		ip->saddr = x->addr.w[3];
	else
		ip->daddr = x->addr.w[3];
	ip->check = csum_apply(ip->check, addr_delta + (hop ? TTL_DELTA : 0));
	if (hop)
		ip->ttl = p->ttl - 1;
	return 0;
}

/* TCP or UDP. The checksum comes last: it may invalidate packet pointers. */
static __always_inline int rewrite_ports(CTX *ctx, const struct pkt *p, const struct xlat *x,
					 enum side side, __u32 addr_delta)
{
	__u32 off = l4_offset(p);
	/* The ports of TCP stand in the same place */
	struct udphdr *uh = ctx_data(ctx) + off;
	__u32 delta;

	if ((void *)(uh + 1) > ctx_data_end(ctx))
		return -1;
	if (side == SIDE_SRC) {
		delta = csum_delta16(uh->source, x->port);
		uh->source = x->port;
	} else {
		delta = csum_delta16(uh->dest, x->port);
		uh->dest = x->port;
	}
	if (p->proto == NSX_TCP)
		return ctx_l4_csum(ctx, off + 16, addr_delta, delta, false);
	return ctx_l4_csum(ctx, off + 6, addr_delta, delta, true);
}

/* An echo's identifier is its port; ICMPv4 has no pseudo-header. */
static __always_inline int rewrite_echo(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	struct icmphdr *ih = ctx_data(ctx) + l4_offset(p);
	__be16 old;

	if ((void *)(ih + 1) > ctx_data_end(ctx))
		return -1;
	old = ih->un.echo.id;
	ih->un.echo.id = x->port;
	ih->checksum = csum_apply(ih->checksum, csum_delta16(old, x->port));
	return 0;
}

/*
 * The packet that an ICMP error quotes: it went the other way, so its opposite end is translated.
 * Its IP checksum balances the address, so the ICMP checksum sees only what the L4 part leaves: the
 * port alone, or, where the quoted L4 checksum is there and absorbs address and port, the address.
 */
static __always_inline int rewrite_quoted(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
	struct icmphdr *ih = data + l4_offset(p);
	struct iphdr *ip = data + OFFSET(p->inner_l3);
	/* Ports, or type and checksum and identifier */
	__be16 *l4 = data + OFFSET(p->inner_l4);
	__u32 addr_delta, port_delta, delta;
	__sum16 *check = NULL;

	if ((void *)(ih + 1) > end || (void *)(ip + 1) > end || (void *)(l4 + 4) > end)
		return -1;
	if (x->side == SIDE_SRC) {
		addr_delta = csum_delta32(ip->daddr, x->addr.w[3]);
		ip->daddr = x->addr.w[3];
	} else {
		addr_delta = csum_delta32(ip->saddr, x->addr.w[3]);
		ip->saddr = x->addr.w[3];
	}
	ip->check = csum_apply(ip->check, addr_delta);

	if (p->proto == NSX_ICMP) {
		port_delta = csum_delta16(l4[2], x->port);
		l4[2] = x->port;
		l4[1] = csum_apply(l4[1], port_delta);
		return 0;	/* the quoted checksum absorbs the identifier */
	}
	if (x->side == SIDE_SRC) {
		port_delta = csum_delta16(l4[1], x->port);
		l4[1] = x->port;
	} else {
		port_delta = csum_delta16(l4[0], x->port);
		l4[0] = x->port;
	}

	delta = port_delta;
	if (p->proto == NSX_UDP && l4[3])
		check = (__sum16 *)&l4[3];
	else if (p->proto == NSX_TCP && (void *)(l4 + 9) <= end)
		check = (__sum16 *)&l4[8];
	if (check) {
		*check = csum_apply(*check, addr_delta + port_delta);
		delta = (__u16)~csum_fold(addr_delta);
	}
	ih->checksum = csum_apply(ih->checksum, delta);
	return 0;
}

/* What leaves in fragments, or is going to be cut, gets another identification. */
static __always_inline int rewrite_id(CTX *ctx, const struct xlat *x)
{
	struct iphdr *ip = ctx_data(ctx) + ETH_HLEN;

	if ((void *)(ip + 1) > ctx_data_end(ctx))
		return -1;
	ip->check = csum_apply(ip->check, csum_delta16(ip->id, x->id));
	ip->id = x->id;
	return 0;
}

/**
 * rewrite_whole() - write the translation of a whole packet that is forwarded and is no ICMP error
 * @side: x->side, where the caller knows it
 *
 * Return: NSX_CONTINUE, or DROP_ERROR where the packet cannot be written.
 */
static __always_inline int rewrite_whole(CTX *ctx, const struct pkt *p, const struct xlat *x,
					 enum side side)
{
	__u32 addr_delta;
	int err;

	if (p->family == NSX_V6)
		return rewrite_v6(ctx, p, x, side | REWRITE_HOP);
	addr_delta = csum_delta32(side == SIDE_SRC ? p->saddr.w[3] : p->daddr.w[3], x->addr.w[3]);
	if (rewrite_ip(ctx_data(ctx), ctx_data_end(ctx), p, x, side, addr_delta, true))
		return NSX_DROP_ERROR;
	if (p->proto == NSX_ICMP)
		err = rewrite_echo(ctx, p, x);
	else
		err = rewrite_ports(ctx, p, x, side, addr_delta);
	return err ? NSX_DROP_ERROR : NSX_CONTINUE;
}

/**
 * rewrite_pkt() - write the translation
 * @hop: the packet is forwarded by this: the TTL goes down
 *
 * Return: NSX_CONTINUE, or DROP_ERROR where the packet cannot be written.
 */
static __always_inline int rewrite_pkt(CTX *ctx, const struct pkt *p, const struct xlat *x,
				       bool hop)
{
	__u32 addr_delta;
	int err;

	if (p->family == NSX_V6)
		return rewrite_v6(ctx, p, x, x->side | (hop ? REWRITE_HOP : 0));
	addr_delta = csum_delta32(x->side == SIDE_SRC ? p->saddr.w[3] : p->daddr.w[3],
				  x->addr.w[3]);
	if (rewrite_ip(ctx_data(ctx), ctx_data_end(ctx), p, x, x->side, addr_delta, hop))
		return NSX_DROP_ERROR;
	if (p->fragment == FRAGMENT_LATER)
		return NSX_CONTINUE;	/* the L4 header went with the first */
	if (p->icmp_error)
		err = rewrite_quoted(ctx, p, x);
	else if (p->proto == NSX_ICMP)
		err = rewrite_echo(ctx, p, x);
	else
		err = rewrite_ports(ctx, p, x, x->side, addr_delta);
	return err ? NSX_DROP_ERROR : NSX_CONTINUE;
}

#endif
