/* SPDX-License-Identifier: GPL-2.0-only */
/* Masquerade, the long way: flows with another port than their own, further remotes, and new flows. */
#ifndef NSXDP_SNAT_NEW_H
#define NSXDP_SNAT_NEW_H

#include "defs.h"
#include "fill.h"
#include "flow.h"
#include "quota.h"
#include "snat.h"

/* The host itself has, or listens on, this port of its address: an answer to the packet would be its. */
__noinline int host_has_port(CTX *ctx, const struct pkt *p, __u32 port)
{
	const struct nsx_conf *conf = conf_get();
	struct bpf_sock_tuple t = {};

	if (!p || !conf)
		return false;
	t.ipv4.saddr = p->dst.w[3];
	t.ipv4.sport = p->dport;
	t.ipv4.daddr = conf->own[p->own].addr.w[3];
	t.ipv4.dport = port;
	return host_socket(ctx, p->proto, &t, HOST_ANY);
}

/* An endpoint may keep this port outside: not a system port, nor one that the host gives its own sockets. */
static __always_inline bool port_allowed(const struct nsx_conf *conf, __u8 proto, __u16 port)
{
	return proto == NSX_ICMP || (port >= NSX_PORT_MIN && (port < conf->host_lo || port > conf->host_hi));
}

static __always_inline __u8 slot_flags(const struct pkt *p)
{
	__u8 flags = p->veth_flags & NSX_V_XDP ? NSX_F_XDP : 0;

	if (p->proto != NSX_UDP)
		return flags;
	if (p->veth_flags & NSX_V_ANY_REMOTE)
		flags |= NSX_F_ANY_REMOTE;
	if (p->veth_flags & NSX_V_ANY_PORT)
		flags |= NSX_F_ANY_PORT;
	return flags;
}

/* Write a claimed slot: the first, or a new, remote of this endpoint. */
static __always_inline void snat_fill(struct nsx_slot *s, const struct pkt *p, __u32 ifindex,
				      __be16 outside_port, __u32 now)
{
	s->inside = p->src;
	s->remote = p->dst;
	s->inside_port = p->sport;
	s->remote_port = p->dport;
	s->outside_port = outside_port;
	s->proto = p->proto;
	s->own = p->own;
	s->seen = now;
	s->tcp = NSX_T_SYN;
	s->flags = slot_flags(p);
	s->ifindex = ifindex;
	s->until = now;
	mac_copy(s->mac, p->mac);
	slot_publish(s, NSX_FLOW);
}

/* No flow lives in this slot of the registry, and no socket of the host's is about to be where it is. */
static __always_inline bool port_free(const struct nsx_slot *s, __u32 kind, const struct nsx_conf *conf, __u32 now)
{
	if (kind == NSX_HOST)
		return nsx_idle(now, s->seen) > nsx_ticks(conf, NSX_HOST_SECONDS);
	return kind == NSX_FLOW ? !flow_alive(s, conf, now) : kind == NSX_FREE;
}

/* Try to get an outside port for a new mapping; evict: even from a flow that is alive but not assured. */
__noinline int snat_take(CTX *ctx, const struct pkt *p, __be16 port, __u32 now, int evict)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_slot *s;
	__u32 state;

	if (!p || !conf)
		return false;
	s = port_slot(p->proto & 3, port);
	if (!s)
		return false;
	state = READ_ONCE(s->state);
	/* A bind that may come to nothing is no reason to refuse a flow. */
	if (!port_free(s, NSX_KIND(state), conf, now) && !(evict && NSX_KIND(state) == NSX_HOST) &&
	    !(evict && slot_evictable(s, NSX_KIND(state), now) >= (__s32)nsx_ticks(conf, NSX_EVICT_IDLE)))
		return false;
	if (host_has_port(ctx, p, port) || !slot_claim(s, state))
		return false;
	snat_fill(s, p, ctx_ifindex(ctx), port, now);
	return true;
}

static __always_inline void endpoint_key(struct nsx_session_key *k, const struct pkt *p)
{
	k->inside = p->src;
	k->remote.d[0] = 0;
	k->remote.d[1] = 0;
	k->inside_port = p->sport;
	k->remote_port = 0;
	k->proto = p->proto;
	k->kind = NSX_ALIAS;
	k->pad = 0;
}

/*
 * An endpoint's outside port, where that is not its own number. Where the endpoint had another one, that is kept for the
 * remotes that it is known to.
 */
