/* SPDX-License-Identifier: GPL-2.0-only */
/* Outside ports for masquerading: which there are, and who may have one. */
#ifndef NSXDP_SNAT_PORT_H
#define NSXDP_SNAT_PORT_H

#include "defs.h"
#include "flow.h"
#include "host_socket.h"
#include "port.h"
#include "snat.h"

#define NO_PORT (-1)

/*
 * The host itself has, or listens on, this port of its address: an answer to the packet would be
 * its.
 */
__noinline int host_has_port(CTX *ctx, const struct pkt *p, __u32 port)
{
	return p && host_socket(ctx, p, &p->dst, p->dport,
				&nsx_learned.local[p->local & (NSX_LOCAL_MAX - 1)].addr, port,
				HOST_ANY);
}

/*
 * The same for a port that is held already, by this endpoint or shared, and another remote. A
 * socket of the host's has left its mark when it was bound, where that is watched; one that is
 * connected is not found by a look for other remotes.
 */
static __always_inline bool host_came(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
				      const struct nsx_slot *s, __be16 port)
{
	return ((s->flags & NSX_F_HOST) || !(conf->flags & NSX_UP_BIND_GUARD)) &&
	       host_has_port(ctx, p, port);
}

/* An endpoint may keep this port outside: it is one for masquerading. Echo identifiers all are. */
static __always_inline bool port_allowed(const struct nsx_conf *conf, __u8 proto, __u16 port)
{
	return proto == NSX_ICMP || (port >= conf->port_lo && port <= conf->port_hi &&
				     (port < conf->host_lo || port > conf->host_hi));
}

/* How many ports there are for a protocol, and one of them. */
static __always_inline __u32 port_span(const struct nsx_conf *conf, __u8 proto)
{
	return proto == NSX_ICMP ? NSX_PORTS : nsx_port_span(conf);
}

static __always_inline __be16 port_number(const struct nsx_conf *conf, __u8 proto, __u32 at)
{
	__u32 number = (at & 0xffff) * port_span(conf, proto) >> 16;

	return bpf_htons(proto == NSX_ICMP ? number : nsx_port_at(conf, number));
}

/* So many ports are held by one endpoint each that a new one of the packet is to share. */
static __always_inline bool ports_are_short(const struct nsx_conf *conf, const struct pkt *p)
{
	const struct nsx_held *held = held_get();
	__u32 mark = p->proto == NSX_TCP ? NSX_SHARE_TCP : NSX_SHARE_OTHERS, row = p->row;

	return held && row < NSX_ROWS &&
	       held->local[row] * 100LL >= (__s64)port_span(conf, p->proto) * mark;
}

/*
 * A flow has been idle for long enough to give its outside tuple to another, by slot_evictable(). A
 * closed connection is left alone for a moment, for its last segments may be on their way. The
 * other end may have it in TIME-WAIT for longer: then it tells a newer SYN by its timestamp or
 * number (RFC 6191), or answers one that it cannot tell by an ACK that makes the client reset it.
 * An unanswered flow may be answered still.
 */
static __always_inline bool has_rested(const struct nsx_slot *s, __s32 weight,
				       const struct nsx_conf *conf)
{
	__u32 rest = weight >= CLOSED_FIRST && !(s->tcp & NSX_T_RST) ? NSX_CLOSED_IDLE
								     : NSX_EVICT_IDLE;

	return weight != NEVER && (weight & ~CLOSED_FIRST) >= (__s32)nsx_ticks(conf, rest);
}

/*
 * How gladly the flow that is all of its endpoint's gives its port to one with p's remote: see
 * slot_evictable(). A closed connection with another remote does at once; one that was reset may be
 * revived by its owner for some seconds, for the segment that did it may have been forged.
 */
static __always_inline __s32 port_evictable(const struct nsx_slot *s, __u32 kind,
					    const struct pkt *p, const struct nsx_conf *conf,
					    __u32 now)
{
	__s32 weight = kind == NSX_FLOW && nsx_further_left(s, now) < 0
			       ? slot_evictable(s, kind, conf, now)
			       : NEVER;

	if (weight >= CLOSED_FIRST && !(s->tcp & NSX_T_RST) && !slot_is_to(s, &p->dst, p->dport))
		return weight;
	return has_rested(s, weight, conf) ? weight : NEVER;
}

/* An endpoint, whose alias says by which port it is known where that is not its own. */
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
 * The endpoint has a port of its own, and the host does not want that. Without a look at remotes:
 * for who is about to make a flow by another port. A function of its own, for its callers are deep
 * in the stack.
 */
__noinline int has_own_port(CTX *ctx, const struct pkt *p, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	const struct nsx_slot *s;
	struct found f;

	if (!p || !w)
		return false;
	s = port_slot(p->row, p->sport);
	if (s && snat_holds(s, p, ctx_ifindex(ctx)) && !(s->flags & NSX_F_HOST) &&
	    nsx_port_left(s, conf, &nsx_learned, now) >= 0)
		return true;
	endpoint_key(&w->key, p);
	if (!session_find(&w->key, &f) || !alias_alive(f.slot, conf, now))
		return false;
	s = port_slot(p->row, f.slot->outside_port);
	return s && !(s->flags & NSX_F_HOST);
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
static __always_inline void port_fill(struct nsx_slot *s, __u32 claim, const struct pkt *p,
				      __u32 ifindex, __be16 outside_port, __u32 now)
{
	s->inside = p->src;
	s->remote = p->dst;
	s->inside_port = p->sport;
	s->remote_port = p->dport;
	s->outside_port = outside_port;
	s->proto = p->proto;
	s->local = p->local;
	s->seen = now;
	s->tcp = NSX_T_SYN;
	s->flags = slot_flags(p) | (s->flags & NSX_F_HOST);
	s->ifindex = ifindex;
	s->until = now;
	mac_copy(s->mac, p->mac);
	slot_publish(s, claim, NSX_FLOW);
	usage_flow(p->proto, ifindex, 1);
	usage_port(p->row, NSX_FLOW, 1);
}

#endif
