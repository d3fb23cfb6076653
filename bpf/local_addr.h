/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's addresses as they are now. The list that "up" wrote is a beginning: a packet to an
 * address that is not in it has the kernel asked whether it is the host's, and an address that
 * flows leave from is asked after twice a second. So a changed address takes effect without a
 * process that watches for it. The place of a lost address is used again: a flow is of the address
 * that has its place now only if it was seen since.
 *
 * Any CPU may do any of it at any time. A place is won by a compare-and-exchange of its state; what
 * is read of one that is being written is an address of the host before or after.
 *
 * The kernel does not say "local" to a program: it says that it would not forward. That means an
 * address of the host's where any other has a route, so without a default route nothing is learnt;
 * and where it is not the broadcast address of a network that is known.
 *
 * The first two places are for an address of each family, of an uplink: those that nearly all
 * packets have. A family that the host does not have leaves its place empty.
 */
#ifndef NSXDP_LOCAL_ADDR_H
#define NSXDP_LOCAL_ADDR_H

#include "defs.h"
#include "maps.h"
#include "route.h"
#include "scope.h"
#include "slot.h"
#include "source6.h"

/* BPF_FIB_LOOKUP_DIRECT: the main table, whatever rules there are */
#define FIB_MAIN	(1U << 0)
#define FIB_SRC		(1U << 4)	/* BPF_FIB_LOOKUP_SRC, kernel 6.7 */
#define LOCAL_ITSELF (-1)
#define LOCAL_NO_UPLINK (-2)
#define LOCAL_FIRST_TRIES 16
#define LOCAL_LONG_AGO 0x80000000U	/* ticks: nobody had the place before */

/* What was asked of an address, per CPU. */
struct fib_cache {
	struct nsx_addr addr;
	__u32 until;		/* ticks */
	__s32 index;		/* the answer: in nsx_learned.local, or -1 */
};

#define FIB_CACHE_SIZE 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FIB_CACHE_SIZE);
	__type(key, __u32);
	__type(value, struct fib_cache);
} nsx_fib_cache SEC(".maps");

/* The same for the address that packets to a destination leave from. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FIB_CACHE_SIZE);
	__type(key, __u32);
	__type(value, struct fib_cache);
} nsx_local_sources SEC(".maps");

static __always_inline __u32 local_slot(const struct nsx_addr *addr)
{
	return addr_hash(addr, 0) >> 22;
}

static __always_inline bool fib_cache_is_fresh(const struct fib_cache *a,
					       const struct nsx_addr *addr)
{
	return addr_eq(&a->addr, addr) && (__s32)(a->until - now_tick()) > 0;
}

static __always_inline void fib_cache_note(struct fib_cache *a, const struct nsx_conf *conf,
					   const struct nsx_addr *addr, __s32 index)
{
	a->addr = *addr;
	a->index = index;
	a->until = now_tick() + nsx_ticks(conf, 1) / 2;
}

enum forwarding { FORWARDED, NOT_FORWARDED, NOT_TOLD };

/*
 * Whether a route leads to an address. Where the device that is asked from is gone or does not
 * forward, that tells nothing.
 */
