// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the command has the kernel do: changes of many slots at once. So slots are won by one rule, that of slot.h,
 * whoever changes them; and ten thousand of them cost a command no page fault.
 */
#include "defs.h"
#include "back.h"
#include "maps.h"
#include "slot.h"

/* The datapath's clock. */
SEC("syscall")
int nsx_clock(void *unused)
{
	return now_tick();
}

#define SEIZE_TRIES 512

/* Win a slot, whatever it holds. A program of the datapath holds a claim for a moment only; after that it is taken. */
static __always_inline void slot_seize(struct nsx_slot *s)
{
	for (int tries = 0; tries < SEIZE_TRIES; tries++) {
		__u32 state = READ_ONCE(s->state);

		if ((NSX_KIND(state) != NSX_CLAIMED || tries > SEIZE_TRIES / 2) && slot_claim(s, state))
			return;
	}
}

static bool is_doomed(const struct nsx_slot *s, const struct nsx_flush *f)
{
	__u32 kind = NSX_KIND(READ_ONCE(s->state)), port;

	if (!(f->kinds >> kind & 1))
		return false;
	switch (f->by) {
	case NSX_BY_NOTHING:
		return true;
	case NSX_BY_NAMESPACE:
		/* The client of a hairpin goes with its namespace. */
		return addr_eq(&s->inside, &f->inside) || (kind == NSX_RETURN && addr_eq(&s->remote, &f->inside));
	default:
		port = NSX_PORT_NUMBER(kind == NSX_RETURN ? s->outside_port : s->inside_port);
		return s->proto == f->proto && addr_eq(&s->inside, &f->inside) && port >= f->first && port <= f->last;
	}
}

static __always_inline void flush_slot(struct nsx_slot *s, struct nsx_flush *f)
{
	if (!is_doomed(s, f))
		return;
	slot_seize(s);
	slot_publish(s, NSX_FREE);
	f->ended++;
}

static long flush_port(__u64 i, struct nsx_flush *f)
{
	__u32 index = i;
	struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &index);

	if (s)
		flush_slot(s, f);
	return 0;
}

static long flush_bucket(__u64 i, struct nsx_flush *f)
{
	__u32 index = i;
	struct nsx_bucket *b = bpf_map_lookup_elem(&nsx_sessions, &index);

	for (int way = 0; b && way < NSX_WAYS; way++)
		flush_slot(&b->way[way], f);
	return 0;
}

/* End flows and sessions. Returns how many there were. */
SEC("syscall")
int nsx_flush(struct nsx_flush *args)
{
	struct nsx_flush f = *args;

	f.ended = 0;
	if (f.kinds & ~(1U << NSX_RETURN))
		bpf_loop(NSX_PROTOS * NSX_PORTS, flush_port, &f, 0);
	bpf_loop(NSX_BUCKETS, flush_bucket, &f, 0);
	return f.ended;
}

/* The slot and the mirror of the i-th port of a range. */
static __always_inline struct nsx_slot *range_slot(const struct nsx_range *r, __u32 i)
{
	return port_slot(r->map.proto & 3, bpf_htons(r->map.first + i));
}

__noinline int back_room(__u32 ifindex, __u32 inside_port, __u32 proto)
{
	for (int i = 0; i < BACK_PLACES; i++) {
		int place = back_place(ifindex, inside_port, proto, i);
		const struct nsx_back *back = back_at(place);

		if (back && (!back->ifindex || back->ifindex == NSX_BACK_GONE))
			return place;
	}
	return NO_PLACE;
}

