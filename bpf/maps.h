/* SPDX-License-Identifier: GPL-2.0-only */
/* All maps. The command pins them by these names below the instance's directory. */
#ifndef NSXDP_MAPS_H
#define NSXDP_MAPS_H

#include "defs.h"

/*
 * Settings of the instance. A section of data is an array of one element, of which the programs
 * know the address: every packet asks for them several times.
 */
struct nsx_conf nsx_conf SEC(".data.nsx_conf");

/* What the datapath finds out, in the same way. */
struct nsx_learned nsx_learned SEC(".data.nsx_learned");

/* The port registry: who holds an outside port, [row][port]. Serves both directions. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NSX_ROWS * NSX_PORTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_slot);
} nsx_ports SEC(".maps");

/*
 * The session table: what the registry alone cannot tell, in hashed buckets. And its outside index,
 * from outside tuples to flows that share a port. There are two of each, so that they can be
 * replaced by larger ones: see session.h.
 */
struct nsx_buckets {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);	/* of any size */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct nsx_bucket));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct nsx_buckets);
} nsx_sessions SEC(".maps");

struct nsx_lines {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct nsx_line));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct nsx_lines);
} nsx_outside SEC(".maps");

/*
 * Nobody calls it. It brings the types of the values above into the object's BTF, where the command
 * looks for them: clang writes those of arguments there, but not those of maps in maps.
 */
__noinline int types_of_inner_maps(const struct nsx_bucket *bucket, const struct nsx_line *line,
				   const struct nsx_undo *undo)
{
	return bucket && line && undo;
}

/* How many entries there are. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsx_usage);
} nsx_usage SEC(".maps");

/* How many ports are held. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_held);
} nsx_held SEC(".maps");

/* Published endpoints as their namespaces see them, in hashed buckets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NSX_REVERSE_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_reverse_bucket);
} nsx_reverse SEC(".maps");

/* Host-side veths by ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSX_NS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct nsx_veth);
} nsx_veths SEC(".maps");

/* The namespaces' addresses, to the ifindexes of their veths. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSX_FAMILIES * NSX_NS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nsx_addr);
	__type(value, __u32);
} nsx_inside SEC(".maps");

/* The host's addresses, to their index in nsx_learned.local. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSX_LOCAL_MAX);
	__type(key, struct nsx_addr);
	__type(value, __u32);
} nsx_local SEC(".maps");

/* MTUs that the host's routes say, 0 where they say none; empty where none says any. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NSX_ROUTES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nsx_prefix);
	__type(value, __u32);
} nsx_routes SEC(".maps");

/* Published ports with several targets or with conditions. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NSX_SERVICES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_service);
} nsx_services SEC(".maps");

/* Who may reach them. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NSX_ALLOW_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nsx_allow);
	__type(value, __u8);
} nsx_allow SEC(".maps");

/* Where namespaces may go, those that may not go everywhere. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NSX_ALLOW_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nsx_egress_key);
	__type(value, __u8);
} nsx_egress SEC(".maps");

/* Packets and bytes to a target: see NSX_COUNTERS. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NSX_COUNTER_0 + NSX_COUNTERS);
	__type(key, __u32);
	__type(value, struct nsx_count);
} nsx_target_counts SEC(".maps");

/* Namespaces by name; for the command only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSX_NS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, char[NSX_NAME_LEN]);
	__type(value, struct nsx_ns);
} nsx_names SEC(".maps");

/* Names by nsx_ns.id; for the command only, as the next two. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSX_NS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, char[NSX_NAME_LEN]);
} nsx_ns_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_published);
} nsx_published SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_journal);
} nsx_journal SEC(".maps");

/*
 * For each veth of a namespace with a limit, references to the entries that it has caused: see
 * quota.h.
 */
struct nsx_ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);	/* of any size */
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, NSX_NS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__array(values, struct nsx_ring);
} nsx_quotas SEC(".maps");

/* What is known of a change that waits to be confirmed, see enum nsx_undo_map; else empty. */
struct nsx_undos {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);	/* of any size */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct nsx_undo));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, NSX_UNDO_MAPS);
	__type(key, __u32);
	__array(values, struct nsx_undos);
} nsx_undo_log SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nsx_settings);
} nsx_settings SEC(".maps");

/* Packets and bytes by verdict, [hook][verdict]. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NSX_HOOKS * NSX_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, struct nsx_count);
} nsx_counts SEC(".maps");

/* The registry's entry of an outside port; NULL only to please the verifier. */
static __always_inline struct nsx_slot *port_slot(__u8 row, __be16 port)
{
	__u32 index = ((__u32)row << 16) | bpf_ntohs(port);

	return bpf_map_lookup_elem(&nsx_ports, &index);
}

#endif
