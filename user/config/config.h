/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model: everything that an operator can want. The words of a command, a file and the running
 * instance all become these structs; diff.h tells what has to change between two of them.
 *
 * What was given is a bit in .given; what was not is the default, or stays as it is where there is
 * something already. Readers return 0, or -EINVAL with the reason; the result is then not to be
 * used.
 */
#ifndef NSXDP_CONFIG_H
#define NSXDP_CONFIG_H

#include <stdbool.h>

#include "config/options.h"
#include "fail.h"
#include "nsxdp.h"
#include "parse.h"

#define MSS_PATH 65495	/* of --clamp-mss without a size: more than any path gives */
#define MAP_ALLOWS 64	/* networks of one published port */

/* up_conf.given, kept in nsx_journal.given: "export" writes what was given */
#define UP_GIVEN_DEV		0x01
#define UP_GIVEN_POOL		0x02
#define UP_GIVEN_MODE		0x04
#define UP_GIVEN_TIMEOUT	0x08
#define UP_GIVEN_FLOWS		0x10
#define UP_GIVEN_SNAT		0x20
#define UP_GIVEN_SNAT_PORTS	0x40
#define UP_GIVEN_NO_BIND_GUARD	0x80
#define UP_GIVEN_ATTACH		0x100
#define UP_GIVEN_REPLACE_DEV	0x200	/* not kept */
#define UP_GIVEN_PUBLISH_AT	0x400
#define UP_GIVEN_CONFIRM	0x800	/* not kept */
#define UP_GIVEN_IPV6		0x1000
#define UP_GIVEN_POOL6		0x2000	/* or chosen at random, which has to be kept too */

#define CONFIRM_HELP "take the change back after this time unless \"nsxdp confirm\" is run first"

/* The value of --confirm, to seconds. */
int config_read_confirm(const char *word, unsigned int *seconds, struct fail *f);

/** struct up_conf - an instance: its uplinks and the pool of the namespaces' addresses */
struct up_conf {
	unsigned int given;	/* UP_GIVEN_* */
	char dev[NSX_UPLINKS][16];
	int devs;
	char replaced[16];	/* the uplink that another one takes the place of, and that */
	char replacement[16];
	struct nsx_addr pool;	/* the network's address: host bits are 0 */
	__u8 pool_len;
	struct nsx_addr pool6;	/* of IPv6; without UP_GIVEN_POOL6: one is chosen */
	__u8 pool6_len;
	__u8 ipv6;		/* enum nsx_ipv6 */
	__u8 mode;		/* enum nsx_mode */
	__u8 attach;		/* enum nsx_attach */
	unsigned int timeout[NSX_TIMEOUTS];	/* seconds */
	unsigned int timeouts_given;	/* a bit for each */
	__u32 flows;		/* that there is room for; 0: as the machine's memory allows */
	/* The host's addresses that masquerading is spread over */
	struct nsx_addr snat[NSX_SNAT_MAX];
	__u32 snat_count;	/* 0: the route to a remote chooses */
	struct nsx_addr publish_at; /* of ports that are given without; 0: at every one */
	unsigned int confirm;	/* seconds until it is taken back, unless confirmed; 0: it stays */
	__u16 snat_lo;		/* ports for masquerading, inclusive; 0: all from 1024 on */
	__u16 snat_hi;
};

/* ns_conf.given */
#define NS_GIVEN_ADDR		0x001
#define NS_GIVEN_LINK		0x002
#define NS_GIVEN_DATAPATH	0x004
#define NS_GIVEN_DNS		0x008
#define NS_GIVEN_NAT		0x010
#define NS_GIVEN_FILTERING	0x020
#define NS_GIVEN_MSS		0x040
#define NS_GIVEN_MAX_FLOWS	0x080
#define NS_GIVEN_EGRESS_RATE	0x100
#define NS_GIVEN_LINK_LOCAL	0x200
#define NS_GIVEN_EGRESS		0x400	/* --egress-allow or --egress-deny */
#define NS_GIVEN_SOURCE		0x800
#define NS_GIVEN_PREFER_IPV6	0x1000

