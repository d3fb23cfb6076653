/* SPDX-License-Identifier: GPL-2.0-only */
/* How a slot of the port registry changes hands. */
#ifndef NSXDP_PORT_H
#define NSXDP_PORT_H

#include "defs.h"
#include "maps.h"
#include "slot.h"
#include "usage.h"

/*
 * An echo identifier that the host pings with: its answers are the host's, and endpoints get
 * others.
 */
static __always_inline bool is_pinged(const struct nsx_slot *s, __u8 proto)
{
	return proto == NSX_ICMP && (s->flags & NSX_F_HOST);
}

/* Nobody holds the port, and no socket of the host's is about to be where it is. */
static __always_inline bool port_free(const struct nsx_slot *s, __u32 kind,
				      const struct nsx_conf *conf, __u32 now)
{
	if (kind == NSX_HOST)
		return nsx_idle(now, s->seen) > (s->proto == NSX_ICMP
							 ? conf->timeout[NSX_TO_ICMP]
							 : nsx_ticks(conf, NSX_HOST_SECONDS));
	return kind == NSX_FREE ||
	       ((kind == NSX_FLOW || kind == NSX_SHARED) &&
		nsx_port_left(s, conf, &nsx_learned, now) < 0);
}

/*
 * A flow of the session table, last seen at a tick, needs its outside port for as long as it lives:
 * .until says how long, and is raised by an eighth more than that, so it is written now and then
 * and not with every packet. It never goes down, for nobody knows of all the flows. Where the
 * sweeper runs it is a lease, which the sweeper renews for flows that are alive, by what is left of
 * their time, so a port whose flows have ended is given back soon. Where it does not, it is the
 * flow's whole time. Two CPUs that raise it at once leave the later of the two.
 */
static __always_inline void flow_keep_port(struct nsx_slot *port, const struct nsx_slot *flow,
					   const struct nsx_conf *conf, __u32 seen, __u32 now)
{
	__u32 was = READ_ONCE(port->until), time, idle, until;

	/* It is held for as long as a lease lasts already. */
	if (conf->lease && (__s32)(was - now - conf->lease) >= 0 &&
	    (NSX_KIND(port->state) != NSX_FLOW || (port->flags & NSX_F_MANY)))
		return;
	time = nsx_flow_time(flow, conf, &nsx_learned);
	idle = nsx_idle(now, seen);
	time = time > idle ? time - idle : 0;
	if (conf->lease && time > conf->lease)
		time = conf->lease;
	until = now + time;
	if (NSX_KIND(port->state) == NSX_FLOW && !(port->flags & NSX_F_MANY))
		slot_flag(port, NSX_F_MANY);
	if ((__s32)(until - was) <= 0)
		return;
	until += time / 8;
	for (int i = 0; i < 4 && (__s32)(until - was) > 0; i++) {
		__u32 found = __sync_val_compare_and_swap(&port->until, was, until);

		if (found == was)
			break;
		was = found;
	}
	/* .until counts from .seen: one that is long ago must stay so when the clock goes round. */
	if (nsx_idle(now, port->seen) > 0x40000000U)
		port->seen = now - 0x20000000U;
}

/* The outside port of a flow of the session table is still what it was when the flow was made. */
static __always_inline bool port_serves(const struct nsx_slot *port, __u32 state,
					const struct nsx_slot *flow)
{
	if (is_pinged(port, flow->proto))
		return false;
	if (flow->flags & NSX_F_SHARED)
		return NSX_KIND(state) == NSX_SHARED;
	return NSX_KIND(state) == NSX_FLOW && port->inside_port == flow->inside_port &&
	       port->local == flow->local && addr_eq(&port->inside, &flow->inside);
}

/* Count the owner of a registry's slot out. */
static __always_inline void port_end(const struct nsx_slot *s, __u32 kind)
{
	if (kind == NSX_FLOW)
		usage_flow(s->proto, s->ifindex, -1);
	usage_port(nsx_slot_row(s), kind, -1);
}

/**
 * port_claim() - win a slot of the registry that was judged free, or evictable
 * @state: the word that it was judged by
 *
 * Somebody may have made a flow by the port since: it has raised .until before it looked whether
 * the slot still is what it was, and that is asked here after the claim. So one of the two sees the
 * other.
 * Return: as slot_claim()
 */
static __always_inline __u32 port_claim(struct nsx_slot *s, __u32 state, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 kind = NSX_KIND(state), idle, span, claim = conf ? slot_claim(s, state) : 0;
	bool needed;

	if (!claim)
		return 0;
	idle = nsx_idle(now, s->seen);
	span = s->until - s->seen;
	/* Of an address that the host has lost nothing is needed. */
	needed = kind == NSX_SHARED ||
		 (kind == NSX_FLOW && (s->flags & NSX_F_MANY) &&
		  nsx_local_serves(s, &nsx_learned, now));
	if (needed && (__s32)span >= 0 && idle <= span) {
		slot_publish(s, claim, kind);
		return 0;
	}
	port_end(s, kind);
	/*
	 * The mark of the host's sockets stays, whoever has the port; of others' flags nothing
	 * does. Pings end.
	 */
	s->flags = kind == NSX_MAP || s->proto == NSX_ICMP ? 0 : s->flags & NSX_F_HOST;
	return claim;
}

/*
 * The host's own socket gets a port, or sends a ping with this identifier. Masqueraded flows there
 * go on with the remotes that they have, and their endpoints get another port for those that the
 * host wants: a bind, which anybody may make, ends nothing. Where there is no flow nobody
 * masquerades in the moment until the kernel shows the socket to those who look it up. The mark
 * stays, for a connected socket is only found by who asks for its remote.
 */
static __always_inline void host_takes(struct nsx_slot *s, __u8 proto)
{
	__u32 state = slot_read(s), kind = NSX_KIND(state), now = now_tick(), claim;
	const struct nsx_conf *conf = &nsx_conf;

	if (kind == NSX_MAP || kind == NSX_CLAIMED || is_frozen(conf))
		return;
	if ((kind == NSX_FLOW || kind == NSX_SHARED) &&
	    nsx_port_left(s, conf, &nsx_learned, now) >= 0) {
		if (!(s->flags & NSX_F_HOST))
			slot_flag(s, NSX_F_HOST);
		return;
	}
	if (kind == NSX_HOST && proto == NSX_ICMP) {
		if (s->seen != now)
			s->seen = now;
		return;
	}
	claim = port_claim(s, state, now);
	if (!claim)
		return;
	s->seen = now;
	s->proto = proto;
	s->flags = NSX_F_HOST;
	slot_publish(s, claim, NSX_HOST);
}

#define SEIZE_TRIES 8	/* the verifier follows each of them */

/*
 * Win a slot whatever it holds, for what the operator wants. Return: as slot_claim(), 0 where
 * others hold or change it all the time: come again.
 */
__noinline __u32 port_seize(struct nsx_slot *s)
{
	if (!s)
		return 0;
	for (int tries = 0; tries < SEIZE_TRIES; tries++) {
		__u32 state = slot_state(s), claim = slot_claim(s, state);

		if (!claim)
			continue;
		port_end(s, NSX_KIND(state));
		s->flags = NSX_KIND(state) == NSX_MAP ? 0 : s->flags & NSX_F_HOST;
		return claim;
	}
	return 0;
}

#endif
