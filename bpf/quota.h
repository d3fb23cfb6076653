/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one namespace may have: masqueraded flows, and bytes per second towards outside.
 *
 * Flows die without anybody noticing, so they cannot be counted down. nsx_veth.flows counts up, and is set right by
 * recounting: from half of the quota on each new flow looks at a part of the tables, so large that they have been
 * gone through by the time the quota is reached; what is refused goes on with that.
 */
#ifndef NSXDP_QUOTA_H
#define NSXDP_QUOTA_H

#include "defs.h"
#include "flow.h"
#include "limit.h"
#include "maps.h"

#define PLACES		(NSX_PROTOS * NSX_PORTS + NSX_BUCKETS)	/* slots of the registry, buckets of the sessions */
#define PLACES_AT_ONCE	8192
#define EGRESS_BURST	200000000ULL	/* nanoseconds that may be owed: less, and TCP does not reach the rate */
#define EGRESS_LEAST	(2 * 65536)	/* bytes that are always taken at once: two super-packets */

struct recount {
	__u32 id;
	__u32 from;
	__u32 found;
	__u32 now;
};

static __always_inline bool is_flow_of(const struct nsx_slot *s, __u32 id, const struct nsx_conf *conf, __u32 now)
{
	return NSX_KIND(READ_ONCE(s->state)) == NSX_FLOW && s->id == id && flow_alive(s, conf, now);
}

static long recount_place(__u64 i, struct recount *r)
{
	const struct nsx_conf *conf = conf_get();
	__u32 place = r->from + i;

	if (!conf || place >= PLACES)
		return 1;
	if (place < NSX_PROTOS * NSX_PORTS) {
		const struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &place);

		r->found += s && is_flow_of(s, r->id, conf, r->now);
	} else {
		__u32 index = place - NSX_PROTOS * NSX_PORTS;
		const struct nsx_bucket *b = bpf_map_lookup_elem(&nsx_sessions, &index);

		for (int way = 0; b && way < NSX_WAYS; way++)
			r->found += is_flow_of(&b->way[way], r->id, conf, r->now);
	}
	return 0;
}

static __always_inline void recount(struct nsx_veth *veth)
{
	__u32 share = PLACES / (veth->max_flows / 2 + 1) + 64;
	struct recount r = { .id = veth->id, .now = now_tick() };

	if (share > PLACES_AT_ONCE)
		share = PLACES_AT_ONCE;
	r.from = __sync_fetch_and_add(&veth->cursor, share);
	if (r.from == 0)
		veth->before = veth->flows;
	if (r.from < PLACES)
		bpf_loop(share, recount_place, &r, 0);
	__sync_fetch_and_add(&veth->recount, r.found);
	if (r.from + share < PLACES)
		return;
	/* Those that were made meanwhile may have been missed. */
	veth->flows = veth->recount + (veth->flows - veth->before);
	veth->recount = 0;
	veth->cursor = 0;
}

/**
 * quota_take() - may the namespace have another flow?
 *
 * Return: NSX_CONTINUE, or DROP_QUOTA.
 */
__noinline int quota_take(__u32 ifindex)
{
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!veth || !veth->max_flows)
		return NSX_CONTINUE;
	if (veth->flows >= veth->max_flows / 2)
		recount(veth);
	if (veth->flows >= veth->max_flows)
		return NSX_DROP_QUOTA;
	__sync_fetch_and_add(&veth->flows, 1);
	return NSX_CONTINUE;
}

/**
 * egress_take() - may the namespace send these bytes now?
 *
 * Return: NSX_CONTINUE, or DROP_EGRESS_RATE.
 */
__noinline int egress_take(__u32 ifindex, __u32 bytes)
{
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	__u64 burst;

	if (!veth || !veth->egress_cost)
		return NSX_CONTINUE;
	burst = EGRESS_LEAST * veth->egress_cost >> 10;
	if (burst < EGRESS_BURST)
		burst = EGRESS_BURST;
	return gcra_take(&veth->egress_tat, (__u64)bytes * veth->egress_cost >> 10, burst) ? NSX_CONTINUE :
											    NSX_DROP_EGRESS_RATE;
}

#endif