static __always_inline struct nsx_back *range_back(const struct nsx_range *r, __u32 i)
{
	return back_at(back_seek(r->map.ifindex, bpf_htons(bpf_ntohs(r->map.inside_port) + i), r->map.proto));
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
 * A second port of one endpoint makes the endpoint stateful: connections to it are remembered, and the mirror keeps
 * answering for the first.
 */
static long mirror(__u64 i, struct nsx_range *r)
{
	__be16 inside_port = bpf_htons(bpf_ntohs(r->map.inside_port) + i), port = bpf_htons(r->map.first + i);
	struct nsx_back *back = range_back(r, i);

	if (back && back->outside_port != port)
		back->flags |= NSX_B_STATEFUL;
	if (!back) {
		back = back_at(back_room(r->map.ifindex, inside_port, r->map.proto));
		if (!back)
			return 1;
		back->inside_port = inside_port;
		back->outside_port = port;
		back->inside = r->map.inside;
		back->proto = r->map.proto;
		back->flags = 0;
		mac_copy(back->mac, r->map.mac);
		barrier();
		*(volatile __u32 *)&back->ifindex = r->map.ifindex;
	}
	r->result = i + 1;
	return 0;
}

/* The mirror of this port's endpoint answers for another port. */
static __always_inline bool is_second(const struct nsx_range *r, __u32 i)
{
	const struct nsx_back *back = range_back(r, i);

	return back && back->outside_port != bpf_htons(r->map.first + i);
}

/* Publish, and count the masqueraded flows that are over by that. */
static long write(__u64 i, struct nsx_range *r)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_slot *s = range_slot(r, i);
	__u32 port = r->map.first + i;

	if (!s || !conf)
		return 1;
	if (NSX_KIND(READ_ONCE(s->state)) == NSX_FLOW && nsx_flow_left(s, conf, now_tick()) >= 0)
		r->result++;
	slot_seize(s);
	s->seen = 0;
	s->inside = r->map.inside;
	s->remote = r->map.remote;	/* with what a map has in its place */
	s->inside_port = bpf_htons(bpf_ntohs(r->map.inside_port) + i);
	s->remote_port = 0;
	s->outside_port = bpf_htons(port);
	s->proto = r->map.proto;
	s->own = 0;
	s->ifindex = r->map.ifindex;
	mac_copy(s->mac, r->map.mac);
	s->tcp = 0;
	s->flags = (r->map.flags & ~(NSX_F_HOST_RANGE | NSX_F_STATEFUL)) |
		   (port >= conf->host_lo && port <= conf->host_hi ? NSX_F_HOST_RANGE : 0) |
		   (is_second(r, i) ? NSX_F_STATEFUL : 0);
	s->id = r->map.id;
	slot_publish(s, NSX_MAP);
	return 0;
}

/* A further target of a service, published elsewhere too. */
static long note_second(__u64 i, struct nsx_range *r)
{
	struct nsx_slot *s = range_slot(r, i);

	if (s && is_second(r, i))
		s->flags |= NSX_F_STATEFUL;
	return 0;
}

static long clear(__u64 i, struct nsx_range *r)
{
	struct nsx_slot *s = range_slot(r, i);

	if (s) {
		slot_seize(s);
		slot_publish(s, NSX_FREE);
	}
	return 0;
}

/* Mirrors go; those that answer for several ports are only counted, for the command to look for the others. */
static long unmirror(__u64 i, struct nsx_range *r)
{
	struct nsx_back *back = range_back(r, i);

	if (!back)
		return 0;
	if ((back->flags & NSX_B_STATEFUL) || back->outside_port != bpf_htons(r->map.first + i))
		r->result++;
	else
		*(volatile __u32 *)&back->ifindex = NSX_BACK_GONE;	/* not 0: look-ups of others may have to pass it */
	return 0;
}

/* Any protocol's: [protocol][port]. */
static long note_host_range(__u64 i, struct nsx_range *r)
{
	const struct nsx_conf *conf = conf_get();
	__u32 index = i, port = i & 0xffff;
	struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &index);

	if (!s || !conf || NSX_KIND(READ_ONCE(s->state)) != NSX_MAP)
		return 0;
	if (port >= conf->host_lo && port <= conf->host_hi)
		s->flags |= NSX_F_HOST_RANGE;
	else
		s->flags &= ~NSX_F_HOST_RANGE;
	return 0;
}

SEC("syscall")
int nsx_range(struct nsx_range *args)
{
	struct nsx_range r = *args;
	__u32 count = r.map.last - r.map.first + 1U;

	r.result = 0;
	switch (r.op) {
	case NSX_RANGE_TAKEN:
		bpf_loop(count, taken, &r, 0);
		break;
	case NSX_RANGE_MIRROR:
		bpf_loop(count, mirror, &r, 0);
		break;
	case NSX_RANGE_WRITE:
		bpf_loop(count, write, &r, 0);
		break;
	case NSX_RANGE_SECOND:
		bpf_loop(count, note_second, &r, 0);
		break;
	case NSX_RANGE_CLEAR:
		bpf_loop(count, clear, &r, 0);
		break;
	case NSX_RANGE_HOST:
		bpf_loop(NSX_ICMP * NSX_PORTS, note_host_range, &r, 0);
		break;
	case NSX_RANGE_UNMIRROR:
		bpf_loop(count, unmirror, &r, 0);
		break;
	}
	return r.result;
}

char LICENSE[] SEC("license") = "GPL";
