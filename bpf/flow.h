/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Life of the entries of the port registry and of the session table.
 *
 * Both tables are plain arrays of struct nsx_slot, and the same rules hold for every slot:
 *
 *   FREE --claim--> CLAIMED --publish--> FLOW, ALIAS, RETURN --(dead)--claim--> CLAIMED --> ...
 *
 * A slot is won by one compare-and-exchange of its state word, so two CPUs never get the same outside
 * port. Nothing is ever removed on a schedule: an entry that has been idle for longer than its timeout
 * is dead, look-ups do not see it, and whoever next wants its place claims it. The winner writes all
 * fields and then publishes the new state, with a raised sequence number; a reader that finds the
 * state word unchanged after copying what it needs has a consistent copy (slot_same).
 *
 * The fuller the tables are, the shorter is the time of flows that were never answered (fill.h).
 * Where there is no room even so, a closed connection gives way, else the longest idle flow that is not assured yet (as
 * netfilter's early drop does): a burst of flows that never come to anything cannot push out one that is in use.
 * A session may be in either of two buckets, so that one that happens to be full refuses nobody.
 *
 * Mappings are endpoint-independent, filtering is address-and-port-dependent (RFC 4787, sections 4.1
 * and 5): an inside endpoint has one outside port, whose registry slot keeps the first remote inline;
 * further remotes of the same endpoint are FLOW entries of the session table, and an ALIAS entry
 * leads from an endpoint to its outside port where that is not the endpoint's own number.
 *
 * TCP is followed only as far as the timeouts need: opened (no answer yet), two-way, closed by both
 * sides, reset. A reset shortens the timeout but does not end the flow: data from inside revives it,
 * so that a forged RST costs nothing (RFC 5382, REQ-10; RFC 7857, section 2).
 */
#ifndef NSXDP_FLOW_H
#define NSXDP_FLOW_H

#include "defs.h"
#include "maps.h"
#include "parse.h"
#include "slot.h"

static __always_inline bool flow_alive(const struct nsx_slot *s, const struct nsx_conf *conf, __u32 now)
{
	return nsx_flow_left(s, conf, now) >= 0;
}

/*
 * Note a packet of a flow: last use, direction, TCP flags. Writes only what changes, so that an established flow dirties
 * its cache line once per tick.
 */
static __always_inline void flow_note(struct nsx_slot *s, const struct pkt *p, __u32 now, bool inbound, bool assured)
{
	__u8 tcp = s->tcp, next = tcp;

	if (inbound)
		next |= NSX_T_IN;
	if (assured)
		next |= NSX_T_ASSURED;
	if (p->proto == NSX_TCP) {
		if (p->tcp_flags & TCP_RST)
			next = (next | NSX_T_RST) & ~NSX_T_ASSURED;
		else if (!inbound && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && nsx_tcp_closed(tcp))
			next = NSX_T_SYN;	/* the tuple is used again */
		else if (p->tcp_flags & TCP_FIN)
			next |= inbound ? NSX_T_FIN_IN : NSX_T_FIN_OUT;
		else if (!inbound)
			next &= ~NSX_T_RST;
		/* Nothing from outside prolongs a flow that was reset. */
		if (inbound && (tcp & NSX_T_RST))
			return;
	}
	if (next != tcp)
		s->tcp = next;
	if (s->seen != now)
		s->seen = now;
}

/**
 * flow_touch() - note a packet of a masqueraded flow
 *
 * It has come to something once a TCP segment has acknowledged what the other side sent, in either direction; or once
 * the namespace has answered an answer.
 */
static __always_inline void flow_touch(struct nsx_slot *s, const struct pkt *p, __u32 now, bool inbound)
{
	bool assured;

	if (p->proto != NSX_TCP)
		assured = !inbound && (s->tcp & NSX_T_IN);
	else if (inbound)
		assured = (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK;
	else
		assured = (s->tcp & NSX_T_IN) && (p->tcp_flags & TCP_ACK);
	flow_note(s, p, now, inbound, assured);
}

/* A packet of a further remote: the endpoint needs its outside port as long as that flow lives. */
static __always_inline void flow_keep_port(struct nsx_slot *port, const struct nsx_slot *further,
					   const struct nsx_conf *conf, __u32 now)
{
	__u32 until = now + nsx_flow_time(further, conf), was = port->until;

	if (!(port->flags & NSX_F_MANY)) {
		port->until = until;
		slot_flag(port, NSX_F_MANY);
	}
	/* Two CPUs that raise it at once leave the later of the two. */
	for (int i = 0; i < 4 && (__s32)(until - was) > 0; i++) {
		__u32 seen = __sync_val_compare_and_swap(&port->until, was, until);

		if (seen == was)
			break;
		was = seen;
	}
	if (port->seen != now)
		port->seen = now;
}

/* Into the namespace, to the inside endpoint that a slot of the registry holds. */
static __always_inline void xlat_inside(struct xlat *x, const struct nsx_slot *s, enum nsx_verdict verdict)
{
	x->addr = s->inside;
	x->port = s->inside_port;
	x->ifindex = s->ifindex;
	mac_copy(x->mac, s->mac);
	x->side = SIDE_DST;
	x->to_ns = 1;
	x->verdict = verdict;
}

/* An alias lives as long as its endpoint holds the outside port. */
static __always_inline bool alias_alive(const struct nsx_slot *s, const struct nsx_conf *conf, __u32 now)
{
	const struct nsx_slot *port = port_slot(s->proto & 3, s->outside_port);

	return port && NSX_KIND(READ_ONCE(port->state)) == NSX_FLOW && port->inside_port == s->inside_port &&
	       addr_eq(&port->inside, &s->inside) && flow_alive(port, conf, now);
}

/* Sessions are found and claimed by functions that the verifier looks at once; they return a place, or this. */
static __always_inline struct nsx_slot *session_at(int place)
{
	__u32 index = (__u32)place / NSX_WAYS;
	struct nsx_bucket *b = place < 0 ? NULL : bpf_map_lookup_elem(&nsx_sessions, &index);

	return b ? &b->way[place % NSX_WAYS] : NULL;
}

__noinline int session_seek(const struct nsx_session_key *k)
{
	const struct nsx_conf *conf = conf_get();
	__u64 hash;

	if (!k || !conf)
		return NO_PLACE;
	hash = nsx_session_hash(conf, k);
	for (int choice = 0; choice < NSX_CHOICES; choice++) {
		__u32 index = nsx_session_bucket(hash, choice);
		struct nsx_bucket *b = bpf_map_lookup_elem(&nsx_sessions, &index);

		if (!b)
			return NO_PLACE;
		for (int i = 0; i < NSX_WAYS; i++)
			if (nsx_session_is(&b->way[i], k))
				return index * NSX_WAYS + i;
	}
	return NO_PLACE;
}

/**
 * session_find() - the entry with this identity
 *
 * Return: NULL where there is none; the entry may be dead, which is for the caller to ask.
 */
static __always_inline struct nsx_slot *session_find(const struct nsx_session_key *k)
{
	return session_at(session_seek(k));
}

/* A new flow may have this slot: it is nobody's, or its flow or alias is dead. */
static __always_inline bool slot_free(const struct nsx_slot *s, __u32 kind, const struct nsx_conf *conf, __u32 now)
{
	if (kind == NSX_ALIAS)
		return !alias_alive(s, conf, now);
	if (kind == NSX_FLOW || kind == NSX_RETURN)
		return !flow_alive(s, conf, now);
	return kind == NSX_FREE;
}

#define CLOSED_FIRST 0x40000000	/* added to the idle ticks of a closed connection */

/* How gladly a flow is evicted: its idle ticks, closed connections before all others; -1 where it is not. */
static __always_inline __s32 slot_evictable(const struct nsx_slot *s, __u32 kind, __u32 now)
{
	bool closed = s->proto == NSX_TCP && nsx_tcp_closed(s->tcp);
	__u32 idle = nsx_idle(now, s->seen);

	if ((kind != NSX_FLOW && kind != NSX_RETURN) || ((s->tcp & NSX_T_ASSURED) && !closed) ||
	    nsx_further_left(s, now) >= 0)
		return -1;
	if (idle >= CLOSED_FIRST)
		idle = CLOSED_FIRST - 1;
	return closed ? idle + CLOSED_FIRST : idle;
}

#define PICK_FREE 0x7fffffff

/* The place of the session table that a new entry takes. */
struct session_pick {
	int place;
	__u32 state;	/* the state word that it was judged by */
	__s32 weight;	/* slot_evictable(), or PICK_FREE */
};

/* Look for a better one in a bucket. */
__noinline int session_pick(__u32 index, __u32 now, struct session_pick *pick)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_bucket *b = bpf_map_lookup_elem(&nsx_sessions, &index);

	if (!b || !pick || !conf)
		return 0;
	for (__u32 i = 0; i < NSX_WAYS && pick->weight < PICK_FREE; i++) {
		struct nsx_slot *s = &b->way[i];
		__u32 state = READ_ONCE(s->state), kind = NSX_KIND(state);
		__s32 weight = slot_free(s, kind, conf, now) ? PICK_FREE : slot_evictable(s, kind, now);

		if (weight <= pick->weight)
			continue;
		pick->place = index * NSX_WAYS + i;
		pick->state = state;
		pick->weight = weight;
	}
	return 0;
}

/**
 * session_take() - a place for a new entry: a free one in one of its buckets, else that of the longest idle that may go
 *
 * The place is claimed with the identity filled in; the caller fills the rest and publishes it. Another
 * CPU may win the same place: then there is another try.
 * Return: the place, NO_PLACE where the buckets are full of assured flows.
 */
__noinline int session_take(const struct nsx_session_key *k, __u32 now)
{
	const struct nsx_conf *conf = conf_get();
	__u64 hash;

	if (!k || !conf)
		return NO_PLACE;
	hash = nsx_session_hash(conf, k);
	for (int tries = 0; tries < 4; tries++) {
		struct session_pick pick = { .place = NO_PLACE, .weight = -1 };
		struct nsx_slot *s;

		session_pick(nsx_session_bucket(hash, 0), now, &pick);
		session_pick(nsx_session_bucket(hash, 1), now, &pick);
		s = session_at(pick.place);
		if (!s)
			return NO_PLACE;
		if (!slot_claim(s, pick.state))
			continue;
		s->inside = k->inside;
		s->remote = k->remote;
		s->inside_port = k->inside_port;
		s->remote_port = k->remote_port;
		s->proto = k->proto;
		s->seen = now;
		s->tcp = 0;
		s->flags = 0;
		s->ack = 0;
		return pick.place;
	}
	return NO_PLACE;
}

#endif
