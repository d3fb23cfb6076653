/* SPDX-License-Identifier: GPL-2.0-only */
/* Making an entry of the session table: which place it takes, and whom it evicts. See session.h. */
#ifndef NSXDP_SESSION_TAKE_H
#define NSXDP_SESSION_TAKE_H

#include "defs.h"
#include "maps.h"
#include "session.h"
#include "slot.h"
#include "usage.h"

/* A place that was claimed. */
struct won {
	int place;
	__u32 claim;
};

/* What session_take() and others say where they win nothing. */
enum take {
	TAKE_WON,
	TAKE_EXISTS,	/* there is such an entry, or will be in a moment */
	TAKE_FULL,
};

/* The lowest bit that is set in a number, as clang would count it if the machine could. */
static const __u8 lowest_bit[1 << NSX_WAYS] = {
#define LOWEST1(n) (n) & 1 ? 0 : (n)&2 ? 1 : (n)&4 ? 2 : (n)&8 ? 3 : (n)&16 ? 4 : (n)&32 ? 5 : 6
#define LOWEST4(n) LOWEST1(n), LOWEST1((n) + 1), LOWEST1((n) + 2), LOWEST1((n) + 3)
#define LOWEST16(n) LOWEST4(n), LOWEST4((n) + 4), LOWEST4((n) + 8), LOWEST4((n) + 12)
	LOWEST16(0),  LOWEST16(16), LOWEST16(32), LOWEST16(48),
	LOWEST16(64), LOWEST16(80), LOWEST16(96), LOWEST16(112),
};

/*
 * The ways of a bucket that have this tag, a bit for each. Without branches: the verifier follows
 * each of them for every way.
 */
static __always_inline __u32 ways_tagged(const struct nsx_bucket *b, __u32 tag)
{
	__u32 mask = 0;

	for (int i = 0; i < NSX_WAYS; i++)
		mask |= (__u32)(((__u64)(READ_ONCE(b->tag[i]) ^ tag) - 1) >> 63) << i;
	return mask;
}

/* The lowest of some ways. */
static __always_inline __u32 lowest_way(__u32 mask)
{
	__u32 way;

	/* The verifier knows neither what LLVM knows of the mask, nor of the array. */
	asm volatile("" : "+r"(mask));
	way = lowest_bit[mask & ((1 << NSX_WAYS) - 1)];
	asm volatile("" : "+r"(way));
	return way;
}

/* Somebody else shows the identity in a bucket: has an entry, or is about to. */
static __always_inline bool bucket_rival(__u32 where, __u32 tag, const struct nsx_session_key *k,
					 int place)
{
	struct nsx_bucket *b = bucket_at(where);

	if (!b || !k)
		return false;
	for (int i = 0; i < NSX_WAYS; i++) {
		__u32 state;

		if (READ_ONCE(b->tag[i]) != tag || place_in(where, i) == place)
			continue;
		smp_rmb();
		state = slot_read(&b->way[i]);
		if (NSX_KIND(state) == NSX_CLAIMED || nsx_session_is(&b->way[i], state, k))
			return true;
	}
	return false;
}

/* An alias lives as long as its endpoint holds the outside port. */
static __always_inline bool alias_alive(const struct nsx_slot *s, const struct nsx_conf *conf,
					__u32 now)
{
	const struct nsx_slot *port = port_slot(nsx_slot_row(s), s->outside_port);

	__u32 kind = port ? NSX_KIND(slot_read(port)) : NSX_FREE;

	/* It is being written: for the same endpoint, perhaps. */
	return kind == NSX_CLAIMED ||
	       (kind == NSX_FLOW && port->inside_port == s->inside_port &&
		addr_eq(&port->inside, &s->inside) &&
		nsx_port_left(port, conf, &nsx_learned, now) >= 0);
}

