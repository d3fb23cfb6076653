/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's addresses as they are now. The list that "up" wrote is a beginning: a packet to an address that
 * is not in it has the kernel asked whether it is the host's, and an address that flows leave from is asked after
 * twice a second. So a changed address takes effect without a process that watches for it. The place of a lost
 * address is used again: a flow is of the address that has its place now only if it was seen since.
 *
 * Any CPU may do any of it at any time. A place is won by a compare-and-exchange of its state; what is read of one that
 * is being written is an address of the host before or after.
 *
 * The kernel does not say "local" to a program: it says that it would not forward. That means an address of the
 * host's where any other has a route, so without a default route nothing is learnt; and where it is not the broadcast
 * address of a network that is known.
 */
#ifndef NSXDP_OWN_H
#define NSXDP_OWN_H

#include "defs.h"
#include "maps.h"
#include "route.h"
#include "scope.h"
#include "slot.h"

#define FIB_MAIN	(1U << 0)	/* BPF_FIB_LOOKUP_DIRECT: the main table, whatever rules there are */
#define FIB_SRC		(1U << 4)	/* BPF_FIB_LOOKUP_SRC, kernel 6.7 */
#define OWN_ITSELF (-1)
#define OWN_NO_UPLINK (-2)
#define OWN_FIRST_TRIES 16
#define OWN_LONG_AGO 0x80000000U	/* ticks: nobody had the place before */
#define NOWHERE		bpf_htonl(0xf0000001)	/* 240.0.0.1, which nobody has (RFC 1112): only a default route leads there */

/* What was asked of an address, per CPU. */
struct own_asked {
	struct nsx_addr addr;
	__u32 until;		/* ticks */
	__s32 index;		/* the answer: in nsx_conf.own, or -1 */
};

#define OWN_ASKED 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OWN_ASKED);
	__type(key, __u32);
	__type(value, struct own_asked);
} nsx_own_asked SEC(".maps");

/* The same for the address that packets to a destination leave from. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OWN_ASKED);
	__type(key, __u32);
	__type(value, struct own_asked);
} nsx_own_sources SEC(".maps");

static __always_inline __u32 own_slot(const struct nsx_addr *addr)
{
	return (addr->w[3] * 0x9e3779b1U) >> 22;
}

static __always_inline bool asked_lately(const struct own_asked *a, const struct nsx_addr *addr)
{
	return addr_eq(&a->addr, addr) && (__s32)(a->until - now_tick()) > 0;
}

static __always_inline void asked_note(struct own_asked *a, const struct nsx_conf *conf, const struct nsx_addr *addr,
				       __s32 index)
{
	a->addr = *addr;
	a->index = index;
	a->until = now_tick() + nsx_ticks(conf, 1) / 2;
}

enum forwarding { FORWARDED, NOT_FORWARDED, NOT_TOLD };

/* Whether a route leads to v4. Where the device that is asked from is gone or does not forward, that tells nothing. */
__noinline int forwarding(CTX *ctx, __be32 v4)
{
	struct bpf_fib_lookup fib = { .family = AF_INET, .ipv4_dst = v4 };
	const struct nsx_conf *conf = &nsx_conf;
	int err;

	fib.ifindex = conf->asker;
	err = fib_route(ctx, &fib, 0);
	if (err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return NOT_TOLD;
	return err == BPF_FIB_LKUP_RET_NOT_FWDED ? NOT_FORWARDED : FORWARDED;
}

/* The kernel would not forward to v4, though it would to any other address: v4 is the host's, or a broadcast address. */
static __always_inline bool is_local(CTX *ctx, __be32 v4)
{
	return forwarding(ctx, v4) == NOT_FORWARDED && forwarding(ctx, NOWHERE) == FORWARDED;
}

/* A walk over the list; the verifier follows a call of bpf_loop() once. */
struct own_walk {
	__u32 addr;	/* host byte order */
	__u32 now;
	__u32 found;	/* an index, or NSX_OWN_MAX */
	__u32 on_uplink;
};

static long broadcast_of(__u64 i, struct own_walk *w)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct nsx_own *own;
	__u32 host;

	if (i >= NSX_OWN_MAX)
		return 1;
	own = &conf->own[i];
	host = own->len ? 0xffffffffU >> (own->len & 31) : 0xff;
	if (((bpf_ntohl(own->addr.w[3]) ^ w->addr) & ~host) || (w->addr & host) != host)
		return 0;
	w->found = i;
	return 1;
}

