/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a namespace to one of the host's addresses, and through it to another namespace or itself.
 */
#ifndef NSXDP_HAIRPIN_H
#define NSXDP_HAIRPIN_H

#include "defs.h"
#include "portmap.h"
#include "service.h"
#include "snat_new.h"

/*
 * To the outside port of a masqueraded endpoint that anybody may reach: both ends are translated,
 * so that each sees the other's outside (RFC 4787, REQ-9). The sender's mapping is made as towards
 * anybody, without the host's address for a remote, for what goes there must come this way and not
 * leave by the uplink.
 */
__noinline int hairpin_flow(struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	const struct nsx_slot *s;
	__u32 state;

	if (!p || !x || !w)
		return NSX_DROP_ERROR;
	s = port_slot(p->row, p->dport);
	if (!s)
		return NSX_DROP_ERROR;
	state = slot_read(s);
	if (NSX_KIND(state) != NSX_FLOW || nsx_port_left(s, conf, &nsx_learned, now_tick()) < 0 ||
	    !(s->flags & NSX_F_ANY_REMOTE) || !(p->veth_flags & NSX_V_ANY_REMOTE))
		return NSX_PASS_GATEWAY;
	x->other = s->inside;
	x->other_port = s->inside_port;
	x->other_ifindex = s->ifindex;
	mac_copy(x->mac, s->mac);
	if (!slot_same(s, state))
		return NSX_PASS_GATEWAY;
	p->local = x->local;
	p->dst.d[0] = 0;
	p->dst.d[1] = 0;
	p->dport = 0;
	w->sought = 0;	/* that was with the host's address for a remote */
	return NSX_OPEN;
}

/* The end of it, once the sender has its mapping. dport: as it was. */
static __always_inline void hairpin_flow_end(struct pkt *p, struct xlat *x, __be16 dport)
{
	p->dst = p->daddr;
	p->dport = dport;
	x->both = 1;
	x->to_ns = 1;
	x->ifindex = x->other_ifindex;
	x->verdict = NSX_HAIRPIN;
}

/* Where a namespace reaches itself, it comes from its gateway's address. */
static __always_inline void from_itself(CTX *ctx, struct pkt *p, const struct nsx_veth *veth,
					struct xlat *x)
{
	if (x->ifindex != ctx_ifindex(ctx))
		return;
	x->both = 1;
	x->other = *gateway_of(veth, p->family);
	x->other_port = p->sport;
	p->src = x->other;	/* as the server will know the client */
}

/* The end of hairpin() where the port has a service. */
__noinline int hairpin_service(CTX *ctx, struct pkt *p, struct xlat *x)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	const struct nsx_slot *s;
	int v;

	if (!p || !x || !veth)
		return NSX_DROP_ERROR;
	s = port_slot(p->row, p->dport);
	if (!s)
		return NSX_DROP_ERROR;
	v = service_in(ctx, p, s, x);
	if (v != NSX_CONTINUE)
		return v == NSX_PASS_HOST ? NSX_PASS_GATEWAY : v;
	x->verdict = NSX_HAIRPIN;
	from_itself(ctx, p, veth, x);
	return NSX_REMEMBER;
}

/*
 * From a namespace to one of the host's own addresses: a published port is reached, all else is for
 * the host itself. Another namespace sees the client's address; to reach its own port a namespace
 * comes from its gateway's, for no host takes packets from itself by the network.
 */
static __always_inline int hairpin(CTX *ctx, struct pkt *p, const struct nsx_veth *veth, int local,
				   struct xlat *x)
{
	struct nsx_slot *s;
	__u32 state, counter;

	if (p->proto >= NSX_ICMP || p->icmp_error)
		return NSX_PASS_GATEWAY;
	s = port_slot(p->row, p->dport);
	if (!s)
		return NSX_PASS_GATEWAY;
	state = slot_state(s);
	x->local = local;
	if (NSX_KIND(state) == NSX_FLOW && p->proto == NSX_UDP)
		return NSX_BETWEEN_FLOWS;
	if (NSX_KIND(state) != NSX_MAP || !map_answers(ctx, s, &p->daddr))
		return NSX_PASS_GATEWAY;
	if (s->flags & NSX_F_SERVICE)
		return NSX_TO_SERVICE;
	xlat_inside(x, s, NSX_HAIRPIN);
	counter = s->counter;
	if (!slot_same(s, state))
		return NSX_DROP_CHANGED;
	count_target(counter, ctx_len(ctx));
	from_itself(ctx, p, veth, x);
	return NSX_REMEMBER;
}

/*
 * To the gateway: the host's, unless it answers a connection of the namespace to its own published
 * port.
 */
static __always_inline int from_own_port(CTX *ctx, const struct pkt *p,
					 const struct nsx_veth *veth, struct xlat *x)
{
	int v = hairpin_return(ctx, p, x, NSX_F_SELF);

	if (v == NSX_UNKNOWN || (v == NSX_CONTINUE && host_expects(ctx, p, HOST_CONNECTED)))
		return NSX_PASS_GATEWAY;
	x->both = 1;
	x->other = veth->addr[p->family & 1];
	x->other_port = p->dport;
	return v;
}

#endif
