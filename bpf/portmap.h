/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports. A map is a bijection between an outside port and an inside endpoint, so both
 * directions are translated from it alone: the registry's slot on the way in, its mirror nsx_back on
 * the way out, and no state per connection.
 *
 * Three kinds of connection need to be remembered on the way back, because the map alone would
 * answer wrongly: those to another than the host's first address, those to the second and later ports
 * of one endpoint, and those from another namespace (hairpin). They have a RETURN session.
 */
#ifndef NSXDP_PORTMAP_H
#define NSXDP_PORTMAP_H

#include "defs.h"
#include "fill.h"
#include "flow.h"
#include "own.h"

/* A published port answers at the address that was asked. */
static __always_inline bool map_answers(const struct nsx_slot *s, __be32 asked)
{
	return !s->at || s->at == asked;
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

/**
 * return_note() - remember a connection whose way back the map cannot tell, or note its use
 * @own: index of the address that was asked
 * @client: ifindex of the asking namespace's veth for a hairpin, else 0
 *
 * Return: NSX_CONTINUE, or the verdict that refuses the packet.
 */
__noinline int return_note(const struct pkt *p, const struct xlat *x, __u32 own, __u32 client)
{
	const struct nsx_conf *conf = conf_get();
	__u32 now = now_tick();
	struct nsx_session_key k;
	struct nsx_slot *s;

	if (!p || !x || !conf)
		return NSX_DROP_ERROR;
	return_key(&k, p, &x->addr, x->port, &p->src, p->sport);
	s = session_find(&k);
	if (s && flow_alive(s, conf, now) && s->outside_port == p->dport && s->own == (__u8)own) {
		flow_touch(s, p, now, false);
		return NSX_CONTINUE;
	}
	if (p->icmp_error)
		return NSX_CONTINUE;
	if (p->proto == NSX_TCP && (p->tcp_flags & (TCP_RST | TCP_FIN)))
		return NSX_DROP_NO_FLOW;
	if (s) {
		__u32 state = READ_ONCE(s->state);

		if (!slot_claim(s, state))
			s = NULL;
	}
	fill_measure(p->proto, now);
	if (!s)
		s = session_claim(&k, now);
	if (!s)
		return NSX_DROP_TABLE_FULL;
	s->inside = x->addr;
	s->remote = p->src;
	s->inside_port = x->port;
	s->remote_port = p->sport;
	s->outside_port = p->dport;
	s->proto = p->proto;
	s->own = own;
	s->seen = now;
	s->tcp = NSX_T_SYN;
	s->flags = (client ? NSX_F_HAIRPIN : 0) | (x->both ? NSX_F_SELF : 0);
	s->ifindex = client;
	s->id = p->ns_id;
	mac_copy(s->mac, p->mac);
	slot_publish(s, NSX_RETURN);
	return NSX_CONTINUE;
}

/**
 * portmap_in() - a packet to an outside port that is published
 * @slot: the registry's entry of that port, whose state was read as state
 *
 * The slot notes when the link was last found to be up, so that a port is asked about once per tick.
 */
static __always_inline int portmap_in(CTX *ctx, const struct pkt *p, struct nsx_slot *slot, __u32 state,
				      __u32 own, struct xlat *x)
{
	__u32 now = now_tick();

	xlat_inside(x, slot, NSX_PUBLISHED_IN);
	if (slot->seen != now) {
		if (is_to_the_dead(ctx, p, x))
			return NSX_DROP_DOWN;
		slot->seen = now;
	}
	if (own || (slot->flags & NSX_F_STATEFUL)) {
		int v = return_note(p, x, own, 0);

		if (v != NSX_CONTINUE)
			return v;
	}
	return slot_same(slot, state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

__noinline int return_seek(const struct pkt *p)
{
	struct nsx_session_key k;

	if (!p)
		return NO_PLACE;
	return_key(&k, p, &p->src, p->sport, &p->dst, p->dport);
	return session_seek(&k);
}

/* A live session that tells the way back of this packet from a published endpoint. */
static __always_inline struct nsx_slot *return_find(const struct pkt *p, const struct nsx_conf *conf, __u32 now)
{
	struct nsx_slot *s = session_at(return_seek(p));

	return s && flow_alive(s, conf, now) ? s : NULL;
}

/* The endpoint as the other end knows it, and where that other end is. */
static __always_inline int return_out(const struct pkt *p, const struct nsx_conf *conf, struct nsx_slot *s,
				      __u32 now, struct xlat *x)
{
	__u32 own = s->own;

	if (own >= NSX_OWN_MAX)
		return NSX_DROP_ERROR;
	x->addr = conf->own[own];
	x->ifindex = conf->own_dev[own];
	x->port = s->outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_PUBLISHED_OUT;
	if (s->flags & NSX_F_HAIRPIN) {
		x->to_ns = 1;
		x->ifindex = s->ifindex;
		mac_copy(x->mac, s->mac);
		x->verdict = NSX_HAIRPIN;
	}
	if (!p->icmp_error)
		flow_touch(s, p, now, true);
	return NSX_CONTINUE;
}

/*
 * The mirror of a published port, by the endpoint that the packet comes from. Ways fill from the first on, so
 * one that was never used ends the search; a full bucket leads to the next probe.
 */
static __always_inline const struct nsx_back *back_find(__u32 ifindex, const struct pkt *p)
{
	for (int probe = 0; probe < NSX_BACK_PROBES; probe++) {
		__u32 index = nsx_back_bucket(ifindex, p->sport, p->proto, probe);
		const struct nsx_back_bucket *b = bpf_map_lookup_elem(&nsx_back, &index);

		if (!b)
			return NULL;
		for (int i = 0; i < NSX_BACK_WAYS; i++) {
			const struct nsx_back *back = &b->way[i];

			if (!back->ifindex)
				return NULL;
			if (((back->ifindex ^ ifindex) | (back->inside_port ^ p->sport) | (back->proto ^ p->proto)) == 0)
				return back;
		}
	}
	return NULL;
}

/* A packet from a published endpoint to the outside, or NSX_DROP_NO_FLOW where it is none. */
static __always_inline int published_out(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
					 struct xlat *x)
{
	const struct nsx_back *back = back_find(ctx_ifindex(ctx), p);

	if (!back || !addr_eq(&back->inside, &p->src) || !mac_eq(back->mac, p->mac))
		return NSX_DROP_NO_FLOW;
	if (conf->own_count > 1 || (back->flags & NSX_B_STATEFUL)) {
		__u32 now = now_tick();
		struct nsx_slot *s = return_find(p, conf, now);

		if (s)
			return return_out(p, conf, s, now, x);
	}
	x->addr = conf->own[0];
	x->ifindex = conf->own_dev[0];
	x->port = back->outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_PUBLISHED_OUT;
	return NSX_CONTINUE;
}

#endif
