/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the BPF programs and the command: every map key and value, the limits and
 * the pin names, once. BPF programs include vmlinux.h first.
 *
 * Addresses and ports are in network byte order everywhere; a port is the ICMP echo identifier
 * where the protocol is ICMP. Times are ticks (see NSX_TICK_SHIFT). Nothing here has implicit
 * padding.
 */
#ifndef NSXDP_H
#define NSXDP_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define NSX_NAME_LEN	64	/* a namespace's name with its NUL */
#define NSX_LOCAL_MAX	1024	/* addresses of the host that the datapath knows */
#define NSX_SNAT_MAX	64	/* of those that masquerading is spread over by choice */
/* Until the place of a lost address is given to another one */
#define NSX_LOCAL_GONE_SECONDS 2
#define NSX_UPLINKS	8	/* devices that lead outside */
#define NSX_DEVICES	16	/* devices whose addresses ports are published at */
#define NSX_AT6_MAX	64	/* IPv6 addresses that ports are published at, each by itself */
#define NSX_NS_MAX	16384	/* namespaces of one instance: a /16 in blocks of /30 */
#define NSX_REVERSE_WAYS	8
#define NSX_REVERSE_PROBES	4	/* buckets that an endpoint may be in */
#define NSX_REVERSE_BUCKETS 65536	/* 524,288 published inside endpoints, 16 MiB */
#define NSX_PORTS	65536
#define NSX_ROUTES_MAX	16384
#define NSX_WAYS	7	/* entries in a bucket of the session table */
#define NSX_CHOICES	3	/* buckets that an entry may be in */
#define NSX_CELLS	8	/* references in a line of the outside index */
/* Flows that there is room for, as up --flows says: from this ... */
#define NSX_FLOWS_MIN	1024
#define NSX_FLOWS_MAX	(32U << 20)	/* ... to this */
#define NSX_PORT_TRIES	64	/* outside ports tried before a new flow is refused */
#define NSX_SHARED_TRIES 192	/* the same for a shared one */
#define NSX_PORT_STEP	40503	/* 65536 / golden ratio */
#define NSX_PORT_MIN	1024	/* masquerading never uses a port below (RFC 6335 system ports) */

/*
 * One tick is 16 jiffies, 16 to 160 ms: a clock that costs a load. An entry's last-seen time is
 * written at most once per tick. How many ticks a second has is in nsx_conf.hz: use nsx_ticks().
 */
#define NSX_TICK_SHIFT	4
#define NSX_CLOCK_SKEW	256U	/* ticks that one CPU's clock may be ahead of another's */
#define NSX_HOST_SECONDS 2	/* until a socket's own port is seen by those who look sockets up */
/* Seconds: a port is not taken from a flow that may still be answered */
#define NSX_EVICT_IDLE	3
/* Seconds: nor from a closed connection for another with the same remote */
#define NSX_CLOSED_IDLE	1
/* Percent of a table from which on unanswered flows get less time */
#define NSX_OCCUPANCY_START	60

/* The pinned names, below the directory of the instance. */
#define NSX_PIN_ROOT	"/sys/fs/bpf/nsxdp"

/*
 * The MAC of every host-side veth that nsxdp makes: the links are point to point, it is never seen
 * twice.
 */
#define NSX_HOST_MAC	{ 0x02, 0x6e, 0x73, 0x78, 0x64, 0x70 }

/** struct nsx_addr - an IPv6 address, or an IPv4 address as v4-mapped (RFC 4291, 2.5.5.2) */
struct nsx_addr {
	union {
		__be32 w[4];
		__u64 d[2];
	};
};