/* The entry is alive. */
static __always_inline bool session_alive(const struct nsx_slot *s, __u32 kind,
					  const struct nsx_conf *conf, __u32 now)
{
	return kind == NSX_ALIAS ? alias_alive(s, conf, now)
				 : nsx_flow_left(s, conf, &nsx_learned, now) >= 0;
}

#define CLOSED_FIRST 0x40000000	/* added to the idle ticks of a closed connection */
#define NEVER (-1)

/*
 * How gladly a flow that is alive is evicted: its idle ticks, closed connections before all others;
 * NEVER where it was answered or acknowledged.
 */
static __always_inline __s32 slot_evictable(const struct nsx_slot *s, __u32 kind,
					    const struct nsx_conf *conf, __u32 now)
{
	bool closed = s->proto == NSX_TCP && nsx_tcp_closed(s->tcp);
	__u32 idle = nsx_idle(now, s->seen);

	if (kind != NSX_FLOW && kind != NSX_RETURN)
		return NEVER;
	/* What answers a client from outside is our own, and tells nothing of the client. */
	if (!closed && ((s->tcp & NSX_T_ASSURED) ||
			((kind == NSX_FLOW || nsx_from_inside(s)) && s->proto != NSX_TCP && (s->tcp & NSX_T_IN))))
		return NEVER;
	if (idle >= CLOSED_FIRST)
		idle = CLOSED_FIRST - 1;
	/* One that was reset is not over before its owner has had the time to revive it. */
	if (closed && (s->tcp & NSX_T_RST) && idle < nsx_ticks(conf, NSX_EVICT_IDLE))
		return NEVER;
	return closed ? idle + CLOSED_FIRST : idle;
}

#define PICK_FREE 0x7fffff00	/* and how many are free */
#define PICK_DEAD 0x7ffffeff
#define PICK_ROOMY 3	/* free ways of a first bucket that spare the look at the second */

/* The place that a new entry takes. */
struct session_pick {
	int place;
	__u32 state;	/* the state word that it was judged by */
	__s32 weight;	/* PICK_*, or slot_evictable() */
};

/*
 * A way of a bucket that has no tag; NSX_WAYS where there is none. Two CPUs begin at different
 * ways: what one has claimed and not shown yet looks free.
 */
static __always_inline __u32 way_free(const struct nsx_bucket *b, __u32 mask)
{
	__u32 others = mask & (mask - 1), way;

	if (others && (bpf_get_smp_processor_id() & 1))
		mask = others;
	way = lowest_way(mask);
	if (!mask || way >= NSX_WAYS)
		return NSX_WAYS;
	others = mask & (mask - 1);
	if (others && NSX_KIND(READ_ONCE(b->way[way].state)) == NSX_CLAIMED)
		way = lowest_way(others);
	return way < NSX_WAYS ? way : NSX_WAYS;
}

static __always_inline __u32 ways_count(__u32 mask)
{
	__u32 count = 0;

	for (int i = 0; i < NSX_WAYS; i++)
		count += mask >> i & 1;
	return count;
}

/*
 * Look for a better one in a bucket: among those that have no tag. Another CPU may have made an
 * entry there since the tags were read, so only a state word that says free counts.
 */
static __always_inline void session_pick_free(__u32 where, struct session_pick *pick)
{
	struct nsx_bucket *b = bucket_at(where);
	__u32 count, mask, way, state;

	if (!b)
		return;
	mask = ways_tagged(b, 0);
	count = ways_count(mask);
	if (!count || (__s32)(PICK_FREE + count) <= pick->weight)
		return;
	way = way_free(b, mask);
	if (way >= NSX_WAYS)
		return;
	state = READ_ONCE(b->way[way].state);
	if (NSX_KIND(state) != NSX_FREE)
		return;
	pick->place = place_in(where, way);
	pick->state = state;
	pick->weight = PICK_FREE + count;
}