static __always_inline bool alias_write(CTX *ctx, const struct pkt *p, __be16 port, __u32 now)
{
	struct nsx_session_key k;
	struct nsx_slot *alias;
	__u32 state;

	endpoint_key(&k, p);
	alias = session_find(&k);
	if (alias) {
		state = READ_ONCE(alias->state);
		barrier();
		if (!nsx_session_is(alias, &k) || !slot_claim(alias, state))
			return false;
		alias->ack = alias->outside_port;
	} else {
		alias = session_at(session_take(&k, now));
		if (!alias)
			return false;
	}
	alias->outside_port = port;
	alias->ifindex = ctx_ifindex(ctx);
	alias->own = 0;
	slot_publish(alias, NSX_ALIAS);
	return true;
}

/**
 * snat_new_mapping() - find an outside port for an endpoint that has none for its remote
 * @port: set to the port
 *
 * The endpoint's own number first; then numbers from a random start in steps of the golden ratio, which
 * spread evenly however few are tried: no run of used ports can hold them all. The second half of the tries
 * also takes ports of flows that were never assured, or are closed, and are idle for some seconds.
 */
__noinline int snat_new_mapping(CTX *ctx, const struct pkt *p, __be16 *port)
{
	const struct nsx_conf *conf = conf_get();
	__u32 now = now_tick(), span, at;
	struct nsx_slot *s;

	if (!p || !port || !conf)
		return NSX_DROP_ERROR;
	fill_measure(p->proto, now);
	*port = p->sport;
	if (port_allowed(conf, p->proto, bpf_ntohs(p->sport)) && snat_take(ctx, p, p->sport, now, false))
		return NSX_CONTINUE;

	span = (__u32)(conf->port_hi - conf->port_lo) + 1;
	at = bpf_get_prandom_u32();
	for (int i = 0; i < NSX_PORT_TRIES; i++, at += NSX_PORT_STEP) {
		*port = bpf_htons(conf->port_lo + ((at & 0xffff) * span >> 16));
		/* "up" may be changing the range. */
		if (!port_allowed(conf, p->proto, bpf_ntohs(*port)) || !snat_take(ctx, p, *port, now, i >= NSX_PORT_TRIES / 2))
			continue;
		if (alias_write(ctx, p, *port, now))
			return NSX_CONTINUE;
		s = port_slot(p->proto & 3, *port);
		if (s)
			slot_publish(s, NSX_FREE);
		return NSX_DROP_TABLE_FULL;
	}
	return NSX_DROP_NO_PORT;
}

#define NO_PORT (-1)

/* The live session of a further remote of an endpoint, or NULL. */
static __always_inline struct nsx_slot *further_find(const struct nsx_slot *port, const struct pkt *p,
						     const struct nsx_conf *conf)
{
	struct nsx_session_key k;
	struct nsx_slot *s;

	if (!(port->flags & NSX_F_MANY))
		return NULL;
	further_key(&k, p, port, &p->dst, p->dport);
	s = session_find(&k);
	return s && flow_alive(s, conf, now_tick()) ? s : NULL;
}

/* The remote is one that the endpoint has a flow with by this port. */
__noinline int snat_knows(const struct nsx_slot *s, const struct pkt *p)
{
	const struct nsx_conf *conf = conf_get();

	if (!s || !p || !conf || !flow_alive(s, conf, now_tick()))
		return false;
	return slot_is_to(s, &p->dst, p->dport) || further_find(s, p, conf);
}

/* A port that a socket of the host's has, or had, is for the remotes that are known, and others if the host agrees. */
static __always_inline bool snat_usable(CTX *ctx, const struct nsx_slot *s, const struct pkt *p)
{
	if (!snat_holds(s, p, ctx_ifindex(ctx)))
		return false;
	return !(s->flags & NSX_F_HOST) || snat_knows(s, p) || !host_has_port(ctx, p, s->outside_port);
}

/* The outside port that the endpoint has for this remote, as a number, or NO_PORT. */
__noinline int snat_mapping(CTX *ctx, const struct pkt *p)
{
	struct nsx_slot *s, *alias;
	struct nsx_session_key k;

	if (!p)
		return NO_PORT;
	s = port_slot(p->proto & 3, p->sport);
	if (s && snat_usable(ctx, s, p))
		return bpf_ntohs(p->sport);
	endpoint_key(&k, p);
	alias = session_find(&k);
	if (!alias)
		return NO_PORT;
	s = alias->ack ? port_slot(p->proto & 3, alias->ack) : NULL;
	if (s && snat_holds(s, p, ctx_ifindex(ctx)) && snat_knows(s, p))
		return bpf_ntohs(s->outside_port);
	s = port_slot(p->proto & 3, alias->outside_port);
	return s && snat_usable(ctx, s, p) ? bpf_ntohs(s->outside_port) : NO_PORT;
}