static __always_inline bool is_broadcast(const struct nsx_conf *conf, __be32 v4)
{
	struct own_walk w = { .addr = bpf_ntohl(v4), .found = NSX_OWN_MAX };

	bpf_loop(conf->own_count, broadcast_of, &w, 0);
	return w.found < NSX_OWN_MAX;
}

/* An address that was lost some time ago: its flows are dead and stay so. */
static long place_of_lost(__u64 i, struct own_walk *w)
{
	struct nsx_conf *conf = &nsx_conf;
	struct nsx_own *own;

	if (i >= NSX_OWN_MAX)
		return 1;
	own = &conf->own[i];
	/* The first place is what the fast path serves: for an uplink's address only. */
	if ((!i && !w->on_uplink) || own->state != NSX_OWN_LOST || w->now - own->lost <= nsx_ticks(conf, NSX_OWN_LOST_SECONDS) ||
	    __sync_val_compare_and_swap(&own->state, NSX_OWN_LOST, NSX_OWN_WRITING) != NSX_OWN_LOST)
		return 0;
	bpf_map_delete_elem(&nsx_own, &own->addr);
	w->found = i;
	return 1;
}

/* A place for a further address: that of a lost one, else a new one. */
static __always_inline __u32 own_place(struct nsx_conf *conf, __u32 now, bool on_uplink)
{
	struct own_walk w = { .now = now, .found = NSX_OWN_MAX, .on_uplink = on_uplink };
	__u32 i;

	bpf_loop(conf->own_count, place_of_lost, &w, 0);
	if (w.found < NSX_OWN_MAX)
		return w.found;
	i = __sync_fetch_and_add(&conf->own_count, 1);
	if (i >= NSX_OWN_MAX)
		__sync_fetch_and_add(&conf->own_count, -1);
	return i;
}

/* The index of an address that the kernel says is the host's. */
static __always_inline __s32 own_add(struct nsx_conf *conf, const struct nsx_addr *addr, __u32 dev, bool on_uplink)
{
	__u32 now = now_tick(), n = own_place(conf, now, on_uplink);
	struct nsx_own *own;

	if (n >= NSX_OWN_MAX)
		return -1;
	own = &conf->own[n];
	own->addr = *addr;
	own->dev = dev;
	own->len = 0;
	own->on_uplink = on_uplink;
	own->since = own->state == NSX_OWN_WRITING ? now : now - OWN_LONG_AGO;
	own->lost = now;
	if (bpf_map_update_elem(&nsx_own, &own->addr, &n, BPF_NOEXIST) == 0) {
		__sync_lock_test_and_set(&own->state, NSX_OWN_HERE);
		return n;
	}
	/* Another CPU has learnt it in this moment: this place is nobody's. */
	own->addr.w[3] = 0;
	__sync_lock_test_and_set(&own->state, NSX_OWN_LOST);
	return own_index(conf, addr);
}

/**
 * own_learn() - ask whether an address that is in no list is the host's
 * @dev: the uplink that it was met at
 * @on_uplink: by a route, so it is that uplink's
 *
 * Return: its index in nsx_conf.own, or -1.
 */
