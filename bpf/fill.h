/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How full the tables are. Flows die without anybody noticing, so there is no count: the first new flow of each tick
 * looks at a sample of the places, and what it finds shortens the timeouts of unanswered flows (nsx_flow_time).
 */
#ifndef NSXDP_FILL_H
#define NSXDP_FILL_H

#include "defs.h"
#include "flow.h"
#include "maps.h"
#include "slot.h"

#define FILL_SAMPLE 128		/* places of each table */

struct fill {
	__u32 proto;
	__u32 at;
	__u32 now;
	__u32 ports;
	__u32 sessions;
};

/* A function that the verifier looks at once, and that returns a number it does not know. */
__noinline int is_used(const struct nsx_slot *s, __u32 now)
{
	const struct nsx_conf *conf = conf_get();
	__u32 kind;

	if (!s || !conf)
		return 0;
	kind = NSX_KIND(READ_ONCE(s->state));
	if (kind == NSX_FREE)
		return false;
	if (kind == NSX_ALIAS)
		return alias_alive(s, conf, now);
	return kind == NSX_MAP || nsx_flow_left(s, conf, now) >= 0;
}

/* In steps of the golden ratio from a random place: spread evenly, so the error is a few per cent. */
static long fill_look(__u64 i, struct fill *f)
{
	const struct nsx_conf *conf = conf_get();
	__u32 at = (f->at + i * NSX_PORT_STEP) & 0xffff, bucket = at & (NSX_BUCKETS - 1);
	const struct nsx_bucket *b = bpf_map_lookup_elem(&nsx_sessions, &bucket);
	const struct nsx_slot *s;

	if (!conf || !b)
		return 1;
	s = port_slot(f->proto, bpf_htons(conf->port_lo + (at * ((__u32)(conf->port_hi - conf->port_lo) + 1) >> 16)));
	f->ports += is_used(s, f->now);
	f->sessions += is_used(&b->way[i & (NSX_WAYS - 1)], f->now);
	return 0;
}

/* Measure again where this tick has not been measured yet; before a new flow of a protocol is made. */
__noinline int fill_measure(__u32 proto, __u32 now)
{
	struct fill f = { .proto = proto, .at = bpf_get_prandom_u32(), .now = now };
	__u32 zero = 0, most;
	struct nsx_conf *conf = bpf_map_lookup_elem(&nsx_conf, &zero);

	if (!conf || proto >= NSX_PROTOS || conf->filled[proto] == now)
		return 0;
	conf->filled[proto] = now;
	bpf_loop(FILL_SAMPLE, fill_look, &f, 0);
	most = (f.ports > f.sessions ? f.ports : f.sessions) * 100 / FILL_SAMPLE;
	if (conf->fill[proto] != most)
		conf->fill[proto] = most;
	return 0;
}

#endif
