/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is wanted: the words of a command become one of these structs, and apply.h makes them true.
 * A reader returns 0, or -EINVAL with the reason in words; the struct is then not to be used.
 */
#ifndef NSXDP_CONFIG_H
#define NSXDP_CONFIG_H

#include <stdbool.h>

#include "fail.h"
#include "nsxdp.h"
#include "parse.h"

#define MSS_PATH 65495	/* of --clamp-mss without a size: more than any path gives, so that the path's own counts */
#define MAP_ALLOWS 64	/* networks of one published port */
#define DNS_MAX 3	/* as many as resolv.conf(5) takes */

/** struct up_conf - an instance: its uplinks and the pool of the namespaces' addresses */
struct up_conf {
	char dev[NSX_UPLINKS][16];
	int devs;
	struct nsx_addr pool;	/* the network's address: host bits are 0 */
	__u8 pool_len;
	bool has_pool;		/* given, not the default */
	__u8 mode;		/* enum nsx_mode */
	bool has_mode;
	unsigned int timeout[NSX_TIMEOUTS];	/* seconds */
	bool has_timeout;
	bool no_bind_guard;	/* the host's processes may bind to published ports */
	__u32 flows;		/* that there is room for; 0: as the machine's memory allows */
	struct nsx_addr snat[NSX_SNAT_MAX];	/* the host's addresses that masquerading is spread over */
	__u32 snat_count;	/* 0: the route to a remote chooses */
	bool has_snat;
	__u16 snat_lo;		/* ports for masquerading, inclusive; 0: all from 1024 on */
	__u16 snat_hi;
};

/** struct ns_conf - a namespace */
struct ns_conf {
	char name[NSX_NAME_LEN];
	struct nsx_addr addr;
	__u8 prefix_len;
	bool has_addr;		/* else the next free block of the pool is taken */
	bool xdp;		/* its packets take the XDP path */
	bool has_datapath;	/* xdp was given */
	__u32 filtering;	/* of UDP: NSX_NS_ANY_REMOTE, NSX_NS_ANY_PORT, or 0: address and port-dependent */
	bool has_filtering;
	bool link_local;	/* it may reach 169.254.0.0/16 */
	__u16 mss;		/* the largest that TCP may announce, bytes; 0: as it likes */
	__u32 max_flows;	/* masqueraded flows; 0: as there is room */
	__u64 egress_rate;	/* bits per second; 0: as it likes */
	struct nsx_addr dns[DNS_MAX];
	int dns_count;		/* 0: the host's own resolvers, as far as they can be reached */
};

/* map_conf.said: a changed port keeps its other conditions */
#define MAP_SAID_ALLOW		0x1
#define MAP_SAID_RATE		0x2
#define MAP_SAID_AFFINITY	0x4

/** struct map_conf - a published port, or a range of them; ports in host byte order */
struct map_conf {
	__u8 proto;		/* enum nsx_proto */
	struct nsx_addr at;	/* the host's address that it answers at */
	bool has_at;		/* else at every one */
	__u16 port;		/* the first */
	__u16 last;		/* inclusive; the first where it is one port */
	struct {
		char ns[NSX_NAME_LEN];
		__u16 port;	/* of the first; the others follow */
		__u16 weight;
	} target[NSX_TARGETS];
	int targets;		/* 0 where only the port matters (map del) */
	struct {
		struct nsx_addr addr;
		__u8 len;	/* IPv4 bits */
	} allow[MAP_ALLOWS];
	int allows;		/* 0: everybody may come */
	unsigned int rate;	/* new connections (TCP) or packets (UDP) per second; 0: as they come */
	unsigned int burst;	/* of those at once */
	bool affinity;		/* a client's address has one target */
	unsigned int said;	/* MAP_SAID_*: conditions that were spoken of, if only to say that there is none */
	unsigned int drain;	/* seconds that connections of targets before may go on */
	bool has_drain;
};

int config_read_up(int argc, char **argv, struct up_conf *ret, struct fail *f);
int config_read_ns(int argc, char **argv, bool with_dns, struct ns_conf *ret, struct fail *f);

/* Which words a command about published ports takes besides the ports. */
enum map_words {
	MAP_PORTS,	/* and --drain: map del */
	MAP_TARGETS,	/* targets and conditions: map add */
	MAP_CHANGE,	/* the same and --drain: map set */
};
int config_read_map(int argc, char **argv, enum map_words words, struct map_conf *ret, struct fail *f);

/* The word after the option at argv[*i], which is moved on; NULL (with the reason) where there is none. */
const char *config_value(int argc, char **argv, int *i, struct fail *f);

/* RFC 4787's name of the filtering that nsx_ns.flags say. */
const char *config_filtering_name(__u32 flags);

/* "tc", "xdp", "xdp-generic", "auto". */
const char *config_mode_name(__u8 mode);

/* "6000/tcp" or "6000-6099/tcp", the way published ports are named in messages. */
const char *config_port_name(__u8 proto, __u16 first, __u16 last, char buf[ADDR_STRLEN]);

/* The networks a/a_len and b/b_len have an address in common. */
bool config_overlap(const struct nsx_addr *a, __u8 a_len, const struct nsx_addr *b, __u8 b_len);

/* The host's address on a namespace's link: the first of the network that is not the namespace's own. */
void config_gateway(const struct nsx_addr *addr, __u8 prefix_len, struct nsx_addr *ret);

/* Names and default seconds of the timeouts, by enum nsx_timeout. */
extern const char *const config_timeout_names[NSX_TIMEOUTS];
extern const unsigned int config_timeouts[NSX_TIMEOUTS];

#endif
