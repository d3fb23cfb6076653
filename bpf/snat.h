/* SPDX-License-Identifier: GPL-2.0-only */
/* Masquerade, where a flow exists: one look-up in each direction. */
#ifndef NSXDP_SNAT_H
#define NSXDP_SNAT_H

#include "defs.h"
#include "flow.h"
#include "host_socket.h"
#include "local_addr.h"
#include "port.h"
#include "outside.h"
#include "work.h"

static __always_inline bool slot_is_ours(const struct nsx_slot *s, const struct pkt *p)
{
	return s->inside_port == p->sport && addr_eq(&s->inside, &p->src);
}

static __always_inline bool slot_is_to(const struct nsx_slot *s, const struct nsx_addr *remote,
				       __be16 port)
{
	return s->remote_port == port && addr_eq(&s->remote, remote);
}

/* Others that may use the mapping as far as the namespace's filtering asks (RFC 4787, 5). */
static __always_inline bool slot_admits(const struct nsx_slot *s, const struct nsx_addr *remote)
{
	return (s->flags & NSX_F_ANY_REMOTE) ||
	       ((s->flags & NSX_F_ANY_PORT) && addr_eq(&s->remote, remote));
}

/*
 * The endpoint holds the outside port of its own number. It is not published then: publishing ends
 * that.
 */
static __always_inline bool snat_holds(const struct nsx_slot *s, const struct pkt *p, __u32 ifindex)
{
	return NSX_KIND(slot_read(s)) == NSX_FLOW && slot_is_ours(s, p) && s->ifindex == ifindex;
}

static __always_inline int snat_out(const struct nsx_slot *port, __u32 state, __be16 outside_port,
				    struct xlat *x)
{
	__u32 local = port->local & (NSX_LOCAL_MAX - 1);

	x->local = local;
	x->addr = nsx_learned.local[local].addr;
	x->ifindex = nsx_learned.local[local].dev;
	x->port = outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_MASQ_OUT;
	return slot_same(port, state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

/**
 * snat_established() - a packet of a flow that keeps its own port, which is nearly every one
 *
 * One look-up answers everything: the slot of the outside port holds the inside endpoint, the veth
 * and the MAC that it may come from, and the remote.
 *
 * Return: NSX_CONTINUE with x filled, or NSX_DROP_NO_FLOW where this is no such packet.
 */
static __always_inline int snat_established(CTX *ctx, const struct pkt *p,
					    const struct nsx_conf *conf, struct nsx_slot *s,
					    struct xlat *x)
{
	__u32 state = slot_read(s), now;

	if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p) ||
	    !slot_is_to(s, &p->dst, p->dport) || s->ifindex != ctx_ifindex(ctx) ||
	    !mac_eq(s->mac, p->mac) || is_pinged(s, p->proto))
		return NSX_DROP_NO_FLOW;
	now = now_tick();
	local_recheck(ctx, s->local);
	if (!flow_alive(s, conf, now))
		return NSX_DROP_NO_FLOW;
	if (!p->icmp_error)
		flow_touch(s, p, now, false);
	return snat_out(s, state, p->sport, x);
}

/* The identity of an endpoint's flow with a remote, in the session table. */
static __always_inline void further_key(struct nsx_session_key *k, __u8 proto,
					const struct nsx_addr *inside, __be16 inside_port,
					const struct nsx_addr *remote, __be16 remote_port,
					bool any_port)
{
	k->inside = *inside;
	k->remote = *remote;
	k->inside_port = inside_port;
	k->remote_port = any_port ? 0 : remote_port;
	k->proto = proto;
	k->kind = NSX_FLOW;
	k->pad = 0;
}

/*
 * Note a packet of a flow in the session table. Its port's time is raised once per tick, and when
 * the state changes: before .seen is, for another CPU that sees this tick there relies on it.
 */
static __always_inline void session_touch(struct nsx_slot *port, struct nsx_slot *s,
					  const struct pkt *p, const struct nsx_conf *conf,
					  __u32 now, bool inbound)
{
	__u8 tcp = s->tcp;

	if (s->seen != now)
		flow_keep_port(port, s, conf, now, now);
	flow_touch(s, p, now, inbound);
	if (s->tcp != tcp)
		flow_keep_port(port, s, conf, now, now);
}

/**
 * snat_session() - a packet of a flow that is in the session table: of a further remote, or by a
 * shared port
 * @any_port: the endpoint's filtering is address-dependent
 *
 * Return: NSX_CONTINUE with x filled; NSX_DROP_NO_FLOW where there is no such flow, with work.flow
 * and work.seek set for a new one; NSX_DROP_CHANGED.
 */
