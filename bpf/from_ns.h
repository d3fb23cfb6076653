/* SPDX-License-Identifier: GPL-2.0-only */
/* What comes from a namespace, at TC. */
#ifndef NSXDP_FROM_NS_H
#define NSXDP_FROM_NS_H

#include "defs.h"
#include "maps.h"
#include "admit.h"
#include "answer.h"
#include "defrag.h"
#include "egress.h"
#include "frag.h"
#include "hairpin.h"
#include "link_down.h"
#include "local_source.h"
#include "parse.h"
#include "portmap.h"
#include "routed.h"
#include "scope.h"
#include "send.h"
#include "snat.h"
#include "snat_new.h"

/* To an address of the pool, which is another namespace's. */
static __always_inline int to_neighbour(CTX *ctx, struct pkt *p, const struct nsx_veth *veth,
					struct xlat *x)
{
	int v = hairpin_return(ctx, p, x, NSX_F_HAIRPIN);

	if (v != NSX_UNKNOWN)
		return v;
	if (!is_routed(p))
		return NSX_DROP_ISOLATED;
	return veth->egress && !egress_allows(veth->egress, &p->daddr) ? NSX_DROP_EGRESS_DENIED
								       : NSX_ROUTE_IN;
}

/* Everything that snat_established() did not answer. */
__noinline int from_ns_lookup(CTX *ctx, struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_slot *port;
	const struct nsx_veth *veth;
	bool pool;
	int local, v;

	if (!p || !x)
		return NSX_DROP_ERROR;
	local = local_index_of(&p->daddr, p->family);
	if (local >= 0 && !local_check(ctx, local))
		local = -1;	/* somebody else's, now */
	pool = in_pool_of(conf, &p->daddr, p->family);
	port = port_slot(p->row, p->sport);
	/*
	 * An error is about a packet that its sender got, and for who sent that; or it would change
	 * others' flows.
	 */
	if (p->icmp_error && (!addr_eq(&p->saddr, &p->src) || !addr_eq(&p->daddr, &p->dst)))
		return NSX_DROP_SPOOFED;
	if (local < 0 && !pool && !is_routed(p) && !to_multicast(p) && !to_martian(p) &&
	    p->proto < NSX_ICMP && port && !snat_holds(port, p, ifindex) &&
	    !(conf->limits && egress_refuses(ctx, p))) {
		v = published_out(ctx, p, x);
		if (v != NSX_UNKNOWN)
			return v;
	}

	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	if (!veth)
		return NSX_DROP_DETACHED;
	if (is_spoofed(p, veth))
		return NSX_DROP_SPOOFED;
	p->veth_flags = veth->flags;
	if (p->family == NSX_V4 && is_icmp(p) && p->icmp_type == ICMP_REDIRECT)
		return NSX_DROP_REDIRECT;
	if (to_martian(p))
		return NSX_DROP_MARTIAN;
	if (p->fragment == FRAGMENT_LATER && !to_multicast(p))
		return NSX_LATER;
	if (addr_eq(&p->daddr, gateway_of(veth, p->family)))
		return from_own_port(ctx, p, veth, x);
	/* Of TCP to the host, what the host has begun is answered. */
	if (veth->egress && !pool && !to_multicast(p) && (local >= 0 || !is_routed(p)) &&
	    (local < 0 || p->proto != NSX_TCP || SYN_ALONE(p)) &&
	    !egress_allows(veth->egress, &p->daddr))
		return NSX_DROP_EGRESS_DENIED;
	if (local >= 0)
		return hairpin(ctx, p, veth, local, x);
	if (to_multicast(p))
		return NSX_DROP_MULTICAST;
	if (pool)
		return to_neighbour(ctx, p, veth, x);
	if (p->proto >= NSX_PROTOS)
		return NSX_DROP_PROTOCOL;
	if (is_routed(p))
		return NSX_ROUTE_OUT;
	return NSX_MASQUERADE;
}

/* Answer a packet of a namespace with an ICMP error from its gateway. */
__noinline int answer_ns(CTX *ctx, const struct pkt *p, __u32 what, int *action)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && p && action
		       ? answer_pkt(ctx, p, gateway_of(veth, p->family), what, action)
		       : -1;
}

/* What is dropped for a reason that its sender can mend is answered. Return: the verdict. */
static __always_inline int reject_ns(CTX *ctx, const struct pkt *p, int v, int *action)
{
	__u32 what = ANSWER_PROHIBITED;
	int told;

	switch (v) {
	case NSX_DROP_NO_PORT:
	case NSX_DROP_TABLE_FULL:
		told = NSX_REJECT_NO_PORT;
		break;
	case NSX_DROP_NO_UPLINK:
		what = ANSWER_NO_ROUTE;
		told = NSX_REJECT_NO_UPLINK;
		break;
	case NSX_DROP_LINK_DOWN:
		what = ANSWER_UNREACHABLE;
		told = NSX_REJECT_LINK_DOWN;
		break;
	case NSX_DROP_EGRESS_DENIED:
		told = NSX_REJECT_EGRESS_DENIED;
		break;
	case NSX_DROP_MAX_FLOWS:
		told = NSX_REJECT_MAX_FLOWS;
		break;
	default:
		return v;
	}
	return answer_ns(ctx, p, what, action) == 0 ? told : v;
}

