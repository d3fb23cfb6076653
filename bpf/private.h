/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel does for the datapath in the instance's private network namespace, at the far end
 * of nsx.fib: it reassembles datagrams (see frag.h), and cuts packets that are larger than their
 * route takes and may be fragmented (RFC 791; RFC 4787, REQ-13). It forwards there, by one route
 * for each size that a packet may be cut to.
 *
 * A packet to be cut is in transit: its addresses, TTL and fragment offset are kept in nsx_transit
 * under a number; its source address carries that number, its destination the size to cut to.
 * tc_from_private restores them on each fragment and sends it on. So a packet is translated and
 * judged before that, and a fragment is cut like a whole packet. The L4 checksum is never touched,
 * and one that is left to the device is completed by the kernel when it cuts.
 *
 * A CPU uses a number again after 2^24 packets divided by the CPUs, a place after TRANSITS packets.
 * What is still underway then is dropped: the number in the place tells. A place is written by one
 * CPU, in a softirq or with softirqs disabled, so no other program interrupts that. The number is
 * written last, and read before and after the rest, so it does not matter which CPU the fragments
 * come back on.
 */
#ifndef NSXDP_PRIVATE_H
#define NSXDP_PRIVATE_H

#include "defs.h"
#include "csum.h"
#include "frag.h"
#include "limit.h"
#include "parse.h"
#include "route.h"

static const __u8 private_mac[ETH_ALEN] = NSX_PRIVATE_MAC;
static const __u8 host_mac[ETH_ALEN] = NSX_HOST_MAC;

/*
 * What a sender may have there that has not come back, in bytes with what the kernel needs besides:
 * so much at once, and as much again in the time after which the kernel gives up on a datagram.
 * What comes back is given back. Twice the share of those outside leaves room for some twenty-five
 * namespaces that use up theirs at one time.
 */
#define FRAG_OVERHEAD		1280U
#define FRAG_SHARE_NS		(4ULL << 20)	/* of a namespace */
#define FRAG_SHARE_STRANGER	(2ULL << 20)	/* of an address outside */
#define FRAG_SHARE_OUTSIDE	(24ULL << 20)	/* of all of them; below NSX_FRAG_MEMORY */
#define FRAG_TIME		(NSX_FRAG_TIME * 1000000000ULL)
#define STRANGERS		1024

/* @0: all strangers; then by a hash of the address. As the tat of gcra_take(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 + STRANGERS);
	__type(key, __u32);
	__type(value, __u64);
} nsx_frag_budgets SEC(".maps");

#define TRANSITS 1024	/* for each CPU */

/* A packet that is being cut. */
struct transit {
	__u32 number;
	__u32 ifindex;		/* that it goes to */
	__be32 saddr;
	__be32 daddr;
	__be16 frag_off;	/* of a fragment: what it said of itself */
	__u8 ttl;
	__u8 to_ns;
	__u8 mac[ETH_ALEN];	/* to_ns: the namespace's */
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TRANSITS);	/* times the CPUs: set before loading */
	__type(key, __u32);
	__type(value, struct transit);
} nsx_transit SEC(".maps");

/* Packets that a CPU has sent there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nsx_transits SEC(".maps");

/* Identifications of datagrams that left in fragments, by a hash of where to. */
#define IDS 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IDS);
	__type(key, __u32);
	__type(value, __u32);
} nsx_ids SEC(".maps");

/*
 * Give an IPv4 datagram that leaves in fragments under another address an identification of ours
 * (that of IPv6 has 32 random bits already). A super-packet takes one for each of its segments, which
 * are numbered from the first. Where numbers begin cannot be guessed (RFC 7739).
 */
static __always_inline void fragment_id(const struct pkt *p, struct xlat *x, __u32 datagrams)
{
	__u32 hash = addr_hash(&p->daddr, (__u32)nsx_conf.hash_seed), index = hash >> 22, *id;

	id = p->family == NSX_V6 ? NULL : bpf_map_lookup_elem(&nsx_ids, &index);
	if (!id)
		return;
	x->id = bpf_htons(
		(__u16)(hash + (nsx_conf.hash_seed >> 32) + __sync_fetch_and_add(id, datagrams)));
	x->new_id = 1;
}

/* Never below the present: that would be a debt in the next round of the clock. */
static __always_inline void budget_refund(__u64 *tat, __u64 cost)
{
	__u64 now = bpf_ktime_get_ns(), was;

	for (int i = 0; tat && i < 8; i++) {
		was = READ_ONCE(*tat);
		if (was <= now || __sync_val_compare_and_swap(
					  tat, was, was - now > cost ? was - cost : now) == was)
			break;
	}
}

