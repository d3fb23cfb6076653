/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way in which a packet can leave the datapath, once: an identifier, its class, the name that
 * users read and grep for, and a sentence. The programs count by it, the command prints from it.
 */
#ifndef NSXDP_VERDICT_H
#define NSXDP_VERDICT_H

/* What happens to the packet. */
enum nsx_class {
	NSX_CLASS_PASS,		/* it goes on to the host's stack, unchanged */
	NSX_CLASS_FORWARD,	/* it is translated or reassembled, and sent */
	NSX_CLASS_ANSWER,	/* it becomes an ICMP error, which is sent to its source */
	NSX_CLASS_DROP,		/* it ends here */
};

#define NSX_VERDICTS(V) \
	V(PASS_HOST, PASS, "pass-host", "the host's own traffic") \
	V(PASS_GATEWAY, PASS, "pass-gateway", "from a namespace to the host itself") \
	V(PASS_LINK, PASS, "pass-link", "ARP, neighbour discovery and frames that are not IP") \
	V(PUBLISHED_IN, FORWARD, "published-in", "to a published port") \
	V(PUBLISHED_OUT, FORWARD, "published-out", "from a published port") \
	V(HAIRPIN, FORWARD, "hairpin", "between namespaces through a published port") \
	V(MASQ_OUT, FORWARD, "masquerade-out", "masqueraded") \
	V(MASQ_IN, FORWARD, "masquerade-in", "back to a masqueraded flow") \
	V(ROUTED_OUT, FORWARD, "routed-out", "from a namespace's own IPv6 address, as it is") \
	V(ROUTED_IN, FORWARD, "routed-in", "to a namespace's own IPv6 address, as it is") \
	V(ICMP_ERROR, FORWARD, "icmp-error", \
	  "an ICMP error about a published, masqueraded or routed flow") \
	V(ICMP_TIME_EXCEEDED, ANSWER, "icmp-time-exceeded", \
	  "TTL or hop limit ran out, answered with time-exceeded") \
	V(ICMP_FRAG_NEEDED, ANSWER, "icmp-frag-needed", \
	  "larger than its route or link takes, answered with fragmentation-needed or packet-too-big") \
	V(ANSWER_ND, ANSWER, "nd-answer", \
	  "neighbour discovery for a namespace's own address, answered") \
	V(REJECT_NO_PORT, ANSWER, "reject-no-port", \
	  "a new flow that finds no room, answered with prohibited") \
	V(REJECT_LINK_DOWN, ANSWER, "reject-link-down", \
	  "to a namespace whose link is down, answered with port-unreachable") \
	V(REJECT_MAX_FLOWS, ANSWER, "reject-max-flows", \
	  "a new flow beyond the namespace's --max-flows, answered with prohibited") \
	V(REJECT_EGRESS_DENIED, ANSWER, "reject-egress-denied", \
	  "to where --egress-allow and --egress-deny let nothing go, answered with prohibited") \
	V(REJECT_NO_UPLINK, ANSWER, "reject-no-uplink", \
	  "a new flow whose route does not lead by an uplink, answered with net-prohibited") \
	V(DEFRAG, FORWARD, "defrag", "a fragment, sent to be reassembled or come back") \
	V(FRAGMENTED, FORWARD, "fragmented", \
	  "a part of what was larger than its route or link takes") \
	V(DROP_TTL, DROP, "drop-ttl", "TTL ran out and no answer could be made") \
	V(DROP_TOO_BIG, DROP, "drop-too-big", \
	  "larger than its route or link takes, and no answer could be made") \
	V(DROP_LINK_DOWN, DROP, "drop-link-down", \
	  "to a namespace whose link is down, not answered") \
	V(DROP_SPOOFED, DROP, "drop-spoofed", "source address or MAC is another's") \
	V(DROP_LAND, DROP, "drop-land", "from outside, with source and destination the same") \
	V(DROP_LOCAL_SOURCE, DROP, "drop-local-source", \
	  "from outside, with a source address of the host's own") \
	V(DROP_MARTIAN, DROP, "drop-martian", "an address that no packet on a network can have") \
	V(DROP_ISOLATED, DROP, "drop-isolated", "to another namespace's private address") \
	V(DROP_POOL, DROP, "drop-pool", "from outside to a namespace's address, or a port of it, that is not open") \
	V(DROP_NO_PORT, DROP, "drop-no-port", "no free outside port for a new flow") \
	V(DROP_MAX_FLOWS, DROP, "drop-max-flows", \
	  "a new flow beyond the namespace's --max-flows, not answered") \
	V(DROP_EGRESS_DENIED, DROP, "drop-egress-denied", \
	  "to where --egress-allow and --egress-deny let nothing go, not answered") \
	V(DROP_EGRESS_RATE, DROP, "drop-egress-rate", \
	  "more than the namespace's --egress-rate allows") \
	V(DROP_CHANGED, DROP, "drop-changed", \
	  "met an entry in the moment in which it changed; what is sent again finds the new one") \
	V(DROP_UPGRADE, DROP, "drop-upgrade", \
	  "a new flow during an upgrade; what is sent again is served") \
	V(DROP_TABLE_FULL, DROP, "drop-table-full", "no free place in the session table") \
	V(DROP_NO_FLOW, DROP, "drop-no-flow", \
	  "a FIN, RST or reply of a flow that does not exist") \
	V(DROP_BAD_PACKET, DROP, "drop-bad-packet", \
	  "a header is cut short or lies about its length") \
	V(DROP_NOT_ALLOWED, DROP, "drop-not-allowed", \
	  "from a client that is not on the published port's list") \
	V(DROP_RATE, DROP, "drop-rate", "more than the published port's rate allows") \
	V(DROP_FRAGMENT, DROP, "drop-fragment", \
	  "a fragment whose datagram is not known, or beyond what its sender may have in reassembly") \
	V(DROP_OVERLAP, DROP, "drop-overlap", "a fragment that overlaps another of its datagram") \
	V(DROP_PROTOCOL, DROP, "drop-protocol", "a protocol that cannot be masqueraded") \
	V(DROP_IPV6, DROP, "drop-ipv6", "IPv6 from a namespace that has none") \
	V(DROP_EXTENSIONS, DROP, "drop-extensions", \
	  "IPv6 with more extension headers than are looked at") \
	V(DROP_SOURCE_ROUTE, DROP, "drop-source-route", \
	  "IPv6 with a routing header that names another destination, or of type 0") \
	V(DROP_VLAN, DROP, "drop-vlan", "a frame with a VLAN tag from a namespace") \
	V(DROP_LINK, DROP, "drop-link", \
	  "a frame from a namespace that is neither IP nor ARP or neighbour discovery about its link") \
	V(DROP_MULTICAST, DROP, "drop-multicast", "multicast or broadcast from a namespace") \
	V(DROP_ROUTER_ADVERT, DROP, "drop-router-advert", \
	  "a router advertisement from a namespace") \
	V(DROP_REDIRECT, DROP, "drop-redirect", "an ICMP redirect from a namespace") \
	V(DROP_LINK_LOCAL, DROP, "drop-link-local", \
	  "from or to a link-local address, which is not forwarded") \
	V(DROP_CHECKSUM, DROP, "drop-checksum", \
	  "a wrong IP checksum, or one left to be computed elsewhere than in the L4 header") \
	V(DROP_CLASH, DROP, "drop-clash", \
	  "a connection by another port or address of the same endpoint, from the same client, is running") \
	V(DROP_NO_UPLINK, DROP, "drop-no-uplink", \
	  "a new flow whose route does not lead by an uplink, not answered") \
	V(DROP_EGRESS_SOURCE, DROP, "drop-egress-source", \
	  "about to leave with an address or a port that the namespace does not hold") \
	V(DROP_FORWARDED, DROP, "drop-forwarded", \
	  "to a namespace, forwarded by the host's stack and not by nsxdp") \
	V(DROP_DETACHED, DROP, "drop-detached", \
	  "from a namespace whose link the datapath does not serve") \
	V(DROP_ERROR, DROP, "drop-error", "the kernel refused to change the packet")

enum nsx_verdict {
#define V(id, class, name, sentence) NSX_##id,
	NSX_VERDICTS(V)
#undef V
	NSX_VERDICT_COUNT,
};

/* The verdicts of a class, a bit for each. */
#define NSX_IN_CLASS(bit, class, wanted) (NSX_CLASS_##class == (wanted) ? 1ULL << (bit) : 0)
#define V_PASS(id, class, name, sentence) | NSX_IN_CLASS(NSX_##id, class, NSX_CLASS_PASS)
#define V_DROP(id, class, name, sentence) | NSX_IN_CLASS(NSX_##id, class, NSX_CLASS_DROP)
#define NSX_PASSES (0ULL NSX_VERDICTS(V_PASS))
#define NSX_DROPS (0ULL NSX_VERDICTS(V_DROP))

_Static_assert(NSX_VERDICT_COUNT <= 64, "a bit for each verdict");

/* The verdict is one of NSX_PASSES or NSX_DROPS. */
#define nsx_verdict_is(verdict, class) ((class) >> (verdict) & 1)

#endif
