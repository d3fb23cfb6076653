/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops. They are kept for a second, per CPU and destination, so that the kernel's route look-up is not paid for every
 * packet and a change of route, neighbour or of the MAC of the uplink is followed.
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
};

#define HOPS 4096

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOPS);
	__type(key, __u32);
	__type(value, struct hop);
} nsx_hops SEC(".maps");

static __noinline int hop_resolve(CTX *ctx, const struct nsx_addr *dst, struct hop *h)
{
	struct bpf_fib_lookup fib = {};

	if (!dst || !h || route_ask(ctx, dst, 0, &fib) != 0)
		return -1;
	h->dst = *dst;
	h->ifindex = fib.ifindex;
	__builtin_memcpy(h->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(h->smac, fib.smac, ETH_ALEN);
	h->mtu = fib.mtu_result;
	h->until = now_tick() + nsx_ticks(&nsx_conf, 1);
	return 0;
}

static __always_inline struct hop *hop_of(const struct nsx_addr *dst)
{
	__u32 index = (dst->w[3] * 0x9e3779b1U) >> 20;

	return bpf_map_lookup_elem(&nsx_hops, &index);
}

static __always_inline bool hop_is_fresh(const struct hop *h, const struct nsx_addr *dst)
{
	return addr_eq(&h->dst, dst) && is_fresh(h->until, now_tick(), 1);
}

/**
 * hop_find() - the next hop of dst
 *
 * Return: NULL where dst is not outside, its route leads elsewhere than to an uplink, or the neighbour is not resolved
 * (the stack does that).
 */
static __always_inline const struct hop *hop_find(CTX *ctx, const struct nsx_addr *dst)
{
	struct hop *h = hop_of(dst);

	if (!h)
		return NULL;
	return hop_is_fresh(h, dst) || hop_resolve(ctx, dst, h) == 0 ? h : NULL;
}

/* The route to dst is known to take so many bytes of IP. */
static __always_inline bool hop_takes(const struct nsx_addr *dst, __u32 len)
{
	const struct hop *h = hop_of(dst);

	return h && len <= h->mtu && hop_is_fresh(h, dst);
}

/**
 * hop_known() - the same where it is known already
 *
 * On a miss the entry is filled again, but the packet is still to go through bpf_redirect_neigh(): so the neighbour's entry
 * is marked as used, and probed, once a second.
 */
static __always_inline const struct hop *hop_known(CTX *ctx, const struct nsx_addr *dst)
{
	struct hop *h = hop_of(dst);

	if (!h)
		return NULL;
	if (hop_is_fresh(h, dst))
		return h;
	hop_resolve(ctx, dst, h);
	return NULL;
}

#endif
