/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outside index: from an outside tuple (protocol, the host's address and port, remote) to the
 * flow that has it, where the port is shared. A cell has the place of the flow in the session table
 * and a tag. It is set by a compare-and-exchange while the flow is claimed by its maker, and
 * cleared by whoever ends the flow.
 *
 * An outside tuple is never had by two flows: who sets a cell looks for another with its tag then,
 * as session.h does with identities, and withdraws where there is one.
 */
#ifndef NSXDP_OUTSIDE_H
#define NSXDP_OUTSIDE_H

#include "defs.h"
#include "session.h"

/* What a flow is from outside. */
struct outside {
	struct nsx_addr remote;
	__be16 remote_port;
	__be16 port;
	__u16 local;
	__u8 proto;
	__u8 pad;
};

static __always_inline struct nsx_line *line_at(__u32 where)
{
	__u32 table = where & NSX_PLACE_TABLE ? 1 : 0, index = where & ~NSX_PLACE_TABLE;
	void *lines = bpf_map_lookup_elem(&nsx_outside, &table);

	return lines ? bpf_map_lookup_elem(lines, &index) : NULL;
}

static __always_inline __u32 line_of(const struct nsx_conf *conf, __u32 table, __u64 hash,
				     int choice)
{
	return nsx_outside_line(hash, conf->lines[table & 1], choice) |
	       (table & 1 ? NSX_PLACE_TABLE : 0);
}

static __always_inline __u64 outside_hash(const struct nsx_conf *conf, const struct outside *o)
{
	return nsx_outside_hash(conf, &o->remote, o->remote_port, o->port, o->local, o->proto);
}

static __always_inline bool outside_is(const struct nsx_slot *s, const struct outside *o)
{
	return s->outside_port == o->port && s->local == o->local && s->proto == o->proto &&
	       s->remote_port == o->remote_port && addr_eq(&s->remote, &o->remote);
}

/* The flow with this outside tuple that a line leads to, as bucket_seek() returns it. */
__noinline __u64 line_seek(__u32 where, __u32 tag, const struct outside *o)
{
	struct nsx_line *line = line_at(where);

	if (!line || !o)
		return 0;
	for (int i = 0; i < NSX_CELLS; i++) {
		__u64 cell = READ_ONCE(line->cell[i]);
		const struct nsx_slot *s;
		__u32 state;

		if (cell >> 32 != tag)
			continue;
		s = session_at((__u32)cell - 1);
		if (!s)
			continue;
		state = slot_read(s);
		if (NSX_KIND(state) == NSX_FLOW && outside_is(s, o) && slot_same(s, state))
			return (__u64)state << 32 | (__u32)cell;
	}
	return 0;
}

__noinline __u64 outside_seek(const struct outside *o)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 tables, tag;
	__u64 hash, ret;

	if (!o)
		return 0;
	hash = outside_hash(conf, o);
	tag = nsx_outside_tag(hash);
	tables = READ_ONCE(conf->tables);
	for (__u32 i = 0; i < 6; i++) {
		ret = line_seek(line_of(conf, tables ^ (i >> 1 & 1), hash, i & 1), tag, o);
		if (ret)
			return ret;
		if (i == 1 && !(tables & NSX_TABLES_MOVING))
			break;
		if (i & 1)
			smp_rmb();	/* between the tables, as in session_seek() */
	}
	return 0;
}

/* The flow that has an outside tuple; false where none has. It may be dead. */
static __always_inline bool outside_find(const struct outside *o, struct found *f)
{
	return found_at(outside_seek(o), f);
}

/* Put a reference into a free cell of a line; false where there is none. */
__noinline int line_put(__u32 where, __u64 cell)
{
	struct nsx_line *line = line_at(where);

	if (!line)
		return false;
	for (int i = 0; i < NSX_CELLS; i++)
		if (!READ_ONCE(line->cell[i]) &&
		    __sync_val_compare_and_swap(&line->cell[i], 0, cell) == 0)
			return true;
	return false;
}

/* How many cells of a line have this tag. */
__noinline int line_count(__u32 where, __u32 tag)
{
	struct nsx_line *line = line_at(where);
	int count = 0;

	for (int i = 0; line && i < NSX_CELLS; i++)
		count += READ_ONCE(line->cell[i]) >> 32 == tag;
	return count;
}

static __always_inline bool line_clear(__u32 where, __u64 cell)
{
	struct nsx_line *line = line_at(where);

	if (!line)
		return false;
	for (int i = 0; i < NSX_CELLS; i++)
		if (READ_ONCE(line->cell[i]) == cell &&
		    __sync_val_compare_and_swap(&line->cell[i], cell, 0) == cell)
			return true;
	return false;
}

/* Take a flow that is claimed by the caller from the index. */
__noinline int outside_release(int place)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct nsx_slot *s = session_at(place);
	__u32 table = place & NSX_PLACE_TABLE ? 1 : 0;
	__u64 hash, cell;

	if (!s)
		return 0;
	hash = nsx_outside_hash(conf, &s->remote, s->remote_port, s->outside_port, s->local,
				s->proto);
	cell = (__u64)nsx_outside_tag(hash) << 32 | (__u32)(place + 1);
	return line_clear(line_of(conf, table, hash, 0), cell) ||
	       line_clear(line_of(conf, table, hash, 1), cell);
}

/**
 * outside_claim() - give an outside tuple to a flow
 * @place: of the flow, claimed by the caller
 *
 * Return: false where somebody else has it or is about to, or there is no room. It is released by
 * session_end() then.
 */
__noinline int outside_claim(const struct outside *o, int place)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 table = place & NSX_PLACE_TABLE ? 1 : 0, tag, first, second;
	__u64 hash, cell;

	if (!o)
		return false;
	hash = outside_hash(conf, o);
	tag = nsx_outside_tag(hash);
	cell = (__u64)tag << 32 | (__u32)(place + 1);
	first = line_of(conf, table, hash, 0);
	second = line_of(conf, table, hash, 1);
	if (!line_put(first, cell) && !line_put(second, cell))
		return false;
	if (line_count(first, tag) + (second != first ? line_count(second, tag) : 0) == 1)
		return true;
	if (!line_clear(first, cell))
		line_clear(second, cell);
	return false;
}

#endif
