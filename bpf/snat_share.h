/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows by shared ports. An endpoint that comes when ports are short gets no port of its own: each
 * of its flows gets one that others have too, with other remotes. What is unique then is the whole
 * outside tuple, which a flow claims in the outside index.
 */
#ifndef NSXDP_SNAT_SHARE_H
#define NSXDP_SNAT_SHARE_H

#include "defs.h"
#include "quota.h"
#include "outside.h"
#include "session_take.h"
#include "snat_port.h"

static __always_inline void outside_of(struct outside *o, const struct pkt *p, __be16 port)
{
	o->remote = p->dst;
	o->remote_port = p->dport;
	o->port = port;
	o->local = p->local;
	o->proto = p->proto;
	o->pad = 0;
}

/* How gladly the holder of an outside tuple gives it to a newer flow. */
static __always_inline __s32 tuple_evictable(const struct found *f, const struct nsx_conf *conf,
					     __u32 now)
{
	__s32 weight;

	if (nsx_flow_left(f->slot, conf, &nsx_learned, now) < 0)
		return PICK_FREE;
	weight = slot_evictable(f->slot, NSX_FLOW, conf, now);
	return has_rested(f->slot, weight, conf) ? weight : NEVER;
}

#define SHARE_FREE	(PICK_FREE - 1)	/* a port that is nobody's yet: others are shared first */
#define SHARE_LOOKS	16		/* that many others */

/*
 * How well a port serves a new flow as a shared one: PICK_FREE, SHARE_FREE, how gladly its holder
 * goes, or NEVER.
 */
__noinline int share_weight(const struct pkt *p, __u32 port, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct nsx_slot *s;
	struct outside o;
	struct found f;
	__u32 state;

	if (!p)
		return NEVER;
	s = port_slot(p->row, port);
	if (!s)
		return NEVER;
	state = slot_read(s);
	if (is_pinged(s, p->proto))
		return NEVER;
	if (port_free(s, NSX_KIND(state), conf, now))
		return SHARE_FREE;
	if (NSX_KIND(state) == NSX_FLOW) {
		__s32 weight = port_evictable(s, NSX_FLOW, p, conf, now);

		/* A closed connection with another remote is no hindrance. */
		return weight >= CLOSED_FIRST && !slot_is_to(s, &p->dst, p->dport) ? SHARE_FREE
										   : weight;
	}
	if (NSX_KIND(state) != NSX_SHARED)
		return NEVER;
	outside_of(&o, p, port);
	return outside_find(&o, &f) ? tuple_evictable(&f, conf, now) : PICK_FREE;
}

/* Make a port shared that is nobody's, or whose holder may go. Return: its state word, or 0. */
__noinline __u32 share_port(CTX *ctx, const struct pkt *p, __u32 port, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 state, kind, claim;
	struct nsx_slot *s;
	bool alive;

	if (!p)
		return 0;
	s = port_slot(p->row, port);
	if (!s)
		return 0;
	state = slot_read(s);
	kind = NSX_KIND(state);
	if (is_pinged(s, p->proto))
		return 0;
	if (kind == NSX_SHARED && nsx_further_left(s, now) >= 0)
		return host_came(ctx, p, conf, s, port) ? 0 : state;
	alive = !port_free(s, kind, conf, now);
	if ((alive && port_evictable(s, kind, p, conf, now) == NEVER) ||
	    host_has_port(ctx, p, port))
		return 0;
	claim = port_claim(s, state, now);
	if (!claim)
		return 0;
	if (alive)
		usage_gave_way(s);
	/* No address, but one of its family. */
	s->inside.d[0] = 0;
	s->inside.d[1] = 0;
	if (p->family == NSX_V4)
		addr_from_v4(&s->inside, 0);
	s->remote.d[0] = s->remote.d[1] = 0;
	s->inside_port = s->remote_port = 0;
	s->outside_port = port;
	s->proto = p->proto;
	s->local = 0;
	s->seen = now;
	s->tcp = 0;
	s->flags = NSX_F_XDP | (s->flags & NSX_F_HOST);
	s->ifindex = 0;
	s->until = now + nsx_ticks(conf, NSX_EVICT_IDLE);
	state = slot_publish(s, claim, NSX_SHARED);
	usage_port(p->row, NSX_SHARED, 1);
	return state;
}

/* End the flow that has the outside tuple in work.outside; false where it may not go. */
__noinline int share_clear(__u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_get();
	struct found f;
	__s32 weight;

	if (!w)
		return false;
	if (!outside_find(&w->outside, &f))
		return true;
	weight = tuple_evictable(&f, conf, now);
	if (weight == NEVER)
		return false;
	if (!session_free(&f))
		return false;
	if (weight != PICK_FREE)
		usage_gave_way(f.slot);
	return true;
}

/**
 * share_take() - make a flow by a shared port
 * @seek: what session_seek() said of the flow
 *
 * Return: NSX_CONTINUE; NSX_DROP_NO_PORT where this port will not do; or why no port will.
 */
