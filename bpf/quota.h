/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many entries of the tables one namespace may have.
 *
 * They are counted (usage.h), but one that is over is counted until somebody finds it, and a limit
 * is for what is alive. So a namespace with a limit has a ring of as many references as it may have
 * entries. A new entry needs a place in the ring whose reference is to nothing alive: places are
 * taken in turn, so the next ones are those that were taken longest ago. A reference is the number
 * of a slot and its state word, which changes with each owner of the slot. Where a row of them is
 * of long-lived entries, others are looked at.
 *
 * A place is reserved before the entry is made, by a compare-and-exchange, and gets the reference
 * afterwards. What was reserved and never got one, because the entry could not be made, is free
 * again after a second.
 */
#ifndef NSXDP_QUOTA_H
#define NSXDP_QUOTA_H

#include "defs.h"
#include "maps.h"
#include "session.h"

#define QUOTA_NONE	(-1)	/* the namespace has no limit */
#define QUOTA_FULL	(-2)
#define QUOTA_TRIES	64	/* places that are looked at before a new entry is refused */
/* A reference's number: a place in the session table; below, in the registry */
#define QUOTA_SESSION	0x1000000U
#define QUOTA_RESERVED	0xffffffffU

static __always_inline const struct nsx_slot *quota_slot(__u32 number)
{
	if (number >= QUOTA_SESSION)
		return session_at(number - QUOTA_SESSION);
	return bpf_map_lookup_elem(&nsx_ports, &number);
}

/*
 * The reference, as it was read, is to an entry that lives. Its lower half is the number of the
 * slot and one.
 */
static __always_inline bool quota_in_use(__u64 ref, const struct nsx_conf *conf, __u32 now)
{
	__u32 number = ref, state = ref >> 32;
	const struct nsx_slot *s;

	if (!number)
		return false;
	if (number == QUOTA_RESERVED)
		return nsx_idle(now, state) <= nsx_ticks(conf, 1);
	s = quota_slot(number - 1);
	return s && slot_read(s) == state && nsx_flow_left(s, conf, &nsx_learned, now) >= 0;
}

struct quota_search {
	__u32 ifindex;
	__u32 now;
	int place;
};

/*
 * Look at a place, and take it where it is free. Half of the tries are in turn, the others
 * anywhere.
 */
static long quota_try(__u64 i, struct quota_search *q)
{
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &q->ifindex);
	void *ring = bpf_map_lookup_elem(&nsx_quotas, &q->ifindex);
	const struct nsx_conf *conf = &nsx_conf;
	__u64 *ref, was;
	__u32 place;

	if (!veth || !ring || !veth->max_flows)
		return 1;
	place = i < QUOTA_TRIES / 2 ? __sync_fetch_and_add(&veth->cursor, 1)
				    : bpf_get_prandom_u32();
	place %= veth->max_flows;
	ref = bpf_map_lookup_elem(ring, &place);
	if (!ref)
		return 1;
	was = READ_ONCE(*ref);
	if (quota_in_use(was, conf, q->now) ||
	    __sync_val_compare_and_swap(ref, was, (__u64)q->now << 32 | QUOTA_RESERVED) != was)
		return 0;
	q->place = place;
	return 1;
}

/**
 * quota_reserve() - may the namespace behind a veth cause another entry?
 *
 * Return: a place for quota_commit(), QUOTA_NONE or QUOTA_FULL.
 */
__noinline int quota_reserve(__u32 ifindex)
{
	struct quota_search q = { .ifindex = ifindex, .now = now_tick(), .place = QUOTA_FULL };
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!veth || !veth->max_flows)
		return QUOTA_NONE;
	bpf_loop(QUOTA_TRIES, quota_try, &q, 0);
	return q.place;
}

/**
 * quota_commit() - note the entry that was made for a reserved place
 * @place: what quota_reserve() returned
 * @number: of the entry's slot: its index in the registry, or QUOTA_SESSION and its place in the
 *	session table
 */
__noinline int quota_commit(__u32 ifindex, int place, __u32 number)
{
	const struct nsx_slot *s = quota_slot(number);
	void *ring;
	__u64 *ref;
	__u32 key = place;

	if (place < 0 || !s)
		return 0;
	ring = bpf_map_lookup_elem(&nsx_quotas, &ifindex);
	ref = ring ? bpf_map_lookup_elem(ring, &key) : NULL;
	if (ref)
		*(volatile __u64 *)ref = (__u64)READ_ONCE(s->state) << 32 | (number + 1);
	return 0;
}

#endif