/*
 * Take from a budget. Once half of it is owed, datagrams are refused, more of them the more is
 * owed, and all fragments of one alike: what empties a budget are datagrams of which a part was
 * lost, and to refuse single fragments makes more of them.
 * @threshold: of the datagram, 0 to 255
 */
static __always_inline bool budget_take(__u64 *tat, __u64 cost, __u32 threshold)
{
	__u64 now = bpf_ktime_get_ns(), was = tat ? READ_ONCE(*tat) : 0, left;

	if (!tat)
		return false;
	left = was <= now ? FRAG_TIME : was - now >= FRAG_TIME ? 0 : FRAG_TIME - (was - now);
	return left > FRAG_TIME / 512 * threshold && gcra_take(tat, cost, FRAG_TIME);
}

/* Of IPv6 a network of 64 bits is one sender, who has as many addresses of it as he likes. */
static __always_inline __u64 *budget_of_addr(const struct nsx_addr *addr)
{
	struct nsx_addr sender = *addr;
	__u32 index;

	if (!nsx_is_v4(addr))
		sender.d[1] = 0;
	index = 1 + (addr_hash(&sender, (__u32)nsx_conf.hash_seed) >> 22);

	return bpf_map_lookup_elem(&nsx_frag_budgets, &index);
}

static __always_inline __u64 *budget_outside(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nsx_frag_budgets, &zero);
}

/*
 * Nanoseconds that a fragment costs where FRAG_TIME is worth so many bytes, or on a small machine a
 * part of them.
 */
#define FRAG_COST(len, share) \
	(((__u64)(len) + FRAG_OVERHEAD) * nsx_conf.frag_scale * FRAG_TIME / (share))

static __always_inline bool frag_pay(CTX *ctx, const struct pkt *p, __u32 len)
{
	__u32 ifindex = ctx_ifindex(ctx), threshold = addr_hash(&p->daddr, p->ip_id) >> 24;
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	__u64 *all, *local;

	if (veth) {
		veth->frag_last = now_tick();
		return budget_take(&veth->frag_tat, FRAG_COST(len, FRAG_SHARE_NS), threshold);
	}
	local = budget_of_addr(&p->saddr);
	all = budget_outside();
	if (!budget_take(local, FRAG_COST(len, FRAG_SHARE_STRANGER), threshold))
		return false;
	if (budget_take(all, FRAG_COST(len, FRAG_SHARE_OUTSIDE), threshold))
		return true;
	budget_refund(local, FRAG_COST(len, FRAG_SHARE_STRANGER));
	return false;
}

/* To the private namespace. The frame's source does not matter there. */
static __always_inline int private_send(CTX *ctx, int *action)
{
	struct ethhdr *eth = ctx_data(ctx);

	if ((void *)(eth + 1) > ctx_data_end(ctx))
		return -1;
	mac_copy(eth->h_dest, private_mac);
	ctx_scrub(ctx);
	*action = bpf_redirect(nsx_conf.asker, 0);
	return 0;
}

/**
 * defrag_pay() - a fragment may be sent to be reassembled
 *
 * What may not live that long is not: the TTL goes down there too, and is put right afterwards.
 * Return: NSX_CONTINUE, or the verdict.
 */
__noinline int defrag_pay(CTX *ctx, const struct pkt *p)
{
	if (!p)
		return NSX_DROP_ERROR;
	if (p->ttl <= 1)
		return NSX_DROP_TTL;
	return frag_pay(ctx, p, ctx_len(ctx) - ETH_HLEN) ? NSX_CONTINUE : NSX_DROP_FRAGMENT;
}

/**
 * defrag_send() - have a fragment's datagram reassembled, once it is paid for
 * @action: set to the TC action
 */
__noinline int defrag_send(CTX *ctx, const struct pkt *p, int *action)
{
	if (!p || !action)
		return NSX_DROP_ERROR;
	if (p->tagged && ctx_untag(ctx) < 0)
		return NSX_DROP_ERROR;
	return private_send(ctx, action) == 0 ? NSX_DEFRAG : NSX_DROP_ERROR;
}

/*
 * The largest size that there is a route for and that is not larger than mtu; user/kernel/private.c
 * makes the routes.
 */