/* Families of addresses; also the index of the host's first address of each */
enum nsx_family {
	NSX_V4,
	NSX_V6,
	NSX_FAMILIES,
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NSX_V4_PREFIX 0xffff0000U	/* ::ffff:0:0/96, the third word in network order */
#define NSX_PORT_NUMBER(port) __builtin_bswap16(port)	/* __be16 to host byte order */
#else
#define NSX_V4_PREFIX 0x0000ffffU
#define NSX_PORT_NUMBER(port) (port)
#endif

/**
 * struct nsx_prefix - a network, as the kernel's longest-prefix tables want it; the bits of IPv4
 * count from 96 on
 */
struct nsx_prefix {
	__u32 bits;
	__be32 addr[4];
};

/* ICMP stands for ICMPv6 too. */
enum nsx_proto {
	NSX_TCP,
	NSX_UDP,
	NSX_ICMP,
	NSX_PROTOS,
};

/*
 * A row of the port registry: a protocol over one family. Ports of the two families have nothing to
 * do with each other.
 */
#define NSX_ROW(proto, family)	((proto) + NSX_PROTOS * (family))
#define NSX_ROWS		NSX_ROW(0, NSX_FAMILIES)
#define NSX_ROW_PROTO(row)	((row) % NSX_PROTOS)
#define NSX_ROW_FAMILY(row)	((row) / NSX_PROTOS)

/*
 * What an entry of the port registry or of the session table is. The kind is the low byte of
 * nsx_slot.state, the rest of that word is a sequence number that each new owner raises: a reader
 * takes the word first, reads what it needs and has a consistent copy if the word is still the
 * same.
 */
enum nsx_kind {
	NSX_FREE,	/* nobody's */
	NSX_CLAIMED,	/* being written by the CPU or command that won it */
	/* Registry: a masqueraded endpoint with its first remote; sessions: a further remote */
	NSX_FLOW,
	NSX_MAP,	/* registry: a published port */
	NSX_ALIAS,	/* sessions: inside endpoint whose outside port differs from its own */
	/* Registry: a socket of the host's is about to use it; for NSX_HOST_SECONDS */
	NSX_HOST,
	/*
	 * Sessions: the way back of a published connection that its map alone cannot tell, or with
	 * NSX_F_ROUTED a flow that is not translated
	 */
	NSX_RETURN,
	/*
	 * registry: a port of endpoints whose remotes differ: their flows are in the session table
	 */
	NSX_SHARED,
};
#define NSX_KIND(state)	((state) & 0xffU)
#define NSX_SEQ_ONE	0x100U

/* nsx_slot.flags */
/* Registry, NSX_FLOW: the endpoint has had further remotes in the session table: see .until */
#define NSX_F_MANY	0x01
/* Sessions, NSX_FLOW: the outside port is shared, and found by the outside index */
#define NSX_F_SHARED	0x01
/*
 * registry, but for NSX_MAP: a socket of the host's was bound to the port: it is asked before new
 * remotes
 */
#define NSX_F_HOST	0x04
/* Sessions, NSX_RETURN: ifindex and mac are those of the client's namespace */
#define NSX_F_HAIRPIN	0x02
/* Sessions, NSX_RETURN: a namespace reaches its own port; the remote is its gateway */
#define NSX_F_SELF	0x10
/* Sessions, NSX_RETURN: nothing is translated, so no address of the host's has to be there */
#define NSX_F_ROUTED	0x80
#define NSX_F_XDP	0x08	/* the namespace takes frames from XDP; NSX_SHARED: one may */
/* Registry, NSX_MAP: the host gives the port to its own sockets too: they are asked */
#define NSX_F_HOST_RANGE 0x20
/* Registry, NSX_FLOW: filtering is endpoint-independent: anybody may answer */
#define NSX_F_ANY_REMOTE 0x20
/* Registry, NSX_FLOW: filtering is address-dependent: any port of the remote may */
#define NSX_F_ANY_PORT	0x40
/* Registry, NSX_MAP: more than one target, or conditions: see struct nsx_service */
#define NSX_F_SERVICE	0x80
/* Registry, NSX_MAP: the inside endpoint is published elsewhere too */
#define NSX_F_STATEFUL	0x04

/* nsx_slot.tcp: what was seen of a flow. For UDP and ICMP only NSX_T_IN counts. */
#define NSX_T_SYN	0x01	/* opened by a SYN from inside */
#define NSX_T_IN	0x02	/* a packet came from outside: the flow is two-way */
#define NSX_T_FIN_OUT	0x04
#define NSX_T_FIN_IN	0x08
#define NSX_T_RST	0x10
/* It came to something: never evicted for a newer flow, until TCP closes it */
#define NSX_T_ASSURED	0x20

/**
 * struct nsx_slot - an entry of the port registry (one per row and outside port) or of the session
 * table (found by hash); one cache line
 * @state: kind and sequence number, see enum nsx_kind
 * @seen: last use, ticks; NSX_MAP: when the link of its namespace was last found to be up
 * @inside: address in the namespace; where there is none, zero, in the form of the slot's family
 * @remote: the other end; unused for NSX_ALIAS
 * @first, @last: NSX_MAP: the range of outside ports that was published as one, host byte order,
 *	inclusive
 * @service: NSX_MAP with NSX_F_SERVICE: index in the table of services; @inside is that of its
 *	first target then
 * @counter: NSX_MAP without NSX_F_SERVICE: its place in nsx_target_counts; 0: it is not counted
 * @at: NSX_MAP: the host's only address that it answers at, if that is IPv4; else a place, see
 *	nsx_at_device() and nsx_at_v6(); 0: every address
 * @inside_port: port of @inside
 * @remote_port: port of @remote; 0 for ICMP
 * @outside_port: the port on the host's address
 * @local: index of the host's address in nsx_learned.local, NSX_LOCAL_MAX with NSX_F_ROUTED; unused
 *	for NSX_MAP and NSX_SHARED
 * @ifindex: host-side veth of the namespace that a packet for this entry goes to; NSX_SHARED: 0
 * @mac: the namespace's MAC
 * @tcp: NSX_T_*
 * @proto: enum nsx_proto
 * @flags: NSX_F_*
 * @id: NSX_MAP: nsx_ns.id of the namespace that @inside belongs to
 * @until: registry, NSX_SHARED and NSX_FLOW with NSX_F_MANY: flows of the session table need the
 *	port until then, ticks
 * @ack: NSX_RETURN, TCP: what the client acknowledges if it got the server's SYN, host byte order
 */
struct nsx_slot {
	__u32 state;
	__u32 seen;
	struct nsx_addr inside;
	union {
		struct nsx_addr remote;
		struct {
			__u16 first;
			__u16 last;
			__be32 at;
			union {
				__u32 service;
				__u32 counter;
			};
			__u32 id;
		};
	};
	__be16 inside_port;
	__be16 remote_port;
	__be16 outside_port;
	__u16 local;
	__u32 ifindex;
	__u8 mac[6];
	__u8 tcp : 6;
	__u8 proto : 2;
	__u8 flags;
	union {
		__u32 until;
		__u32 ack;
	};
};

#define NSX_DNS_MAX	3	/* name servers, as many as resolv.conf(5) takes */

#define NSX_SERVICES	2048	/* index 0 is none */
#define NSX_TARGETS	16
#define NSX_TABLE	1021	/* prime: places of the table that spreads clients over targets */
#define NSX_NO_TARGET	0xff
/* Places in nsx_target_counts: [service][target], and behind those one for each simple map */
#define NSX_COUNTERS	32768
#define NSX_COUNTER_0	(NSX_SERVICES * NSX_TARGETS)

/** struct nsx_target - an inside endpoint that a service sends clients to */
struct nsx_target {
	struct nsx_addr addr;
	__u32 ifindex;		/* host-side veth of its namespace */
	__u32 id;		/* nsx_ns.id */
	__u8 mac[6];
	__be16 port;		/* for the first port of a range; the others follow */
	__u16 weight;
	__u16 xdp;		/* its namespace takes frames from XDP */
	/* NSX_S_BY_ADDRESS: which of the host's addresses leads to it, as nsx_slot.at */
	__be32 at;
};

/* nsx_service.flags */
#define NSX_S_USED	0x01
#define NSX_S_ALLOW	0x02	/* only clients in nsx_allow */
/* At most so many new connections (TCP) or packets (UDP) in a time */
#define NSX_S_RATE	0x04
#define NSX_S_AFFINITY	0x08	/* all connections of a client's address to one target */
#define NSX_S_BY_ADDRESS 0x20	/* the address that was asked chooses the target, not the client */
#define NSX_S_DRAINING	0x10	/* connections of the targets before go on until .drain_deadline */
#define NSX_S_OWNED	0x40	/* by .owner, which holds the port with sockets of the host too */

#define NSX_OWNER_LEN	32	/* with the 0 at its end */

/**
 * struct nsx_service - what a published port does beyond leading to one target
 *
 * A change is made on a copy, and the slot is turned to that. While a slot leads to it only .tat
 * changes, and the targets of a namespace that goes are left out: the others keep their places.
 * @target, @count: where new connections go; one without a weight is none
 * @was, @was_count: where those go that are there already, while draining
 * @table, @was_table: target by hash of the client (consistent: Maglev), or NSX_NO_TARGET
 * @drain_deadline: when the draining ends, ticks
 * @first, @last: the ports, as in struct nsx_slot
 * @row: theirs, NSX_ROW()
 * @owner: who manages the port, for the command only; empty: nobody
 * @rate: how many a second, as it was given; for the command only
 * @interval, @burst: nanoseconds that one costs, and how many may be owed
 * @tat: when the next may come (theoretical arrival time of GCRA), nanoseconds of the monotonic
 *	clock
 */
struct nsx_service {
	struct nsx_target target[NSX_TARGETS];
	struct nsx_target was[NSX_TARGETS];
	__u8 table[NSX_TABLE + 3];
	__u8 was_table[NSX_TABLE + 3];
	__u32 count;
	__u32 was_count;
	__u32 drain_deadline;
	__u32 flags;		/* NSX_S_* */
	__u64 interval;
	__u64 burst;
	__u64 tat;
	__u32 rate;
	__u16 first;
	__u16 last;
	__u8 row;
	__u8 pad[7];
	char owner[NSX_OWNER_LEN];
};

/*
 * The first 32 bits of a network's key: the number of a set of networks, and the family, without
 * which ::/0 would be IPv4's too, whose addresses are in the form of IPv6.
 */
#define NSX_NET_SET(number, family)	((number) | (__u32)(family) << 31)
#define NSX_NET_NUMBER(set)		((set) & 0x7fffffffU)

/** struct nsx_allow - a network that may reach a service; key only */
struct nsx_allow {
	__u32 bits;
	__u32 set;	/* NSX_NET_SET() of the service */
	__be32 addr[4];
};
#define NSX_ALLOW_MAX	65536

/**
 * struct nsx_bucket - one bucket of the session table
 * @tag: of the entry in each way, nsx_session_tag(): a look-up reads the slots that may be its
 *	only; 0: none
 * @spilled: entries that belong here and were put into their second, or third, bucket: where there
 *	are none, nobody looks there
 *
 * A place in the table is the bucket's number times NSX_BUCKET_PLACES, plus the way.
 */
struct nsx_bucket {
	__u32 tag[NSX_WAYS];
	__u32 spilled[NSX_CHOICES - 1];
	__u32 pad[7];
	struct nsx_slot way[NSX_WAYS];
};
#define NSX_BUCKET_PLACES 8
#define NSX_PLACE_TABLE 0x40000000U	/* in a place: of table 1, not 0 */

/**
 * struct nsx_line - a line of the outside index, which leads from an outside tuple to the flow that
 * has it
 * @cell: place in the session table plus one, and nsx_outside_tag() in the upper half; 0: none
 */
struct nsx_line {
	__u64 cell[NSX_CELLS];
};

/**
 * struct nsx_usage - entries that there are, one for each CPU: what was made less what ended, so
 * only their sum means something
 * @places: of the session table, whatever they hold
 * @flows: flows and remembered connections, in both tables, by enum nsx_proto
 * @closed: connections that were closed and gave their place or port to a newer flow before their
 *	time, ever
 * @unanswered: unanswered flows that did so
 * @swept: entries that the sweeper found dead, ever
 */
struct nsx_usage {
	__s64 places;
	__s64 flows[NSX_PROTOS];
	__u64 closed;
	__u64 unanswered;
	__u64 swept;
};

/** struct nsx_held - outside ports that are held, by row: by one endpoint each, and shared */
struct nsx_held {
	__s32 local[NSX_ROWS];
	__s32 shared[NSX_ROWS];
};
/* Percent of the ports that are held by one endpoint each, from which on ports are shared: */
#define NSX_SHARE_TCP	40
#define NSX_SHARE_OTHERS 60	/* the peers of TCP hardly ever need the same port for all */

/**
 * struct nsx_reverse - how a published endpoint looks from outside, for the way back; in buckets by
 * nsx_reverse_bucket(). Written by the command only, ifindex last.
 * @ifindex: host-side veth of its namespace; 0: never used, NSX_REVERSE_GONE: not any more
 * @inside_port: its port
 * @outside_port: its port on the host
 * @inside: the only source address that may use it
 * @mac: the namespace's MAC, checked against spoofing
 * @row: NSX_ROW()
 * @flags: NSX_B_*
 */
struct nsx_reverse {
	__u32 ifindex;
	__be16 inside_port;
	__be16 outside_port;
	struct nsx_addr inside;
	__u8 mac[6];
	__u8 row;
	__u8 flags;
};
#define NSX_REVERSE_GONE	0xffffffffU
/* Published under further ports too: their sessions are asked first */
#define NSX_B_STATEFUL	0x01

struct nsx_reverse_bucket {
	struct nsx_reverse way[NSX_REVERSE_WAYS];
};

/* What ICMP answers are counted against: so many of one kind leave the others their share. */
enum nsx_budget {
	NSX_BUDGET_ERRORS,
	NSX_BUDGET_TOO_BIG,	/* without it, connections hang */
	NSX_BUDGETS,
};

/* The private network namespace: see bpf/private.h, and user/kernel/private.c, which makes it. */
#define NSX_PRIVATE_MAC	{ 0x02, 0x6e, 0x73, 0x78, 0x70, 0x76 }
/* Skb->tc_index of a namespace's ICMP that was sent there, for tc_to_uplink */
#define NSX_SENT_INDEX	0x6e73U
/* Seconds that the fragments of a datagram are waited for */
#define NSX_FRAG_TIME	2
/* Bytes for all that wait; a sixteenth of the memory if that is less */
#define NSX_FRAG_MEMORY	(256U << 20)
/*
 * Reserved addresses (240.0.0.0/4) that no packet of a network has, host byte order: the number of
 * a packet in transit, and the size to cut to.
 */
#define NSX_TRANSIT_NET	0xf0000000U
#define NSX_TRANSIT_MASK	0xff000000U
#define NSX_TRANSIT_NONE	0xffffffffU
#define NSX_CUT_NET	0xf1000000U
/*
 * Sizes in bytes of IP. Fragments are multiples of 8 bytes long without their header (RFC 791), so
 * a step loses nothing.
 */
#define NSX_CUT_MIN	68U
#define NSX_CUT_STEP	8U
#define NSX_CUT_FINE	1500U
#define NSX_CUT_COARSE	128U		/* beyond that */

/**
 * struct nsx_published - what the command keeps of published ports; the datapath does not read it
 * @first: a bit for each first port, by row: what is published has its bit; one that has a bit need
 *	not be published any more
 * @counters: a bit for each counter of a simple map that is taken, from NSX_COUNTER_0 on
 */
struct nsx_published {
	__u64 first[NSX_ROWS][NSX_PORTS / 64];
	__u64 counters[NSX_COUNTERS / 64];
};

/** struct nsx_veth - what the datapath must know of a host-side veth; key: its ifindex */
struct nsx_veth {
	/* The namespace's addresses, by enum nsx_family: the only sources that may appear; 0: none */
	struct nsx_addr addr[NSX_FAMILIES];
	struct nsx_addr gw;	/* the host's IPv4 address on this link */
	__u8 mac[6];		/* the namespace's MAC */
	__u16 flags;		/* NSX_V_* */
	__u32 id;		/* nsx_ns.id */
	/* TCP's maximum segment size is clamped to it, bytes; 0: it is not */
	__u16 mss;
	__u16 pad;
	__u32 max_flows;	/* entries that it may cause; 0: as many as there is room for */
	__u32 cursor;		/* of its ring in nsx_quotas: see bpf/quota.h */
	__s32 nsid;		/* id of the namespace as the host's knows it; -1: none */
	__u32 egress;		/* its set in nsx_egress; 0: it may go everywhere */
	__u64 egress_cost;	/* nanoseconds that 1024 bytes cost; 0: unlimited */
	__u64 egress_tat;	/* as nsx_service.tat */
	__u64 answer_tat[NSX_BUDGETS];	/* the same for ICMP answers to it, by enum nsx_budget */
	__u64 frag_tat;		/* the same for its fragments that are being reassembled */
	/* Entries that it has caused and that have not ended, by enum nsx_proto */
	__u32 flows[NSX_PROTOS];
	__u32 frag_last;	/* ticks when a fragment of it was last sent to be reassembled */
	/* The host's addresses that its flows leave from, where NSX_V_SOURCE says so */
	struct nsx_addr source[NSX_FAMILIES];
};
/* Its end takes frames from XDP, and its own checksums are complete */
#define NSX_V_XDP	0x01
#define NSX_V_ANY_REMOTE 0x02	/* UDP from it gets NSX_F_ANY_REMOTE */
#define NSX_V_ANY_PORT	0x04	/* UDP from it gets NSX_F_ANY_PORT */
/* It may reach 169.254.0.0/16, be reached from there, and reach metadata services of IPv6 */
#define NSX_V_LINK_LOCAL 0x08
/* Its link is a pair of netkit devices: the far end sends by tc_from_ns */
#define NSX_V_NETKIT	0x10
/* What it sends leaves from .source of this family; two bits */
#define NSX_V_SOURCE(family) (0x80 << (family))
/* Other limits were taken back: its flows end, see nsx_conf.ending */
#define NSX_V_ENDING	0x40

/* nsx_ns.state */
enum nsx_ns_state {
	/* Intent written; a command that died here left parts to be removed */
	NSX_NS_MAKING = 1,
	NSX_NS_READY,
	NSX_NS_GOING,	/* its removal has begun */
};

/* nsx_ns.flags: what nsxdp made and therefore removes */
#define NSX_NS_MADE_NETNS	0x01
#define NSX_NS_MADE_VETH	0x02
#define NSX_NS_MADE_RESOLV	0x04	/* /etc/netns/NAME/resolv.conf */
#define NSX_NS_SECURED		0x80	/* .sysctls has what was set before */
#define NSX_NS_PREFER_IPV6	0x400	/* /etc/netns/NAME/gai.conf */
/* What an adopted link had before, and keeps: fe80::1; .addr6, inside */
#define NSX_NS_HAD_GATEWAY6	0x800
#define NSX_NS_HAD_ADDR6	0x1000
/* While it is removed: its link was gone, and what has the index is somebody else's */
#define NSX_NS_LINK_GONE	0x2000
/* nsx_ns.flags: how its packets go */
#define NSX_NS_XDP		0x08	/* XDP on the host end; offloads inside set for it */
#define NSX_NS_MADE_CLSACT	0x40	/* the clsact qdisc of the host-side veth, for the guards */
#define NSX_NS_ANY_REMOTE	0x10	/* UDP: endpoint-independent filtering */
#define NSX_NS_ANY_PORT		0x20	/* UDP: address-dependent filtering */
#define NSX_NS_LINK_LOCAL	0x100	/* NSX_V_LINK_LOCAL */
#define NSX_NS_NETKIT		0x200	/* its link is a pair of netkit devices, not of veths */

#define NSX_EGRESS_MAX	32	/* networks of one namespace */

/** struct nsx_network - a network that a namespace may reach, or may not */
struct nsx_network {
	struct nsx_addr addr;
	__u8 len;	/* bits of .addr, so IPv4's count from 96 on; fewer, of IPv4: of both families */
	__u8 deny;
	__u8 pad[6];
};

/**
 * struct nsx_egress_key - a network of a set; the value is whether a namespace with the set may go
 * there (1) or not (0)
 *
 * The longest network that a destination is in decides; each set has one for all of each family. A
 * set never changes: a namespace gets another one, whose number is as unique as nsx_ns.id.
 */
struct nsx_egress_key {
	__u32 bits;
	__u32 set;	/* NSX_NET_SET() of nsx_ns.egress_set */
	__be32 addr[4];
};

/** struct nsx_ns - a managed namespace; key: its name, NUL-padded to NSX_NAME_LEN */
struct nsx_ns {
	__u32 state;		/* enum nsx_ns_state */
	__u32 id;		/* unique in the instance and never used twice */
	__u32 ifindex;		/* host-side veth */
	__u32 flags;		/* NSX_NS_* */
	struct nsx_addr addr;
	struct nsx_addr gw;
	__u8 mac[6];
	__u8 prefix_len;	/* of addr, IPv4 bits */
	__u8 pad;
	__u16 mss;		/* as nsx_veth.mss */
	__u16 sysctls;		/* of the host-side veth before: see user/kernel/secure.c */
	__u32 max_flows;	/* as nsx_veth.max_flows */
	__u64 egress_rate;	/* bits per second; 0: unlimited */
	char host_if[16];
	char ns_if[16];
	__u32 netns;		/* which network namespace it is, netns_id(); 0: not made yet */
	__u32 dns_count;	/* 0: the host's own resolvers */
	struct nsx_addr dns[NSX_DNS_MAX];
	struct nsx_network egress[NSX_EGRESS_MAX];
	__u32 egress_count;	/* 0: it may go everywhere */
	__u32 egress_set;	/* as nsx_veth.egress */
	/* The host's addresses that its flows leave from, by enum nsx_family; 0: as routed */
	struct nsx_addr source[NSX_FAMILIES];
	struct nsx_addr addr6;	/* 0: it has no IPv6 */
	__u32 mtu;		/* that nsxdp gave the link it made; 0: nsx_conf.mtu */
	__u32 pad2;
};

/* Timeouts in ticks, indexed by enum; the seconds and their sources are in user/config/config_up.c. */
enum nsx_timeout {
	NSX_TO_TCP_OPENING,
	NSX_TO_TCP_ESTABLISHED,
	NSX_TO_TCP_CLOSED,
	NSX_TO_TCP_RESET,
	NSX_TO_UDP_ONEWAY,
	NSX_TO_UDP,
	NSX_TO_ICMP,
	NSX_TIMEOUTS,
};

/* nsx_conf.flags */
#define NSX_UP_MADE_RUN_NETNS	0x01	/* /run/netns did not exist before */
#define NSX_UP_MADE_ETC_NETNS	0x02	/* /etc/netns did not exist before */
#define NSX_UP_SET_RXVLAN	0x10	/* the first uplink took VLAN tags off frames before */
#define NSX_UP_BIND_GUARD	0x08	/* bind() to a published port is refused */
#define NSX_UP_MADE_BPFFS	0x04	/* the BPF file system was not mounted before */

/* nsx_local.state */
enum nsx_local_state {
	NSX_LOCAL_UNUSED,		/* never used */
	NSX_LOCAL_PRESENT,
	/* Not the host's any more: flows of it are dead, but come alive again with it */
	NSX_LOCAL_GONE,
	NSX_LOCAL_WRITING,	/* becoming another address's, by the CPU or command that won it */
};

/**
 * struct nsx_local_addr - an address of the host
 * @dev: the uplink that packets from it leave by, ifindex
 * @since: when it took this place, ticks: flows that were seen last before are of the address that
 *	had it then
 * @gone_at: when it was removed from the host, ticks; in its other states it means nothing
 * @state: enum nsx_local_state
 * @len: IPv4: prefix length; 0 where it was learnt on the way
 * @on_uplink: it is an uplink's, as far as is known: flows leave from it where the kernel does not
 *	tell from which
 * @owners: the devices that have it, as far as is known: a bit for each place in nsx_conf.devices
 * @owners_until: ticks; before, the datapath need not look again
 * @checked: the tick in which a packet of an established flow last asked for its state
 */
struct nsx_local_addr {
	struct nsx_addr addr;
	__u32 dev;
	__u32 since;
	__u32 gone_at;
	__u32 state;
	__u32 len;
	__u32 on_uplink;
	__u32 checked;
	__u32 owners;
	__u32 owners_until;
	__u32 pad;
};

/* nsx_intent.kind */
enum nsx_intent_kind {
	NSX_INTENT_NONE,
	NSX_INTENT_PORTS,	/* .before is to become .after, or nothing is to be published */
	NSX_INTENT_PORTS_DONE,	/* it has: what only .before needed is to go */
};

/**
 * struct nsx_intent - the change that a command is about to make, written before anything else; for
 * commands only
 * @kind: enum nsx_intent_kind
 * @undo: number of the change's entry in the undo log plus one; 0: it has none
 * @before, @after: the first slot of the ports; .ifindex 0: nothing is published
 *
 * A command that dies leaves it behind, and the next one that changes something finishes the
 * change or takes it back (publish_recover() and apply_recover()).
 */
struct nsx_intent {
	__u32 kind;
	__u32 undo;
	struct nsx_slot before;
	struct nsx_slot after;
};

/**
 * struct nsx_twins - a change of one port for both families, which are published one after the
 * other; for commands only
 * @row: IPv4's
 * @changing: set while it is being made: a command that comes after one that died does for IPv6 what
 *	IPv4 has
 * @first, @last: the ports, host byte order
 * @dev: at whose addresses they are; empty: at all
 */
struct nsx_twins {
	__u8 row;
	__u8 changing;
	__u16 first;
	__u16 last;
	char dev[16];
};

/**
 * struct nsx_learned - what the datapath finds out, the only entry of its map; commands write what
 * they know of it too
 * @local_count: how many of @local are valid
 * @occupancy: percent of nsx_conf.flows that is in use
 * @further: by enum nsx_family: there have been addresses besides the family's first; 0 spares the
 *	look-up. Set, by any CPU or a command, before such an address can be found; never cleared
 * @local: the host's addresses; the first two are those, by enum nsx_family, that masqueraded flows
 *	leave from unless a route says otherwise
 * @measured: when @occupancy was measured, ticks; see bpf/usage.h
 * @high: the most places of the session table that were in use
 */
struct nsx_learned {
	__u32 local_count;
	__u32 occupancy;
	__u32 further[NSX_FAMILIES];
	struct nsx_local_addr local[NSX_LOCAL_MAX];
	__u32 measured;
	__u32 high;
};

/**
 * struct nsx_conf - what the operator set, and what "up" found for it: the only entry of its map
 * @pool, @pool_mask: where the namespaces' addresses come from, by enum nsx_family
 * @gw6: the host's IPv6 address on all links of namespaces, besides fe80::1
 * @uplinks: ifindexes, 0 where there are fewer; XDP is on the first only
 * @port_lo, @port_hi: ports for masquerading, host byte order, inclusive, but for:
 * @host_lo, @host_hi: ip_local_port_range of the host, host byte order, inclusive
 * @snat: addresses of the host that masquerading is spread over, each inside address having one
 *	(RFC 4787, REQ-2)
 * @ipv6: enum nsx_ipv6
 * @publish_at: where ports are published that are given without an address; 0: at every one
 * @devices: those whose addresses ports are published at, ifindexes; 0: none, or it is gone
 * @at6: IPv6 addresses that ports are published at; zero where the place is free. Commands write
 *	an address before a slot has its place's number, and free a place once no slot has it; a
 *	packet that reads it meanwhile finds the slot changed and is dropped
 * @snat_count: how many of @snat; 0: the route to a remote chooses
 * @flows: masqueraded flows and remembered connections that the session table is made for
 * @tables: which of the two session tables is in use, NSX_TABLES_*; read once for each look-up
 * @lease: ticks that a flow has its port for, until the sweeper renews that; 0: the sweeper does
 *	not run
 * @room: flows that either session table is made for
 * @buckets, @lines: of either session table, and of its outside index
 * @timeout: ticks, by enum nsx_timeout
 * @flags: NSX_UP_*
 * @hz: jiffies per second
 * @mtu: of the first uplink at "up", bytes; for the links of namespaces
 * @limits: namespaces that have a limit of flows or of their rate: 0 spares the look
 * @clamps: namespaces whose maximum segment size is clamped: 0 spares the look
 * @uplink_mac: frames to another never take the XDP path
 * @mode: enum nsx_mode
 * @asker: the near end of the private network namespace; a device that no tenant reaches, so that
 *	the kernel is asked for routes from it
 * @defrag: bits of 1 << enum nsx_family whose fragments the kernel reassembles in the private
 *	network namespace; 0: that is not there, and packets are not cut either
 * @netns_cookie: SO_NETNS_COOKIE of the network namespace that the instance is in
 * @defrag_mark: skb->mark of fragments that were reassembled, random, as the next two: what a
 *	namespace's own programs redirect into its link (bpf_redirect_peer) keeps the marks that
 *	they set
 * @passed_mark: the same, set by tc_from_ns on what it passed at a netkit device's far end
 * @mark_index: skb->tc_index of both, 16 bits
 * @hash_seed: random per instance, so that nobody outside can aim at one bucket of the session
 *	table
 * @frozen_until: the tables are being converted: before this tick no entry gets another owner and
 *	no flow begins; 0: they are not. At most NSX_FROZEN_SECONDS ahead, so that it ends by itself
 *	where the command dies
 * @confirm: enum nsx_confirm; commands change it, and the sweeper where the time has run out, by
 *	compare-and-exchange
 * @confirm_until: ticks; a change that is not confirmed before is taken back
 * @confirm_number: of that change, raised with each
 * @confirm_new: that change brought the instance up: before it nothing was there
 * @undo_count: entries in the undo log
 * @ending: enum nsx_ending
 * @passive: the instance is to be as if it were not there: uplinks pass everything to the host, and
 *	namespaces reach nothing. Set where an "up" was not confirmed, until "down"
 * @frag_scale: how often NSX_FRAG_MEMORY is what fragments may take up here, rounded up: shares are
 *	so much smaller
 */
struct nsx_conf {
	struct nsx_addr pool[NSX_FAMILIES];
	struct nsx_addr pool_mask[NSX_FAMILIES];
	__u32 uplinks[NSX_UPLINKS];
	__u16 port_lo;
	__u16 port_hi;
	__u16 host_lo;
	__u16 host_hi;
	__u32 timeout[NSX_TIMEOUTS];
	__u32 flags;
	__u64 hash_seed;
	__u64 netns_cookie;
	__u32 asker;
	__u32 defrag;
	__u32 limits;
	__u32 mtu;
	__u32 hz;
	__u32 clamps;
	__u8 uplink_mac[6];
	__u8 pool_len;		/* bits of IPv4's */
	__u8 mode;		/* enum nsx_mode */
	__u8 attach;		/* enum nsx_attach */
	__u8 passive;
	__u8 ipv6;
	__u8 pool6_len;		/* bits of IPv6's; 0: there is no IPv6 */
	__u32 flows;
	__u32 tables;
	__u32 frozen_until;
	__u32 lease;
	__u32 room[2];
	__u32 buckets[2];
	__u32 lines[2];
	__u32 snat_count;
	struct nsx_addr publish_at;
	struct nsx_addr snat[NSX_SNAT_MAX];
	__u32 devices[NSX_DEVICES];
	struct nsx_addr gw6;
	struct nsx_addr at6[NSX_AT6_MAX];
	__u32 confirm;
	__u32 confirm_until;
	__u32 confirm_number;
	__u32 confirm_new;
	__u32 undo_count;
	__u32 ending;
	__u32 frag_scale;
	__u32 defrag_mark;
	__u32 passed_mark;
	__u32 mark_index;
};

#define NSX_FROZEN_SECONDS 5

/* nsx_conf.ipv6: what namespaces have of IPv6 */
enum nsx_ipv6 {
	NSX_IPV6_OFF,
	NSX_IPV6_NAT,		/* masqueraded behind the host's addresses */
	NSX_IPV6_ROUTED,	/* addresses that others have a route to, see bpf/routed.h */
};

/**
 * struct nsx_veth_change - argument of the program nsx_veth_change: what struct nsx_veth says from
 * now on
 */
struct nsx_veth_change {
	__u32 ifindex;
	__u16 flags;
	__u16 mss;
	__u32 max_flows;
	__u32 egress;
	__u64 egress_cost;
	struct nsx_addr source[NSX_FAMILIES];
};

/* nsx_conf.ending: the flows of namespaces with NSX_V_ENDING end, as the sweeper comes to them */
enum nsx_ending {
	NSX_ENDING_NONE,
	NSX_ENDING_ASKED,	/* there is such a namespace, since now */
	NSX_ENDING_RUNS,	/* the sweeper goes once over everything */
};

/* nsx_conf.confirm: where a change is that an operator has to confirm */
enum nsx_confirm {
	NSX_CONFIRM_NONE,
	NSX_CONFIRM_MAKING,	/* it is being made */
	NSX_CONFIRM_WAITING,	/* it is complete */
	NSX_CONFIRM_UNDOING,	/* it was not confirmed: packets are given back what was before */
	NSX_CONFIRM_UNDONE,	/* they have it; the rest is left to the next command */
	NSX_CONFIRM_KEEPING,	/* it was confirmed: what was kept to take it back goes */
	NSX_CONFIRM_STATES,
};

/* nsx_undo.kind */
enum nsx_undo_kind {
	NSX_UNDO_NONE,		/* nothing: the step was taken back at once */
	NSX_UNDO_PORTS,		/* .before became .after, as in struct nsx_intent */
	NSX_UNDO_VETH,		/* the datapath knew .veth of a namespace's link */
	NSX_UNDO_NEW_NS,	/* the link .veth.ifindex, of the addresses .veth.source, was not there */
	NSX_UNDO_DEL_NS,	/* the namespace .name is to be removed once the change is confirmed */
};

/* The two maps in the table nsx_undo_log */
enum nsx_undo_map {
	NSX_UNDO_STEPS,		/* an entry for each step, in the order in which they were made */
	NSX_UNDO_TEXT,		/* the configuration before the change, as a file has it, NUL-ended */
	NSX_UNDO_MAPS,
};

/**
 * struct nsx_undo - a step that can be taken back; it is written first, then counted in
 * nsx_conf.undo_count, and then made
 * @kind: enum nsx_undo_kind
 * @text: the next part of the text, in NSX_UNDO_TEXT, where there is nothing else in an entry
 */
struct nsx_undo {
	union {
		struct {
			__u32 kind;
			__u32 pad;
			union {
				struct {
					struct nsx_slot before;
					struct nsx_slot after;
				};
				struct nsx_veth_change veth;
				char name[NSX_NAME_LEN];
			};
		};
		char text[136];
	};
};

/**
 * struct nsx_settings - those of nsx_conf that "up" changes on a running instance, as they were before
 * a change that has to be confirmed
 */
struct nsx_settings {
	__u32 timeout[NSX_TIMEOUTS];
	__u32 snat_count;
	__u16 port_lo;
	__u16 port_hi;
	__u16 host_lo;
	__u16 host_hi;
	struct nsx_addr publish_at;
	struct nsx_addr snat[NSX_SNAT_MAX];
};

/**
 * struct nsx_journal - what commands leave for the next one, the only entry of its map; the
 * datapath does not read it
 * @given: what the operator chose: UP_GIVEN_* (user/config/config.h)
 * @missing: what the kernel did not have at "up", a bit for each enum feature
 *	(user/kernel/feature.h)
 * @next_id: nsx_ns.id of the next namespace
 * @next_service: where the search for a free one begins
 * @drainings: how many services may have one that ended
 * @link_group: random, of the links that nsxdp made, as in ip link show group: "down" deletes them
 *	at once
 * @mode_wanted: enum nsx_mode
 * @going: enum nsx_going
 * @undo_tries: how often a command has failed to bring back all that was before a change
 * @way_out6: namespaces have an IPv6 default route
 * @uplink_names: of nsx_conf.uplinks
 * @device_names: of nsx_conf.devices; empty where the place is free
 * @mode_reason: why nsx_conf.mode is what it is, in words
 * @local_reason: why the host's own sockets do not reach published ports; empty where they do
 * @intent: what a command is about to change, or was when it died
 * @changing: the namespace that a command is changing to what its entry says, and its entry
 * @changing_from: before; the name is empty where there is none
 */
struct nsx_journal {
	__u32 given;
	__u32 missing;
	__u32 next_id;
	__u32 next_service;
	__u32 drainings;
	__u32 link_group;
	__u8 mode_wanted;
	__u8 going;
	__u8 undo_tries;
	__u8 way_out6;
	__u8 pad[4];
	char uplink_names[NSX_UPLINKS][16];
	char device_names[NSX_DEVICES][16];
	char mode_reason[128];
	char local_reason[128];
	struct nsx_intent intent;
	struct nsx_twins twins;
	char changing[NSX_NAME_LEN];
	struct nsx_ns changing_from;
};

/*
 * nsx_meta.semantics: raised where the contents of a table change their meaning but not their
 * layout, so that a conversion by the names of fields would be wrong.
 */
#define NSX_SEMANTICS	3U

#define NSX_META_MAGIC	0x70647873006e7378ULL
#define NSX_META_MAPS	64

/* nsx_meta.state */
enum nsx_meta_state {
	NSX_META_READY = 1,
	NSX_META_SWITCHING,	/* links may have programs of either build; all pins are there */
	NSX_META_COMMITTING,	/* all links have the new programs; pins are being replaced */
};

/**
 * struct nsx_meta - tells one build's tables from another's; the only entry of the map nsx_meta,
 * which the programs do not use. This struct stays as it is in all versions.
 * @magic: NSX_META_MAGIC
 * @programs: datapath_build() of the command whose programs run
 * @state: enum nsx_meta_state
 * @semantics: NSX_SEMANTICS of that command
 * @version: of that command, in words
 * @map: each pinned map, with a number that tells layouts of its keys and values apart, and
 *	"struct NAME" for what commands give to pinned programs; those behind the last have no name
 */
struct nsx_meta {
	__u64 magic;
	__u64 programs;
	__u32 state;
	__u32 semantics;
	char version[40];
	struct nsx_meta_map {
		char name[32];
		__u32 layout;
		__u32 pad;
	} map[NSX_META_MAPS];
};

/* nsx_conf.tables */
#define NSX_TABLES_CURRENT 0x1	/* new entries go to this one */
#define NSX_TABLES_MOVING 0x2	/* the other one has entries too */

/* nsx_conf.mode: what runs on the uplink besides the programs at TC */
enum nsx_mode {
	NSX_MODE_TC,
	NSX_MODE_XDP,
	NSX_MODE_XDP_GENERIC,
	NSX_MODE_AUTO,		/* wanted only */
};

/* nsx_journal.going: which namespaces are removed, or not made yet, where a command has died */
enum nsx_going {
	NSX_GOING_NONE,
	NSX_GOING_SOME,		/* those in state NSX_NS_MAKING */
	NSX_GOING_ALL,
	NSX_GOING_RELEASED,	/* all, but for what they are made of */
};

/* nsx_conf.attach: how links of namespaces are served that nsxdp makes from now on */
enum nsx_attach {
	NSX_ATTACH_TCX,		/* each by a program of its own */
	NSX_ATTACH_BLOCK,	/* all by one filter on a block that they share */
};

/* A new link of a namespace with these flags (NSX_NS_*) is served by the block. */
#define nsx_by_block(conf, flags)              \
	((conf)->attach == NSX_ATTACH_BLOCK && \
	 ((flags) & (NSX_NS_MADE_VETH | NSX_NS_NETKIT)) == NSX_NS_MADE_VETH)

/* Ticks in a number of seconds. */
#define nsx_ticks(conf, seconds) ((__u32)(((__u64)(seconds) * (conf)->hz) >> NSX_TICK_SHIFT))

#define NSX_INLINE static inline __attribute__((always_inline))

/*
 * The place in nsx_conf.devices that nsx_slot.at or nsx_target.at means, plus one; 0: it means an
 * address, or every one. No host has an address of 0.0.0.0/8 (RFC 1122, 3.2.1.3).
 */
NSX_INLINE __u32 nsx_at_device(__be32 at)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u32 number = __builtin_bswap32(at);
#else
	__u32 number = at;
#endif
	return number <= NSX_DEVICES ? number : 0;
}