__noinline int own_learn(CTX *ctx, const struct nsx_addr *addr, __u32 dev, int on_uplink)
{
	__u32 slot;
	struct nsx_conf *conf = &nsx_conf;
	struct own_asked *a;
	__s32 index = -1;

	if (!addr || is_martian(addr->w[3]) || is_multicast(addr->w[3]))
		return -1;
	slot = own_slot(addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a)
		return -1;
	if (asked_lately(a, addr))
		return a->index;
	index = own_index(conf, addr);
	if (index >= 0)
		return own_is_here(conf, index) ? index : -1;	/* in the list already: no place more */
	if (is_local(ctx, addr->w[3]) && !is_broadcast(conf, addr->w[3]))
		index = own_add(conf, addr, dev, on_uplink);
	asked_note(a, conf, addr, index);
	return index;
}

/**
 * own_check() - note whether an address of the list is the host's still, twice a second
 *
 * Flows of a lost address are dead (nsx_flow_left). Return: whether it is the host's.
 */
__noinline int own_check(CTX *ctx, __u32 index)
{
	__u32 slot, now = now_tick();
	struct nsx_conf *conf = &nsx_conf;
	struct own_asked *a;
	struct nsx_own *own;
	struct nsx_addr addr;

	if (index >= NSX_OWN_MAX)
		return false;
	own = &conf->own[index];
	addr = own->addr;
	slot = own_slot(&addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a || asked_lately(a, &addr))
		return own->state == NSX_OWN_HERE;
	if (own->state == NSX_OWN_HERE && forwarding(ctx, addr.w[3]) == FORWARDED) {
		own->lost = now;
		__sync_val_compare_and_swap(&own->state, NSX_OWN_HERE, NSX_OWN_LOST);
	} else if (own->state == NSX_OWN_LOST && is_local(ctx, addr.w[3])) {
		__sync_val_compare_and_swap(&own->state, NSX_OWN_LOST, NSX_OWN_HERE);
	}
	/* Long ago stays long ago, though the clock goes round. */
	if (now - own->since > 0xc0000000U)
		own->since = now - OWN_LONG_AGO;
	asked_note(a, conf, &addr, own->state == NSX_OWN_HERE ? (__s32)index : -1);
	return own->state == NSX_OWN_HERE;
}

/*
 * own_check() for an address that is in use: once per tick, on all CPUs together. Any CPU may write .checked, against any
 * other: two that do so in one tick both ask.
 */
static __always_inline void own_recheck(CTX *ctx, __u32 index)
{
	struct nsx_own *own = &nsx_conf.own[index & (NSX_OWN_MAX - 1)];
	__u32 now = now_tick();

	if (own->checked == now)
		return;
	own->checked = now;
	own_check(ctx, index & (NSX_OWN_MAX - 1));
}

/* The address that flows leave from where the kernel does not tell which: the first that is the host's still. */
static __always_inline __s32 own_first(const struct nsx_conf *conf)
{
	for (__u32 i = 0; i < OWN_FIRST_TRIES; i++)
		if (i < conf->own_count && own_is_here(conf, i) && conf->own[i].on_uplink)
			return i;
	return OWN_NO_UPLINK;
}

/* An address that was met elsewhere first is the uplink's that a route tells. */
static __always_inline bool own_leaves_by(const struct nsx_conf *conf, __u32 index, __u32 dev)
{
	struct nsx_own *own = (struct nsx_own *)&conf->own[index & (NSX_OWN_MAX - 1)];

	if (!own->on_uplink) {
		own->dev = dev;
		own->on_uplink = 1;
	}
	return own->dev == dev;
}

