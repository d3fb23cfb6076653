/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the link of a namespace takes: the MTU of the smaller of its ends, which the namespace's
 * root sets as it likes. A frame that is larger is dropped by the driver without a word, or reaches
 * a receiver that does not expect it. No helper tells of a device in another network namespace, so
 * the kernel's own records are read, once a second.
 */
#ifndef NSXDP_LINK_MTU_H
#define NSXDP_LINK_MTU_H

#include "defs.h"
#include "device.h"
#include "maps.h"

/* What a link takes, kept for a second, per CPU. */
struct link_size {
	__u32 ifindex;
	__u32 mtu;	/* bytes of IP */
	__u32 until;	/* ticks */
};

#define LINK_SIZES 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LINK_SIZES);
	__type(key, __u32);
	__type(value, struct link_size);
} nsx_link_sizes SEC(".maps");

static __always_inline struct link_size *link_size(__u32 ifindex)
{
	__u32 index = ifindex % LINK_SIZES;

	return bpf_map_lookup_elem(&nsx_link_sizes, &index);
}

/* The link of the namespace behind a veth is known to take so many bytes of IP. */
static __always_inline bool link_takes(__u32 ifindex, __u32 len)
{
	const struct link_size *l = link_size(ifindex);

	return l && len <= l->mtu && l->ifindex == ifindex && is_fresh(l->until, now_tick(), 1);
}

#ifndef NSXDP_AT_XDP
/*
 * The MTU of a veth's far end. What the driver keeps follows the device, and begins with a pointer
 * to the far end; it may be a module, whose types a program cannot be given, so the pointer is read
 * by another type that begins with one.
 */
static __always_inline __u32 peer_mtu(CTX *ctx, __u32 ifindex)
{
	struct net_device___link *dev = dev_by_index(ctx, ifindex), *peer;
	void *of_driver;

	if (!dev)
		return 0;
	of_driver = (void *)dev + ((bpf_core_type_size(struct net_device___link) + 31) & ~31UL);
	peer = (void *)READ(struct hlist_head___link, of_driver, first);
	return peer ? READ(struct net_device___link, peer, mtu) : 0;
}

/**
 * link_mtu() - what the link of the namespace behind a veth takes
 *
 * Return: bytes of IP.
 */
__noinline int link_mtu(CTX *ctx, __u32 ifindex)
{
	struct link_size *l = link_size(ifindex);
	__u32 now = now_tick(), mtu = 0, peer;

	if (!l)
		return 0xffff;
	if (l->ifindex == ifindex && is_fresh(l->until, now, 1))
		return l->mtu;
	if (bpf_check_mtu(ctx, ifindex, &mtu, 0, 0) < 0 || !mtu)
		return 0xffff;
	peer = peer_mtu(ctx, ifindex);
	l->ifindex = ifindex;
	l->mtu = peer && peer < mtu ? peer : mtu;
	l->until = now + nsx_ticks(&nsx_conf, 1);
	return l->mtu;
}

#endif
#endif