__noinline int share_take(CTX *ctx, const struct pkt *p, __u32 port, __u64 seek)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s, *registry;
	struct work *w = work_get();
	__u32 now = now_tick(), state;
	int took;

	if (!p || !w)
		return NSX_DROP_ERROR;
	state = share_port(ctx, p, port, now);
	registry = port_slot(p->row, port);
	if (!state || !registry)
		return NSX_DROP_NO_PORT;
	outside_of(&w->outside, p, port);
	if (!share_clear(now))
		return NSX_DROP_NO_PORT;
	took = session_take(&w->flow, seek, now, &w->won);
	if (took != TAKE_WON)
		return took == TAKE_FULL ? NSX_DROP_TABLE_FULL : NSX_DROP_CHANGED;
	s = session_at(w->won.place);
	if (!s)
		return NSX_DROP_ERROR;
	/*
	 * The endpoint may have got a port of its own from another CPU meanwhile: see snat_open().
	 */
	if (has_own_port(ctx, p, now)) {
		session_undo(w->won.place, w->won.claim, NSX_FLOW);
		return NSX_DROP_CHANGED;
	}
	s->outside_port = port;
	s->local = p->local;
	s->tcp = NSX_T_SYN;
	s->ifindex = ctx_ifindex(ctx);
	mac_copy(s->mac, p->mac);
	if (!outside_claim(&w->outside, w->won.place)) {
		session_undo(w->won.place, w->won.claim, NSX_FLOW);
		return NSX_DROP_NO_PORT;
	}
	s->flags = NSX_F_SHARED | (slot_flags(p) & NSX_F_XDP);
	flow_keep_port(registry, s, conf, now, now);
	if (!slot_same(registry, state)) {
		session_undo(w->won.place, w->won.claim, NSX_FLOW);
		return NSX_DROP_NO_PORT;
	}
	slot_publish(s, w->won.claim, NSX_FLOW);
	usage_flow(p->proto, ctx_ifindex(ctx), 1);
	w->number = QUOTA_SESSION + w->won.place;
	w->local = p->local;
	return NSX_CONTINUE;
}

/*
 * Where an endpoint's search for a port begins: it looks at the same ones in the same order each
 * time, so it mostly gets the same one for all its remotes.
 */
static __always_inline __u64 share_start(const struct pkt *p, const struct nsx_conf *conf)
{
	return (conf->hash_seed ^ p->src.d[1] ^ p->sport) * 0x9e3779b97f4a7c15ULL;
}

static long share_look(__u64 i, struct share_search *q)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct work *w = work_get();
	__u32 port;
	__s32 weight;

	if (!w)
		return 1;
	port = port_number(conf, w->p.proto, q->at >> 48);
	/*
	 * A walk without a pattern (Knuth's MMIX): shared ports lie in clusters, which equal steps
	 * would miss together.
	 */
	q->at = q->at * 6364136223846793005ULL + 1442695040888963407ULL;
	if (!q->looks++ && port_allowed(conf, w->p.proto, bpf_ntohs(w->p.sport)))
		port = w->p.sport;
	weight = share_weight(&w->p, port, q->now);
	if (weight > q->weight) {
		q->port = port;
		q->weight = weight;
	}
	return q->weight >= PICK_FREE || (i >= SHARE_LOOKS && q->weight == SHARE_FREE);
}

/**
 * share_find() - find a shared port for the flow of a packet, which is in work.p
 * @q: goes on where it was: a port that could not be had is not found again
 *
 * A shared port whose outside tuple with this remote is free; else one that is nobody's; else the
 * one whose holder was closed longest ago, else that of the longest unanswered.
 * Return: it, as a number; NO_PORT where there is none. Somebody else may get it first.
 */
__noinline int share_find(struct share_search *q)
{
	struct share_search here = { .now = now_tick(), .weight = NEVER };

	if (!q)
		return NO_PORT;
	here.at = q->at;
	here.looks = q->looks;
	bpf_loop(NSX_SHARED_TRIES, share_look, &here, 0);
	q->at = here.at;
	q->looks = here.looks;
	return here.weight == NEVER ? NO_PORT : bpf_ntohs(here.port);
}

#define SHARE_TRIES 4		/* while others are faster, or the host has the port */

static __always_inline int share_new(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf,
				     __u64 seek, __be16 *port)
{
	struct work *w = work_get();
	int v = NSX_DROP_NO_PORT, found;

	if (!w)
		return NSX_DROP_ERROR;
	w->search.at = share_start(p, conf);
	w->search.looks = 0;
	for (int i = 0; i < SHARE_TRIES && v == NSX_DROP_NO_PORT; i++) {
		found = share_find(&w->search);
		if (found == NO_PORT)
			break;
		*port = bpf_htons(found);
		v = share_take(ctx, p, *port, seek);
	}
	return v;
}

#endif