__noinline int snat_session(CTX *ctx, const struct pkt *p, __u32 any_port, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	struct nsx_slot *port;
	struct found f;
	__u32 now, local, state;

	if (!p || !x || !w)
		return NSX_DROP_ERROR;
	further_key(&w->flow, p->proto, &p->src, p->sport, &p->dst, p->dport, any_port);
	w->seek = 0;
	w->sought = 1;
	switch (session_at_home(conf, &w->flow, &f)) {
	case HOME_NOBODY:
		return NSX_DROP_NO_FLOW;
	case HOME_HAS:
		w->seek = (__u64)f.state << 32 | (__u32)(f.place + 1);
		break;
	case HOME_ELSEWHERE:
		w->seek = session_seek(&w->flow);
		if (!found_at(w->seek, &f))
			return NSX_DROP_NO_FLOW;
	}
	if (f.slot->ifindex != ctx_ifindex(ctx) || !mac_eq(f.slot->mac, p->mac))
		return NSX_DROP_NO_FLOW;
	now = now_tick();
	local = f.slot->local & (NSX_LOCAL_MAX - 1);
	local_recheck(ctx, local);
	port = port_slot(p->row, f.slot->outside_port);
	if (!port || !flow_alive(f.slot, conf, now))
		return NSX_DROP_NO_FLOW;
	state = slot_state(port);
	if (NSX_KIND(state) == NSX_CLAIMED)
		return NSX_DROP_CHANGED;
	if (!port_serves(port, state, f.slot)) {
		if (!is_frozen(conf))
			session_free(&f);
		w->seek = 0;
		return NSX_DROP_NO_FLOW;
	}
	if (!p->icmp_error)
		session_touch(port, f.slot, p, conf, now, false);
	x->local = local;
	x->addr = nsx_learned.local[local].addr;
	x->ifindex = nsx_learned.local[local].dev;
	x->port = f.slot->outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_MASQ_OUT;
	return slot_same(f.slot, f.state) && slot_same(port, state) ? NSX_CONTINUE
								    : NSX_DROP_CHANGED;
}

/* From outside, to a flow of the session table. */
static __always_inline int snat_in_session(const struct pkt *p, const struct nsx_conf *conf,
					   struct nsx_slot *port, const struct found *f, __u32 now,
					   struct xlat *x)
{
	xlat_inside(x, f->slot, NSX_MASQ_IN);
	if (!slot_same(f->slot, f->state))
		return NSX_DROP_CHANGED;
	if (p->icmp_error)
		return NSX_CONTINUE;
	session_touch(port, f->slot, p, conf, now, true);
	return NSX_CONTINUE;
}

/*
 * To a port that one endpoint holds, from another remote than that of its slot. Return:
 * NSX_CONTINUE, NSX_DROP_CHANGED, or NSX_UNKNOWN.
 */
__noinline int snat_in_further(const struct pkt *p, struct nsx_slot *port, __u32 state,
			       struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 now = now_tick();
	struct work *w = work_get();
	struct found f;

	if (!p || !port || !x || !w || nsx_further_left(port, now) < 0)
		return NSX_UNKNOWN;
	further_key(&w->key, p->proto, &port->inside, port->inside_port, &p->src, p->sport,
		    port->flags & NSX_F_ANY_PORT);
	if (session_at_home(conf, &w->key, &f) != HOME_HAS && !session_find(&w->key, &f))
		return NSX_UNKNOWN;
	if (!flow_alive(f.slot, conf, now) || f.slot->outside_port != p->dport ||
	    f.slot->local != port->local || !slot_same(port, state))
		return NSX_UNKNOWN;
	return snat_in_session(p, conf, port, &f, now, x);
}

/**
 * snat_in() - a packet to an outside port that a masqueraded endpoint holds
 * @s: the registry's entry, whose state was read as state
 *
 * Only remotes that the endpoint has sent to may answer, or those that the namespace's filtering
 * lets in beyond that; all else is the host's. What meets an entry in the moment of its change is
 * not: the host would answer with a RST.
 */
static __always_inline int snat_in(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
				   struct nsx_slot *s, __u32 state, __u32 local, struct xlat *x)
{
	__u32 now = now_tick();

	if (s->local != local || (p->proto == NSX_ICMP && !p->echo_reply) || is_pinged(s, p->proto))
		return NSX_PASS_HOST;
	if (!slot_is_to(s, &p->src, p->sport) || !flow_alive(s, conf, now)) {
		int v = s->flags & NSX_F_MANY ? snat_in_further(p, s, state, x) : NSX_UNKNOWN;

		if (v != NSX_UNKNOWN)
			return v;
		/*
		 * The host may have a socket that is connected to just this remote, or is bound
		 * since.
		 */
		if (nsx_port_left(s, conf, &nsx_learned, now) < 0 || !slot_admits(s, &p->src) ||
		    host_expects(ctx, p, s->flags & NSX_F_HOST ? HOST_ANY : HOST_CONNECTED))
			return NSX_PASS_HOST;
	}
	xlat_inside(x, s, NSX_MASQ_IN);
	if (!slot_same(s, state))
		return NSX_DROP_CHANGED;
	if (!p->icmp_error)
		flow_touch(s, p, now, true);
	return NSX_CONTINUE;
}

/* The same for a port that is shared: the whole outside tuple tells whose the packet is. */
__noinline int snat_in_shared(const struct pkt *p, __u32 local, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *port;
	struct outside o = {};
	struct found f;
	__u32 now;

	if (!p || !x)
		return NSX_DROP_ERROR;
	port = port_slot(p->row, p->dport);
	if (!port || (p->proto == NSX_ICMP && !p->echo_reply) || is_pinged(port, p->proto))
		return NSX_PASS_HOST;
	o.remote = p->src;
	o.remote_port = p->sport;
	o.port = p->dport;
	o.local = local;
	o.proto = p->proto;
	now = now_tick();
	if (!outside_find(&o, &f) || !flow_alive(f.slot, conf, now))
		return NSX_PASS_HOST;
	x->xdp = (f.slot->flags & NSX_F_XDP) != 0;
	return snat_in_session(p, conf, port, &f, now, x);
}

#endif
