/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports. A map is a bijection between an outside port and an inside endpoint, so both
 * directions are translated from it alone: the registry's slot on the way in, its reverse entry
 * nsx_reverse on the way out, and no state per connection.
 *
 * Some connections need to be remembered on the way back, because the map alone would answer
 * wrongly: those to another than the host's first address, those to the second and later ports of
 * one endpoint, those from another namespace (hairpin), and with --ipv6 routed all of IPv6. They
 * have a RETURN session.
 */
#ifndef NSXDP_PORTMAP_H
#define NSXDP_PORTMAP_H

#include "defs.h"
#include "reverse.h"
#include "connection.h"
#include "count.h"
#include "device.h"
#include "flow.h"
#include "link_down.h"
#include "local_addr.h"
#include "local_source.h"
#include "quota.h"
#include "route.h"
#include "session_take.h"
#include "source.h"
#include "target.h"
#include "work.h"

/* What the first acknowledgement of a client may be beyond the server's SYN */
#define RETURN_WINDOW 0x10000U

/* A published port answers at the address that was asked. */
static __always_inline bool map_answers(CTX *ctx, const struct nsx_slot *s,
					const struct nsx_addr *asked)
{
	__be32 at = s->at;

	return !at || at_is(at, asked) ||
	       (nsx_at_device(at) && nsx_at_owners(at, address_owners(ctx, asked)));
}

static __always_inline void return_key(struct nsx_session_key *k, const struct pkt *p,
				       const struct nsx_addr *inside, __be16 inside_port,
				       const struct nsx_addr *remote, __be16 remote_port)
{
	k->inside = *inside;
	k->remote = *remote;
	k->inside_port = inside_port;
	k->remote_port = remote_port;
	k->proto = p->proto;
	k->kind = NSX_RETURN;
	k->pad = 0;
}

/* One of the 32-bit words of a TCP header, in host byte order; 0 where it is not there. */
static __always_inline __u32 tcp_word(CTX *ctx, const struct pkt *p, __u32 offset)
{
	__be32 *word = ctx_data(ctx) + l4_offset(p) + offset;

	return (void *)(word + 1) > ctx_data_end(ctx) ? 0 : bpf_ntohl(*word);
}

/*
 * The client acknowledges what the server sent: so it got it, and its address is not forged. Nobody
 * tells of UDP: its sessions are never assured. They need not be, for the next datagram makes them
 * again.
 */
static __always_inline bool return_assured(CTX *ctx, const struct pkt *p, const struct nsx_slot *s)
{
	return p->proto == NSX_TCP &&
	       (s->tcp & (NSX_T_IN | NSX_T_ASSURED | NSX_T_RST)) == NSX_T_IN && s->ack &&
	       (p->tcp_flags & TCP_ACK) && tcp_word(ctx, p, TCP_ACK_SEQ) - s->ack < RETURN_WINDOW;
}

/*
 * Note the use of a connection that is remembered. Another need not be, where the map answers from
 * the port that was asked; or may be refused.
 */
__noinline int return_known(CTX *ctx, const struct pkt *p, const struct xlat *x, __u32 local,
			    __u32 client)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_session_key k;
	struct nsx_slot *s;
	struct found f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	if (p->icmp_error)
		return NSX_CONTINUE;
	return_key(&k, p, &x->addr, x->port, &p->src, p->sport);
	s = session_find(&k, &f) && flow_alive(f.slot, conf, now_tick()) ? f.slot : NULL;
	if (s && s->outside_port == p->dport && s->local == local) {
		flow_note(s, p, now_tick(), false, return_assured(ctx, p, s));
		return slot_same(s, f.state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
	}
	if (!s && !client && local == p->family && !is_routed(p) &&
	    reverse_port(x->ifindex, x->port, p->row) == p->dport)
		return NSX_CONTINUE;
	if (p->proto != NSX_TCP)
		return NSX_UNKNOWN;
	if (!SYN_ALONE(p))
		return NSX_DROP_NO_FLOW;
	/*
	 * One that runs by another port or address of the endpoint: its way back would become this
	 * one's.
	 */
	if ((s && (s->tcp & NSX_T_ASSURED) && !nsx_tcp_closed(s->tcp)) ||
	    connection_ask(ctx, p, &x->addr, x->port, x->ifindex) == CONNECTION_RUNNING)
		return NSX_DROP_CLASH;
	return NSX_UNKNOWN;
}

/*
 * Make the entry of a connection, by work.key and work.back. Dead or not, one with its identity is
 * taken over: there is never a second.
 */
