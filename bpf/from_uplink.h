/* SPDX-License-Identifier: GPL-2.0-only */
/* What comes in by an uplink, at TC. */
#ifndef NSXDP_FROM_UPLINK_H
#define NSXDP_FROM_UPLINK_H

#include "defs.h"
#include "maps.h"
#include "answer.h"
#include "defrag.h"
#include "frag.h"
#include "host_socket.h"
#include "link_down.h"
#include "local_addr.h"
#include "nd.h"
#include "parse.h"
#include "portmap.h"
#include "routed.h"
#include "scope.h"
#include "send.h"
#include "service.h"
#include "snat.h"
#include "source.h"

/*
 * A later fragment from outside: what was decided for the first of its datagram. Return:
 * NSX_CONTINUE with x filled, or the verdict.
 */
static __always_inline int later_in(CTX *ctx, const struct pkt *p, struct xlat *x, int *action)
{
	int v = frag_find(ctx, p, x);

	if (p->reassembled && v == NSX_DEFRAG)
		return NSX_DROP_FRAGMENT;
	if (!p->reassembled && (v == NSX_DROP_FRAGMENT || v == NSX_DEFRAG))
		v = fragment_in(ctx, p, x, action);
	return v == NSX_CONTINUE && x->verdict == NSX_PASS_HOST ? NSX_PASS_HOST : v;
}

/* To an address of the pool. Of those gw6 is the host's, and its only global one perhaps. */
static __always_inline int pool_in(CTX *ctx, struct pkt *p, const struct nsx_conf *conf,
				   struct xlat *x, int *action)
{
	int v;

	if (!is_routed(p))
		return NSX_DROP_POOL;
	/* source_check() takes the host's first address for the destination. */
	if (local_has(ctx, &p->saddr))
		return NSX_DROP_LOCAL_SOURCE;
	if (is_link_local_of(&p->saddr, NSX_V6))
		return NSX_DROP_LINK_LOCAL;
	v = source_check(ctx, conf, p);
	if (v != NSX_CONTINUE)
		return v;
	if (addr_eq(&p->daddr, &conf->gw6))
		return NSX_PASS_HOST;
	if (p->fragment == FRAGMENT_LATER)
		v = later_in(ctx, p, x, action);
	else if (p->fragment && !p->reassembled && frag_is_deferred(ctx, p))
		v = fragment_joins(ctx, p, action);
	else
		v = routed_in(ctx, p, 0, x);
	if (v == NSX_UNKNOWN)
		v = return_make(p);
	return v == NSX_PASS_HOST ? NSX_DROP_POOL : v;
}

/* The namespace behind a veth may be reached from 169.254.0.0/16. */
static __always_inline bool admits_link_local(__u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && (veth->flags & NSX_V_LINK_LOCAL);
}

/*
 * A whole packet, or the first fragment of one, to the host's address with index local: whose port is
 * it?
 */
static __always_inline int port_in(CTX *ctx, struct pkt *p, const struct nsx_conf *conf, int local,
				   struct xlat *x)
{
	struct nsx_slot *s = port_slot(p->row, p->dport);
	__u32 state;
	int v;

	if (!s)
		return NSX_PASS_HOST;
	state = slot_state(s);
	/*
	 * Its owner was interrupted. The host would answer with a RST, which is worse than to come
	 * again.
	 */
	if (NSX_KIND(state) == NSX_CLAIMED)
		return NSX_DROP_CHANGED;
	if (NSX_KIND(state) == NSX_MAP && !map_answers(ctx, s, &p->daddr))
		return slot_same(s, state) ? NSX_PASS_HOST : NSX_DROP_CHANGED;
	if (NSX_KIND(state) != NSX_MAP && NSX_KIND(state) != NSX_FLOW &&
	    NSX_KIND(state) != NSX_SHARED)
		return NSX_PASS_HOST;
	v = source_check(ctx, conf, p);
	if (v != NSX_CONTINUE)
		return v;
	if (NSX_KIND(state) == NSX_FLOW)
		return snat_in(ctx, p, conf, s, state, local, x);
	if (NSX_KIND(state) == NSX_SHARED)
		return snat_in_shared(p, local, x);
	if ((s->flags & NSX_F_HOST_RANGE) && host_expects(ctx, p, HOST_CONNECTED))
		return NSX_PASS_HOST;
	if (!(s->flags & NSX_F_SERVICE))
		return portmap_in(ctx, p, s, state, local, x);
	v = service_in(ctx, p, s, x);
	if (v == NSX_CONTINUE && is_to_the_dead(ctx, p, x))
		return NSX_DROP_LINK_DOWN;
	return v == NSX_CONTINUE && is_stateful(p, s, local) ? return_note(ctx, p, x, local, 0) : v;
}

