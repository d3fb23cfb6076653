/* SPDX-License-Identifier: GPL-2.0-only */
/* Masquerade, the long way: flows with another port than their own, further remotes, and new flows. */
#ifndef NSXDP_SNAT_NEW_H
#define NSXDP_SNAT_NEW_H

#include "defs.h"
#include "fill.h"
#include "flow.h"
#include "quota.h"
#include "snat.h"

/* A socket of the host's that takes what comes from remote to port of local: a connection, a listener, a bound one. */
static __always_inline bool host_socket(CTX *ctx, __u8 proto, const struct bpf_sock_tuple *t, bool listeners)
{
	bool found = false;
	struct bpf_sock *sk;

	if (proto == NSX_TCP) {
		sk = bpf_skc_lookup_tcp(ctx, (void *)t, sizeof(t->ipv4), BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = listeners || READ_ONCE(sk->state) != TCP_LISTEN;
			bpf_sk_release(sk);
		}
	} else if (proto == NSX_UDP) {
		sk = bpf_sk_lookup_udp(ctx, (void *)t, sizeof(t->ipv4), BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = true;
			bpf_sk_release(sk);
		}
	}
	return found;
}

/* The host itself has, or listens on, this port of its address: an answer to the packet would be its. */
static __always_inline bool host_has_port(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf, __be16 port)
{
	struct bpf_sock_tuple t = {
		.ipv4 = {
			.saddr = p->dst.w[3],
			.sport = p->dport,
			.daddr = conf->own[p->own & (NSX_OWN_MAX - 1)].w[3],
			.dport = port,
		},
	};

	return host_socket(ctx, p->proto, &t, true);
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
	s->id = p->ns_id;
	mac_copy(s->mac, p->mac);
	slot_publish(s, NSX_FLOW);
}