/* What becomes of a new flow, or of one that snat_established() does not know at a glance. */
static __always_inline int from_ns_other(CTX *ctx, struct pkt *p, struct xlat *x)
{
	__u32 ifindex = ctx_ifindex(ctx);
	__be16 dport = 0;
	int local, v = from_ns_lookup(ctx, p, x);

	if (v == NSX_MASQUERADE) {
		/* An error makes no flow, and the addresses in it are whoever's. */
		local = p->icmp_error ? p->family : local_chosen(ctx, p, local_for(ctx, &p->dst));
		p->local = local;
		v = NSX_OPEN;
		if (local == LOCAL_NO_UPLINK)
			v = NSX_DROP_NO_UPLINK;
		else if (local == LOCAL_ITSELF)
			v = from_ns_lookup(ctx, p, x);
	}
	if (v == NSX_ROUTE_OUT) {
		int uplink = routed_uplink(ctx, &p->dst);

		v = uplink == ROUTED_ITSELF ? from_ns_lookup(ctx, p, x)
					    : routed_out(ctx, p, x, uplink);
	}
	if (v == NSX_ROUTE_IN) {
		v = routed_in(ctx, p, ifindex, x);
		v = v == NSX_DROP_POOL ? NSX_DROP_ISOLATED : v;
	}
	if (v == NSX_UNKNOWN)
		v = return_make(p);
	if (v == NSX_BETWEEN_FLOWS) {
		dport = p->dport;
		v = hairpin_flow(p, x);
		if (v == NSX_OPEN && (p->veth_flags & NSX_V_SOURCE(p->family))) {
			p->local = local = local_sourced(ctx, p->family, p->local);
			v = local < 0 ? NSX_DROP_NO_UPLINK : v;
		}
	}
	if (v == NSX_OPEN) {
		struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

		v = snat_pkt(ctx, veth);
		if (v == NSX_DROP_CHANGED)
			v = snat_pkt(ctx, veth);
		if (dport)
			hairpin_flow_end(p, x, dport);
	}
	if (v == NSX_TO_SERVICE)
		v = hairpin_service(ctx, p, x);
	if (v == NSX_REMEMBER)
		v = is_to_the_dead(ctx, p, x) ? NSX_DROP_LINK_DOWN
					      : return_note(ctx, p, x, x->local, ctx_ifindex(ctx));
	return v;
}

static __always_inline int from_ns(CTX *ctx, struct pkt *p, struct xlat *x, int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s = NULL;
	__u32 mtu;
	int v;

	v = admit_ns(ctx, p, parse_pkt(ctx, p));
	if (v != NSX_CONTINUE)
		return v;

	if (p->fragment && !p->reassembled && defrags(p->family)) {
		v = fragment_out(ctx, p, action);
		if (v != NSX_CONTINUE)
			return v;
	}

	v = NSX_DROP_NO_FLOW;
	if (p->proto < NSX_PROTOS && !p->icmp_error)
		s = port_slot(p->row, p->sport);
	if (s)
		v = snat_established(ctx, p, conf, s, x);
	if (v == NSX_DROP_NO_FLOW && s && (s->flags & NSX_F_MANY) &&
	    snat_holds(s, p, ctx_ifindex(ctx)))
		v = snat_session(ctx, p, s->flags & NSX_F_ANY_PORT, x);
	if (v == NSX_DROP_NO_FLOW)
		v = from_ns_other(ctx, p, x);
	if (v == NSX_LATER) {
		v = frag_find(ctx, p, x);
		if (v == NSX_CONTINUE && x->verdict == NSX_PASS_HOST)
			return NSX_PASS_GATEWAY;
		if (v == NSX_DEFRAG)
			v = NSX_DROP_FRAGMENT;
	}
	if (v != NSX_CONTINUE)
		return reject_ns(ctx, p, v, action);
	if (p->ttl <= 1)
		return answer_ns(ctx, p, ANSWER_TTL, action) == 0 ? NSX_ICMP_TIME_EXCEEDED
								  : NSX_DROP_TTL;
	if (conf->limits && !x->to_ns &&
	    egress_take(ctx_ifindex(ctx), egress_bytes(ctx, p)) != NSX_CONTINUE)
		return NSX_DROP_EGRESS_RATE;
	mtu = mtu_exceeded(ctx, p, x);
	if (mtu && p->dont_fragment)
		return answer_ns(ctx, p, ANSWER_TOO_BIG(mtu), action) == 0 ? NSX_ICMP_FRAG_NEEDED
									   : NSX_DROP_TOO_BIG;
	set_cut(p, conf, x, mtu);
	return send_pkt(ctx, NSX_FROM_NS, p, conf, x, action);
}

#endif