static __always_inline __u32 cut_size(__u32 mtu)
{
	__u32 size;

	if (mtu <= NSX_CUT_FINE)
		return mtu < NSX_CUT_MIN
			       ? NSX_CUT_MIN
			       : NSX_CUT_MIN + ((mtu - NSX_CUT_MIN) & ~(NSX_CUT_STEP - 1));
	size = mtu & ~(NSX_CUT_COARSE - 1);
	return size < NSX_CUT_FINE ? NSX_CUT_FINE : size;
}

/* Set these fields of the IP header, and update its checksum. */
static __always_inline void ip_set(struct iphdr *ip, __be32 saddr, __be32 daddr, __be16 frag_off,
				   __u8 ttl)
{
	__u32 delta = csum_delta32(ip->saddr, saddr) + csum_delta32(ip->daddr, daddr) +
		      csum_delta16(ip->frag_off, frag_off) +
		      csum_delta16(bpf_htons((__u16)(ip->ttl << 8)), bpf_htons((__u16)(ttl << 8)));

	ip->saddr = saddr;
	ip->daddr = daddr;
	ip->frag_off = frag_off;
	ip->ttl = ttl;
	ip->check = csum_apply(ip->check, delta);
}

/* Numbers of one CPU are so many apart as there are CPUs, so no other CPU writes to its places. */
static __always_inline __u32 transit_number(void)
{
	__u32 zero = 0, *count = bpf_map_lookup_elem(&nsx_transits, &zero),
	      each = ~NSX_TRANSIT_MASK / cpus;

	if (!count)
		return 0;
	*count = *count + 1 < each ? *count + 1 : 0;
	return *count * cpus + bpf_get_smp_processor_id();
}

static __always_inline __u32 transit_index(__u32 number)
{
	return number % (TRANSITS * cpus);
}

/**
 * transit_send() - have a packet cut that is otherwise ready to be sent
 * @x: where it goes, and x->cut_to
 * @action: set to the TC action
 */
__noinline int transit_send(CTX *ctx, const struct xlat *x, int *action)
{
	struct iphdr *ip;
	__u32 number, index;
	struct transit *l;

	if (!x || !action)
		return -1;
	number = transit_number();
	index = transit_index(number);
	l = bpf_map_lookup_elem(&nsx_transit, &index);
	ip = ctx_data(ctx) + ETH_HLEN;
	if (!l || (void *)(ip + 1) > ctx_data_end(ctx))
		return -1;
	*(volatile __u32 *)&l->number = NSX_TRANSIT_NONE;
	smp_wmb();
	l->ifindex = x->ifindex;
	l->saddr = ip->saddr;
	l->daddr = ip->daddr;
	l->frag_off = ip->frag_off;
	l->ttl = ip->ttl;
	l->to_ns = x->to_ns;
	mac_copy(l->mac, x->mac);
	smp_wmb();
	*(volatile __u32 *)&l->number = number;
	ip_set(ip, bpf_htonl(NSX_TRANSIT_NET | number),
	       bpf_htonl(NSX_CUT_NET | cut_size(x->cut_to)), 0, 64);
	return private_send(ctx, action);
}

/* A fragment of what was in transit, on to where the packet goes. */
static __always_inline int transit_back(CTX *ctx, struct iphdr *ip, int *action)
{
	__u32 number = bpf_ntohl(ip->saddr) & ~NSX_TRANSIT_MASK, index = transit_index(number),
	      offset;
	struct transit *l = bpf_map_lookup_elem(&nsx_transit, &index);
	struct ethhdr *eth = ctx_data(ctx);
	struct transit was;
	__be16 frag_off;

	if (!l || READ_ONCE(l->number) != number)
		return NSX_DROP_FRAGMENT;
	smp_rmb();
	was = *l;
	smp_rmb();
	if (READ_ONCE(l->number) != number || (void *)(eth + 1) > ctx_data_end(ctx))
		return NSX_DROP_FRAGMENT;
	offset = bpf_ntohs(ip->frag_off & IP_OFFSET) + bpf_ntohs(was.frag_off & IP_OFFSET);
	frag_off = bpf_htons(offset & 0x1fff) | ((ip->frag_off | was.frag_off) & IP_MF);
	ip_set(ip, was.saddr, was.daddr, frag_off, was.ttl);
	ctx_scrub(ctx);
	if (was.to_ns) {
		mac_copy(eth->h_dest, was.mac);
		mac_copy(eth->h_source, host_mac);
		*action = bpf_redirect_peer(was.ifindex, 0);
	} else {
		*action = bpf_redirect_neigh(was.ifindex, NULL, 0, 0);
	}
	return NSX_FRAGMENTED;
}