/* How gladly an entry of this kind gives its place up: PICK_DEAD, or as slot_evictable(). */
__noinline int session_weight(const struct nsx_slot *s, __u32 kind, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;

	if (!s || kind == NSX_CLAIMED)
		return NEVER;
	return kind == NSX_FREE || !session_alive(s, kind, conf, now)
		       ? PICK_DEAD
		       : slot_evictable(s, kind, conf, now);
}

/*
 * Choose a place in one of the buckets of a new entry. Return: the state word that it was judged by
 * in the upper half, the place plus one in the lower; 0 where there is none.
 */
__noinline __u64 session_choose(const struct choices *c, __u32 now)
{
	struct session_pick pick = { .place = NO_PLACE, .weight = NEVER };
	__u64 best = 0;

	if (!c)
		return 0;
	session_pick_free(c->where[0], &pick);
	if (pick.weight < PICK_FREE + PICK_ROOMY)
		session_pick_free(c->where[1], &pick);
	if (pick.place < 0)
		session_pick_free(c->where[2], &pick);
	if (pick.place >= 0)
		return (__u64)pick.state << 32 | (__u32)(pick.place + 1);
	for (__u32 i = 0; i < 2 * NSX_WAYS; i++) {
		int place = place_in(c->where[i < NSX_WAYS ? 0 : 1], i % NSX_WAYS);
		const struct nsx_slot *s = session_at(place);
		__u32 state = s ? slot_read(s) : NSX_CLAIMED;
		__s32 weight = session_weight(s, NSX_KIND(state), now);

		if (weight <= pick.weight)
			continue;
		pick.weight = weight;
		best = (__u64)state << 32 | (__u32)(place + 1);
	}
	return best;
}

/* What an entry is that has nothing yet but its identity. */
static __always_inline void session_begin(struct nsx_slot *s, __u32 now)
{
	s->seen = now;
	s->tcp = 0;
	s->flags = 0;
	s->ifindex = 0;
	s->ack = 0;
}

/* Claim an entry with the identity that is there, dead or to be taken over. */
static __always_inline int session_retake(const struct found *f, __u32 now, struct won *won)
{
	__u32 kind = NSX_KIND(f->state);

	won->claim = slot_claim(f->slot, f->state);
	if (!won->claim)
		return TAKE_EXISTS;
	won->place = f->place;
	/* Its place, its tag and its identity stay. */
	if (kind == NSX_FLOW && (f->slot->flags & NSX_F_SHARED))
		outside_release(f->place);
	if (kind == NSX_FLOW || kind == NSX_RETURN)
		usage_flow(f->slot->proto, f->slot->ifindex, -1);
	session_begin(f->slot, now);
	return TAKE_WON;
}

/*
 * Show the tag of an entry whose identity is written, and look whether somebody else shows the
 * same. The exchange is a barrier: what is read after it was not read before. .spilled is raised
 * before it, so who finds it zero was here first, and is seen.
 * Return: false where there is a rival.
 */
__noinline int session_show(const struct choices *c, const struct nsx_session_key *k, int place,
			    __u32 tag)
{
	struct nsx_bucket *b = bucket_at(place_bucket(place)), *home;
	__u32 way = place & (NSX_BUCKET_PLACES - 1);

	if (!c || !k)
		return false;
	home = bucket_at(c->where[0]);
	if (!home || !b || way >= NSX_WAYS)
		return false;
	if (place_bucket(place) == c->where[1])
		__sync_fetch_and_add(&home->spilled[0], 1);
	else if (place_bucket(place) == c->where[2])
		__sync_fetch_and_add(&home->spilled[1], 1);
	__sync_lock_test_and_set(&b->tag[way], tag);
	return !bucket_rival(c->where[0], tag, k, place) &&
	       !(READ_ONCE(home->spilled[0]) && bucket_rival(c->where[1], tag, k, place)) &&
	       !(READ_ONCE(home->spilled[1]) && bucket_rival(c->where[2], tag, k, place));
}

