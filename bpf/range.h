/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What commands change of the datapath: a namespace's link, and each port of a range. The callbacks
 * of bpf_loop() take the number of the port in the range, but for write() and clear(), which count in
 * nsx_range.at: they can be interrupted by another owner of a slot, and go on there.
 *
 * They run for commands and for the sweeper, on any CPU, against each other and against packets: a
 * slot changes hands by the rule of slot.h, and each of them can be done twice.
 */
#ifndef NSXDP_RANGE_H
#define NSXDP_RANGE_H

#include "defs.h"
#include "maps.h"
#include "port.h"
#include "reverse.h"
#include "slot.h"

/*
 * Change what is known of a namespace's link. Packets are judged by it meanwhile, on any CPU, and
 * see the old value or the new one of each: but for addresses none is wider than a word, and none
 * depends on another.
 * Returns 0 or a negative errno.
 */
static __always_inline int veth_change(const struct nsx_veth_change *args)
{
	__u32 ifindex = args->ifindex;
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!veth)
		return -2;	/* ENOENT */
	/*
	 * A flag says that there is an address. Flows that are made meanwhile end with the others; a
	 * CPU that has read the flag before may find half of each address, which is nobody's.
	 */
	veth->flags &= args->flags & ~(NSX_V_SOURCE(NSX_V4) | NSX_V_SOURCE(NSX_V6));
	smp_wmb();
	veth->source[NSX_V4] = args->source[NSX_V4];
	veth->source[NSX_V6] = args->source[NSX_V6];
	smp_wmb();
	veth->flags = args->flags;
	veth->mss = args->mss;
	veth->max_flows = args->max_flows;
	veth->egress_cost = args->egress_cost;
	veth->egress = args->egress;
	return 0;
}

/*
 * Make the bpf_loop() callback NAME out of NAME_one(). Its body is a global function, which the
 * verifier checks once; up to Linux 6.12 it checks a callback again in each state that it may be
 * called in.
 */
#define RANGE_CALLBACK(name)                                                \
	__noinline int range_##name(struct nsx_range *r, __u32 i)           \
	{                                                                   \
		return r ? name##_one(r, i) : 1;                            \
	}                                                                   \
	static long name(__u64 i, struct nsx_range *r)                      \
	{                                                                   \
		return range_##name(r, i) & 1;                              \
	}

/* The same for those that count in nsx_range.at. */
#define RANGE_CALLBACK_AT(name)                                             \
	__noinline int range_##name(struct nsx_range *r)                    \
	{                                                                   \
		return r ? name##_one(r) : 1;                               \
	}                                                                   \
	static long name(__u64 unused, struct nsx_range *r)                 \
	{                                                                   \
		return range_##name(r) & 1;                                 \
	}

/* The slot of the i-th port of a range. */
static __always_inline struct nsx_slot *range_slot(const struct nsx_range *r, __u32 i)
{
	return port_slot(nsx_slot_row(&r->map), bpf_htons(r->map.first + i));
}

/* Somebody is writing the slot: go on from there later. */
static __always_inline long range_busy(struct nsx_range *r)
{
	r->busy = 1;
	return 1;
}

__noinline int reverse_room(__u32 ifindex, __u32 inside_port, __u32 row)
{
	for (int i = 0; i < REVERSE_PLACES; i++) {
		int place = reverse_place(ifindex, inside_port, row, i);
		const struct nsx_reverse *reverse = reverse_at(place);

		if (reverse && (!reverse->ifindex || reverse->ifindex == NSX_REVERSE_GONE))
			return place;
	}
	return NO_PLACE;
}

static __always_inline struct nsx_reverse *range_reverse(const struct nsx_range *r, __u32 i)
{
	return reverse_at(reverse_seek(r->map.ifindex, bpf_htons(bpf_ntohs(r->map.inside_port) + i),
				       nsx_slot_row(&r->map)));
}

/* The first port that is published. */
static long taken(__u64 i, struct nsx_range *r)
{
	const struct nsx_slot *s = range_slot(r, i);

	if (!s || NSX_KIND(READ_ONCE(s->state)) != NSX_MAP)
		return 0;
	r->result = r->map.first + i;
	return 1;
}

/*
 * A second port of one endpoint makes the endpoint stateful: connections to it are remembered, and
 * the reverse entry keeps answering for the first.
 */
static __always_inline long add_reverse_one(struct nsx_range *r, __u32 i)
{
	__be16 inside_port = bpf_htons(bpf_ntohs(r->map.inside_port) + i),
	       port = bpf_htons(r->map.first + i);
	struct nsx_reverse *reverse = range_reverse(r, i);

	if (reverse && reverse->outside_port != port)
		reverse->flags |= NSX_B_STATEFUL;
	if (!reverse) {
		reverse = reverse_at(reverse_room(r->map.ifindex, inside_port,
						  nsx_slot_row(&r->map)));
		if (!reverse)
			return 1;
		reverse->inside_port = inside_port;
		reverse->outside_port = port;
		reverse->inside = r->map.inside;
		reverse->row = nsx_slot_row(&r->map);
		reverse->flags = 0;
		mac_copy(reverse->mac, r->map.mac);
		smp_wmb();
		*(volatile __u32 *)&reverse->ifindex = r->map.ifindex;
	}
	r->result = i + 1;
	return 0;
}
RANGE_CALLBACK(add_reverse)

