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

/* The address is the host's still. */
static __always_inline bool local_has(CTX *ctx, const struct nsx_addr *addr)
{
	int index = local_index(addr);

	return index >= 0 && local_is_here(index) && local_check(ctx, index);
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

#endif