__noinline int return_make(const struct pkt *p)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 now = now_tick(), client;
	int quota = QUOTA_NONE, took;
	struct work *w = work_get();
	struct nsx_slot *s;
	struct won won;

	if (!p || !w)
		return NSX_DROP_ERROR;
	client = w->back.client;
	if (is_frozen(conf))
		return NSX_DROP_UPGRADE;
	if (client && conf->limits) {
		quota = quota_reserve(client);
		if (quota == QUOTA_FULL)
			return NSX_DROP_MAX_FLOWS;
	}
	usage_measure(now);
	/* Dead or alive, one with its identity becomes this one. */
	took = session_take(&w->key, session_seek(&w->key), now, &won);
	if (took != TAKE_WON)
		return took == TAKE_FULL ? NSX_DROP_TABLE_FULL : NSX_DROP_CHANGED;
	s = session_at(won.place);
	if (!s)
		return NSX_DROP_ERROR;
	s->outside_port = w->back.outside_port;
	s->local = w->back.local;
	s->tcp = NSX_T_SYN;
	s->flags = w->back.flags;
	s->ifindex = client;
	s->ack = 0;
	mac_copy(s->mac, p->mac);
	slot_publish(s, won.claim, NSX_RETURN);
	usage_flow(p->proto, client, 1);
	quota_commit(client, quota, QUOTA_SESSION + won.place);
	return NSX_CONTINUE;
}

/* Remember a connection to a published port. */
__noinline int return_new(const struct pkt *p, const struct xlat *x, __u32 local, __u32 client)
{
	struct work *w = work_get();

	if (!p || !x || !w)
		return NSX_DROP_ERROR;
	return_key(&w->key, p, &x->addr, x->port, &p->src, p->sport);
	w->back.client = client;
	w->back.local = local;
	w->back.outside_port = p->dport;
	w->back.flags = (client ? NSX_F_HAIRPIN : 0) | (x->both ? NSX_F_SELF : 0);
	return return_make(p);
}

/**
 * return_note() - remember a connection whose way back the map cannot tell, or note its use
 * @local: index of the address that was asked
 * @client: ifindex of the asking namespace's veth for a hairpin, else 0
 *
 * Return: NSX_CONTINUE, or the verdict that refuses the packet.
 */
static __always_inline int return_note(CTX *ctx, const struct pkt *p, const struct xlat *x,
				       __u32 local, __u32 client)
{
	int v = return_known(ctx, p, x, local, client);

	return v == NSX_UNKNOWN ? return_new(p, x, local, client) : v;
}

/*
 * The map alone cannot tell the way back of this packet: it may be of a client that has a session at
 * another address. Of TCP only a SYN can open one here.
 */
static __always_inline bool is_stateful(const struct pkt *p, const struct nsx_slot *slot,
					__u32 local)
{
	return local != p->family || (slot->flags & NSX_F_STATEFUL) || is_routed(p) ||
	       (nsx_learned.further[p->family & 1] && (p->proto != NSX_TCP || SYN_ALONE(p)));
}

/**
 * portmap_in() - a packet to an outside port that is published
 * @slot: the registry's entry of that port, whose state was read as state
 *
 * The slot notes when the link was last found to be up, so that a port is asked about once per
 * tick.
 */
static __always_inline int portmap_in(CTX *ctx, const struct pkt *p, struct nsx_slot *slot,
				      __u32 state, __u32 local, struct xlat *x)
{
	__u32 now = now_tick(), counter;

	xlat_inside(x, slot, NSX_PUBLISHED_IN);
	if (slot->seen != now) {
		if (is_to_the_dead(ctx, p, x))
			return NSX_DROP_LINK_DOWN;
		slot->seen = now;
	}
	if (is_stateful(p, slot, local)) {
		int v = return_note(ctx, p, x, local, 0);

		if (v != NSX_CONTINUE)
			return v;
	}
	counter = slot->counter;
	if (!slot_same(slot, state))
		return NSX_DROP_CHANGED;
	count_target(counter, ctx_len(ctx));
	return NSX_CONTINUE;
}

__noinline __u64 return_seek(const struct pkt *p)
{
	struct nsx_session_key k;

	if (!p)
		return 0;
	return_key(&k, p, &p->src, p->sport, &p->dst, p->dport);
	return session_seek(&k);
}

/* A live session that tells the way back of this packet from a published endpoint. */
static __always_inline bool return_find(const struct pkt *p, const struct nsx_conf *conf, __u32 now,
					struct found *f)
{
	return found_at(return_seek(p), f) && flow_alive(f->slot, conf, now);
}

/* Note a packet of the endpoint to the side that opened the connection. */
static __always_inline void return_answered(CTX *ctx, struct nsx_slot *s, const struct pkt *p)
{
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) && p->proto == NSX_TCP)
		s->ack = tcp_word(ctx, p, TCP_SEQ) + 1;
	flow_note(s, p, now_tick(), true, false);
}

