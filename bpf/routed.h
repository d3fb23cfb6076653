/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv6 without translation (--ipv6 routed): namespaces have addresses that are routed to this host.
 *
 * They are closed. A namespace reaches what it likes, and what it has sent to may answer; from
 * outside, and from other namespaces, its published ports are reached at its own address and inside
 * port. Each flow is an entry of kind NSX_RETURN with NSX_F_ROUTED in the session table: its
 * identity is the inside endpoint and the remote, so one look-up serves a packet in either
 * direction. Ports are published at the host's address as well; those connections are remembered in
 * the same table.
 *
 * Entries are made and taken over as all of the table are (session_take.h), by any CPUs at once: of
 * two with one identity one wins; the other one's packet is dropped as NSX_DROP_CHANGED and sent
 * again.
 */
#ifndef NSXDP_ROUTED_H
#define NSXDP_ROUTED_H

#include "defs.h"
#include "egress.h"
#include "flow.h"
#include "hop.h"
#include "link_down.h"
#include "portmap.h"
#include "service.h"
#include "snat_new.h"
#include "source.h"

/* Note a packet of a flow, which may have been opened from either side. */
static __always_inline void routed_note(CTX *ctx, struct nsx_slot *s, const struct pkt *p,
					bool outbound)
{
	__u32 now = now_tick();

	if (p->icmp_error)
		return;
	if (nsx_from_inside(s))
		flow_touch(s, p, now, !outbound);
	else if (outbound)
		return_answered(ctx, s, p);
	else
		flow_note(s, p, now, false, return_assured(ctx, p, s));
}

/*
 * The live entry of a flow. A namespace whose filtering lets others in besides those that it has
 * sent to (RFC 4787, 5) has one for all remotes of an endpoint, or for all ports of a remote; what
 * was opened from outside is never that.
 * @flags: NSX_V_* of the namespace
 * @k: set: the identity that a flow from inside has
 */
static __always_inline bool routed_find(const struct pkt *p, struct nsx_session_key *k, __u32 flags,
					struct found *f)
{
	if (session_find(k, f) && flow_alive(f->slot, &nsx_conf, now_tick()))
		return true;
	if (p->proto != NSX_UDP || !(flags & (NSX_V_ANY_REMOTE | NSX_V_ANY_PORT)))
		return false;
	k->remote_port = 0;
	if (flags & NSX_V_ANY_REMOTE)
		k->remote.d[0] = k->remote.d[1] = 0;
	return session_find(k, f) && flow_alive(f->slot, &nsx_conf, now_tick());
}

#define ROUTED_NOWHERE	0
#define ROUTED_ITSELF	(-1)

/*
 * The uplink that the route to a destination leads by, or ROUTED_*. Where the kernel does not tell,
 * because the device that is asked from does not forward, it is the first one, and the kernel looks
 * the route up when it sends the packet.
 */
__noinline int routed_uplink(CTX *ctx, const struct nsx_addr *dst)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct bpf_fib_lookup fib = {};
	const struct hop *h;
	int err;

	if (!dst)
		return ROUTED_NOWHERE;
	h = hop_of(dst, LOCAL_ROUTED);
	if (h && hop_is_fresh(h, dst, LOCAL_ROUTED))
		return h->ifindex;
	fib_to(&fib, dst);
	fib_from(&fib, &conf->pool[NSX_V6]);
	fib.ifindex = conf->asker;
	err = fib_route(ctx, &fib, 0);
	if (err == BPF_FIB_LKUP_RET_SUCCESS)
		return is_uplink(conf, fib.ifindex) ? (int)fib.ifindex : ROUTED_NOWHERE;
	if (err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return conf->uplinks[0];
	if (err == BPF_FIB_LKUP_RET_NOT_FWDED &&
	    local_learn(ctx, dst, conf->uplinks[0], false) >= 0)
		return ROUTED_ITSELF;
	return ROUTED_NOWHERE;
}

/* The packet stays as it is: it is "translated" to what it has. */
static __always_inline void routed_leaves(const struct pkt *p, __u32 uplink, struct xlat *x)
{
	x->addr = p->src;
	x->port = p->sport;
	x->side = SIDE_SRC;
	x->local = LOCAL_ROUTED;
	x->ifindex = uplink;
	x->verdict = NSX_ROUTED_OUT;
}

