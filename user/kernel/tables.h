/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A running instance as the command sees it: its pinned maps, opened and typed. The registry, the
 * session table and the settings are mapped into memory, so that they are read in place. Functions
 * return 0 or a negative errno.
 */
#ifndef NSXDP_TABLES_H
#define NSXDP_TABLES_H

#include <stdbool.h>

#include "fail.h"
#include "nsxdp.h"
#include "kernel/pin.h"
#include "verdict.h"

enum table {
	TABLE_CONF,
	TABLE_LEARNED,
	TABLE_PORTS,
	TABLE_SESSIONS,
	TABLE_REVERSE,
	TABLE_VETHS,
	TABLE_LOCAL,
	TABLE_NAMES,
	TABLE_COUNTS,
	TABLE_ROUTES,
	TABLE_SERVICES,
	TABLE_ALLOW,
	TABLE_TARGET_COUNTS,
	TABLE_QUOTAS,
	TABLE_EGRESS,
	TABLE_OUTSIDE,
	TABLE_USAGE,
	TABLE_HELD,
	TABLE_INSIDE,
	TABLE_IDS,
	TABLE_PUBLISHED,
	TABLE_JOURNAL,
	TABLE_UNDO_LOG,
	TABLE_SETTINGS,
	TABLES,
};

extern const char *const table_names[TABLES];

#define TABLE_WINDOWS 32

/** struct window - a part of a table that is mapped into memory */
struct window {
	/* enum table, a session table (TABLES plus its number), or a part of the undo log */
	int table;
	size_t offset;
	size_t size;
	void *memory;
};

/**
 * struct instance - an open instance; one command uses a handful of windows, which last until it is
 * closed
 */
struct instance {
	struct pin_dir dir;
	struct nsx_meta meta;	/* .state is 0 where "up" has not written its settings yet */
	int fd[TABLES];
	struct nsx_conf *conf;
	struct nsx_learned *learned;
	struct nsx_journal *journal;
	struct window window[TABLE_WINDOWS];
	int windows;
};

enum access_mode {
	/* No lock: who reads never waits, and may see a change that is being made */
	ACCESS_READ,
	ACCESS_CHANGE,	/* exclusive lock */
};

/* Open the instance of this network namespace. -ENOENT where nsxdp is not up here. */
int instance_open(struct instance *in, enum access_mode mode, struct fail *f);

/* The same on a directory that is locked already; the instance takes it over, also on failure. */
int instance_open_dir(struct instance *in, struct pin_dir *d, struct fail *f);
void instance_close(struct instance *in);

/*
 * Entries in place, NULL where the kernel refuses the memory. One slot or bucket costs a page;
 * table_ports() ([row << 16 | port in host byte order]) costs milliseconds.
 */
struct nsx_slot *table_port(struct instance *in, __u8 row, __u16 port);
struct nsx_slot *table_ports(struct instance *in);

/* Look at each place of the session table that is in use. */
void table_sessions(struct instance *in, void (*cb)(struct nsx_slot *s, void *arg), void *arg);

/*
 * Entries of the session tables' indices, and entries that are not in their first bucket; none
 * where the tables are empty.
 */
int table_residue(struct instance *in);

/*
 * A descriptor of one of the two tables in TABLE_SESSIONS or TABLE_OUTSIDE, which the caller
 * closes; or a negative errno.
 */
int table_inner(struct instance *in, enum table table, __u32 which);

/* How many entries there are, summed up over the CPUs; and how many ports are held, or NULL. */
int table_usage(struct instance *in, struct nsx_usage *ret);
const struct nsx_held *table_held(struct instance *in);

/* The name of the device that nsx_slot.at means; NULL where that is no device. */
const char *table_device(const struct instance *in, __be32 at);

/* The IPv6 address that it means; NULL where it means none. */
const struct nsx_addr *table_at6(const struct instance *in, __be32 at);

/* A service in place; NULL for index 0 and where the kernel refuses the memory. */
struct nsx_service *table_service(struct instance *in, __u32 index);

/* All reverse entries, NSX_REVERSE_BUCKETS. */
struct nsx_reverse_bucket *table_reverse_buckets(struct instance *in);

/*
 * The undo log: a part of it with room for so many entries is made, or all of it is dropped; the
 * entries of a part in place, and how many there is room for. NULL with errno where there are none.
 */