/* Write the identity of an entry whose place was claimed. */
static __always_inline void session_name(struct nsx_slot *s, const struct nsx_session_key *k,
					 __u32 now)
{
	s->inside = k->inside;
	s->remote = k->remote;
	s->inside_port = k->inside_port;
	s->remote_port = k->remote_port;
	s->proto = k->proto;
	session_begin(s, now);
}

/*
 * session_take() in the first bucket, where that has room to spare and nobody of it is elsewhere:
 * nearly always. The same steps, with one look at the bucket. Return: TAKE_WON, TAKE_EXISTS, or
 * TAKE_FULL where the long way is to be gone.
 */
static __always_inline int session_take_home(__u32 where, __u32 tag,
					     const struct nsx_session_key *k, __u32 now,
					     struct won *won)
{
	struct nsx_bucket *b = bucket_at(where);
	struct nsx_slot *s;
	__u32 mask, way;

	if (!b)
		return TAKE_FULL;
	mask = ways_tagged(b, 0);
	if (ways_count(mask) < PICK_ROOMY)
		return TAKE_FULL;
	way = way_free(b, mask);
	if (way >= NSX_WAYS)
		return TAKE_FULL;
	s = &b->way[way];
	won->claim = READ_ONCE(s->state);
	if (NSX_KIND(won->claim) != NSX_FREE)
		return TAKE_FULL;
	won->claim = slot_claim(s, won->claim);
	if (!won->claim)
		return TAKE_FULL;
	won->place = place_in(where, way);
	session_name(s, k, now);
	usage_places(1);
	__sync_lock_test_and_set(&b->tag[way], tag);
	if (!(ways_tagged(b, tag) & ~(1U << way)) &&
	    !(READ_ONCE(b->spilled[0]) | READ_ONCE(b->spilled[1])))
		return TAKE_WON;
	session_undo(won->place, won->claim, k->kind);
	return TAKE_FULL;
}

/**
 * session_take() - claim a place for a new entry, and fill in its identity
 * @seek: what session_seek() said of it: an entry that is dead, or that is to be taken over, or 0
 * @won: set; the caller fills in the rest, with flags and ifindex, counts the flow (usage_flow) and
 *	publishes it
 *
 * Return: enum take
 */
__noinline int session_take(const struct nsx_session_key *k, __u64 seek, __u32 now, struct won *won)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 table, tag, where;
	struct choices c;
	struct found f;
	__u64 hash;

	if (!k || !won)
		return TAKE_FULL;
	table = READ_ONCE(conf->tables) & NSX_TABLES_CURRENT;
	if (found_at(seek, &f)) {
		if (!(f.place & NSX_PLACE_TABLE) == !table)
			return session_retake(&f, now, won);
		if (!session_free(&f))
			return TAKE_EXISTS;
	}
	hash = nsx_session_hash(conf, k);
	tag = nsx_session_tag(hash, k->inside_port);
	where = nsx_session_bucket(hash, k->inside_port, conf->buckets[table], 0) |
		(table ? NSX_PLACE_TABLE : 0);
	if (session_take_home(where, tag, k, now, won) == TAKE_WON)
		return TAKE_WON;
	choices_of(conf, table, hash, k->inside_port, &c);
	for (int tries = 0; tries < 4; tries++) {
		__u32 kind;

		if (!found_at(session_choose(&c, now), &f))
			return TAKE_FULL;
		won->claim = slot_claim(f.slot, f.state);
		if (!won->claim)
			continue;
		won->place = f.place;
		kind = NSX_KIND(f.state);
		if (kind != NSX_FREE) {
			if (session_alive(f.slot, kind, conf, now))
				usage_gave_way(f.slot);
			session_end(f.place, kind, true);
		}
		session_name(f.slot, k, now);
		usage_places(1);
		if (session_show(&c, k, f.place, tag))
			return TAKE_WON;
		session_undo(f.place, won->claim, k->kind);
		return TAKE_EXISTS;
	}
	return TAKE_EXISTS;
}

#endif
