/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Masquerade, the long way: flows with another port than their own, further remotes, and new flows.
 */
#ifndef NSXDP_SNAT_NEW_H
#define NSXDP_SNAT_NEW_H

#include "defs.h"
#include "flow.h"
#include "quota.h"
#include "session_take.h"
#include "snat.h"
#include "snat_port.h"
#include "snat_share.h"
#include "usage.h"
#include "work.h"

/* The remote is the one that the endpoint's slot has inline, or anybody may be. */
static __always_inline bool snat_knows(const struct nsx_slot *s, const struct pkt *p,
				       const struct nsx_conf *conf, __u32 now)
{
	if (slot_is_to(s, &p->dst, p->dport) && flow_alive(s, conf, now))
		return true;
	return slot_admits(s, &p->dst) && nsx_port_left(s, conf, &nsx_learned, now) >= 0;
}

/*
 * A port that a socket of the host's has, or had, is for the remotes that are known, and others if
 * the host agrees.
 */
static __always_inline bool snat_usable(CTX *ctx, struct nsx_slot *s, const struct pkt *p,
					const struct nsx_conf *conf)
{
	if (!snat_holds(s, p, ctx_ifindex(ctx)) || is_pinged(s, p->proto))
		return false;
	if (snat_knows(s, p, conf, now_tick()) || !host_came(ctx, p, conf, s, s->outside_port))
		return true;
	slot_flag(s, NSX_F_HOST);
	return false;
}

/*
 * The outside port that the endpoint has for this remote, as a number, where it is not its own
 * number; or NO_PORT.
 */
__noinline int snat_mapping(CTX *ctx, const struct pkt *p)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	struct nsx_slot *s;
	struct found f;
	__be16 port, before;

	if (!p || !w)
		return NO_PORT;
	endpoint_key(&w->key, p);
	if (!session_find(&w->key, &f))
		return NO_PORT;
	port = f.slot->outside_port;
	before = f.slot->ack;
	if (!slot_same(f.slot, f.state))
		return NO_PORT;
	s = before ? port_slot(p->row, before) : NULL;
	if (s && snat_holds(s, p, ctx_ifindex(ctx)) && !is_pinged(s, p->proto) &&
	    snat_knows(s, p, conf, now_tick()))
		return bpf_ntohs(before);
	s = port_slot(p->row, port);
	return s && snat_usable(ctx, s, p, conf) ? bpf_ntohs(port) : NO_PORT;
}

/*
 * Try to get an outside port for a new mapping; evict: even from a flow that is alive, if it is
 * closed or unanswered.
 * Return: NSX_CONTINUE, NSX_DROP_NO_PORT, or NSX_DROP_CHANGED where the endpoint itself has just
 * got it, perhaps.
 */
__noinline int snat_take(CTX *ctx, const struct pkt *p, __be16 port, __u32 now, int evict)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 state, kind, claim;
	struct nsx_slot *s;
	bool free;

	if (!p)
		return NSX_DROP_ERROR;
	s = port_slot(p->row, port);
	if (!s)
		return NSX_DROP_ERROR;
	state = slot_state(s);
	kind = NSX_KIND(state);
	if (kind == NSX_CLAIMED || (kind == NSX_FLOW && slot_is_ours(s, p) &&
				    !(s->flags & NSX_F_HOST) &&
				    nsx_port_left(s, conf, &nsx_learned, now) >= 0))
		return port == p->sport ? NSX_DROP_CHANGED : NSX_DROP_NO_PORT;
	/* A bind that may come to nothing is no reason to refuse a flow. */
	free = port_free(s, kind, conf, now) || (evict && kind == NSX_HOST);
	if (!free && !(evict && port_evictable(s, kind, p, conf, now) != NEVER))
		return NSX_DROP_NO_PORT;
	if (host_has_port(ctx, p, port))
		return NSX_DROP_NO_PORT;
	claim = port_claim(s, state, now);
	if (!claim)
		return port == p->sport ? NSX_DROP_CHANGED : NSX_DROP_NO_PORT;
	if (!free)
		usage_gave_way(s);
	port_fill(s, claim, p, ctx_ifindex(ctx), port, now);
	return NSX_CONTINUE;
}