/* The same for the place in nsx_conf.at6, behind those of devices. */
NSX_INLINE __u32 nsx_at_v6(__be32 at)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u32 number = __builtin_bswap32(at) - NSX_DEVICES;
#else
	__u32 number = at - NSX_DEVICES;
#endif
	return number <= NSX_AT6_MAX ? number : 0;
}

NSX_INLINE int nsx_is_v4(const struct nsx_addr *addr)
{
	return addr->d[0] == 0 && addr->w[2] == NSX_V4_PREFIX;
}

/* The row that a slot of the registry, or a flow's port, belongs to. */
NSX_INLINE __u32 nsx_slot_row(const struct nsx_slot *s)
{
	/* Without a branch: the verifier follows each of them. */
	__u64 differs = s->inside.d[0] | (s->inside.w[2] ^ NSX_V4_PREFIX);

	return s->proto + NSX_PROTOS * (__u32)((differs | -differs) >> 63);
}

/* A port that is published there answers at an address that these devices have: nsx_local_addr.owners */
NSX_INLINE int nsx_at_owners(__be32 at, __u32 owners)
{
	__u32 number = nsx_at_device(at) - 1;

	return number < NSX_DEVICES && (owners >> number & 1);
}

/*
 * The bucket of a published endpoint. Ports of a range lie in neighbours, four in each. Where a
 * bucket is full, the next probe is elsewhere.
 */