/* The reverse entry of this port's endpoint answers for another port. */
static __always_inline bool is_second(const struct nsx_range *r, __u32 i)
{
	const struct nsx_reverse *reverse = range_reverse(r, i);

	return reverse && reverse->outside_port != bpf_htons(r->map.first + i);
}

/* Publish, and count the masqueraded flows that are over by that. */
static __always_inline long write_one(struct nsx_range *r)
{
	__u32 i = r->at;
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s = range_slot(r, i);
	__u32 port = r->map.first + i, claim, kind;
	bool masquerades;

	if (!s)
		return 1;
	kind = NSX_KIND(slot_read(s));
	masquerades = (kind == NSX_FLOW || kind == NSX_SHARED) &&
		      nsx_port_left(s, conf, &nsx_learned, now_tick()) >= 0;
	claim = port_seize(s);
	if (!claim)
		return range_busy(r);
	r->result += masquerades;
	s->seen = 0;
	s->inside = r->map.inside;
	s->remote = r->map.remote;	/* with what a map has in its place */
	s->inside_port = bpf_htons(bpf_ntohs(r->map.inside_port) + i);
	s->remote_port = 0;
	s->outside_port = bpf_htons(port);
	s->proto = r->map.proto;
	s->local = 0;
	s->ifindex = r->map.ifindex;
	mac_copy(s->mac, r->map.mac);
	s->tcp = 0;
	s->flags = (r->map.flags & ~(NSX_F_HOST_RANGE | NSX_F_STATEFUL)) |
		   (port >= conf->host_lo && port <= conf->host_hi ? NSX_F_HOST_RANGE : 0) |
		   (is_second(r, i) ? NSX_F_STATEFUL : 0);
	s->id = r->map.id;
	slot_publish(s, claim, NSX_MAP);
	r->at++;
	return 0;
}
RANGE_CALLBACK_AT(write)

/* Change the flags of a published port, unless the sweeper frees it in this moment. */
static __always_inline void set_flags(struct nsx_slot *s, __u32 state, __u8 flags)
{
	__u32 claim = slot_claim(s, state);

	if (!claim)
		return;
	s->flags = flags;
	slot_publish(s, claim, NSX_KIND(state));
}

/* A further target of a service, published elsewhere too. */
static __always_inline long note_second_one(struct nsx_range *r, __u32 i)
{
	struct nsx_slot *s = range_slot(r, i);
	__u32 state = s ? slot_read(s) : NSX_FREE;

	if (s && is_second(r, i))
		set_flags(s, state, s->flags | NSX_F_STATEFUL);
	return 0;
}
RANGE_CALLBACK(note_second)

/* The port that the reverse entry answers for: the map alone tells the way back. */
static __always_inline long note_alone_one(struct nsx_range *r, __u32 i)
{
	struct nsx_slot *s = range_slot(r, i);
	__u32 state = s ? slot_read(s) : NSX_FREE;

	if (s && NSX_KIND(state) == NSX_MAP && (s->flags & NSX_F_STATEFUL))
		set_flags(s, state, s->flags & ~NSX_F_STATEFUL);
	return 0;
}
RANGE_CALLBACK(note_alone)

static __always_inline long clear_one(struct nsx_range *r)
{
	struct nsx_slot *s = range_slot(r, r->at);
	__u32 claim, kind = s ? NSX_KIND(slot_read(s)) : NSX_FREE;

	if (kind == NSX_CLAIMED)
		return range_busy(r);
	/* What is not published is not ours to clear. */
	if (kind == NSX_MAP) {
		claim = port_seize(s);
		if (!claim)
			return range_busy(r);
		slot_publish(s, claim, NSX_FREE);
	}
	r->at++;
	return 0;
}
RANGE_CALLBACK_AT(clear)

/*
 * Reverse entries go; those that answer for several ports are only counted, for the command to look
 * for the others.
 */
static __always_inline long del_reverse_one(struct nsx_range *r, __u32 i)
{
	struct nsx_reverse *reverse = range_reverse(r, i);

	if (!reverse)
		return 0;
	if ((reverse->flags & NSX_B_STATEFUL) ||
	    reverse->outside_port != bpf_htons(r->map.first + i))
		r->result++;
	else
		/* Not 0: look-ups of others may have to pass it. */
		*(volatile __u32 *)&reverse->ifindex = NSX_REVERSE_GONE;
	return 0;
}
RANGE_CALLBACK(del_reverse)

/* Any row's: [row][port]. */
static __always_inline long note_host_range_one(struct nsx_range *r, __u32 i)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 index = i, port = i & 0xffff;
	struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &index);
	__u32 state = s ? slot_read(s) : NSX_FREE, flags;

	if (!s || NSX_KIND(state) != NSX_MAP)
		return 0;
	flags = s->flags & ~NSX_F_HOST_RANGE;
	if (port >= conf->host_lo && port <= conf->host_hi)
		flags |= NSX_F_HOST_RANGE;
	if (flags != s->flags)
		set_flags(s, state, flags);
	return 0;
}
RANGE_CALLBACK(note_host_range)

/* Sockets that the host has bound to these ports before anybody watched. */
static __always_inline long note_bound_one(struct nsx_range *r, __u32 i)
{
	struct nsx_slot *s = range_slot(r, i);

	if (s)
		host_takes(s, r->map.proto);
	return 0;
}
RANGE_CALLBACK(note_bound)

#endif
