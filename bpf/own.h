/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's addresses as they are now. The list that "up" wrote is a beginning: a packet to an address that
 * is not in it has the kernel asked whether it is the host's, and an address that flows leave from is asked after
 * twice a second. So a changed address takes effect without a process that watches for it.
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
#define NOWHERE		bpf_htonl(0xf0000001)	/* 240.0.0.1, which nobody has (RFC 1112): only a default route leads there */

/* What was asked of an address, per CPU. */
struct own_asked {
	struct nsx_addr addr;
	__u32 until;		/* ticks */
	__s32 index;		/* the answer: in nsx_conf.own, or -1 */
};

#define OWN_ASKED 256

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
	return (addr->w[3] * 0x9e3779b1U) >> 24;
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

enum forwarding { FORWARDED, NOT_FORWARDED, NOBODY_ASKED };

/* Whether a route leads to v4 from asker, the host's end of a link. */
static __always_inline enum forwarding forwarding(CTX *ctx, __u32 asker, __be32 v4)
{
	struct bpf_fib_lookup fib = { .family = AF_INET, .ifindex = asker, .ipv4_dst = v4 };
	int err = bpf_fib_lookup(ctx, &fib, sizeof(fib), FIB_SKIP_NEIGH);

	if (err < 0)
		return NOBODY_ASKED;	/* the device is gone */
	return err == BPF_FIB_LKUP_RET_NOT_FWDED ? NOT_FORWARDED : FORWARDED;
}

/* Where somebody has deleted the device that questions are asked from, take another, which is there. */
static __always_inline void asker_keep(CTX *ctx, struct nsx_conf *conf, __u32 ifindex)
{
	if (conf->asker != ifindex && forwarding(ctx, conf->asker, NOWHERE) == NOBODY_ASKED)
		conf->asker = ifindex;
}

static __always_inline bool is_broadcast(const struct nsx_conf *conf, __be32 v4)
{
	__u32 addr = bpf_ntohl(v4);

	for (__u32 i = 0; i < NSX_OWN_MAX; i++) {
		__u32 host = conf->own_len[i] ? 0xffffffffU >> (conf->own_len[i] & 31) : 0xff;

		if (i >= conf->own_count)
			break;
		if (((bpf_ntohl(conf->own[i].w[3]) ^ addr) & ~host) == 0 && (addr & host) == host)
			return true;
	}
	return false;
}

/* The index of an address that the kernel says is the host's; the list grows where it must. */
static __always_inline __s32 own_add(struct nsx_conf *conf, const struct nsx_addr *addr, __u32 dev)
{
	__u32 n = __sync_fetch_and_add(&conf->own_count, 1);

	if (n >= NSX_OWN_MAX) {
		__sync_fetch_and_add(&conf->own_count, -1);
		return -1;
	}
	conf->own[n] = *addr;
	conf->own_dev[n] = dev;
	conf->own_len[n] = 0;
	if (bpf_map_update_elem(&nsx_own, addr, &n, BPF_NOEXIST) == 0)
		return n;
	/* Another CPU has learnt it in this moment: this place is nobody's. */
	__sync_fetch_and_or(&conf->lost, 1ULL << n);
	return own_index(conf, addr);
}

/**
 * own_learn() - ask whether an address that is in no list is the host's
 * @dev: the uplink that it was met at
 *
 * Return: its index in nsx_conf.own, or -1.
 */
__noinline int own_learn(CTX *ctx, const struct nsx_addr *addr, __u32 dev)
{
	__u32 zero = 0, slot;
	struct nsx_conf *conf = bpf_map_lookup_elem(&nsx_conf, &zero);
	struct own_asked *a;
	__s32 index = -1;

	if (!conf || !addr || !conf->asker || is_martian(addr->w[3]) || is_multicast(addr->w[3]))
		return -1;
	slot = own_slot(addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a)
		return -1;
	if (asked_lately(a, addr))
		return a->index;
	index = own_index(conf, addr);
	if (index >= 0)
		return index;	/* in the list already: no place more */
	if (forwarding(ctx, conf->asker, addr->w[3]) == NOT_FORWARDED &&
	    forwarding(ctx, conf->asker, NOWHERE) == FORWARDED && !is_broadcast(conf, addr->w[3]))
		index = own_add(conf, addr, dev);
	asked_note(a, conf, addr, index);
	return index;
}