/* No flow lives in this slot of the registry, and no socket of the host's is about to be where it is. */
static __always_inline bool port_free(const struct nsx_slot *s, __u32 kind, const struct nsx_conf *conf, __u32 now)
{
	if (kind == NSX_HOST)
		return (__s32)(now - s->seen) > (__s32)nsx_ticks(conf, NSX_HOST_SECONDS);
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
	if (!port_free(s, NSX_KIND(state), conf, now) &&
	    !(evict && slot_evictable(s, NSX_KIND(state), now) >= (__s32)nsx_ticks(conf, NSX_EVICT_IDLE)))
		return false;
	if (host_has_port(ctx, p, conf, port) || !slot_claim(s, state))
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

/**
 * snat_new_mapping() - find an outside port for an endpoint that has none
 * @port: set to the port
 *
 * The endpoint's own number first; then numbers from a random start in steps of the golden ratio, which
 * spread evenly however few are tried: no run of used ports can hold them all. The second half of the tries
 * also takes ports of flows that were never assured and are idle for some seconds.
 */
__noinline int snat_new_mapping(CTX *ctx, const struct pkt *p, __be16 *port)
{
	const struct nsx_conf *conf = conf_get();
	__u32 now = now_tick(), span, at;
	struct nsx_session_key k;
	struct nsx_slot *alias;

	if (!p || !port || !conf)
		return NSX_DROP_ERROR;
	fill_measure(p->proto, now);
	*port = p->sport;
	if (port_allowed(conf, p->proto, bpf_ntohs(p->sport)) && snat_take(ctx, p, p->sport, now, false))
		return NSX_CONTINUE;

	span = (__u32)(conf->port_hi - conf->port_lo) + 1;
	at = bpf_get_prandom_u32();
	endpoint_key(&k, p);
	for (int i = 0; i < NSX_PORT_TRIES; i++, at += NSX_PORT_STEP) {
		*port = bpf_htons(conf->port_lo + ((at & 0xffff) * span >> 16));
		if (!snat_take(ctx, p, *port, now, i >= NSX_PORT_TRIES / 2))
			continue;
		alias = session_claim(&k, now);
		if (!alias) {
			struct nsx_slot *s = port_slot(p->proto & 3, *port);

			if (s)
				slot_publish(s, NSX_FREE);
			return NSX_DROP_TABLE_FULL;
		}
		alias->outside_port = *port;
		alias->ifindex = ctx_ifindex(ctx);
		alias->id = p->ns_id;
		alias->own = 0;
		slot_publish(alias, NSX_ALIAS);
		return NSX_CONTINUE;
	}
	return NSX_DROP_NO_PORT;
}

/* A further remote of an endpoint that has an outside port already. */
__noinline int snat_further(CTX *ctx, const struct pkt *p, struct nsx_slot *port)
{
	const struct nsx_conf *conf = conf_get();
	__u32 now = now_tick(), state;
	struct nsx_session_key k;
	struct nsx_slot *s;

	if (!p || !port || !conf)
		return NSX_DROP_ERROR;
	state = READ_ONCE(port->state);
	further_key(&k, p, port, &p->dst, p->dport);
	s = port->flags & NSX_F_MANY ? session_find(&k) : NULL;
	if (s && flow_alive(s, conf, now)) {
		if (!p->icmp_error)
			flow_touch(s, p, now, false);
	} else if (p->icmp_error || (p->proto == NSX_TCP && (p->tcp_flags & (TCP_RST | TCP_FIN)))) {
		return NSX_DROP_NO_FLOW;
	} else if ((!flow_alive(port, conf, now) || (!(port->flags & NSX_F_MANY) && nsx_tcp_closed(port->tcp))) &&
		   slot_claim(port, state)) {
		/* No flow of the endpoint is left: the slot's inline remote is free for this one. */
		snat_fill(port, p, ctx_ifindex(ctx), port->outside_port, now);
		return NSX_CONTINUE;
	} else if (conf->limits && quota_take(ctx_ifindex(ctx)) != NSX_CONTINUE) {
		return NSX_DROP_QUOTA;
	} else {
		fill_measure(p->proto, now);
		s = session_claim(&k, now);
		if (!s)
			return NSX_DROP_TABLE_FULL;
		s->outside_port = port->outside_port;
		s->own = port->own;
		s->tcp = NSX_T_SYN;
		s->ifindex = ctx_ifindex(ctx);
		s->id = p->ns_id;
		mac_copy(s->mac, p->mac);
		slot_publish(s, NSX_FLOW);
	}
	if (!(port->flags & NSX_F_MANY))
		port->flags |= NSX_F_MANY;
	if (port->seen != now)
		port->seen = now;
	return NSX_CONTINUE;
}

/* The registry's slot of an endpoint that has an outside port, else NULL. */
static __always_inline struct nsx_slot *snat_mapping(CTX *ctx, const struct pkt *p)
{
	struct nsx_slot *s = port_slot(p->proto & 3, p->sport), *alias;
	struct nsx_session_key k;

	if (s && snat_holds(s, p, ctx_ifindex(ctx)))
		return s;
	endpoint_key(&k, p);
	alias = session_find(&k);
	if (!alias)
		return NULL;
	s = port_slot(p->proto & 3, alias->outside_port);
	return s && snat_holds(s, p, ctx_ifindex(ctx)) ? s : NULL;
}

/**
 * snat_pkt() - masquerade: find the flow of a packet from a namespace or make it
 *
 * A FIN or RST of a flow that does not exist, an ICMP error about one and an answer to an echo that
 * was never asked for make nothing and are dropped; another TCP packet in mid-stream opens a flow,
 * as netfilter does (nf_conntrack_tcp_loose), so that connections survive a lost table.
 */
__noinline int snat_pkt(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_slot *s;
	__be16 port;
	__u32 state;
	int v;

	if (!p || !x || !conf)
		return NSX_DROP_ERROR;
	s = snat_mapping(ctx, p);
	if (s) {
		port = s->outside_port;
		if (slot_admits(s, &p->dst, p->dport) && flow_alive(s, conf, now_tick())) {
			if (!p->icmp_error)
				flow_touch(s, p, now_tick(), false);
		} else {
			v = snat_further(ctx, p, s);
			if (v != NSX_CONTINUE)
				return v;
		}
	} else {
		if (p->icmp_error || (p->proto == NSX_ICMP && p->echo_reply) ||
		    (p->proto == NSX_TCP && (p->tcp_flags & (TCP_RST | TCP_FIN))))
			return NSX_DROP_NO_FLOW;
		v = conf->limits ? quota_take(ctx_ifindex(ctx)) : NSX_CONTINUE;
		if (v == NSX_CONTINUE)
			v = snat_new_mapping(ctx, p, &port);
		if (v != NSX_CONTINUE)
			return v;
		s = port_slot(p->proto & 3, port);
		if (!s)
			return NSX_DROP_ERROR;
	}
	state = READ_ONCE(s->state);
	if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p))
		return NSX_DROP_NO_PORT;
	return snat_out(conf, s, state, port, x);
}

#endif