/*
 * The source of an error: the address that was asked; for a namespace's own, one of an uplink if
 * there is any.
 */
static __always_inline const struct nsx_addr *answers_from(CTX *ctx, const struct pkt *p,
							   const struct xlat *x)
{
	int local;

	if (x->local != LOCAL_ROUTED || p->reassembled)
		return &p->daddr;
	local_recheck(ctx, NSX_V6);
	local = local_first(NSX_V6);
	return local < 0 ? &p->daddr : &nsx_learned.local[local & (NSX_LOCAL_MAX - 1)].addr;
}

/* A packet whose namespace is found goes there, or its sender is told why not. */
static __always_inline int forward_in(CTX *ctx, struct pkt *p, const struct nsx_conf *conf,
				      struct xlat *x, int *action)
{
	__u32 mtu;

	if (p->ttl <= 1)
		return answer_pkt(ctx, p, answers_from(ctx, p, x), ANSWER_TTL, action) == 0
			       ? NSX_ICMP_TIME_EXCEEDED
			       : NSX_DROP_TTL;
	mtu = mtu_exceeded(ctx, p, x);
	if (mtu && p->dont_fragment)
		return answer_pkt(ctx, p, answers_from(ctx, p, x), ANSWER_TOO_BIG(mtu), action) == 0
			       ? NSX_ICMP_FRAG_NEEDED
			       : NSX_DROP_TOO_BIG;
	set_cut(p, conf, x, mtu);
	return send_pkt(ctx, NSX_FROM_UPLINK, p, conf, x, action);
}

static __always_inline int from_uplink(CTX *ctx, struct pkt *p, struct xlat *x, int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	int local, v;

	v = parse_pkt(ctx, p);
	if (v != NSX_CONTINUE)
		return v == NSX_PASS_LINK ? v : NSX_PASS_HOST;
	if (p->family == NSX_V6 && conf->ipv6 == NSX_IPV6_OFF)
		return NSX_PASS_HOST;
	if (is_routed(p) && is_icmp(p) && p->icmp_type == ND_SOLICIT) {
		v = nd_answer(ctx, p, action);
		if (v != NSX_CONTINUE)
			return v;
	}
	/* A device that bridges or is listened to also sees frames for other machines. */
	if (ctx->pkt_type != PACKET_HOST && !p->reassembled)
		return NSX_PASS_HOST;

	local = local_index_of(&p->daddr, p->family);
	if (local < 0) {
		if (in_pool_of(conf, &p->daddr, p->family)) {
			v = pool_in(ctx, p, conf, x, action);
			goto decided;
		}
		local = local_learn(ctx, &p->daddr, ctx_ifindex(ctx), false);
		if (local < 0)
			return NSX_PASS_HOST;
	}
	local_recheck(ctx, local);
	if (!local_is_here(local) && !local_check(ctx, local))
		return NSX_PASS_HOST;
	if (p->fragment && p->family == NSX_V4 && !is_forwarded(p))
		return NSX_PASS_HOST;
	if (p->fragment == FRAGMENT_LATER) {
		v = later_in(ctx, p, x, action);
		if (v != NSX_CONTINUE)
			return v;
		goto found;
	}
	if (p->fragment && !p->reassembled && frag_is_deferred(ctx, p))
		return fragment_joins(ctx, p, action);
	if (p->proto >= NSX_PROTOS || (p->icmp_error && !addr_eq(&p->daddr, &p->dst)))
		return NSX_PASS_HOST;

	v = port_in(ctx, p, conf, local, x);
decided:
	if (v == NSX_DROP_LINK_DOWN)
		return answer_pkt(ctx, p, &p->daddr, ANSWER_UNREACHABLE, action) == 0
			       ? NSX_REJECT_LINK_DOWN
			       : v;
	if (v != NSX_CONTINUE)
		return v;
	if (is_link_local_of(&p->saddr, p->family) &&
	    (p->family == NSX_V6 || !admits_link_local(x->ifindex)))
		return NSX_DROP_LINK_LOCAL;
found:
	return forward_in(ctx, p, conf, x, action);
}

#endif
