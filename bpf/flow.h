/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an endpoint gets an outside port, and how long it keeps it.
 *
 *     inside endpoint        port registry [protocol][port]                session table
 *     192.168.0.2:5000 ----> 5000 FLOW  ns1, remote A  (inline)
 *                                 '---- further remotes -----------------> FLOW ns1:5000 > B,  FLOW ns1:5000 > C
 *     192.168.0.6:5000 ----> (5000 is ns1's) ----------------------------> ALIAS ns2:5000 = 1234
 *                            1234 FLOW  ns2, remote A
 *     192.168.0.10:5000 ---> 1777 SHARED <-------------------------------- FLOW ns3:5000 > A by 1777, flag SHARED
 *     192.168.0.14:6000 ---> 1777 SHARED <-------------------------------- FLOW ns4:6000 > B by 1777, flag SHARED
 *                                 ^--- outside index: (1777, remote) leads to the flow
 *
 * Mapping. While ports are plentiful an endpoint holds one of its own, that of its own number if it
 * can: one look-up in the registry then serves a packet in either direction, and the mapping is
 * endpoint-independent (RFC 4787, 4.1), with address-and-port-dependent filtering (5). The slot has
 * the first remote inline; others are in the session table. From NSX_SHARE_* percent of the ports
 * on, new endpoints share ports: each of their flows is in the session table, under the endpoint
 * and the remote, and what is unique is its outside tuple, which it claims in the outside index. So
 * the limit is ports times remotes and addresses, not ports. An endpoint mostly gets the same
 * shared port for all its remotes, but that is not promised. Namespaces whose filtering admits
 * others than those they have sent to only get ports of their own.
 *
 * Life. An entry that has been idle for longer than its timeout is dead: look-ups do not see it,
 * whoever wants its place takes it, and the sweeper frees it within seconds (sweep.h). A port lives
 * as long as its inline flow or, by .until, the flows of the session table that need it.
 *
 * Shortage. The fuller the session table, the shorter is the time of flows that were never answered
 * (nsx_flow_time). A closed TCP connection gives its port to a new one with another remote at once,
 * to one with the same remote after a second; the one that was closed first goes first. Flows that
 * were not answered for some seconds go next. An answered flow is never ended for a newer one: that
 * is refused, by name.
 *
 * TCP is followed only as far as the timeouts need: opened (no answer yet), two-way, closed by both
 * sides, reset. A reset shortens the timeout but does not end the flow: data from inside revives
 * it, so that a forged RST costs nothing (RFC 5382, REQ-10; RFC 7857, section 2).
 *
 * How slots change hands is in slot.h, how entries are found in session.h and reverse.h, how they
 * are made in session_take.h.
 */
#ifndef NSXDP_FLOW_H
#define NSXDP_FLOW_H

#include "defs.h"
#include "maps.h"
#include "parse.h"
#include "port.h"
#include "scope.h"
#include "session.h"
#include "slot.h"

static __always_inline bool flow_alive(const struct nsx_slot *s, const struct nsx_conf *conf,
				       __u32 now)
{
	/* What was seen in this tick is dead only with its address. */
	if (s->seen == now)
		return local_is_here(s->local) || (s->flags & NSX_F_ROUTED);
	return nsx_flow_left(s, conf, &nsx_learned, now) >= 0;
}

/*
 * Note a packet of a flow: last use, direction, TCP flags. Writes only what changes, so that an
 * established flow dirties its cache line once per tick.
 */
static __always_inline void flow_note(struct nsx_slot *s, const struct pkt *p, __u32 now,
				      bool inbound, bool assured)
{
	__u8 tcp = s->tcp, next = tcp;

	if (inbound)
		next |= NSX_T_IN;
	if (assured)
		next |= NSX_T_ASSURED;
	if (p->proto == NSX_TCP) {
		if (p->tcp_flags & TCP_RST)
			next = (next | NSX_T_RST) & ~NSX_T_ASSURED;
		else if (!inbound && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
			 nsx_tcp_closed(tcp))
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
		slot_tcp(s, tcp, next);
	if (s->seen != now)
		s->seen = now;
}

/**
 * flow_touch() - note a packet of a masqueraded flow
 *
 * It has come to something once a TCP segment has acknowledged what the other side sent, in either
 * direction; or once the namespace has answered an answer.
 */
static __always_inline void flow_touch(struct nsx_slot *s, const struct pkt *p, __u32 now,
				       bool inbound)
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

/* Into the namespace, to the inside endpoint that a slot of the registry holds. */
static __always_inline void xlat_inside(struct xlat *x, const struct nsx_slot *s,
					enum nsx_verdict verdict)
{
	x->addr = s->inside;
	x->port = s->inside_port;
	x->ifindex = s->ifindex;
	mac_copy(x->mac, s->mac);
	x->side = SIDE_DST;
	x->to_ns = 1;
	x->verdict = verdict;
}

#endif
