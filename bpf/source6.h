/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which IPv6 address of an uplink flows leave from. The kernel chooses one for a route, but it may
 * pick a temporary (RFC 8981) or deprecated one, and before Linux 6.7 it does not say which. So its
 * own list of the uplink's addresses is searched. An address may be used if it is neither
 * temporary, deprecated nor link-local, and has passed duplicate address detection; of those the
 * one that has the longest prefix in common with the kernel's choice is taken, so that the network
 * is the same.
 */
#ifndef NSXDP_SOURCE6_H
#define NSXDP_SOURCE6_H

#include "defs.h"
#include "device.h"

#ifndef NSXDP_AT_XDP
/* include/uapi/linux/if_addr.h: temporary, optimistic, failed, deprecated, tentative */
#define IFA_UNUSABLE (0x01 | 0x04 | 0x08 | 0x20 | 0x40)

/**
 * struct addr6_walk - a walk over a device's IPv6 addresses
 * @like: what the address is to have much in common with
 * @best: the best one that may be used
 * @differs: @best xor @like, as a number: the smaller it is, the longer is their common prefix; all
 *	ones where there is no @best
 * @found: @like is one of them, whether it may be used or not
 */
struct addr6_walk {
	struct addr6_list list;
	struct nsx_addr like;
	struct nsx_addr best;
	__u64 differs[2];
	__u32 found;
};

static long next_addr6(__u64 unused, struct addr6_walk *w)
{
	struct inet6_ifaddr___link *ifa = addr6_next(&w->list);
	struct nsx_addr addr;
	struct in6_addr v6;
	__u64 upper, lower;

	if (!ifa)
		return 1;
	v6 = READ(struct inet6_ifaddr___link, ifa, addr);
	addr_from_v6(&addr, &v6);
	upper = bpf_be64_to_cpu(addr.d[0] ^ w->like.d[0]);
	lower = bpf_be64_to_cpu(addr.d[1] ^ w->like.d[1]);
	w->found |= !(upper | lower);
	if (is_link_local_of(&addr, NSX_V6) ||
	    (READ(struct inet6_ifaddr___link, ifa, flags) & IFA_UNUSABLE) ||
	    upper > w->differs[0] || (upper == w->differs[0] && lower >= w->differs[1]))
		return 0;
	w->differs[0] = upper;
	w->differs[1] = lower;
	w->best = addr;
	return 0;
}

/**
 * addr6_choose() - the address of an uplink that a flow may leave from
 * @addr: in: the kernel's choice, or the destination where it made none; out: the address to use
 * @chosen: @addr is the kernel's choice; where the uplink does not have it, it is kept
 *
 * Return: 0, or -1 where the uplink has none that may be used.
 */
__noinline int addr6_choose(CTX *ctx, __u32 ifindex, struct nsx_addr *addr, int chosen)
{
	struct addr6_walk w = { .differs = { ~0ULL, ~0ULL } };

	if (!addr)
		return -1;
	w.like = *addr;
	if (!addr6_begin(ctx, ifindex, &w.list))
		return chosen ? 0 : -1;
	bpf_loop(DEV_ADDRESSES, next_addr6, &w, 0);
	if (chosen && !w.found)
		return 0;
	if (is_unspecified(&w.best))
		return -1;
	*addr = w.best;
	return 0;
}

/* The uplink has this address, and flows may leave from it. */
static __always_inline bool is_of_uplink(CTX *ctx, __u32 ifindex, const struct nsx_addr *addr)
{
	struct nsx_addr best = *addr;

	if (nsx_is_v4(addr))
		return device_has(ctx, ifindex, addr->w[3]);
	return addr6_choose(ctx, ifindex, &best, false) == 0 && addr_eq(&best, addr);
}
#endif

#endif
