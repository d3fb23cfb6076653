/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a namespace may send towards outside: bytes per second, as they are on the wire; and where
 * it may go.
 */
#ifndef NSXDP_EGRESS_H
#define NSXDP_EGRESS_H

#include "defs.h"
#include "limit.h"
#include "maps.h"
#include "parse.h"

/* Nanoseconds that may be owed: less, and TCP does not reach the rate */
#define EGRESS_BURST	200000000ULL
#define EGRESS_LEAST	(2 * 65536)	/* bytes that are always taken at once: two super-packets */

/* Bytes that a packet, or all segments of a super-packet with their headers, have on the wire. */
static __always_inline __u32 egress_bytes(CTX *ctx, const struct pkt *p)
{
	__u32 size = ctx_gso_size(ctx), len = ctx_len(ctx), headers;

	if (!size)
		return len;
	headers = p->l4 + (p->proto == NSX_TCP ? p->l4_len : UDP_HLEN);
	if (len <= headers)
		return len;
	return len + (len - headers - 1) / size * headers;
}

/* A namespace with the set may open connections to this destination. */
__noinline int egress_allows(__u32 set, const struct nsx_addr *dst)
{
	struct nsx_egress_key key = { .bits = 32 + 128 };
	const __u8 *allowed;

	if (!dst)
		return false;
	key.set = NSX_NET_SET(set, family_of(dst));
	__builtin_memcpy(key.addr, dst, sizeof(key.addr));
	allowed = bpf_map_lookup_elem(&nsx_egress, &key);
	return allowed && *allowed;
}

/* The namespace that the packet is from may not open connections to this destination. */
__noinline int egress_denies(CTX *ctx, const struct nsx_addr *dst)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && veth->egress && !egress_allows(veth->egress, dst);
}

/**
 * egress_refuses() - what leaves a published port may not
 *
 * Only TCP tells who began: its answers may go anywhere. Datagrams and errors may go where the
 * namespace may open connections to.
 */
__noinline int egress_refuses(CTX *ctx, const struct pkt *p)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!veth || !p || !veth->egress)
		return 0;
	if (p->proto == NSX_TCP && !p->icmp_error && !SYN_ALONE(p))
		return 0;
	return !egress_allows(veth->egress, &p->daddr);
}

/**
 * egress_take() - may the namespace send these bytes now?
 *
 * Return: NSX_CONTINUE, or DROP_EGRESS_RATE.
 */
__noinline int egress_take(__u32 ifindex, __u32 bytes)
{
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	__u64 burst;

	if (!veth || !veth->egress_cost)
		return NSX_CONTINUE;
	burst = EGRESS_LEAST * veth->egress_cost >> 10;
	if (burst < EGRESS_BURST)
		burst = EGRESS_BURST;
	return gcra_take(&veth->egress_tat, (__u64)bytes * veth->egress_cost >> 10, burst)
		       ? NSX_CONTINUE
		       : NSX_DROP_EGRESS_RATE;
}

#endif