/** struct ns_conf - a namespace */
struct ns_conf {
	unsigned int given;	/* NS_GIVEN_* */
	char name[NSX_NAME_LEN];
	bool adopted;		/* others made it */
	struct nsx_addr addr;	/* not given: of a free block of the pool */
	__u8 prefix_len;
	bool xdp;		/* its packets take the XDP path */
	bool netkit;		/* its link is a pair of netkit devices */
	/* Of UDP: NSX_NS_ANY_REMOTE, NSX_NS_ANY_PORT, or 0: address and port-dependent */
	__u32 filtering;
	bool link_local;	/* it may reach 169.254.0.0/16 */
	__u16 mss;		/* the largest that TCP may announce, bytes; 0: unlimited */
	/* The host's, that its flows leave from, by enum nsx_family; 0: as the route says */
	struct nsx_addr source[NSX_FAMILIES];
	bool prefer_ipv6;	/* programs inside try IPv6 before IPv4 */
	bool no_ipv6;		/* of what runs: it has no IPv6 address */
	__u32 max_flows;	/* masqueraded flows; 0: as there is room */
	__u64 egress_rate;	/* bits per second; 0: unlimited */
	struct nsx_addr dns[NSX_DNS_MAX];
	__u32 dns_count;	/* 0: the host's own resolvers, as far as they can be reached */
	struct nsx_network egress[NSX_EGRESS_MAX]; /* sorted; unused ones are zeroed */
	__u32 egress_count;	/* 0: it may go everywhere */
};

/* map_conf.given */
#define MAP_GIVEN_PROTO		0x01
#define MAP_GIVEN_ALLOW		0x02
#define MAP_GIVEN_RATE		0x04
#define MAP_GIVEN_BURST		0x08
#define MAP_GIVEN_AFFINITY	0x10
#define MAP_GIVEN_DRAIN		0x20
#define MAP_GIVEN_OWNER		0x40
#define MAP_GIVEN_ANY_AT	0x80	/* *, 0.0.0.0, [::]: at every address, whatever the default is */
#define MAP_GIVEN_V4		0x100	/* -4, -6: for one family alone */
#define MAP_GIVEN_V6		0x200
#define MAP_GIVEN_EITHER	0x400	/* neither: for both, as far as the instance has them */

/** struct map_at - where a port is published: at an address of the host, or at those of a device */
struct map_at {
	struct nsx_addr addr;	/* zeroed with .dev */
	char dev[16];		/* empty: .addr */
};

/**
 * struct map_conf - a published port, or a range of them, of one family; ports in host byte order
 *
 * What is wanted of both families is two of them, which are alike: see config_twin().
 */
struct map_conf {
	unsigned int given;	/* MAP_GIVEN_* */
	__u8 row;		/* NSX_ROW() */
	struct map_at at;	/* where it answers */
	bool has_at;		/* else at every address of the host */
	__u16 port;		/* the first */
	__u16 last;		/* inclusive; the first where it is one port */
	struct map_target {
		char ns[NSX_NAME_LEN];
		__u16 port;	/* of the first; the others follow */
		__u16 weight;
	} target[NSX_TARGETS];
	int targets;		/* 0 where only the port matters, or where they stay as they are */
	struct map_allow {
		struct nsx_addr addr;
		__u8 len;	/* as of parse_net() */
	} allow[MAP_ALLOWS];
	int allows;		/* 0: everybody may come */
	/* New connections (TCP) or packets (UDP) per second; 0: unlimited */
	unsigned int rate;
	unsigned int burst;	/* of those at once */
	bool affinity;		/* a client's address has one target */
	char owner[NSX_OWNER_LEN]; /* who holds the port with the host's sockets; empty: nobody */
	unsigned int drain;	/* seconds that connections of targets before may go on */
};

/**
 * struct config - an instance with all that is in it; owned by the caller, config_free() accepts a
 * zeroed one
 */
struct config {
	bool has_up;		/* .up is there; else the instance stays as it is */
	struct up_conf up;
	struct ns_conf *ns;
	size_t ns_count;
	struct map_conf *map;
	size_t map_count;
};

void config_free(struct config *c);

/* A zeroed place for one more, or NULL without memory. */
struct ns_conf *config_add_ns(struct config *c);
struct map_conf *config_add_map(struct config *c);

/* What is there under a name; and at a port, for all its addresses. NULL where nothing is. */
struct ns_conf *config_ns(const struct config *c, const char *name);

/* Sort by name, and by protocol, port and address. config_ns() needs it. */
void config_sort(struct config *c);

/* Commands about an instance, its namespaces and its ports: bits for struct option_desc. */
enum verb {
	VERB_UP = 1,
	NS_ADD = 1,
	NS_ADOPT = 2,
	NS_SET = 4,
	NS_DEL = 8,
	NS_NAME = 16,	/* a name alone: ns show */
	NS_EXEC = 32,
	MAP_ADD = 1,
	MAP_SET = 2,
	MAP_DEL = 4,
	MAP_LIST = 8,
};