/* What the kernel's route to dst says. */
static __always_inline __s32 own_by_route(CTX *ctx, const struct nsx_conf *conf, const struct nsx_addr *dst,
					  const struct own_asked *before)
{
	struct bpf_fib_lookup fib = { .family = AF_INET, .ifindex = conf->asker, .ipv4_dst = dst->w[3] };
	int err = fib_route(ctx, &fib, FIB_SRC);
	struct nsx_addr src;
	__s32 index;

	/* A kernel before 6.7 tells the device at least. */
	if (err < 0)
		err = fib_route(ctx, &fib, 0);
	switch (err) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		if (!is_uplink(conf, fib.ifindex))
			return OWN_NO_UPLINK;
		if (!fib.ipv4_src)
			return own_first(conf);
		addr_from_v4(&src, fib.ipv4_src);
		index = own_index(conf, &src);
		if (index < 0)
			index = own_learn(ctx, &src, fib.ifindex, true);
		if (index < 0 || !own_check(ctx, index))
			return own_first(conf);
		/* Packets from an uplink's address leave by it, and not by another. */
		return own_leaves_by(conf, index, fib.ifindex) ? index : OWN_NO_UPLINK;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return OWN_NO_UPLINK;
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return own_learn(ctx, dst, conf->uplinks[0], false) >= 0 ? OWN_ITSELF : OWN_NO_UPLINK;
	default:
		/* No answer changes nothing. */
		return addr_eq(&before->addr, dst) && before->index >= 0 ? before->index : own_first(conf);
	}
}

/*
 * One of the addresses that masquerading is spread over, where a route leads by the same uplink: always the same for an
 * inside address (RFC 4787, REQ-2), while it is the host's.
 */
__noinline int own_paired(CTX *ctx, __be32 inside, __u32 by_route)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 at;

	if (!conf->snat_count)
		return by_route;
	at = bpf_ntohl(inside) * 0x9e3779b1U >> 16;
	for (__u32 i = 0; i < NSX_SNAT_MAX && i < conf->snat_count; i++, at++) {
		__u32 n = at % conf->snat_count;
		int index = n < NSX_SNAT_MAX ? own_index(conf, &conf->snat[n]) : -1;

		if (index >= 0 && index < NSX_OWN_MAX && own_check(ctx, index) &&
		    conf->own[index].dev == conf->own[by_route & (NSX_OWN_MAX - 1)].dev)
			return index;
	}
	return by_route;
}

/**
 * own_for() - the host's address that a new flow of a namespace to dst leaves from, as the route chooses
 *
 * Return: its index in nsx_conf.own; OWN_ITSELF where dst is the host's itself, which is in the list now; OWN_NO_UPLINK
 * where the route leads nowhere, or by a device that is no uplink.
 */
__noinline int own_for(CTX *ctx, const struct nsx_addr *dst)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct own_asked *a;
	__s32 index;
	__u32 slot;

	if (!dst)
		return OWN_NO_UPLINK;
	slot = own_slot(dst);
	a = bpf_map_lookup_elem(&nsx_own_sources, &slot);
	if (!a)
		return OWN_NO_UPLINK;
	if (asked_lately(a, dst))
		return a->index;
	index = own_by_route(ctx, conf, dst, a);
	if (index != OWN_ITSELF)
		asked_note(a, conf, dst, index);
	return index;
}

/**
 * link_down() - the link of a namespace has no carrier
 * @addr: the namespace's address
 * @ifindex: the host's end
 *
 * The host's ends of links are set so that the kernel leaves out their routes when they are down; asked twice a
 * second for each.
 */
__noinline int link_down(CTX *ctx, const struct nsx_addr *addr, __u32 ifindex)
{
	__u32 slot;
	struct nsx_conf *conf = &nsx_conf;
	struct bpf_fib_lookup fib = { .family = AF_INET };
	struct own_asked *a;
	int err;

	if (!addr)
		return false;
	slot = own_slot(addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a)
		return false;
	if (!asked_lately(a, addr)) {
		fib.ifindex = conf->asker;
		fib.ipv4_dst = addr->w[3];
		err = fib_route(ctx, &fib, FIB_MAIN);
		asked_note(a, conf, addr, err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED ||
						  (err == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == ifindex));
	}
	return !a->index;
}

#define SYN_ALONE(p) (((p)->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)

/* To a namespace whose link is down, by a packet that may be the first: better told than left to wait. */
static __always_inline bool is_to_the_dead(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	return !p->icmp_error && (p->proto == NSX_UDP || SYN_ALONE(p)) && link_down(ctx, &x->addr, x->ifindex);
}

#endif
