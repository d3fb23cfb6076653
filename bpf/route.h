/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's route to a destination outside. */
#ifndef NSXDP_ROUTE_H
#define NSXDP_ROUTE_H

#include "defs.h"
#include "maps.h"
#include "scope.h"

#define FIB_SKIP_NEIGH	(1U << 2)	/* BPF_FIB_LOOKUP_SKIP_NEIGH, kernel 6.3 */
#define EINVAL 22

/*
 * A destination that packets are sent to: neither the host's own, nor of the pool, nor a group, nor
 * nobody's.
 */
static __always_inline bool is_outside(const struct nsx_conf *conf, const struct nsx_addr *dst)
{
	__u32 family = family_of(dst);

	return !in_pool_of(conf, dst, family) && !is_local(dst) && !is_multicast_of(dst, family) &&
	       !is_martian_of(dst, family);
}

/* In place of the index of a local address: the source is a namespace's own, of the pool. */
#define LOCAL_ROUTED NSX_LOCAL_MAX

/*
 * What a route says of its MTU. The kernel tells a program what a path was found to take (RFC
 * 1191), and what a route says with a lock; what one says without is in a table of our own, written
 * by "up".
 */
static __always_inline __u16 route_least(const struct nsx_addr *dst, __u16 mtu)
{
	struct nsx_prefix key = { .bits = 128,
				  .addr = { dst->w[0], dst->w[1], dst->w[2], dst->w[3] } };
	const __u32 *said = bpf_map_lookup_elem(&nsx_routes, &key);

	return said && *said && *said < mtu ? *said : mtu;
}

static __always_inline bool is_uplink(const struct nsx_conf *conf, __u32 ifindex)
{
	for (int i = 0; i < NSX_UPLINKS; i++)
		if (conf->uplinks[i] == ifindex)
			return true;
	return false;
}

/*
 * bpf_fib_lookup() for a route, whatever is known of the neighbour that it leads to. Before Linux
 * 6.3 a neighbour that is not resolved is an answer of its own, which has the device but not the
 * MTU: that is 0 then. The question is never whether the packet fits, which the kernel answers
 * instead where no length is given.
 */
static __always_inline int fib_route(CTX *ctx, struct bpf_fib_lookup *fib, __u32 flags)
{
	int err = -EINVAL;

	fib->tot_len = 1;
	if (!test_old_kernel)
		err = bpf_fib_lookup(ctx, fib, sizeof(*fib), flags | FIB_SKIP_NEIGH);
	if (err != -EINVAL)
		return err;
	err = bpf_fib_lookup(ctx, fib, sizeof(*fib), flags);
	if (err != BPF_FIB_LKUP_RET_NO_NEIGH)
		return err;
	fib->mtu_result = 0;
	return BPF_FIB_LKUP_RET_SUCCESS;
}

/* The destination that a route is asked for. */
static __always_inline void fib_to(struct bpf_fib_lookup *fib, const struct nsx_addr *dst)
{
	if (nsx_is_v4(dst)) {
		fib->family = AF_INET;
		fib->ipv4_dst = dst->w[3];
		return;
	}
	fib->family = AF_INET6;
	__builtin_memcpy(fib->ipv6_dst, dst->w, sizeof(fib->ipv6_dst));
}

static __always_inline void fib_from(struct bpf_fib_lookup *fib, const struct nsx_addr *src)
{
	if (fib->family == AF_INET)
		fib->ipv4_src = src->w[3];
	else
		__builtin_memcpy(fib->ipv6_src, src->w, sizeof(fib->ipv6_src));
}

/* An address in 32 bits, for a place in a small table. */
static __always_inline __u32 addr_hash(const struct nsx_addr *a, __u32 seed)
{
	return (a->w[3] ^ a->w[2] ^ (a->w[1] << 7) ^ (a->w[0] >> 3) ^ seed) * 0x9e3779b1U;
}

/*
 * The MTU of an uplink itself, whatever its routes say; that of the first as it was at "up" where
 * it is gone.
 */
static __always_inline __u32 uplink_mtu(CTX *ctx, __u32 ifindex)
{
	__u32 mtu = 0;

	bpf_check_mtu(ctx, ifindex, &mtu, 0, 0);
	return mtu ? mtu : nsx_conf.mtu;
}

/**
 * route_ask() - ask the kernel for the route to dst by an uplink
 * @local: index of the host's address that the packet has as its source, or LOCAL_ROUTED
 * @neighbour: the neighbour that the route leads to is wanted too
 * @fib: filled, with what the route takes for mtu_result
 *
 * The device asked from must forward, so it is one of the instance's own.
 * Return: 0, or -1 where dst is not outside, its route leads elsewhere, or its neighbour is not
 * resolved.
 */
static __always_inline int route_ask(CTX *ctx, const struct nsx_addr *dst, __u32 local,
				     bool neighbour, struct bpf_fib_lookup *fib)
{
	const struct nsx_conf *conf = &nsx_conf;
	int err;

	if (!is_outside(conf, dst))
		return -1;
	fib_to(fib, dst);
	fib_from(fib, local == LOCAL_ROUTED
			      ? &conf->pool[NSX_V6]
			      : &nsx_learned.local[local & (NSX_LOCAL_MAX - 1)].addr);
	fib->ifindex = conf->asker;
	fib->tot_len = 1;	/* asks for the MTU */
	err = neighbour ? bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) : fib_route(ctx, fib, 0);
	if (err != BPF_FIB_LKUP_RET_SUCCESS || !is_uplink(conf, fib->ifindex))
		return -1;
	fib->mtu_result =
		route_least(dst, fib->mtu_result ? fib->mtu_result : uplink_mtu(ctx, fib->ifindex));
	return 0;
}

#endif