/*
 * Find the alias that the endpoint has. Sets work.alias (as session_seek() returns it) and
 * work.before (its port, where the host wants that now). Return: NSX_DROP_CHANGED where another CPU
 * may just have given the endpoint a port, else NSX_CONTINUE. A function of its own, for
 * alias_write() is deep in the stack.
 */
__noinline int alias_find(const struct pkt *p)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	const struct nsx_slot *s;
	struct found f;

	if (!p || !w)
		return NSX_DROP_ERROR;
	endpoint_key(&w->key, p);
	w->alias = session_seek(&w->key);
	w->before = 0;
	if (!found_at(w->alias, &f))
		return NSX_CONTINUE;
	s = port_slot(p->row, f.slot->outside_port);
	if (!s || (alias_alive(f.slot, conf, now_tick()) && !(s->flags & NSX_F_HOST)))
		return NSX_DROP_CHANGED;
	w->before = f.slot->outside_port;
	return NSX_CONTINUE;
}

/*
 * An endpoint's outside port, where that is not its own number. Where the endpoint had another one,
 * which the host wants now, that is kept for the remote that it has there.
 */
__noinline int alias_write(CTX *ctx, const struct pkt *p, __u32 port)
{
	struct work *w = work_get();
	struct nsx_slot *alias;
	int v = alias_find(p);

	if (v != NSX_CONTINUE || !w)
		return v == NSX_CONTINUE ? NSX_DROP_ERROR : v;
	v = session_take(&w->key, w->alias, now_tick(), &w->won);
	if (v != TAKE_WON)
		return v == TAKE_FULL ? NSX_DROP_TABLE_FULL : NSX_DROP_CHANGED;
	alias = session_at(w->won.place);
	if (!alias)
		return NSX_DROP_ERROR;
	alias->outside_port = port;
	alias->ifindex = ctx_ifindex(ctx);
	alias->local = 0;
	alias->ack = w->before;
	slot_publish(alias, w->won.claim, NSX_ALIAS);
	return NSX_CONTINUE;
}

/* Free a port that was taken and is not to be used. */
static __always_inline void snat_untake(const struct pkt *p, __be16 port)
{
	struct nsx_slot *s = port_slot(p->row, port);
	__u32 state, claim;

	if (!s)
		return;
	state = slot_read(s);
	if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p))
		return;
	claim = slot_claim(s, state);
	if (!claim)
		return;
	port_end(s, NSX_FLOW);
	slot_publish(s, claim, NSX_FREE);
}

#define OWN_PORT_TRIES 32	/* while ports are plentiful */

static __always_inline bool is_cone(const struct pkt *p)
{
	return p->proto == NSX_UDP && (p->veth_flags & (NSX_V_ANY_REMOTE | NSX_V_ANY_PORT));
}

/* The search for a port of the endpoint's own. */
struct local_search {
	CTX *ctx;
	__u32 at;
	__u32 now;
	int port;
};

static long local_look(__u64 i, struct local_search *q)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct work *w = work_get();
	__be16 port;

	if (!w)
		return 1;
	port = port_number(conf, w->p.proto, q->at);
	q->at += NSX_PORT_STEP;
	if (snat_take(q->ctx, &w->p, port, q->now, is_cone(&w->p) && i >= NSX_PORT_TRIES / 2) !=
	    NSX_CONTINUE)
		return 0;
	q->port = bpf_ntohs(port);
	return 1;
}

/**
 * snat_new_mapping() - find an outside port for an endpoint that has none for its remote
 * @p: in work.p
 * @port: set to the port
 *
 * While ports are plentiful it is one of the endpoint's own: that of its own number, else numbers
 * from a random start in steps of the golden ratio, which spread evenly however few are tried: no
 * run of used ports can hold them all. Then the endpoint shares one, unless its namespace wants to
 * be reached by others than those it has sent to: such a one takes a port from a flow that is
 * closed, or was not answered for some seconds.
 *
 * Return: NSX_CONTINUE; NSX_ALIASED where the port needs an alias; NSX_SHARE where share_new() is
 * to be asked; or the verdict that drops the packet.
 */
