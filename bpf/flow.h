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
 * Where there is no room, the longest idle flow that is not assured yet gives way (as netfilter's early
 * drop does): a burst of flows that never come to anything cannot push out one that is in use.
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

static __always_inline __u32 now_tick(void)
{
	return bpf_jiffies64() >> NSX_TICK_SHIFT;
}

static __always_inline bool flow_alive(const struct nsx_slot *s, const struct nsx_conf *conf, __u32 now)
{
	return nsx_flow_left(s, conf, now) >= 0;
}

/* The slot still has the owner that state was read from: what was copied since is consistent. */
static __always_inline bool slot_same(const struct nsx_slot *s, __u32 state)
{
	barrier();
	return READ_ONCE(s->state) == state;
}

/* Take a slot whose state word was read as state. One caller wins. */
static __always_inline bool slot_claim(struct nsx_slot *s, __u32 state)
{
	return __sync_val_compare_and_swap(&s->state, state,
					   ((state & ~0xffU) + NSX_SEQ_ONE) | NSX_CLAIMED) == state;
}

/* Let look-ups see a claimed slot. */
static __always_inline void slot_publish(struct nsx_slot *s, enum nsx_kind kind)
{
	__sync_lock_test_and_set(&s->state, (s->state & ~0xffU) | kind);
}

/**
 * flow_touch() - note a packet of a flow: last use, direction, TCP flags
 *
 * Writes only what changes, so that an established flow dirties its cache line once per tick.
 */
static __always_inline void flow_touch(struct nsx_slot *s, const struct pkt *p, __u32 now, bool inbound)
{
	__u8 tcp = s->tcp, next = tcp;

	if (inbound)
		next |= NSX_T_IN;
	else if (tcp & NSX_T_IN)
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

static __always_inline struct nsx_bucket *session_bucket(const struct nsx_conf *conf,
							     const struct nsx_session_key *k)
{
	__u32 index = nsx_session_bucket(conf, k);

	return bpf_map_lookup_elem(&nsx_sessions, &index);
}

/* An alias lives as long as its endpoint holds the outside port. */
static __always_inline bool alias_alive(const struct nsx_slot *s)
{
	const struct nsx_slot *port = port_slot(s->proto & 3, s->outside_port);

	return port && NSX_KIND(READ_ONCE(port->state)) == NSX_FLOW && port->inside_port == s->inside_port &&
	       addr_eq(&port->inside, &s->inside);
}

/**
 * session_find() - the entry with this identity
 *
 * Return: NULL where there is none; the entry may be dead, which is for the caller to ask.
 */
static __noinline struct nsx_slot *session_find(const struct nsx_session_key *k)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_bucket *b;

	if (!k || !conf)
		return NULL;
	b = session_bucket(conf, k);
	if (!b)
		return NULL;
	for (int i = 0; i < NSX_WAYS; i++)
		if (nsx_session_is(&b->way[i], k))
			return &b->way[i];
	return NULL;
}

/* A new flow may have this slot: it is nobody's, or its flow or alias is dead. */
static __always_inline bool slot_free(const struct nsx_slot *s, __u32 kind, const struct nsx_conf *conf, __u32 now)
{
	if (kind == NSX_ALIAS)
		return !alias_alive(s);
	if (kind == NSX_FLOW || kind == NSX_RETURN)
		return !flow_alive(s, conf, now);
	return kind == NSX_FREE;
}

/* Idle ticks of a flow that may be evicted, else -1. */
static __always_inline __s32 slot_evictable(const struct nsx_slot *s, __u32 kind, __u32 now)
{
	if ((kind != NSX_FLOW && kind != NSX_RETURN) || (s->tcp & NSX_T_ASSURED) || (s->flags & NSX_F_MANY))
		return -1;
	return (__s32)(now - s->seen);
}

/* The way of a bucket that a new entry takes: a free one, else the longest idle that may go, else NSX_WAYS. */
static __always_inline __u32 session_pick(struct nsx_bucket *b, const struct nsx_conf *conf, __u32 now, __u32 *state)
{
	__u32 pick = NSX_WAYS;
	__s32 longest = -1;

	for (__u32 i = 0; i < NSX_WAYS; i++) {
		struct nsx_slot *s = &b->way[i];
		__u32 seen_state = READ_ONCE(s->state), kind = NSX_KIND(seen_state);
		__s32 idle;

		if (slot_free(s, kind, conf, now)) {
			*state = seen_state;
			return i;
		}
		idle = slot_evictable(s, kind, now);
		if (idle > longest) {
			longest = idle;
			*state = seen_state;
			pick = i;
		}
	}
	return pick;
}

/**
 * session_claim() - a place for a new entry
 *
 * The place is claimed with the identity filled in; the caller fills the rest and publishes it. Another
 * CPU may win the same way of the bucket: then there is another try.
 * Return: NULL where the bucket is full of assured flows.
 */
static __noinline struct nsx_slot *session_claim(const struct nsx_session_key *k, __u32 now)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_bucket *b;

	if (!k || !conf)
		return NULL;
	b = session_bucket(conf, k);
	if (!b)
		return NULL;
	for (int tries = 0; tries < 4; tries++) {
		__u32 state = 0, pick = session_pick(b, conf, now, &state);
		struct nsx_slot *s = &b->way[pick & (NSX_WAYS - 1)];

		if (pick >= NSX_WAYS)
			return NULL;
		if (!slot_claim(s, state))
			continue;
		s->inside = k->inside;
		s->remote = k->remote;
		s->inside_port = k->inside_port;
		s->remote_port = k->remote_port;
		s->proto = k->proto;
		s->seen = now;
		s->tcp = 0;
		s->flags = 0;
		return s;
	}
	return NULL;
}

#endif