/**
 * own_check() - note whether an address of the list is the host's still; for packets of namespaces
 *
 * Flows of one that is lost are dead (nsx_flow_left).
 */
__noinline int own_check(CTX *ctx, __u32 index)
{
	__u32 zero = 0, slot;
	struct nsx_conf *conf = bpf_map_lookup_elem(&nsx_conf, &zero);
	struct own_asked *a;
	struct nsx_addr addr;

	if (!conf || !conf->asker || index >= NSX_OWN_MAX)
		return 0;
	addr = conf->own[index];
	slot = own_slot(&addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a || asked_lately(a, &addr))
		return 0;
	switch (forwarding(ctx, ctx_ifindex(ctx), addr.w[3])) {
	case FORWARDED:
		__sync_fetch_and_or(&conf->lost, 1ULL << index);
		break;
	case NOT_FORWARDED:
		__sync_fetch_and_and(&conf->lost, ~(1ULL << index));
		break;
	case NOBODY_ASKED:
		break;
	}
	asker_keep(ctx, conf, ctx_ifindex(ctx));
	asked_note(a, conf, &addr, index);
	return 0;
}

/**
 * own_for() - the host's address that a new flow of a namespace to dst leaves from, as the route chooses
 *
 * Return: its index in nsx_conf.own, the first where the kernel does not tell; -1 where dst is the host's itself, which
 * is in the list now.
 */
__noinline int own_for(CTX *ctx, const struct nsx_addr *dst)
{
	const struct nsx_conf *conf = conf_get();
	struct bpf_fib_lookup fib = { .family = AF_INET };
	struct own_asked *a;
	struct nsx_addr src;
	__s32 index = 0;
	__u32 slot;
	int err;

	if (!conf || !dst || !conf->asker)
		return 0;
	slot = own_slot(dst);
	a = bpf_map_lookup_elem(&nsx_own_sources, &slot);
	if (!a)
		return 0;
	if (asked_lately(a, dst))
		return a->index;
	fib.ifindex = ctx_ifindex(ctx);
	fib.ipv4_dst = dst->w[3];
	err = bpf_fib_lookup(ctx, &fib, sizeof(fib), FIB_SKIP_NEIGH | FIB_SRC);
	if (err == BPF_FIB_LKUP_RET_NOT_FWDED && own_learn(ctx, dst, conf->uplinks[0]) >= 0)
		return -1;
	if (err == BPF_FIB_LKUP_RET_SUCCESS && fib.ipv4_src && is_uplink(conf, fib.ifindex)) {
		addr_from_v4(&src, fib.ipv4_src);
		index = own_index(conf, &src);
		if (index < 0)
			index = own_learn(ctx, &src, fib.ifindex);
		if (index < 0)
			index = 0;
	}
	own_check(ctx, index);
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
	__u32 zero = 0, slot;
	struct nsx_conf *conf = bpf_map_lookup_elem(&nsx_conf, &zero);
	struct bpf_fib_lookup fib = { .family = AF_INET };
	struct own_asked *a;
	int err;

	if (!conf || !addr || !conf->asker)
		return false;
	slot = own_slot(addr);
	a = bpf_map_lookup_elem(&nsx_own_asked, &slot);
	if (!a)
		return false;
	if (!asked_lately(a, addr)) {
		fib.ifindex = ifindex;
		fib.ipv4_dst = addr->w[3];
		err = bpf_fib_lookup(ctx, &fib, sizeof(fib), FIB_SKIP_NEIGH | FIB_MAIN);
		asked_note(a, conf, addr, err == BPF_FIB_LKUP_RET_FWD_DISABLED ||
						  (err == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == ifindex));
		if (err >= 0)
			asker_keep(ctx, conf, ifindex);
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