/* The words of each. */
extern const struct grammar up_grammar, ns_add_grammar, ns_adopt_grammar, ns_set_grammar,
	ns_name_grammar, map_add_grammar, map_set_grammar, map_del_grammar,
	map_list_grammar;

int config_read_up(int argc, char **argv, struct up_conf *ret, struct fail *f);
int config_read_ns(int argc, char **argv, enum verb verb, struct ns_conf *ret, struct fail *f);
int config_read_map(int argc, char **argv, enum verb verb, struct map_conf *ret, struct fail *f);

/* What does not go together, once all words are there. */
int config_check_ns(const struct ns_conf *c, struct fail *f);
int config_check_map(const struct map_conf *c, struct fail *f);

/* Write one as the command that makes it, without the newline. */
void config_print_up(const struct up_conf *c, FILE *out);
void config_print_ns(const struct ns_conf *c, enum verb verb, FILE *out);
/* alone: print -4 or -6, for it has no twin of the other family. */
void config_print_map(const struct map_conf *c, enum verb verb, bool alone, FILE *out);

/* The defaults; and: what was not given is to become the default, where something else runs. */
void config_default_up(struct up_conf *c);
void config_whole_up(struct up_conf *c);

/* What given says takes the place of what is there. */
void config_set_ns(struct ns_conf *c, const struct ns_conf *changes);
void config_set_map(struct map_conf *c, const struct map_conf *changes);

/* The same wish; of what leaves open what it may, only the rest counts (an address, say). */
bool config_same_ns(const struct ns_conf *running, const struct ns_conf *wanted);
bool config_same_up(const struct up_conf *running, const struct up_conf *wanted);
bool config_same_map(const struct map_conf *a, const struct map_conf *b);

/* The families that the words for a map are about, one entry for each; how many there are. */
int config_split_map(const struct map_conf *c, struct map_conf ret[NSX_FAMILIES]);

/*
 * A port that is given without an address gets the default of the instance. False where it is of a
 * family that the instance does not have, or publish by default: then it is not wanted.
 */
bool config_default_at(struct map_conf *c, const struct up_conf *up);

/*
 * Wanted for both families where that is possible: where one of its targets has no IPv6, it is left
 * out for that.
 */
bool config_may_lack_ipv6(const struct map_conf *map);

/* " over IPv6", for messages about a port; "" for IPv4. */
const char *config_over(__u8 row);

/*
 * The same for all maps of a file; those that are not wanted are left out. running: what runs, which
 * tells whose namespaces have no IPv6; or NULL.
 */
void config_default_maps(struct config *c, const struct up_conf *up, const struct config *running);

/* The same wish for the other family; NULL where there is none. */
const struct map_conf *config_twin(const struct config *c, const struct map_conf *map);
bool config_are_twins(const struct map_conf *a, const struct map_conf *b);

/* One that answers at every address says so where that is not the default. */
void config_say_at(struct map_conf *c, const struct up_conf *up);

/* One target alone has no weight. */
void config_normal_map(struct map_conf *c);

/* They have a port in common, at whatever address. */
bool config_ports_overlap(const struct map_conf *a, const struct map_conf *b);

/* The same ports, at the same address. */
bool config_same_ports(const struct map_conf *a, const struct map_conf *b);

/* "10.0.0.0/8", or "any". */
const char *config_egress_name(const struct nsx_network *network, char buf[ADDR_STRLEN]);

/* RFC 4787's name of the filtering that nsx_ns.flags say. */
const char *config_filtering_name(__u32 flags);

/* "nat", "off". */
const char *config_ipv6_name(__u8 ipv6);

/* "tc", "xdp", "xdp-generic", "auto". */
const char *config_mode_name(__u8 mode);

/* The address, or the name of the device. */
const char *config_at_name(const struct map_at *at, char buf[ADDR_STRLEN]);

/* "6000/tcp" or "6000-6099/tcp", the way published ports are named in messages. */
const char *config_port_name(__u8 row, __u16 first, __u16 last, char buf[ADDR_STRLEN]);

/* The networks a/a_len and b/b_len have an address in common. */
bool config_overlap(const struct nsx_addr *a, __u8 a_len, const struct nsx_addr *b, __u8 b_len);

/*
 * The host's address on a namespace's link: the first of the network that is not the namespace's
 * own.
 */
void config_gateway(const struct nsx_addr *addr, __u8 prefix_len, struct nsx_addr *ret);

/* Names and default seconds of the timeouts, by enum nsx_timeout. */
extern const char *const config_timeout_names[NSX_TIMEOUTS];
extern const unsigned int config_timeouts[NSX_TIMEOUTS];

#endif