/* The endpoint as the other end knows it, and where that other end is. */
static __always_inline int return_out(CTX *ctx, const struct pkt *p, const struct found *f,
				      struct xlat *x)
{
	struct nsx_slot *s = f->slot;
	__u32 local = s->local & (NSX_LOCAL_MAX - 1);

	/* As a hairpin: routed_out() serves others. */
	if (s->flags & NSX_F_ROUTED) {
		x->local = LOCAL_ROUTED;
		x->addr = p->src;
		x->port = p->sport;
	} else {
		local_recheck(ctx, local);
		if (!local_is_here(local))
			return NSX_DROP_NO_FLOW;
		x->local = local;
		x->addr = nsx_learned.local[local].addr;
		x->ifindex = nsx_learned.local[local].dev;
		x->port = s->outside_port;
	}
	x->side = SIDE_SRC;
	x->verdict = NSX_PUBLISHED_OUT;
	if (s->flags & NSX_F_HAIRPIN) {
		x->to_ns = 1;
		x->ifindex = s->ifindex;
		mac_copy(x->mac, s->mac);
		x->verdict = NSX_HAIRPIN;
	}
	if (!slot_same(s, f->state))
		return NSX_DROP_CHANGED;
	if (!p->icmp_error)
		return_answered(ctx, s, p);
	return NSX_CONTINUE;
}

/*
 * The reverse entry of a published port, by its endpoint. Ways fill from the first on, so one that
 * was never used ends the search; a full bucket leads to the next probe.
 */
static __always_inline const struct nsx_reverse *reverse_find(__u32 ifindex, __be16 inside_port,
							      __u8 row)
{
	for (int probe = 0; probe < NSX_REVERSE_PROBES; probe++) {
		__u32 index = nsx_reverse_bucket(ifindex, inside_port, row, probe);
		const struct nsx_reverse_bucket *b = bpf_map_lookup_elem(&nsx_reverse, &index);

		if (!b)
			return NULL;
		for (int i = 0; i < NSX_REVERSE_WAYS; i++) {
			const struct nsx_reverse *reverse = &b->way[i];
			__u32 owner = READ_ONCE(reverse->ifindex);

			if (!owner)
				return NULL;
			if (reverse_is(reverse, owner, ifindex, inside_port, row))
				return reverse;
		}
	}
	return NULL;
}

/* The way back that is remembered; NSX_UNKNOWN where none is. */
__noinline int published_return(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	struct found f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	if (!found_at(return_seek(p), &f))
		return NSX_UNKNOWN;
	if (flow_alive(f.slot, &nsx_conf, now_tick()))
		return return_out(ctx, p, &f, x);
	/* Of an address that is lost: the SYN of a later connection would have replaced the entry. */
	return p->proto == NSX_TCP && !(f.slot->flags & NSX_F_ROUTED) &&
			       !local_is_here(f.slot->local)
		       ? NSX_DROP_NO_FLOW
		       : NSX_UNKNOWN;
}

/* The same of a connection from a namespace. flag: NSX_F_HAIRPIN or NSX_F_SELF */
__noinline int hairpin_return(CTX *ctx, const struct pkt *p, struct xlat *x, __u32 flag)
{
	struct found f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	return p->proto < NSX_ICMP && return_find(p, &nsx_conf, now_tick(), &f) &&
			       (f.slot->flags & flag)
		       ? return_out(ctx, p, &f, x)
		       : NSX_UNKNOWN;
}

/*
 * A packet from a published endpoint to the outside. Return: NSX_UNKNOWN where it is none; whatever
 * else becomes of one of a published endpoint, it is never masqueraded: that would take the endpoint
 * a port, by which all that it sends would leave.
 */
static __always_inline int published_out(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	const struct nsx_reverse *reverse = reverse_find(ctx_ifindex(ctx), p->sport, p->row);
	__s32 local = p->family;

	if (!reverse || !addr_eq(&reverse->inside, &p->src) || !mac_eq(reverse->mac, p->mac))
		return NSX_UNKNOWN;
	if (nsx_learned.further[p->family & 1] || (reverse->flags & NSX_B_STATEFUL)) {
		int v = published_return(ctx, p, x);

		if (v != NSX_UNKNOWN)
			return v;
	}
	local_recheck(ctx, local);
	if (!local_is_here(local)) {
		local = local_first(p->family);
		if (local < 0)
			return NSX_DROP_NO_UPLINK;
	}
	local &= NSX_LOCAL_MAX - 1;
	x->local = local;
	x->addr = nsx_learned.local[local].addr;
	x->ifindex = nsx_learned.local[local].dev;
	x->port = reverse->outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_PUBLISHED_OUT;
	/* A command has freed the entry, and may be writing it for another endpoint. */
	smp_rmb();
	return READ_ONCE(reverse->ifindex) == ctx_ifindex(ctx) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

#endif