__noinline int forwarding(CTX *ctx, const struct nsx_addr *addr)
{
	struct bpf_fib_lookup fib = {};
	const struct nsx_conf *conf = &nsx_conf;
	int err;

	if (!addr)
		return NOT_TOLD;
	fib_to(&fib, addr);
	fib.ifindex = conf->asker;
	err = fib_route(ctx, &fib, 0);
	if (err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return NOT_TOLD;
	return err == BPF_FIB_LKUP_RET_NOT_FWDED ? NOT_FORWARDED : FORWARDED;
}

/*
 * An address that nobody has, where only a default route leads: 240.0.0.1 (RFC 1112), and one of
 * 3fff::/20 (RFC 9637).
 */
static __always_inline void nowhere(struct nsx_addr *a, __u32 family)
{
	if (family == NSX_V4) {
		addr_from_v4(a, bpf_htonl(0xf0000001));
		return;
	}
	a->w[0] = bpf_htonl(0x3fff0fff);
	a->w[1] = a->w[2] = a->w[3] = bpf_htonl(0xffffffff);
}

/*
 * The kernel would not forward to an address, though it would to any other: it is the host's, or a
 * broadcast or anycast address.
 */
static __always_inline bool route_says_local(CTX *ctx, const struct nsx_addr *addr)
{
	struct nsx_addr other;

	nowhere(&other, family_of(addr));
	return forwarding(ctx, addr) == NOT_FORWARDED && forwarding(ctx, &other) == FORWARDED;
}

/* A walk over the list; the verifier follows a call of bpf_loop() once. */
struct local_walk {
	__u32 addr;	/* host byte order */
	__u32 now;
	__u32 found;	/* an index, or NSX_LOCAL_MAX */
	__u32 first;	/* of the first two places, the one that may be taken; else NSX_LOCAL_MAX */
};

static long broadcast_of(__u64 i, struct local_walk *w)
{
	const struct nsx_local_addr *local;
	__u32 host;

	if (i >= NSX_LOCAL_MAX)
		return 1;
	local = &nsx_learned.local[i];
	if (!nsx_is_v4(&local->addr))
		return 0;
	host = local->len ? 0xffffffffU >> (local->len & 31) : 0xff;
	if (((bpf_ntohl(local->addr.w[3]) ^ w->addr) & ~host) || (w->addr & host) != host)
		return 0;
	w->found = i;
	return 1;
}

static __always_inline bool is_broadcast(const struct nsx_addr *addr)
{
	struct local_walk w = { .addr = bpf_ntohl(addr->w[3]), .found = NSX_LOCAL_MAX };

	if (!nsx_is_v4(addr))
		return false;
	bpf_loop(nsx_learned.local_count, broadcast_of, &w, 0);
	return w.found < NSX_LOCAL_MAX;
}

/* An address that was lost some time ago: its flows are dead and stay so. */
static long place_of_gone(__u64 i, struct local_walk *w)
{
	struct nsx_conf *conf = &nsx_conf;
	struct nsx_local_addr *local;

	if (i >= NSX_LOCAL_MAX)
		return 1;
	local = &nsx_learned.local[i];
	/* The first places are what the fast path serves: for an uplink's address only. */
	if ((i < NSX_FAMILIES && i != w->first) || local->state != NSX_LOCAL_GONE ||
	    w->now - local->gone_at <= nsx_ticks(conf, NSX_LOCAL_GONE_SECONDS) ||
	    __sync_val_compare_and_swap(&local->state, NSX_LOCAL_GONE, NSX_LOCAL_WRITING) !=
		    NSX_LOCAL_GONE)
		return 0;
	bpf_map_delete_elem(&nsx_local, &local->addr);
	w->found = i;
	return 1;
}

/*
 * A place for an address: that of a lost one, else a new one. fresh: set where nobody had it
 * before.
 */
static __always_inline __u32 local_place(__u32 now, __u32 family, bool on_uplink, bool *fresh)
{
	struct local_walk w = { .now = now,
				.found = NSX_LOCAL_MAX,
				.first = on_uplink ? family : NSX_LOCAL_MAX };
	struct nsx_local_addr *first = &nsx_learned.local[family & 1];
	__u32 i;

	*fresh = on_uplink &&
		 __sync_val_compare_and_swap(&first->state, NSX_LOCAL_UNUSED, NSX_LOCAL_WRITING) ==
			 NSX_LOCAL_UNUSED;
	if (*fresh)
		return family & 1;
	/* Who looks for the address finds this set before the address. */
	*(volatile __u32 *)&nsx_learned.further[family & 1] = 1;
	smp_wmb();
	bpf_loop(nsx_learned.local_count, place_of_gone, &w, 0);
	if (w.found < NSX_LOCAL_MAX)
		return w.found;
	*fresh = true;
	i = __sync_fetch_and_add(&nsx_learned.local_count, 1);
	if (i >= NSX_LOCAL_MAX)
		__sync_fetch_and_add(&nsx_learned.local_count, -1);
	return i;
}

/* The index of an address that the kernel says is the host's. */
static __always_inline __s32 local_add(const struct nsx_addr *addr, __u32 dev, bool on_uplink)
{
	bool fresh = false;
	__u32 now = now_tick(),
	      n = is_frozen(&nsx_conf) ? NSX_LOCAL_MAX
				       : local_place(now, family_of(addr), on_uplink, &fresh);
	struct nsx_local_addr *local;

	if (n >= NSX_LOCAL_MAX)
		return -1;
	local = &nsx_learned.local[n];
	local->addr = *addr;
	local->dev = dev;
	local->len = 0;
	local->on_uplink = on_uplink;
	local->owners = 0;
	local->owners_until = 0;
	local->since = fresh ? now - LOCAL_LONG_AGO : now;
	local->gone_at = now;
	if (bpf_map_update_elem(&nsx_local, &local->addr, &n, BPF_NOEXIST) == 0) {
		__sync_lock_test_and_set(&local->state, NSX_LOCAL_PRESENT);
		return n;
	}
	/* Another CPU has learnt it in this moment: this place is nobody's. */
	local->addr.d[0] = local->addr.d[1] = 0;
	__sync_lock_test_and_set(&local->state, NSX_LOCAL_GONE);
	return local_index(addr);
}

/**
 * local_learn() - ask whether an address that is in no list is the host's
 * @dev: the uplink that it was met at
 * @on_uplink: by a route, so it is that uplink's; else its own list tells
 *
 * Return: its index in nsx_learned.local, or -1.
 */
__noinline int local_learn(CTX *ctx, const struct nsx_addr *addr, __u32 dev, int on_uplink)
{
	__u32 slot;
	struct nsx_conf *conf = &nsx_conf;
	struct fib_cache *a;
	__s32 index = -1;

	if (!addr || is_martian(addr) || is_multicast(addr) ||
	    (!nsx_is_v4(addr) && is_link_local_of(addr, NSX_V6)))
		return -1;
	slot = local_slot(addr);
	a = bpf_map_lookup_elem(&nsx_fib_cache, &slot);
	if (!a)
		return -1;
	if (fib_cache_is_fresh(a, addr))
		return a->index;
	index = local_index(addr);
	if (index >= 0)
		/* In the list already: no place more */
		return local_is_here(index) ? index : -1;
	if (route_says_local(ctx, addr) && !is_broadcast(addr)) {
#ifndef NSXDP_AT_XDP
		on_uplink = on_uplink || is_of_uplink(ctx, dev, addr);
#endif
		index = local_add(addr, dev, on_uplink);
	}
	fib_cache_note(a, conf, addr, index);
	return index;
}

/**
 * local_check() - note whether an address of the list is the host's still, twice a second
 *
 * Flows of a lost address are dead (nsx_flow_left). Return: whether it is the host's.
 */
__noinline int local_check(CTX *ctx, __u32 index)
{
	__u32 slot, now = now_tick();
	struct nsx_conf *conf = &nsx_conf;
	struct fib_cache *a;
	struct nsx_local_addr *local;
	struct nsx_addr addr;

	if (index >= NSX_LOCAL_MAX)
		return false;
	local = &nsx_learned.local[index];
	addr = local->addr;
	slot = local_slot(&addr);
	a = bpf_map_lookup_elem(&nsx_fib_cache, &slot);
	if (!a || fib_cache_is_fresh(a, &addr))
		return local->state == NSX_LOCAL_PRESENT;
	if (local->state == NSX_LOCAL_PRESENT && forwarding(ctx, &addr) == FORWARDED &&
	    addr_eq(&local->addr, &addr)) {	/* else the place is another's by now */
		local->gone_at = now;
		__sync_val_compare_and_swap(&local->state, NSX_LOCAL_PRESENT, NSX_LOCAL_GONE);
	} else if (local->state == NSX_LOCAL_GONE && route_says_local(ctx, &addr)) {
		__sync_val_compare_and_swap(&local->state, NSX_LOCAL_GONE, NSX_LOCAL_PRESENT);
	}
	/* Long ago stays long ago, though the clock goes round. */
	if (now - local->since > 0xc0000000U)
		local->since = now - LOCAL_LONG_AGO;
	fib_cache_note(a, conf, &addr, local->state == NSX_LOCAL_PRESENT ? (__s32)index : -1);
	return local->state == NSX_LOCAL_PRESENT;
}

/*
 * local_check() for an address that is in use: once per tick, on all CPUs together. Any CPU may
 * write .checked, against any other: two that do so in one tick both ask.
 */
static __always_inline void local_recheck(CTX *ctx, __u32 index)
{
	struct nsx_local_addr *local = &nsx_learned.local[index & (NSX_LOCAL_MAX - 1)];
	__u32 now = now_tick();

	if (local->checked == now)
		return;
	local->checked = now;
	local_check(ctx, index & (NSX_LOCAL_MAX - 1));
}

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

/**
 * link_down() - the link of a namespace has no carrier
 * @ifindex: the host's end
 *
 * The host's ends of links are set so that the kernel leaves out their routes when they are down;
 * asked twice a second for each, and by the IPv4 address, which every namespace has.
 */
__noinline int link_down(CTX *ctx, __u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct nsx_conf *conf = &nsx_conf;
	struct bpf_fib_lookup fib = {};
	struct fib_cache *a;
	struct nsx_addr addr;
	__u32 slot;
	int err;

	if (!veth)
		return false;
	addr = veth->addr[NSX_V4];
	slot = local_slot(&addr);
	a = bpf_map_lookup_elem(&nsx_fib_cache, &slot);
	if (!a)
		return false;
	if (!fib_cache_is_fresh(a, &addr)) {
		fib_to(&fib, &addr);
		fib.ifindex = conf->asker;
		err = fib_route(ctx, &fib, FIB_MAIN);
		fib_cache_note(a, conf, &addr,
			       err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED ||
				       (err == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == ifindex));
	}
	return !a->index;
}

#define SYN_ALONE(p) (((p)->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)

/*
 * To a namespace whose link is down, by a packet that may be the first: better told than left to
 * wait.
 */
static __always_inline bool is_to_the_dead(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	return !p->icmp_error && (p->proto == NSX_UDP || SYN_ALONE(p)) &&
	       link_down(ctx, x->ifindex);
}

#endif
