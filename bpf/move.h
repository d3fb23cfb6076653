/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moving the session table's entries into the one that replaces it. Each is made in the new table
 * first, where look-ups go first, and ended in the old one then; so it is found at every moment,
 * and what a packet notes in the old one while it moves is all that can be lost.
 */
#ifndef NSXDP_MOVE_H
#define NSXDP_MOVE_H

#include "defs.h"
#include "quota.h"
#include "outside.h"
#include "session_take.h"

struct move {
	__u32 where;
	__u32 moved;
	__u32 lost;	/* for want of room */
	__u32 busy;	/* being written: come again */
};

/* Make an entry that is a copy; made: set to its place plus one. Return: enum take. */
__noinline int move_make(const struct nsx_slot *from, __u32 state, int *made)
{
	__u32 kind = NSX_KIND(state);
	struct nsx_session_key k;
	struct nsx_slot *to;
	struct won won;
	int took;

	if (!from || !made)
		return TAKE_FULL;
	session_key_of(&k, from, kind);
	took = session_take(&k, 0, now_tick(), &won);
	to = took == TAKE_WON ? session_at(won.place) : NULL;
	if (!to)
		return took;
	to->outside_port = from->outside_port;
	to->local = from->local;
	to->seen = from->seen;
	to->tcp = from->tcp;
	to->flags = from->flags & ~(kind == NSX_FLOW ? NSX_F_SHARED : 0);
	to->ifindex = from->ifindex;
	to->ack = from->ack;
	mac_copy(to->mac, from->mac);
	if (kind == NSX_FLOW && (from->flags & NSX_F_SHARED)) {
		struct outside o = { .remote = from->remote,
				     .remote_port = from->remote_port,
				     .port = from->outside_port,
				     .local = from->local,
				     .proto = from->proto };

		if (!outside_claim(&o, won.place))
			took = TAKE_FULL;
		to->flags |= NSX_F_SHARED;
	}
	if (took != TAKE_WON || !slot_same(from, state)) {
		session_undo(won.place, won.claim, kind);
		return took == TAKE_WON ? TAKE_EXISTS : took;
	}
	slot_publish(to, won.claim, kind);
	if (kind != NSX_ALIAS)
		usage_flow(from->proto, from->ifindex, 1);
	*made = won.place + 1;
	return TAKE_WON;
}

/* The namespace's reference is to the entry where it is now. */
__noinline int move_quota(int place)
{
	const struct nsx_slot *s = session_at(place);
	__u32 kind = s ? NSX_KIND(slot_read(s)) : NSX_FREE;
	int reserved;

	if (!s || (kind != NSX_FLOW && kind != NSX_RETURN) || !s->ifindex)
		return 0;
	reserved = quota_reserve(s->ifindex);
	quota_commit(s->ifindex, reserved, QUOTA_SESSION + place);
	return 0;
}

/* The new table has one with this identity already, which came in the moment of the change. */
__noinline int move_exists(const struct nsx_slot *from, __u32 kind)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_session_key k;
	struct found f;

	if (!from)
		return false;
	session_key_of(&k, from, kind);
	return session_find(&k, &f) &&
	       !(f.place & NSX_PLACE_TABLE) == !(conf->tables & NSX_TABLES_CURRENT);
}

__noinline int move_way(__u32 where, __u32 way, struct move *m)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct found e = { .place = place_in(where, way) };
	int took, made = 0;
	__u32 kind;

	e.slot = session_at(e.place);
	if (!e.slot || !m)
		return 0;
	e.state = slot_state(e.slot);
	kind = NSX_KIND(e.state);
	if (kind == NSX_FREE)
		return 0;
	if (kind == NSX_CLAIMED) {
		m->busy++;
		return 0;
	}
	if (session_alive(e.slot, kind, conf, now_tick())) {
		took = move_make(e.slot, e.state, &made);
		if (took == TAKE_EXISTS && !move_exists(e.slot, kind)) {
			m->busy++;
			return 0;
		}
		if (took == TAKE_FULL)
			m->lost++;
		else
			m->moved++;
	}
	if (!session_free(&e))
		m->busy++;
	else if (made && conf->limits)
		move_quota(made - 1);
	return 0;
}

static long move_bucket(__u64 i, struct move *m)
{
	__u32 where = i | m->where;
	const struct nsx_bucket *b = bucket_at(where);

	for (int way = 0; b && way < NSX_WAYS; way++)
		if (b->tag[way])
			move_way(where, way, m);
	return !b;
}

#endif