/* Of the entry that is to be made, work.key being set: what return_make() wants besides. */
static __always_inline void routed_back(struct work *w, __u32 client, __u32 flags,
					__be16 outside_port)
{
	w->back.client = client;
	w->back.local = LOCAL_ROUTED;
	w->back.outside_port = outside_port;
	w->back.flags = NSX_F_ROUTED | flags;
}

/**
 * routed_out() - a packet of a namespace to the outside, whose source has been checked
 * @uplink: that its route leads by, or ROUTED_NOWHERE
 *
 * Return: NSX_CONTINUE with x filled, NSX_UNKNOWN where return_make() is to be called besides, or
 * the verdict.
 */
__noinline int routed_out(CTX *ctx, const struct pkt *p, struct xlat *x, int uplink)
{
	struct work *w = work_get();
	bool known, answers;
	struct found f;

	if (!p || !x || !w)
		return NSX_DROP_ERROR;
	return_key(&w->key, p, &p->src, p->sport, &p->dst, p->dport);
	known = routed_find(p, &w->key, p->veth_flags, &f);
	answers = known && !nsx_from_inside(f.slot);
	/* What is answered over TCP may be anywhere, as in egress_refuses(). */
	if (answers ? egress_refuses(ctx, p) : egress_denies(ctx, &p->daddr))
		return NSX_DROP_EGRESS_DENIED;
	if (known && !(f.slot->flags & NSX_F_ROUTED))
		return return_out(ctx, p, &f, x);
	/*
	 * TCP only by a SYN: what a namespace sends of a connection that was ended here must not
	 * open it again from inside.
	 */
	if (!known && (!may_open(p) || (p->proto == NSX_TCP && !SYN_ALONE(p))))
		return NSX_DROP_NO_FLOW;
	if (uplink == ROUTED_NOWHERE)
		return NSX_DROP_NO_UPLINK;
	routed_leaves(p, uplink, x);
	if (!known) {
		routed_back(w, ctx_ifindex(ctx), 0, 0);
		return NSX_UNKNOWN;
	}
	routed_note(ctx, f.slot, p, true);
	return slot_same(f.slot, f.state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

/**
 * service_place() - the place that an endpoint has in a service, as in its tables
 * @inside_port, @outside_port: host byte order
 * @running: it is about a connection that runs: those of targets that drain go on
 *
 * Return: below NSX_TARGETS, a target that takes new connections; NSX_TARGETS, one that drains; else
 * NSX_NO_TARGET. Targets that are reached at one address each are none of them.
 */
__noinline int service_place(__u32 index, __u32 ifindex, __u32 inside_port, __u32 outside_port,
			     int running)
{
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);
	__u32 first;

	if (!svc || (svc->flags & NSX_S_BY_ADDRESS))
		return NSX_NO_TARGET;
	first = inside_port - (outside_port - svc->first);
	for (__u32 i = 0; i < NSX_TARGETS && i < svc->count; i++)
		if (svc->target[i].ifindex == ifindex && svc->target[i].weight &&
		    bpf_ntohs(svc->target[i].port) == first)
			return i;
	if (!running || !(svc->flags & NSX_S_DRAINING) ||
	    (__s32)(svc->drain_deadline - now_tick()) <= 0)
		return NSX_NO_TARGET;
	for (__u32 i = 0; i < NSX_TARGETS && i < svc->was_count; i++)
		if (svc->was[i].ifindex == ifindex && bpf_ntohs(svc->was[i].port) == first)
			return NSX_TARGETS;
	return NSX_NO_TARGET;
}

/*
 * Does an outside port lead to this endpoint, for all of the host's addresses, and does it admit the
 * packet? running: as service_place() says. Return: NSX_CONTINUE, NSX_DROP_POOL where it does not
 * lead there, or the verdict.
 */
static __always_inline int port_admits(CTX *ctx, const struct pkt *p, __u32 ifindex, __be16 port,
				       bool running)
{
	const struct nsx_slot *s = port_slot(p->row, port);
	__u32 state, counter, place;
	int v;

	if (!port || !s)
		return NSX_DROP_POOL;
	state = slot_state(s);
	if (NSX_KIND(state) != NSX_MAP || s->at)
		return NSX_DROP_POOL;
	counter = s->counter;
	if (s->flags & NSX_F_SERVICE) {
		place = service_place(s->service, ifindex, bpf_ntohs(p->dport), bpf_ntohs(port),
				      running);
		if (place == NSX_NO_TARGET)
			return NSX_DROP_POOL;
		counter = place < NSX_TARGETS ? s->service * NSX_TARGETS + place : 0;
		v = service_admits(s->service, p);
		if (v != NSX_CONTINUE)
			return v == NSX_PASS_HOST ? NSX_DROP_POOL : v;
	} else if (s->ifindex != ifindex || s->inside_port != p->dport) {
		return NSX_DROP_POOL;
	}
	if (!slot_same(s, state))
		return NSX_DROP_CHANGED;
	count_target(counter, ctx_len(ctx));
	return NSX_CONTINUE;
}

/*
 * Of a flow that is known. What was opened from outside keeps to the conditions of the port that it
 * came by, and ends with it.
 */
static __always_inline int routed_goes_on(CTX *ctx, const struct pkt *p, const struct xlat *x,
					  struct found *f)
{
	int v = NSX_CONTINUE;

	if (!nsx_from_inside(f->slot) && !p->icmp_error)
		v = port_admits(ctx, p, x->ifindex, f->slot->outside_port,
				p->proto == NSX_TCP && !SYN_ALONE(p));
	if (v != NSX_CONTINUE)
		return v;
	routed_note(ctx, f->slot, p, false);
	return slot_same(f->slot, f->state) ? NSX_CONTINUE : NSX_DROP_CHANGED;
}

/* A flow that is not known yet. Return: as routed_in(). */
static __always_inline int routed_open(CTX *ctx, const struct pkt *p, const struct xlat *x,
				       struct work *w, __u32 client)
{
	__be16 outside_port;
	int v;

	if (p->icmp_error || p->proto >= NSX_ICMP)
		return NSX_DROP_POOL;
	outside_port = reverse_port(x->ifindex, p->dport, p->row);
	v = port_admits(ctx, p, x->ifindex, outside_port, false);
	if (v != NSX_CONTINUE)
		return v;
	if (p->proto == NSX_TCP && !SYN_ALONE(p))
		return NSX_DROP_NO_FLOW;
	if (is_to_the_dead(ctx, p, x))
		return NSX_DROP_LINK_DOWN;
	return_key(&w->key, p, &p->dst, p->dport, &p->src, p->sport);
	routed_back(w, client, client ? NSX_F_HAIRPIN : 0, outside_port);
	return NSX_UNKNOWN;
}

/**
 * routed_in() - a packet to a namespace's own address
 * @client: host-side veth of the namespace that it is from, whose source has been checked; 0: it is
 *	from outside
 *
 * Return: as routed_out().
 */
__noinline int routed_in(CTX *ctx, const struct pkt *p, __u32 client, struct xlat *x)
{
	const struct nsx_veth *veth;
	struct work *w = work_get();
	struct nsx_addr to;
	struct found f;
	__u32 *ifindex;

	if (!p || !x || !w)
		return NSX_DROP_ERROR;
	to = p->daddr;
	ifindex = bpf_map_lookup_elem(&nsx_inside, &to);
	veth = ifindex ? bpf_map_lookup_elem(&nsx_veths, ifindex) : NULL;
	if (!veth || (p->icmp_error && !addr_eq(&p->daddr, &p->dst)) || p->proto >= NSX_PROTOS)
		return NSX_DROP_POOL;
	x->addr = p->dst;
	x->port = p->dport;
	x->side = SIDE_DST;
	x->to_ns = 1;
	x->ifindex = *ifindex;
	mac_copy(x->mac, veth->mac);
	x->local = LOCAL_ROUTED;
	x->verdict = client ? NSX_HAIRPIN : NSX_ROUTED_IN;
	return_key(&w->key, p, &p->dst, p->dport, &p->src, p->sport);
	if (routed_find(p, &w->key, veth->flags, &f)) {
		if (f.slot->flags & NSX_F_ROUTED)
			return routed_goes_on(ctx, p, x, &f);
		/* By the host's address: its way back would become this one's. */
		if (p->proto == NSX_TCP && (f.slot->tcp & NSX_T_ASSURED) &&
		    !nsx_tcp_closed(f.slot->tcp))
			return NSX_DROP_CLASH;
	}
	return routed_open(ctx, p, x, w, client);
}

#endif
