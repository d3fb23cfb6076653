/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops. They are kept for a second, per CPU, destination and source, so that the kernel's
 * route look-up is not paid for each packet and a change of route, neighbour or of the MAC of the
 * uplink is followed.
 */
#ifndef NSXDP_HOP_H
#define NSXDP_HOP_H

#include "defs.h"
#include "flow.h"
#include "maps.h"
#include "route.h"

/* One for each CPU, on which the programs do not interrupt each other. */
struct hop {
	struct nsx_addr dst;
	__u32 until;		/* ticks */
	__u32 ifindex;		/* the uplink */
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
	__u32 mtu;		/* of the route, bytes of IP */
	__u32 local;		/* index of the host's address that is the source */
};

#define HOPS 4096

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOPS);
	__type(key, __u32);
	__type(value, struct hop);
} nsx_hops SEC(".maps");

static __noinline int hop_resolve(CTX *ctx, const struct nsx_addr *dst, __u32 local, struct hop *h)
{
	struct bpf_fib_lookup fib = {};

	if (!dst || !h || route_ask(ctx, dst, local, true, &fib) != 0)
		return -1;
	h->dst = *dst;
	h->local = local;
	h->ifindex = fib.ifindex;
	__builtin_memcpy(h->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(h->smac, fib.smac, ETH_ALEN);
	h->mtu = fib.mtu_result;
	h->until = now_tick() + nsx_ticks(&nsx_conf, 1);
	return 0;
}

static __always_inline struct hop *hop_of(const struct nsx_addr *dst, __u32 local)
{
	__u32 index = addr_hash(dst, local) >> 20;

	return bpf_map_lookup_elem(&nsx_hops, &index);
}

static __always_inline bool hop_is_fresh(const struct hop *h, const struct nsx_addr *dst,
					 __u32 local)
{
	return addr_eq(&h->dst, dst) && h->local == local && is_fresh(h->until, now_tick(), 1);
}

#ifdef NSXDP_AT_XDP
/*
 * Neighbours that a packet was sent to by the kernel's own means, which mark them as used and have
 * them probed.
 */
struct neigh {
	__u8 mac[ETH_ALEN];
	__u16 pad;
	__u32 until;		/* ticks */
};

#define NEIGHS 64

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NEIGHS);
	__type(key, __u32);
	__type(value, struct neigh);
} nsx_neighs SEC(".maps");

/* This neighbour is left to TC once a second. */
static __always_inline bool neigh_is_used(const __u8 *mac)
{
	__u32 index = mac[5] % NEIGHS, now = now_tick();
	struct neigh *n = bpf_map_lookup_elem(&nsx_neighs, &index);

	if (!n)
		return false;
	if (mac_eq(n->mac, mac) && is_fresh(n->until, now, 1))
		return true;
	mac_copy(n->mac, mac);
	n->until = now + nsx_ticks(&nsx_conf, 1);
	return false;
}

/**
 * hop_find() - the next hop of dst, for packets of the host's address with index local
 *
 * A neighbour's entry that nobody uses grows stale, and is never probed again. So once a second a
 * packet to it goes to TC.
 * Return: NULL where dst is not outside, its route leads elsewhere than to an uplink, the neighbour
 * is not resolved (the stack does that), or this packet is to go to TC.
 */
static __always_inline const struct hop *hop_find(CTX *ctx, const struct nsx_addr *dst, __u32 local)
{
	struct hop *h = hop_of(dst, local);

	if (!h)
		return NULL;
	if (hop_is_fresh(h, dst, local))
		return h;
	if (hop_resolve(ctx, dst, local, h) < 0)
		return NULL;
	if (neigh_is_used(h->dmac))
		return h;
	h->until = now_tick();	/* TC is to find it no longer fresh */
	return NULL;
}
#else
/* The route to dst is known to take so many bytes of IP. */
static __always_inline bool hop_takes(const struct nsx_addr *dst, __u32 local, __u32 ifindex,
				      __u32 len)
{
	const struct hop *h = hop_of(dst, local);

	return h && len <= h->mtu && h->ifindex == ifindex && hop_is_fresh(h, dst, local);
}

/**
 * hop_known() - the next hop of dst where it is known, for packets of the host's address with index
 * own
 *
 * On a miss the entry is filled again, but the packet is still to go through bpf_redirect_neigh():
 * so the neighbour's entry is marked as used, and probed, once a second.
 */
static __always_inline const struct hop *hop_known(CTX *ctx, const struct nsx_addr *dst,
						   __u32 local)
{
	struct hop *h = hop_of(dst, local);

	if (!h)
		return NULL;
	if (hop_is_fresh(h, dst, local))
		return h;
	hop_resolve(ctx, dst, local, h);
	return NULL;
}
#endif

#endif
