/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of the host's addresses a flow leaves from. */
#ifndef NSXDP_LOCAL_SOURCE_H
#define NSXDP_LOCAL_SOURCE_H

#include "defs.h"
#include "maps.h"
#include "local_addr.h"
#include "route.h"
#include "scope.h"
#include "source6.h"

#define FIB_SRC		(1U << 4)	/* BPF_FIB_LOOKUP_SRC, kernel 6.7 */
#define LOCAL_ITSELF (-1)
#define LOCAL_NO_UPLINK (-2)
#define LOCAL_FIRST_TRIES 16

/*
 * The address that flows leave from where the kernel does not tell which: the first that is the
 * host's still.
 */
__noinline int local_first(__u32 family)
{
	for (__u32 i = 0; i < LOCAL_FIRST_TRIES; i++)
		if (i < nsx_learned.local_count && local_is_here(i) &&
		    nsx_learned.local[i].on_uplink &&
		    family_of(&nsx_learned.local[i].addr) == family)
			return i;
	return LOCAL_NO_UPLINK;
}

/* An address that was met elsewhere first is the uplink's that a route tells. */
static __always_inline bool local_leaves_by(__u32 index, __u32 dev)
{
	struct nsx_local_addr *local =
		(struct nsx_local_addr *)&nsx_learned.local[index & (NSX_LOCAL_MAX - 1)];

	if (!local->on_uplink) {
		local->dev = dev;
		local->on_uplink = 1;
	}
	return local->dev == dev;
}

/* BPF_FIB_LKUP_RET_NO_SRC_ADDR, kernel 6.7: the uplink has no address that the kernel would take */
#define FIB_NO_SRC 9

/* fc00::/7, addresses that are not routed between sites (RFC 4193) */
static __always_inline bool is_unique_local(const struct nsx_addr *a)
{
	return (a->w[0] & bpf_htonl(0xfe000000)) == bpf_htonl(0xfc000000);
}

/*
 * The address that the kernel chose for a route by an uplink; false where it did not tell. For IPv6
 * that choice may be temporary or deprecated: TC looks at the uplink's own list, and XDP leaves it
 * to TC (source6.h). The family is that of dst: of a route of IPv4 by a router of IPv6 the look-up
 * says AF_INET6.
 */
static __always_inline bool route_source(CTX *ctx, const struct bpf_fib_lookup *fib,
					 const struct nsx_addr *dst, struct nsx_addr *src)
{
	if (nsx_is_v4(dst)) {
		addr_from_v4(src, fib->ipv4_src);
		return fib->ipv4_src != 0;
	}
#ifdef NSXDP_AT_XDP
	return false;
#else
	__builtin_memcpy(src->w, fib->ipv6_src, sizeof(src->w));
	/*
	 * Without a better one the kernel takes that of the host towards namespaces, or of any other
	 * device.
	 */
	if (!is_unspecified(src) && !in_pool_of(&nsx_conf, src, NSX_V6) &&
	    (!is_unique_local(src) || is_unique_local(dst)))
		return addr6_choose(ctx, fib->ifindex, src, true) == 0;
	*src = *dst;
	return addr6_choose(ctx, fib->ifindex, src, false) == 0;
#endif
}

/* What the kernel's route to dst says. */
static __always_inline __s32 local_by_route(CTX *ctx, const struct nsx_conf *conf,
					    const struct nsx_addr *dst,
					    const struct fib_cache *before)
{
	struct bpf_fib_lookup fib = {};
	struct nsx_addr src;
	__s32 index;
	int err;

	fib_to(&fib, dst);
	fib.ifindex = conf->asker;
	err = fib_route(ctx, &fib, FIB_SRC);
	/* A kernel before 6.7 tells the device at least. */
	if (err < 0 || err == FIB_NO_SRC) {
		fib_to(&fib, dst);
		fib.ifindex = conf->asker;
		err = fib_route(ctx, &fib, 0);
	}
	switch (err) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		if (!is_uplink(conf, fib.ifindex))
			return LOCAL_NO_UPLINK;
		if (!route_source(ctx, &fib, dst, &src))
			return nsx_is_v4(dst) ? local_first(NSX_V4) : LOCAL_NO_UPLINK;
		index = local_index(&src);
		if (index < 0)
			index = local_learn(ctx, &src, fib.ifindex, true);
		if (index < 0 || !local_check(ctx, index))
			return local_first(family_of(dst));
		/* Packets from an uplink's address leave by it, and not by another. */
		return local_leaves_by(index, fib.ifindex) ? index : LOCAL_NO_UPLINK;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return LOCAL_NO_UPLINK;
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return local_learn(ctx, dst, conf->uplinks[0], false) >= 0 ? LOCAL_ITSELF
									   : LOCAL_NO_UPLINK;
	default:
		/* No answer changes nothing. */
		return addr_eq(&before->addr, dst) && before->index >= 0
			       ? before->index
			       : local_first(family_of(dst));
	}
}