__noinline int snat_new_mapping(CTX *ctx, const struct pkt *p, __be16 *port)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	struct local_search q = { .ctx = ctx, .now = now_tick(), .port = NO_PORT };
	int v;

	if (!p || !port || !w)
		return NSX_DROP_ERROR;
	usage_measure(q.now);
	w->local = p->local;
	if (!is_cone(p) && ports_are_short(conf, p))
		return NSX_SHARE;
	*port = p->sport;
	if (port_allowed(conf, p->proto, bpf_ntohs(p->sport))) {
		v = snat_take(ctx, p, p->sport, q.now, false);
		if (v != NSX_DROP_NO_PORT) {
			w->number = (__u32)p->row << 16 | bpf_ntohs(p->sport);
			return v;
		}
	}
	q.at = bpf_get_prandom_u32();
	bpf_loop(is_cone(p) ? NSX_PORT_TRIES : OWN_PORT_TRIES, local_look, &q, 0);
	if (q.port == NO_PORT)
		return is_cone(p) ? NSX_DROP_NO_PORT : NSX_SHARE;
	*port = bpf_htons(q.port);
	w->number = (__u32)p->row << 16 | bpf_ntohs(*port);
	return NSX_ALIASED;
}

/* A flow of the endpoint is left, for whose sake its port and address stay as they are. */
static __always_inline bool snat_keeps(const struct nsx_slot *port, const struct nsx_conf *conf,
				       __u32 now)
{
	return nsx_local_serves(port, &nsx_learned, now) &&
	       (nsx_further_left(port, now) >= 0 ||
		(flow_alive(port, conf, now) && !nsx_tcp_closed(port->tcp)));
}

/**
 * snat_further() - a further remote of an endpoint that has an outside port already
 * @state: of the port's slot, read before it was judged
 * @veth: of the namespace
 */
__noinline int snat_further(CTX *ctx, const struct pkt *p, struct nsx_slot *port, __u32 state,
			    struct nsx_veth *veth)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	__u32 now = now_tick();
	struct nsx_slot *s;
	int took;

	if (!p || !port || !veth || !w)
		return NSX_DROP_ERROR;
	w->number = (__u32)p->row << 16 | bpf_ntohs(port->outside_port);
	if (!snat_keeps(port, conf, now)) {
		/*
		 * No flow of the endpoint is left: the slot's inline remote is free for this one.
		 */
		__be16 outside_port = port->outside_port;
		__u32 claim = port_claim(port, state, now);

		if (!claim)
			return NSX_DROP_CHANGED;
		port_fill(port, claim, p, ctx_ifindex(ctx), outside_port, now);
		w->local = p->local;
		return NSX_CONTINUE;
	}
	usage_measure(now);
	took = session_take(&w->flow, w->seek, now, &w->won);
	if (took != TAKE_WON)
		return took == TAKE_FULL ? NSX_DROP_TABLE_FULL : NSX_DROP_CHANGED;
	s = session_at(w->won.place);
	if (!s)
		return NSX_DROP_ERROR;
	s->outside_port = port->outside_port;
	s->local = w->local = port->local;
	s->tcp = NSX_T_SYN;
	s->flags = port->flags & NSX_F_XDP;
	s->ifindex = ctx_ifindex(ctx);
	mac_copy(s->mac, p->mac);
	flow_keep_port(port, s, conf, now, now);
	if (!slot_same(port, state)) {
		session_undo(w->won.place, w->won.claim, NSX_FLOW);
		return NSX_DROP_CHANGED;
	}
	slot_publish(s, w->won.claim, NSX_FLOW);
	usage_flow_of(p->proto, veth, 1);
	w->number = QUOTA_SESSION + w->won.place;
	return NSX_CONTINUE;
}

/* A FIN, RST, ICMP error or echo reply belongs to a flow that is there, or to none. */
static __always_inline bool may_open(const struct pkt *p)
{
	return !p->icmp_error && !(p->proto == NSX_ICMP && p->echo_reply) &&
	       !(p->proto == NSX_TCP && (p->tcp_flags & (TCP_RST | TCP_FIN)));
}