NSX_INLINE __u32 nsx_reverse_bucket(__u32 ifindex, __be16 inside_port, __u8 row, int probe)
{
	__u32 start = (ifindex * 8 + row) * 0x9e3779b1U + probe * 0x85ebca6bU;

	return ((start >> 16) + (NSX_PORT_NUMBER(inside_port) >> 2)) % NSX_REVERSE_BUCKETS;
}

/** struct nsx_session_key - identity of a session entry; all of it is compared */
struct nsx_session_key {
	struct nsx_addr inside;
	struct nsx_addr remote;	/* 0 for NSX_ALIAS */
	__be16 inside_port;
	__be16 remote_port;
	__u8 proto;
	__u8 kind;		/* enum nsx_kind */
	__u16 pad;
};

NSX_INLINE __u64 nsx_swap_halves(__u64 word)
{
	return word >> 32 | word << 32;
}

/*
 * Both halves of a remote's address, each added to a secret, multiplied with each other: without the
 * secret nobody can choose IPv6 addresses that collide. For IPv4 the first factor is odd, so no two
 * addresses do.
 */
NSX_INLINE __u64 nsx_remote_mix(const struct nsx_conf *conf, const struct nsx_addr *remote)
{
	return (remote->d[0] + (conf->hash_seed << 1 ^ 0xc2b2ae3d27d4eb4fULL)) *
	       nsx_swap_halves(remote->d[1] + conf->hash_seed);
}

