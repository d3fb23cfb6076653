/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next hop of a destination: the MACs that a frame to it carries, from the kernel's routes and
 * neighbours. A look-up there costs a quarter of a packet's time, so its answer is kept per CPU for one
 * second: by then a moved neighbour, another gateway or a new MAC of the uplink is followed.
 */
#ifndef NSXDP_HOP_H
#define NSXDP_HOP_H

#include "defs.h"
#include "flow.h"
#include "maps.h"
#include "scope.h"

#define AF_INET 2

struct hop {
	struct nsx_addr dst;
	__u32 until;		/* ticks */
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
};

#define HOPS 4096

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOPS);
	__type(key, __u32);
	__type(value, struct hop);
} nsx_hops SEC(".maps");

/* A destination that packets are sent to: neither the host's own, nor of the pool, nor a group. */
static __always_inline bool is_outside(const struct nsx_conf *conf, const struct nsx_addr *dst)
{
	return !in_pool(conf, dst) && own_index(conf, dst) < 0 && !is_multicast(dst->w[3]);
}

/* Ask the kernel. The device asked from must forward, which nsxdp's own veths of this datapath do. */
static __noinline int hop_resolve(CTX *ctx, const struct nsx_addr *dst, struct hop *h)
{
	const struct nsx_conf *conf = conf_get();
	struct bpf_fib_lookup fib = { .family = AF_INET, .ifindex = ctx_ifindex(ctx) };

	if (!dst || !h || !conf || !is_outside(conf, dst))
		return -1;
	fib.ipv4_src = conf->own[0].w[3];
	fib.ipv4_dst = dst->w[3];
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS || fib.ifindex != conf->uplink)
		return -1;
	h->dst = *dst;
	mac_copy(h->dmac, fib.dmac);
	mac_copy(h->smac, fib.smac);
	h->until = now_tick() + nsx_ticks(conf, 1);
	return 0;
}

/**
 * hop_find() - the next hop of dst, by the uplink
 *
 * Return: NULL where dst is not outside, its route leads elsewhere, or the neighbour is not resolved (the
 * stack does that).
 */
static __always_inline const struct hop *hop_find(CTX *ctx, const struct nsx_addr *dst)
{
	__u32 index = (dst->w[3] * 0x9e3779b1U) >> 20;
	struct hop *h = bpf_map_lookup_elem(&nsx_hops, &index);

	if (!h)
		return NULL;
	if (addr_eq(&h->dst, dst) && (__s32)(h->until - now_tick()) > 0)
		return h;
	return hop_resolve(ctx, dst, h) == 0 ? h : NULL;
}

#endif
