/* SPDX-License-Identifier: GPL-2.0-only */
/* Masquerade, where a flow exists: one look-up in each direction. */
#ifndef NSXDP_SNAT_H
#define NSXDP_SNAT_H

#include "defs.h"
#include "flow.h"
#include "host_socket.h"
#include "own.h"

static __always_inline bool slot_is_ours(const struct nsx_slot *s, const struct pkt *p)
{
	return s->inside_port == p->sport && addr_eq(&s->inside, &p->src);
}

static __always_inline bool slot_is_to(const struct nsx_slot *s, const struct nsx_addr *remote, __be16 port)
{
	return s->remote_port == port && addr_eq(&s->remote, remote);
}

/* Others that may use the mapping as far as the namespace's filtering asks (RFC 4787, 5). */
static __always_inline bool slot_admits(const struct nsx_slot *s, const struct nsx_addr *remote)
{
	return (s->flags & NSX_F_ANY_REMOTE) || ((s->flags & NSX_F_ANY_PORT) && addr_eq(&s->remote, remote));
}

/* The endpoint holds the outside port of its own number. It is not published then: publishing ends that. */
static __always_inline bool snat_holds(const struct nsx_slot *s, const struct pkt *p, __u32 ifindex)
{
	return NSX_KIND(READ_ONCE(s->state)) == NSX_FLOW && slot_is_ours(s, p) && s->ifindex == ifindex;
}

static __always_inline int snat_out(const struct nsx_conf *conf, const struct nsx_slot *port, __u32 state,
				    __be16 outside_port, struct xlat *x)
{
	__u32 own = port->own;

	x->own = own;
	x->addr = conf->own[own].addr;
	x->ifindex = conf->own[own].dev;
	x->port = outside_port;
	x->side = SIDE_SRC;
	x->verdict = NSX_MASQ_OUT;
	return slot_same(port, state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

/**
 * snat_established() - a packet of a flow that keeps its own port, which is nearly every one
 *
 * One look-up answers everything: the slot of the outside port holds the inside endpoint, the veth and
 * the MAC that it may come from, and the remote.
 *
 * Return: NSX_CONTINUE with x filled, or NSX_DROP_NO_FLOW where this is no such packet.
 */
static __always_inline int snat_established(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
					    struct nsx_slot *s, struct xlat *x)
{
	__u32 state = READ_ONCE(s->state), now;

	if (NSX_KIND(state) != NSX_FLOW || !slot_is_ours(s, p) || !slot_is_to(s, &p->dst, p->dport) ||
	    s->ifindex != ctx_ifindex(ctx) || !mac_eq(s->mac, p->mac))
		return NSX_DROP_NO_FLOW;
	now = now_tick();
	if (s->seen != now)
		own_check(ctx, s->own);	/* once per tick */
	if (!flow_alive(s, conf, now))
		return NSX_DROP_NO_FLOW;
	if (!p->icmp_error)
		flow_touch(s, p, now, false);
	return snat_out(conf, s, state, p->sport, x);
}

static __always_inline void further_key(struct nsx_session_key *k, const struct pkt *p, const struct nsx_slot *port,
					const struct nsx_addr *remote, __be16 remote_port)
{
	k->inside = port->inside;
	k->remote = *remote;
	k->inside_port = port->inside_port;
	k->remote_port = port->flags & NSX_F_ANY_PORT ? 0 : remote_port;
	k->proto = p->proto;
	k->kind = NSX_FLOW;
	k->pad = 0;
}

/**
 * snat_in() - a packet to an outside port that a masqueraded endpoint holds
 * @s: the registry's entry, whose state was read as state
 *
 * Only remotes that the endpoint has sent to may answer, or those that the namespace's filtering lets in beyond
 * that; all else is the host's.
 */
static __always_inline int snat_in(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf, struct nsx_slot *s,
				   __u32 state, __u32 own, struct xlat *x)
{
	__u32 now = now_tick();
	struct nsx_slot *flow = s;

	if (s->own != (__u8)own || !flow_alive(s, conf, now) || (p->proto == NSX_ICMP && !p->echo_reply))
		return NSX_PASS_HOST;
	if (!slot_is_to(s, &p->src, p->sport)) {
		struct nsx_session_key k;

		flow = NULL;
		if (s->flags & NSX_F_MANY) {
			further_key(&k, p, s, &p->src, p->sport);
			flow = session_find(&k);
		}
		if (!flow || !flow_alive(flow, conf, now)) {
			/* The host may have a socket that is connected to just this remote, or is bound since. */
			if (!slot_admits(s, &p->src) || host_expects(ctx, p, s->flags & NSX_F_HOST ? HOST_ANY : HOST_CONNECTED))
				return NSX_PASS_HOST;
			flow = s;
		}
	}
	xlat_inside(x, s, NSX_MASQ_IN);
	if (!slot_same(s, state))
		return NSX_PASS_HOST;
	if (p->icmp_error)
		return NSX_CONTINUE;
	flow_touch(flow, p, now, true);
	if (flow != s)
		flow_keep_port(s, flow, conf, now);
	return NSX_CONTINUE;
}

#endif