/* Note a packet of a flow that is there. Return: NSX_CONTINUE, NSX_UNKNOWN, or the verdict where none can be made. */
__noinline int snat_known(const struct pkt *p, struct nsx_slot *port)
{
	const struct nsx_conf *conf = conf_get();
	__u32 now = now_tick();
	struct nsx_slot *s;

	if (!p || !port || !conf)
		return NSX_DROP_ERROR;
	if ((slot_is_to(port, &p->dst, p->dport) || slot_admits(port, &p->dst)) && flow_alive(port, conf, now)) {
		if (!p->icmp_error)
			flow_touch(port, p, now, false);
		return NSX_CONTINUE;
	}
	s = further_find(port, p, conf);
	if (s && !p->icmp_error) {
		flow_touch(s, p, now, false);
		flow_keep_port(port, s, conf, now);
	}
	return s ? NSX_CONTINUE : NSX_UNKNOWN;
}

/**
 * snat_further() - a further remote of an endpoint that has an outside port already
 * @state: of the port's slot, read before it was judged
 * @number: set to that of the entry that is made, for quota_commit()
 */
__noinline int snat_further(CTX *ctx, const struct pkt *p, struct nsx_slot *port, __u32 state, __u32 *number)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_session_key k;
	__u32 now = now_tick();
	struct nsx_slot *s;
	int place;

	if (!p || !port || !conf || !number)
		return NSX_DROP_ERROR;
	*number = (__u32)(p->proto & 3) << 16 | bpf_ntohs(port->outside_port);
	if (!flow_alive(port, conf, now) || (nsx_further_left(port, now) < 0 && nsx_tcp_closed(port->tcp))) {
		/* No flow of the endpoint is left: the slot's inline remote is free for this one. */
		if (!slot_claim(port, state))
			return NSX_DROP_CHANGED;
		snat_fill(port, p, ctx_ifindex(ctx), port->outside_port, now);
		return NSX_CONTINUE;
	}
	fill_measure(p->proto, now);
	further_key(&k, p, port, &p->dst, p->dport);
	place = session_take(&k, now);
	s = session_at(place);
	if (!s)
		return NSX_DROP_TABLE_FULL;
	s->outside_port = port->outside_port;
	s->own = port->own;
	s->tcp = NSX_T_SYN;
	s->ifindex = ctx_ifindex(ctx);
	mac_copy(s->mac, p->mac);
	slot_publish(s, NSX_FLOW);
	flow_keep_port(port, s, conf, now);
	*number = QUOTA_SESSION + place;
	return NSX_CONTINUE;
}

/* A FIN, RST, ICMP error or echo reply belongs to a flow that is there, or to none. */
static __always_inline bool may_open(const struct pkt *p)
{
	return !p->icmp_error && !(p->proto == NSX_ICMP && p->echo_reply) &&
	       !(p->proto == NSX_TCP && (p->tcp_flags & (TCP_RST | TCP_FIN)));
}

/**
 * snat_pkt() - masquerade: find the flow of a packet from a namespace or make it
 *
 * What may not open a flow is dropped where there is none; another TCP packet in mid-stream opens one,
 * as netfilter does (nf_conntrack_tcp_loose), so that connections survive a lost table.
 */
__noinline int snat_pkt(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = conf_get();
	int mapping, quota = QUOTA_NONE, v = NSX_UNKNOWN;
	__u32 state = 0, number;
	struct nsx_slot *s = NULL;
	__be16 port;

	if (!p || !x || !conf)
		return NSX_DROP_ERROR;
	mapping = snat_mapping(ctx, p);
	port = bpf_htons(mapping);
	if (mapping != NO_PORT)
		s = port_slot(p->proto & 3, port);
	if (s) {
		state = READ_ONCE(s->state);
		v = snat_known(p, s);
	}
	if (v == NSX_UNKNOWN) {
		if (!may_open(p))
			return NSX_DROP_NO_FLOW;
		/* The host has a socket there that is connected to this remote: both may have the port, not the remote. */
		if (s && host_has_port(ctx, p, port)) {
			slot_flag(s, NSX_F_HOST);
			s = NULL;
		}
		if (conf->limits)
			quota = quota_reserve(ctx_ifindex(ctx));
		if (quota == QUOTA_FULL)
			return NSX_DROP_QUOTA;
		if (s) {
			v = snat_further(ctx, p, s, state, &number);
		} else {
			v = snat_new_mapping(ctx, p, &port);
			number = (__u32)(p->proto & 3) << 16 | bpf_ntohs(port);
			s = port_slot(p->proto & 3, port);
		}
		if (v == NSX_CONTINUE)
			quota_commit(ctx_ifindex(ctx), quota, number);
	}
	if (v != NSX_CONTINUE || !s)
		return v;
	state = READ_ONCE(s->state);
	if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p))
		return NSX_DROP_NO_PORT;
	return snat_out(conf, s, state, port, x);
}

#endif
