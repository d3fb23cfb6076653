/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way in which a packet can leave the datapath, once: an identifier, the name that the user
 * reads and greps for, and a sentence. The programs count by it, the command prints from it.
 *
 * The prefix tells what happens: PASS_ goes on to the host's stack unchanged, DROP_ ends here, the
 * others are translated or answered and sent.
 */
#ifndef NSXDP_VERDICT_H
#define NSXDP_VERDICT_H

#define NSX_VERDICTS(V) \
	V(PASS_HOST,		"pass-host",		"the host's own traffic") \
	V(PASS_GATEWAY,		"pass-gateway",		"from a namespace to the host itself") \
	V(PASS_LINK,		"pass-link",		"ARP and other frames that are not IPv4") \
	V(PUBLISHED_IN,		"published-in",		"to a published port") \
	V(PUBLISHED_OUT,	"published-out",	"from a published port") \
	V(HAIRPIN,		"hairpin",		"between namespaces through a published port") \
	V(MASQ_OUT,		"masquerade-out",	"masqueraded") \
	V(MASQ_IN,		"masquerade-in",	"back to a masqueraded flow") \
	V(ICMP_ERROR,		"icmp-error",		"an ICMP error about a published or masqueraded flow") \
	V(TTL_ANSWERED,		"ttl-answered",		"TTL ran out, answered with time-exceeded") \
	V(TOO_BIG,		"too-big",		"larger than its route or link takes, answered with fragmentation-needed") \
	V(REFUSED,		"refused",		"a new flow that finds no room, answered with prohibited") \
	V(REFUSED_DOWN,		"refused-down",		"to a namespace whose link is down, answered with port-unreachable") \
	V(REFUSED_QUOTA,	"refused-quota",	"a new flow beyond the namespace's --max-flows, answered with prohibited") \
	V(REFUSED_NO_UPLINK,	"refused-no-uplink",	"a new flow whose route does not lead by an uplink, answered with net-prohibited") \
	V(DEFRAG,		"defrag",		"a fragment, sent to be reassembled or come back") \
	V(FRAGMENTED,		"fragmented",		"a part of what was larger than its route or link takes") \
	V(DROP_TTL,		"drop-ttl",		"TTL ran out and no answer could be made") \
	V(DROP_TOO_BIG,		"drop-too-big",		"larger than its route or link takes, and no answer could be made") \
	V(DROP_DOWN,		"drop-down",		"to a namespace whose link is down, not answered") \
	V(DROP_SPOOFED,		"drop-spoofed",		"source address or MAC is another's") \
	V(DROP_LAND,		"drop-land",		"from outside, with source and destination the same") \
	V(DROP_OWN_SOURCE,	"drop-own-source",	"from outside, with a source address of the host's own") \
	V(DROP_MARTIAN,		"drop-martian",		"an address that no packet on a network can have") \
	V(DROP_ISOLATED,	"drop-isolated",	"to another namespace's private address") \
	V(DROP_POOL,		"drop-pool",		"from outside to a private address of the pool") \
	V(DROP_NO_PORT,		"drop-no-port",		"no free outside port for a new flow") \
	V(DROP_QUOTA,		"drop-quota",		"a new flow beyond the namespace's --max-flows, not answered") \
	V(DROP_EGRESS_RATE,	"drop-egress-rate",	"more than the namespace's --egress-rate allows") \
	V(DROP_CHANGED,		"drop-changed",		"met an entry in the moment in which it changed; what is sent again finds the new one") \
	V(DROP_TABLE_FULL,	"drop-table-full",	"no free place in the session table") \
	V(DROP_NO_FLOW,		"drop-no-flow",		"a FIN, RST or reply of a flow that does not exist") \
	V(DROP_BAD_PACKET,	"drop-bad-packet",	"a header is cut short or lies about its length") \
	V(DROP_NOT_ALLOWED,	"drop-not-allowed",	"from a client that is not on the published port's list") \
	V(DROP_RATE,		"drop-rate",		"more than the published port's rate allows") \
	V(DROP_FRAGMENT,	"drop-fragment",	"a fragment whose datagram is not known, or beyond what its sender may have in reassembly") \
	V(DROP_OVERLAP,		"drop-overlap",		"a fragment that overlaps another of its datagram") \
	V(DROP_PROTOCOL,	"drop-protocol",	"a protocol that cannot be masqueraded") \
	V(DROP_IPV6,		"drop-ipv6",		"IPv6 from a namespace, but for neighbour discovery") \
	V(DROP_VLAN,		"drop-vlan",		"a frame with a VLAN tag from a namespace") \
	V(DROP_LINK,		"drop-link",		"a frame from a namespace that is neither IP nor ARP about its link") \
	V(DROP_MULTICAST,	"drop-multicast",	"multicast or broadcast from a namespace") \
	V(DROP_ROUTER_ADVERT,	"drop-router-advert",	"a router advertisement from a namespace") \
	V(DROP_REDIRECT,	"drop-redirect",	"an ICMP redirect from a namespace") \
	V(DROP_LINK_LOCAL,	"drop-link-local",	"from or to 169.254.0.0/16, which is not forwarded") \
	V(DROP_CHECKSUM,	"drop-checksum",	"a wrong IP checksum, or one left to be computed elsewhere than in the L4 header") \
	V(DROP_TAKEN,		"drop-taken",		"a connection by another port or address of the same endpoint, from the same client, is running") \
	V(DROP_NO_UPLINK,	"drop-no-uplink",	"a new flow whose route does not lead by an uplink, not answered") \
	V(DROP_NOT_OWNED,	"drop-not-owned",	"about to leave with an address or a port that the namespace does not hold") \
	V(DROP_FORWARDED,	"drop-forwarded",	"to a namespace, forwarded by the host's stack and not by nsxdp") \
	V(DROP_DETACHED,	"drop-detached",	"from a namespace whose link the datapath does not serve") \
	V(DROP_ERROR,		"drop-error",		"the kernel refused to change the packet")

/* The last that goes on to the host's stack, and the first that ends here. */
#define NSX_PASS_LAST NSX_PASS_LINK
#define NSX_DROP_FIRST NSX_DROP_TTL

enum nsx_verdict {
#define V(id, name, sentence) NSX_##id,
	NSX_VERDICTS(V)
#undef V
	NSX_VERDICT_COUNT,
};

#endif
