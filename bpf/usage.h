/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many entries there are. Whoever makes or ends one counts it, on its own CPU, so the counts
 * are exact; the sum is taken once a tick, and shortens the timeouts of unanswered flows
 * (nsx_flow_time).
 *
 * A command may be interrupted by the datapath on the same CPU, so the counters are changed by
 * atomic operations.
 */
#ifndef NSXDP_USAGE_H
#define NSXDP_USAGE_H

#include "defs.h"
#include "maps.h"
#include "slot.h"

const volatile __u32 cpus = 1;	/* set before loading: how many there may be */

static __always_inline struct nsx_usage *usage_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nsx_usage, &zero);
}

static __always_inline struct nsx_held *held_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nsx_held, &zero);
}

/*
 * A flow or remembered connection begins (n = 1) or ends (-1); veth: of the namespace that has
 * caused it, or NULL.
 */
static __always_inline void usage_flow_of(__u32 proto, struct nsx_veth *veth, int n)
{
	struct nsx_usage *u = usage_here();

	asm volatile("" : "+r"(proto));	/* as in usage_port() */
	if (!u || proto >= NSX_PROTOS)
		return;
	__sync_fetch_and_add(&u->flows[proto], (__s64)n);
	if (veth)
		__sync_fetch_and_add(&veth->flows[proto], n);
}

/* The same by the number of its device, or 0. */
__noinline int usage_flow(__u32 proto, __u32 ifindex, int n)
{
	usage_flow_of(proto, ifindex ? bpf_map_lookup_elem(&nsx_veths, &ifindex) : NULL, n);
	return 0;
}

/* A port of the registry becomes one endpoint's or shared (n = 1), or is that no longer (-1). */
static __always_inline void usage_port(__u32 row, __u32 kind, int n)
{
	struct nsx_held *held = held_get();

	/* Or LLVM asks of a field of two bits whether it is 3, which tells the verifier nothing */
	asm volatile("" : "+r"(row));
	if (!held || row >= NSX_ROWS)
		return;
	if (kind == NSX_FLOW)
		__sync_fetch_and_add(&held->local[row], n);
	else if (kind == NSX_SHARED)
		__sync_fetch_and_add(&held->shared[row], n);
}

static __always_inline void usage_places(int n)
{
	struct nsx_usage *u = usage_here();

	if (u)
		__sync_fetch_and_add(&u->places, (__s64)n);
}

/* A flow that is alive gives way to a newer one. */
static __always_inline void usage_gave_way(const struct nsx_slot *s)
{
	struct nsx_usage *u = usage_here();

	if (!u)
		return;
	if (s->proto == NSX_TCP && nsx_tcp_closed(s->tcp))
		__sync_fetch_and_add(&u->closed, 1);
	else
		__sync_fetch_and_add(&u->unanswered, 1);
}

static long usage_sum(__u64 cpu, __s64 *places)
{
	__u32 zero = 0;
	const struct nsx_usage *u = bpf_map_lookup_percpu_elem(&nsx_usage, &zero, cpu);

	if (u)
		*places += u->places;
	return 0;
}

__noinline int usage_measure_now(__u32 now)
{
	__u32 percent;
	struct nsx_conf *conf = &nsx_conf;
	__s64 places = 0;

	if (!conf->flows)
		return 0;
	nsx_learned.measured = now;
	bpf_loop(cpus, usage_sum, &places, 0);
	if (places < 0)
		places = 0;
	if (places > nsx_learned.high)
		nsx_learned.high = places;
	percent = (__u64)places * 100 / conf->flows;
	if (percent > 100)
		percent = 100;
	if (nsx_learned.occupancy != percent)
		nsx_learned.occupancy = percent;
	return 0;
}

/* Measure how full the session table is, where that was not done in this tick. */
static __always_inline void usage_measure(__u32 now)
{
	if (nsx_learned.measured != now)
		usage_measure_now(now);
}

#endif