/* Make the flow of a packet. Return: NSX_CONTINUE with port set to the outside port. */
static __always_inline int snat_open(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
				     struct nsx_slot *s, __u32 state, struct nsx_veth *veth,
				     __be16 *port)
{
	struct work *w = work_get();
	int quota = QUOTA_NONE, v;

	if (!w)
		return NSX_DROP_ERROR;
	if (!may_open(p))
		return NSX_DROP_NO_FLOW;
	if (is_frozen(conf))
		return NSX_DROP_UPGRADE;
	/*
	 * The host has a socket there that is connected to this remote: both may have the port, not
	 * the remote.
	 */
	if (s && host_came(ctx, p, conf, s, *port)) {
		slot_flag(s, NSX_F_HOST);
		s = NULL;
	}
	if (conf->limits)
		quota = quota_reserve(ctx_ifindex(ctx));
	if (quota == QUOTA_FULL)
		return NSX_DROP_MAX_FLOWS;
	v = s ? snat_further(ctx, p, s, state, veth) : snat_new_mapping(ctx, p, port);
	if (v == NSX_ALIASED) {
		v = alias_write(ctx, p, *port);
		if (v != NSX_CONTINUE)
			snat_untake(p, *port);
	}
	/*
	 * Another CPU, for which ports were short already, may have made this flow by a shared one.
	 * Each looks for the other's after it has shown its own, so at least one of them sees the
	 * other and withdraws.
	 */
	if (v == NSX_CONTINUE && !s && session_seek(&w->flow)) {
		snat_untake(p, *port);
		v = NSX_DROP_CHANGED;
	}
	if (v == NSX_SHARE)
		v = share_new(ctx, p, conf, w->seek, port);
	if (v == NSX_CONTINUE && quota != QUOTA_NONE)
		quota_commit(ctx_ifindex(ctx), quota, w->number);
	return v;
}

/**
 * snat_pkt() - masquerade: find the flow of the packet in work.p, from a namespace, or make it
 * @veth: of the namespace
 *
 * What may not open a flow is dropped where there is none; another TCP packet in mid-stream opens
 * one, as netfilter does (nf_conntrack_tcp_loose), so that connections survive a lost table.
 *
 * Return: NSX_CONTINUE with work.x filled; NSX_DROP_CHANGED where another CPU makes a flow of the
 * same endpoint in this moment: it is found at a second try; or the verdict that drops the packet.
 */
__noinline int snat_pkt(CTX *ctx, struct nsx_veth *veth)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s = NULL;
	struct work *w = work_get();
	const struct pkt *p;
	__u32 state = 0, local;
	struct xlat *x;
	__be16 port;
	int v, mapping;

	if (!veth || !w)
		return NSX_DROP_ERROR;
	p = &w->p;
	x = &w->x;
	if (!w->sought) {
		v = snat_session(ctx, p, p->proto == NSX_UDP && (p->veth_flags & NSX_V_ANY_PORT),
				 x);
		if (v != NSX_DROP_NO_FLOW)
			return v;
	}
	w->sought = 0;
	s = port_slot(p->row, p->sport);
	port = p->sport;
	if (!s || !snat_usable(ctx, s, p, conf)) {
		mapping = snat_mapping(ctx, p);
		port = mapping == NO_PORT ? 0 : bpf_htons(mapping);
		s = mapping == NO_PORT ? NULL : port_slot(p->row, port);
	}
	if (s) {
		state = slot_read(s);
		if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p))
			return NSX_DROP_CHANGED;
	}
	if (s && snat_knows(s, p, conf, now_tick())) {
		local = s->local;
		if (!p->icmp_error)
			flow_touch(s, p, now_tick(), false);
		if (!slot_same(s, state))
			return NSX_DROP_CHANGED;
	} else {
		v = snat_open(ctx, p, conf, s, state, veth, &port);
		if (v != NSX_CONTINUE)
			return v;
		local = w->local;
	}
	local &= NSX_LOCAL_MAX - 1;
	x->local = local;
	x->addr = nsx_learned.local[local].addr;
	x->ifindex = nsx_learned.local[local].dev;
	x->port = port;
	x->side = SIDE_SRC;
	x->verdict = NSX_MASQ_OUT;
	return NSX_CONTINUE;
}

#endif