/* The n-th of the addresses that masquerading is spread over, or -1 where that does not serve. */
__noinline int local_spread(CTX *ctx, __u32 n, __u32 family, __u32 by_route)
{
	const struct nsx_conf *conf = &nsx_conf;
	int index = n < NSX_SNAT_MAX && family_of(&conf->snat[n]) == family
			    ? local_index(&conf->snat[n])
			    : -1;

	return index >= 0 && index < NSX_LOCAL_MAX && local_check(ctx, index) &&
			       nsx_learned.local[index].dev ==
				       nsx_learned.local[by_route & (NSX_LOCAL_MAX - 1)].dev
		       ? index
		       : -1;
}

/*
 * One of the addresses that masquerading is spread over, where a route leads by the same uplink:
 * always the same for an inside address (RFC 4787, REQ-2), while it is the host's.
 */
__noinline int local_paired(CTX *ctx, const struct nsx_addr *inside, __u32 by_route)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 at;

	if (!conf->snat_count || !inside)
		return by_route;
	/* The last word is the namespace's IPv4 address in both families (user/apply/ipv6.c). */
	at = bpf_ntohl(inside->w[3]) * 0x9e3779b1U >> 16;
	for (__u32 i = 0; i < NSX_SNAT_MAX && i < conf->snat_count; i++, at++) {
		int index = local_spread(ctx, at % conf->snat_count, family_of(inside), by_route);

		if (index >= 0)
			return index;
	}
	return by_route;
}

/*
 * The address of a namespace with NSX_V_SOURCE, where the host has it and a route leads by its
 * uplink.
 */
__noinline int local_sourced(CTX *ctx, __u32 family, __u32 by_route)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct nsx_addr source;
	int index;

	if (!veth)
		return LOCAL_NO_UPLINK;
	source = veth->source[family & 1];
	index = local_index(&source);
	if (index < 0 || index >= NSX_LOCAL_MAX || !local_check(ctx, index) ||
	    nsx_learned.local[index].dev != nsx_learned.local[by_route & (NSX_LOCAL_MAX - 1)].dev)
		return LOCAL_NO_UPLINK;
	return index;
}

/* The address for a new flow, where by_route is the one that its route chooses. */
static __always_inline int local_chosen(CTX *ctx, const struct pkt *p, int by_route)
{
	if (by_route < 0)
		return by_route;
	if (p->veth_flags & NSX_V_SOURCE(p->family))
		return local_sourced(ctx, p->family, by_route);
	return nsx_conf.snat_count ? local_paired(ctx, &p->saddr, by_route) : by_route;
}

/**
 * local_for() - the host's address that a new flow of a namespace to dst leaves from, as the route
 * chooses
 *
 * Return: its index in nsx_learned.local; LOCAL_ITSELF where dst is the host's itself, which is in the
 * list now; LOCAL_NO_UPLINK where the route leads nowhere, or by a device that is no uplink.
 */
__noinline int local_for(CTX *ctx, const struct nsx_addr *dst)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct fib_cache *a;
	__s32 index;
	__u32 slot;

	if (!dst)
		return LOCAL_NO_UPLINK;
	slot = local_slot(dst);
	a = bpf_map_lookup_elem(&nsx_local_sources, &slot);
	if (!a)
		return LOCAL_NO_UPLINK;
	if (fib_cache_is_fresh(a, dst))
		return a->index;
#ifdef NSXDP_AT_XDP
	/* TC looks at the uplink's addresses. */
	if (!nsx_is_v4(dst))
		return LOCAL_NO_UPLINK;
#endif
	index = local_by_route(ctx, conf, dst, a);
	if (index != LOCAL_ITSELF)
		fib_cache_note(a, conf, dst, index);
	return index;
}

#endif