/* Mix of all of an entry's identity but its inside port. */
NSX_INLINE __u64 nsx_session_mix(const struct nsx_conf *conf, const struct nsx_addr *inside,
				 const struct nsx_addr *remote, __be16 remote_port, __u8 proto,
				 __u8 kind)
{
	/*
	 * Three products that do not wait for each other, and one of their sum. A product carries
	 * upwards only, so the half of an address that differs among neighbours, which is the upper
	 * one of IPv4's, comes first. Inside addresses are the instance's own choice.
	 */
	__u64 h = (inside->d[0] ^ nsx_swap_halves(inside->d[1]) ^ conf->hash_seed) *
			  0x9e3779b97f4a7c15ULL +
		  nsx_remote_mix(conf, remote) +
		  ((__u64)remote_port << 16 | proto << 8 | kind) * 0xd6e8feb86659fd93ULL;

	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

NSX_INLINE __u64 nsx_session_hash(const struct nsx_conf *conf, const struct nsx_session_key *k)
{
	return nsx_session_mix(conf, &k->inside, &k->remote, k->remote_port, k->proto, k->kind);
}

/*
 * The buckets that an entry may be in, by choice. Those of a client's consecutive ports are
 * neighbours, for that is how clients take them: so what is used together lies in few pages of
 * memory.
 */
NSX_INLINE __u32 nsx_session_bucket(__u64 hash, __be16 inside_port, __u32 buckets, int choice)
{
	__u32 part = choice == 0   ? hash >> 32
		     : choice == 1 ? hash
				   : hash >> 16,
	      port = NSX_PORT_NUMBER(inside_port);
	__u32 at = (__u64)part * buckets >> 32;

	at += buckets >= NSX_PORTS ? port : port % (buckets ? buckets : 1);
	return at >= buckets ? at - buckets : at;
}

NSX_INLINE __u32 nsx_session_tag(__u64 hash, __be16 inside_port)
{
	return (__u32)((hash + inside_port) * 0xc2b2ae3d27d4eb4fULL >> 32) | 1;
}

/* The same of an outside tuple, for the outside index. */
NSX_INLINE __u64 nsx_outside_hash(const struct nsx_conf *conf, const struct nsx_addr *remote,
				  __be16 remote_port, __be16 outside_port, __u16 local, __u8 proto)
{
	__u64 h = nsx_remote_mix(conf, remote);

	h ^= h >> 29;
	h = (h ^
	     ((__u64)remote_port << 48 | (__u64)outside_port << 32 | (__u32)local << 8 | proto)) *
	    0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

NSX_INLINE __u32 nsx_outside_line(__u64 hash, __u32 lines, int choice)
{
	return (choice ? hash & 0xffffffffU : hash >> 32) * lines >> 32;
}

NSX_INLINE __u32 nsx_outside_tag(__u64 hash)
{
	return (__u32)(hash * 0xc2b2ae3d27d4eb4fULL >> 32) | 1;
}

/*
 * Size of the tables for a number of flows: buckets and lines that are three quarters full with
 * them.
 */
#define NSX_BUCKETS_FOR(flows) ((__u32)(((__u64)(flows) * 4 / 3 + NSX_WAYS - 1) / NSX_WAYS))
#define NSX_LINES_FOR(flows) ((__u32)(((__u64)(flows) * 4 / 3 + NSX_CELLS - 1) / NSX_CELLS))

/*
 * How many ports there are for masquerading, and the one with a number below that, in host byte
 * order.
 */
NSX_INLINE __u32 nsx_port_hole(const struct nsx_conf *conf)
{
	__u32 lo = conf->host_lo > conf->port_lo ? conf->host_lo : conf->port_lo;
	__u32 hi = conf->host_hi < conf->port_hi ? conf->host_hi : conf->port_hi;

	return lo <= hi ? hi - lo + 1 : 0;
}

NSX_INLINE __u32 nsx_port_span(const struct nsx_conf *conf)
{
	return conf->port_hi - conf->port_lo + 1 - nsx_port_hole(conf);
}

NSX_INLINE __u16 nsx_port_at(const struct nsx_conf *conf, __u32 number)
{
	__u32 hole = nsx_port_hole(conf), port = conf->port_lo + number;

	return hole && port >= (conf->host_lo > conf->port_lo ? conf->host_lo : conf->port_lo)
		       ? port + hole
		       : port;
}

/* The entry has this identity; state: its state word. */
NSX_INLINE int nsx_session_is(const struct nsx_slot *s, __u32 state,
			      const struct nsx_session_key *k)
{
	/* Without branches: the verifier follows each of them for every way of a bucket. */
	__u32 ports = (s->inside_port ^ k->inside_port) | (s->remote_port ^ k->remote_port) |
		      (s->proto ^ k->proto) | (NSX_KIND(state) ^ k->kind);
	__u64 addrs = (s->inside.d[0] ^ k->inside.d[0]) | (s->inside.d[1] ^ k->inside.d[1]) |
		      (s->remote.d[0] ^ k->remote.d[0]) | (s->remote.d[1] ^ k->remote.d[1]);

	return (ports | addrs) == 0;
}

/* Of NSX_RETURN with NSX_F_ROUTED: the namespace has opened the flow. */
NSX_INLINE int nsx_from_inside(const struct nsx_slot *s)
{
	return (s->flags & (NSX_F_ROUTED | NSX_F_HAIRPIN)) == NSX_F_ROUTED && s->ifindex;
}

NSX_INLINE int nsx_tcp_closed(__u8 tcp)
{
	__u8 fins = NSX_T_FIN_IN | NSX_T_FIN_OUT;

	return (tcp & NSX_T_RST) || (tcp & fins) == fins;
}

/* Which timeout applies to a flow in its present state. */
NSX_INLINE enum nsx_timeout nsx_flow_timeout(__u8 proto, __u8 tcp)
{
	if (proto == NSX_ICMP)
		return NSX_TO_ICMP;
	if (proto == NSX_UDP)
		return tcp & NSX_T_IN ? NSX_TO_UDP : NSX_TO_UDP_ONEWAY;
	if (tcp & NSX_T_RST)
		return NSX_TO_TCP_RESET;
	if (nsx_tcp_closed(tcp))
		return NSX_TO_TCP_CLOSED;
	return tcp & NSX_T_ASSURED ? NSX_TO_TCP_ESTABLISHED : NSX_TO_TCP_OPENING;
}

/*
 * Ticks that a flow may be idle. What was never answered, half-open or one-way, gets less the
 * fuller the tables are, from all of its time down to NSX_EVICT_IDLE seconds: adaptive timeouts, as
 * in pf.conf(5).
 */
NSX_INLINE __u32 nsx_flow_time(const struct nsx_slot *s, const struct nsx_conf *conf,
			       const struct nsx_learned *learned)
{
	__u32 t = nsx_flow_timeout(s->proto, s->tcp), occupancy = learned->occupancy;
	__u32 full = t < NSX_TIMEOUTS ? conf->timeout[t] : 0,
	      least = nsx_ticks(conf, NSX_EVICT_IDLE);

	if ((s->tcp & NSX_T_IN) || occupancy <= NSX_OCCUPANCY_START || full <= least)
		return full;
	return least + (full - least) * (occupancy < 100 ? 100 - occupancy : 0) /
			       (100 - NSX_OCCUPANCY_START);
}

/*
 * Ticks since a moment. Another CPU's clock may have been a little ahead of now; what is even
 * longer ago than half of the clock's range stays long ago.
 */
NSX_INLINE __u32 nsx_idle(__u32 now, __u32 seen)
{
	__u32 idle = now - seen;

	return idle >= -NSX_CLOCK_SKEW ? 0 : idle;
}

/*
 * Ticks that flows of the session table need a port of the registry still; negative where none
 * does.
 */
NSX_INLINE __s32 nsx_further_left(const struct nsx_slot *s, __u32 now)
{
	__u32 idle = nsx_idle(now, s->seen), span = s->until - s->seen;
	int shared = NSX_KIND(s->state) == NSX_SHARED;

	return (shared || (s->flags & NSX_F_MANY)) && (__s32)span >= 0 && idle <= span
		       ? (__s32)(span - idle)
		       : -1;
}

/* The host has the address that this is a flow of, and had it when the flow was last seen. */
NSX_INLINE int nsx_local_serves(const struct nsx_slot *s, const struct nsx_learned *learned,
				__u32 now)
{
	const struct nsx_local_addr *local = &learned->local[s->local & (NSX_LOCAL_MAX - 1)];

	if (s->flags & NSX_F_ROUTED)
		return 1;
	return local->state == NSX_LOCAL_PRESENT &&
	       nsx_idle(now, s->seen) <= nsx_idle(now, local->since);
}

/*
 * A flow is over for good: not only dead because its address is not the host's at the moment, which
 * may come back with all its flows.
 */
NSX_INLINE int nsx_flow_over(const struct nsx_slot *s, const struct nsx_conf *conf,
			     const struct nsx_learned *learned, __u32 now)
{
	const struct nsx_local_addr *local = &learned->local[s->local & (NSX_LOCAL_MAX - 1)];
	__u32 idle = nsx_idle(now, s->seen);

	return idle > nsx_flow_time(s, conf, learned) ||
	       (local->state == NSX_LOCAL_PRESENT && idle > nsx_idle(now, local->since) &&
		!(s->flags & NSX_F_ROUTED));
}

/* Ticks until a flow is dead; negative once it is. */
NSX_INLINE __s32 nsx_flow_left(const struct nsx_slot *s, const struct nsx_conf *conf,
			       const struct nsx_learned *learned, __u32 now)
{
	__u32 idle = nsx_idle(now, s->seen), full = nsx_flow_time(s, conf, learned);

	return nsx_local_serves(s, learned, now) && idle <= full ? (__s32)(full - idle) : -1;
}

/*
 * Ticks until nobody holds a port of the registry that is NSX_FLOW or NSX_SHARED; negative where
 * nobody does.
 */
NSX_INLINE __s32 nsx_port_left(const struct nsx_slot *s, const struct nsx_conf *conf,
			       const struct nsx_learned *learned, __u32 now)
{
	__s32 further = nsx_further_left(s, now), flow;

	if (NSX_KIND(s->state) == NSX_SHARED)
		return further;
	flow = nsx_flow_left(s, conf, learned, now);
	return flow > further || !nsx_local_serves(s, learned, now) ? flow : further;
}

/* nsx_flush.by */
enum nsx_flush_by {
	/* Proto, inside, ports first to last: inside ones, but of NSX_RETURN those outside */
	NSX_FLUSH_ENDPOINT,
	NSX_FLUSH_NAMESPACE,	/* inside; hairpins of which it is the client too */
	NSX_FLUSH_ALL,		/* all of them */
};

/** struct nsx_flush - argument of the program nsx_flush: whose flows end */
struct nsx_flush {
	struct nsx_addr inside;
	__u32 kinds;		/* a bit for each enum nsx_kind */
	__u32 ended;		/* set: how many did */
	/* Set: how many entries were being written, which is to be asked again */
	__u32 busy;
	__u32 table;		/* of the program's own */
	__u16 first;		/* host byte order */
	__u16 last;
	__u8 proto;
	__u8 by;		/* enum nsx_flush_by */
	__u16 pad;
};

/* nsx_range.op, and what .result is set to */
enum nsx_range_op {
	NSX_RANGE_TAKEN,	/* the first port that is published, or 0 */
	NSX_RANGE_ADD_REVERSE,	/* make the reverse entries: for how many there was room */
	NSX_RANGE_WRITE,	/* publish: how many masqueraded flows are over by that */
	/* Mark those of which this further target is published elsewhere too: 0 */
	NSX_RANGE_SECOND,
	NSX_RANGE_ALONE,	/* the reverse entry answers for them now: 0 */
	NSX_RANGE_CLEAR,	/* publish no more: 0 */
	NSX_RANGE_HOST,		/* all ports: note which the host gives to its own sockets too: 0 */
	NSX_RANGE_BOUND,	/* sockets of the host's are bound to them: 0 */
	/* Remove the reverse entries: how many are left, which answer for several ports */
	NSX_RANGE_DEL_REVERSE,
};

/**
 * struct nsx_range - argument of the program nsx_range: what is done with the ports .map.first to
 * .map.last
 * @map: what the first of them is, or becomes; the inside ports of the others follow
 * @op: enum nsx_range_op
 * @result: set, or added to
 * @at: how many ports are done, from the first on
 * @busy: set where the next one was being written: call again
 */
struct nsx_range {
	struct nsx_slot map;
	__u32 op;
	__u32 result;
	__u32 at;
	__u32 busy;
};

/**
 * struct nsx_move - what the program nsx_move did: entries that moved, that found no room, and that
 * were being written
 */
struct nsx_move {
	__u32 moved;
	__u32 lost;
	__u32 busy;
};

/* Which program counted a verdict. */
enum nsx_hook {
	NSX_FROM_UPLINK,
	NSX_FROM_NS,
	NSX_TO_NS,	/* from the host's stack; only what is dropped is counted */
	NSX_FROM_PRIVATE, /* reassembled, or cut */
	NSX_HOOKS,
};

/** struct nsx_count - packets and bytes (of the frame as the hook sees it) per verdict and CPU */
struct nsx_count {
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct nsx_slot) == 64, "a slot is one cache line");
_Static_assert(sizeof(struct nsx_bucket) == 512, "buckets do not cross pages");
_Static_assert(sizeof(struct nsx_line) == 64, "one cache line");
_Static_assert(__builtin_offsetof(struct nsx_slot, flags) % 4 == 3,
	       "flags end a word: see slot_flag()");
_Static_assert(sizeof(struct nsx_reverse) == 32, "no implicit padding");
_Static_assert(sizeof(struct nsx_local_addr) == 56, "no implicit padding");
_Static_assert(sizeof(struct nsx_veth) == 168, "no implicit padding");
_Static_assert(sizeof(struct nsx_ns) == 992, "no implicit padding");
_Static_assert(sizeof(struct nsx_flush) == 40, "no implicit padding");
_Static_assert(sizeof(struct nsx_range) == 80, "no implicit padding");
_Static_assert(sizeof(struct nsx_undo) == 136, "no implicit padding");
_Static_assert(sizeof(struct nsx_settings) % 8 == 0, "no implicit padding");
_Static_assert(sizeof(struct nsx_conf) % 8 == 0, "no implicit padding");
_Static_assert(sizeof(struct nsx_journal) % 8 == 0, "no implicit padding");

#endif