int table_undo_make(struct instance *in, enum nsx_undo_map which, __u32 count);
void table_undo_drop(struct instance *in);
struct nsx_undo *table_undo_log(struct instance *in, enum nsx_undo_map which, __u32 *count);

/* Settings before a change that is to be confirmed; NULL with errno where they cannot be mapped. */
struct nsx_settings *table_settings(struct instance *in);

/* NULL with errno where it cannot be mapped. */
struct nsx_published *table_published(struct instance *in);

/* Ports from this one on are about to be published: see published_each(). */
int table_published_set(struct instance *in, __u8 row, __u16 first);

/*
 * Call cb for the first slot of each publication, by row and port; until it returns something
 * else than 0.
 */
typedef int (*published_cb)(struct instance *in, struct nsx_slot *s, void *arg);
int published_each(struct instance *in, published_cb cb, void *arg);
#define TABLE_PORTS_COUNT (NSX_ROWS * NSX_PORTS)

/* Namespaces by name. A failed look-up is -ENOENT. */
int table_ns_get(struct instance *in, const char name[NSX_NAME_LEN], struct nsx_ns *ret);
int table_ns_set(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns);
int table_ns_del(struct instance *in, const char name[NSX_NAME_LEN]);

/* The name of the namespace with an id. */
int table_ns_name(struct instance *in, __u32 id, char name[NSX_NAME_LEN]);

/**
 * struct ns_list - all namespaces, sorted by name; owned by the caller, ns_list_free() accepts a
 * zeroed one
 */
struct ns_list {
	struct ns_item {
		char name[NSX_NAME_LEN];
		struct nsx_ns ns;
	} *item;
	size_t count;
};

int table_ns_list(struct instance *in, struct ns_list *ret);
void ns_list_free(struct ns_list *list);
const struct ns_item *ns_list_by_id(const struct ns_list *list, __u32 id);
const struct ns_item *ns_list_by_addr(const struct ns_list *list, const struct nsx_addr *addr);

/* Sums over the CPUs, [hook][verdict]. */
int table_counts(struct instance *in, struct nsx_count ret[NSX_HOOKS][NSX_VERDICT_COUNT]);

/* The reverse entry of a published endpoint (port in network order), or NULL. */
struct nsx_reverse *table_reverse(struct instance *in, __u32 ifindex, __be16 inside_port,
				  __u8 row);
void table_reverse_del(struct nsx_reverse *reverse);

/*
 * programs.c: slots are changed by programs in the kernel, which all follow one rule (bpf/slot.h)
 */

/* The datapath's clock, ticks. */
__u32 now_tick(struct instance *in);

/*
 * Seconds until a change is taken back that waits to be confirmed, or is being made; 0: there is
 * none, or it is about to be taken back.
 */
unsigned int confirm_left(struct instance *in);

/* Have the sweeper run: from now on by itself, or once over everything. 0 or a negative errno. */
int table_sweep_start(struct instance *in);
int table_sweep(struct instance *in);

/*
 * Move the entries of the session table that is not current into the one that is. How many found no
 * room, or a negative errno.
 */
int table_move(struct instance *in);

/*
 * Give packets back what was before a change that is not confirmed, all of it at once; -ENOENT where
 * there is none.
 */
int table_undo(struct instance *in);

/* Change what the datapath knows of a namespace's link. */
int table_veth_change(struct instance *in, const struct nsx_veth_change *change);

/*
 * Do something with the ports of a range (map: NULL where that is all ports); what it returns says
 * enum nsx_range_op, or a negative errno.
 */
int table_range(struct instance *in, enum nsx_range_op op, const struct nsx_slot *map);

/*
 * End flows and sessions: of an address of a namespace, those that it is the client of included, or all (NULL);
 * the masquerading of count ports of a namespace from first (host byte order) on; or the remembered
 * connections to it by count outside ports from first on. They return how many there were, or a
 * negative errno.
 */
int table_flush(struct instance *in, const struct nsx_addr *inside);
int table_flush_ns(struct instance *in, const struct nsx_ns *ns);	/* of both families */
int table_flush_mappings(struct instance *in, const struct nsx_addr *inside, __u8 row,
			 __u16 first, unsigned int count);
int table_flush_returns(struct instance *in, const struct nsx_addr *inside, __u8 row, __u16 first,
			unsigned int count);

#endif