/* What was paid for a fragment that came from this veth, or from outside. */
static __always_inline void frag_refund(struct nsx_veth *veth, const struct nsx_addr *saddr,
					__u32 len)
{
	if (veth) {
		budget_refund(&veth->frag_tat, FRAG_COST(len, FRAG_SHARE_NS));
		return;
	}
	budget_refund(budget_of_addr(saddr), FRAG_COST(len, FRAG_SHARE_STRANGER));
	budget_refund(budget_outside(), FRAG_COST(len, FRAG_SHARE_OUTSIDE));
}

/*
 * The uplink that the fragments of a datagram came in by, which its entry tells; 0 where it is
 * forgotten.
 */
__noinline int frag_uplink_of(const struct pkt *p)
{
	struct frag_key k;
	__u32 any = 0;

	if (!p)
		return 0;
	for (int i = 0; i < NSX_UPLINKS; i++) {
		const struct frag *f;

		frag_key(&k, p, nsx_conf.uplinks[i]);
		f = k.ifindex ? bpf_map_lookup_elem(&nsx_frags, &k) : NULL;
		if (!f || !frag_is_fresh(f))
			continue;
		if (f->x.verdict == NSX_DEFRAG)
			return k.ifindex;
		any = k.ifindex;
	}
	return any;
}

static __always_inline __u32 frag_uplink(const struct iphdr *ip)
{
	struct pkt p = { .ip_id = ip->id, .ip_proto = ip->protocol };

	addr_from_v4(&p.saddr, ip->saddr);
	addr_from_v4(&p.daddr, ip->daddr);
	return frag_uplink_of(&p);
}

/*
 * A fragment of a datagram that is complete, back to the device that it came in by.
 * @uplink: of a datagram from outside, where there are several
 */
static __always_inline int defrag_back(CTX *ctx, const struct nsx_addr *src, __u32 uplink,
				       int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct ethhdr *eth = ctx_data(ctx);
	struct nsx_veth *veth = NULL;
	__u32 ifindex = conf->uplinks[1] ? uplink : conf->uplinks[0], *inside;

	inside = bpf_map_lookup_elem(&nsx_inside, src);
	if (inside) {
		ifindex = *inside;
		veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
		if (!veth)
			return NSX_DROP_DETACHED;
	} else if (!uplink) {
		return NSX_DROP_FRAGMENT;
	}
	frag_refund(veth, src, ctx_len(ctx) - ETH_HLEN);
	if ((void *)(eth + 1) > ctx_data_end(ctx))
		return NSX_DROP_ERROR;
	mac_copy(eth->h_dest, veth ? host_mac : conf->uplink_mac);
	mac_copy(eth->h_source, veth ? veth->mac : private_mac);
	ctx_set_mark(ctx, conf->defrag_mark);
	*action = bpf_redirect(ifindex, BPF_F_INGRESS);
	return NSX_DEFRAG;
}

/* The hop that was counted there is given back. */
static __always_inline int defrag_back4(CTX *ctx, struct iphdr *ip, int *action)
{
	struct nsx_addr src = {}, dst = {};
	__u32 uplink;

	addr_from_v4(&src, ip->saddr);
	addr_from_v4(&dst, ip->daddr);
	uplink = local_index_of(&dst, NSX_V4) < 0 ? 0 : nsx_conf.uplinks[1] ? frag_uplink(ip) : 1;
	ip_set(ip, ip->saddr, ip->daddr, ip->frag_off, ip->ttl + 1);
	return defrag_back(ctx, &src, uplink, action);
}

/* The kernel has given the fragments another identification, so nothing tells where they came in. */
static __always_inline int defrag_back6(CTX *ctx, struct ipv6hdr *ip, int *action)
{
	struct nsx_addr src = {}, dst = {};
	__u32 uplink = 0;
	int local;

	addr_from_v6(&src, &ip->saddr);
	addr_from_v6(&dst, &ip->daddr);
	local = local_index_of(&dst, NSX_V6);
	ip->hop_limit++;
	if (local >= 0)
		uplink = nsx_learned.local[local & (NSX_LOCAL_MAX - 1)].dev;
	else if (nsx_conf.ipv6 == NSX_IPV6_ROUTED && in_pool_of(&nsx_conf, &dst, NSX_V6))
		/* Any that is up serves, for it is to a namespace's own address. */
		uplink = nsx_conf.uplinks[0];
	return defrag_back(ctx, &src, uplink, action);
}

#endif
