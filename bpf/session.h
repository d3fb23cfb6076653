/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The session table: what the registry of ports alone cannot tell.
 *
 * Entries are found by an inside endpoint, a remote and a kind, in one of three buckets by hash. A
 * bucket is a line of tags and seven slots, so a look-up reads a line that says where the entry may
 * be, and that one. A new entry goes to its first bucket while that has room to spare, else to the
 * emptier of the first two, else to the third; .spilled of the first bucket counts those that went
 * to the others, and where there are none a look-up does not go there.
 *
 * There is never a second entry with one identity. Whoever makes one claims a place, writes the
 * identity, shows its tag by an atomic exchange, and looks whether somebody else shows the same: of
 * two that do so at one time at least one sees the other, and who sees the other withdraws and
 * comes again. So it does not matter where either is interrupted.
 *
 * The table can be replaced by one of another size (nsx_conf.tables). New entries go to the current
 * one; while entries move, those of the other are found too. Whoever has read nsx_conf.tables
 * before it changed may still make an entry in the other table: they are moved after everybody has
 * read it again.
 */
#ifndef NSXDP_SESSION_H
#define NSXDP_SESSION_H

#include "defs.h"
#include "maps.h"
#include "slot.h"
#include "usage.h"

/* An entry that was found, with the state word that it was judged by. */
struct found {
	struct nsx_slot *slot;
	__u32 state;
	int place;
};

/* A bucket by its number, which has NSX_PLACE_TABLE. */
static __always_inline struct nsx_bucket *bucket_at(__u32 where)
{
	__u32 table = where & NSX_PLACE_TABLE ? 1 : 0, index = where & ~NSX_PLACE_TABLE;
	void *buckets = bpf_map_lookup_elem(&nsx_sessions, &table);

	return buckets ? bpf_map_lookup_elem(buckets, &index) : NULL;
}

/* The buckets of an entry, of which no two are the same. */
struct choices {
	__u32 where[NSX_CHOICES];
};

static __always_inline __u32 bucket_next(__u32 at, __u32 buckets)
{
	return at + 1 < buckets ? at + 1 : 0;
}

static __always_inline void choices_of(const struct nsx_conf *conf, __u32 table, __u64 hash,
				       __be16 inside_port, struct choices *c)
{
	__u32 buckets = conf->buckets[table & 1], bit = table & 1 ? NSX_PLACE_TABLE : 0, first,
	      second, third;

	if (!buckets)
		buckets = 1;
	first = nsx_session_bucket(hash, inside_port, buckets, 0);
	second = nsx_session_bucket(hash, inside_port, buckets, 1);
	third = nsx_session_bucket(hash, inside_port, buckets, 2);
	if (second == first)
		second = bucket_next(second, buckets);
	for (int i = 0; i < 2 && (third == first || third == second); i++)
		third = bucket_next(third, buckets);
	c->where[0] = first | bit;
	c->where[1] = second | bit;
	c->where[2] = third | bit;
}

static __always_inline int place_in(__u32 where, __u32 way)
{
	return (where & NSX_PLACE_TABLE) | ((where & ~NSX_PLACE_TABLE) * NSX_BUCKET_PLACES + way);
}

static __always_inline __u32 place_bucket(int place)
{
	return (place & NSX_PLACE_TABLE) | ((place & ~NSX_PLACE_TABLE) / NSX_BUCKET_PLACES);
}

static __always_inline struct nsx_slot *session_at(int place)
{
	__u32 way = place & (NSX_BUCKET_PLACES - 1);
	struct nsx_bucket *b;

	if (place < 0)
		return NULL;
	b = bucket_at(place_bucket(place));
	if (!b)
		return NULL;
	/*
	 * The verifier has to see the question, right before the answer: kernels before 6.3 forget
	 * what was known of a number that was kept on the stack. And LLVM is not to calculate the
	 * answer before it.
	 */
	asm volatile("" : "+r"(way));
	if (way >= NSX_WAYS)
		return NULL;
	asm volatile("" : "+r"(b));
	return &b->way[way];
}

/*
 * The entry with this identity in a bucket: its state word in the upper half, its place plus one in
 * the lower; or 0.
 */
__noinline __u64 bucket_seek(__u32 where, __u32 tag, const struct nsx_session_key *k)
{
	struct nsx_bucket *b = bucket_at(where);

	if (!b || !k)
		return 0;
	for (int i = 0; i < NSX_WAYS; i++) {
		const struct nsx_slot *s = &b->way[i];
		__u32 state;

		if (READ_ONCE(b->tag[i]) != tag)
			continue;
		smp_rmb();
		state = slot_read(s);
		if (nsx_session_is(s, state, k) && slot_same(s, state))
			return (__u64)state << 32 | (__u32)(place_in(where, i) + 1);
	}
	return 0;
}

/* The same in a table. */
__noinline __u64 table_seek(__u32 table, const struct nsx_session_key *k)
{
	const struct nsx_conf *conf = &nsx_conf;
	const struct nsx_bucket *home;
	struct choices c;
	__u64 hash, ret;
	__u32 tag;

	if (!k)
		return 0;
	hash = nsx_session_hash(conf, k);
	tag = nsx_session_tag(hash, k->inside_port);
	choices_of(conf, table, hash, k->inside_port, &c);
	ret = bucket_seek(c.where[0], tag, k);
	home = bucket_at(c.where[0]);
	if (!ret && home && READ_ONCE(home->spilled[0]))
		ret = bucket_seek(c.where[1], tag, k);
	if (!ret && home && READ_ONCE(home->spilled[1]))
		ret = bucket_seek(c.where[2], tag, k);
	return ret;
}

/* The same, wherever it is. */
__noinline __u64 session_seek(const struct nsx_session_key *k)
{
	__u32 tables = READ_ONCE(nsx_conf.tables);
	__u64 ret = table_seek(tables, k);

	if (ret || !(tables & NSX_TABLES_MOVING))
		return ret;
	/*
	 * What moves is in the new table before it is not in the old one: so in the new, the old,
	 * and the new again.
	 */
	smp_rmb();
	ret = table_seek(tables ^ NSX_TABLES_CURRENT, k);
	if (ret)
		return ret;
	smp_rmb();
	return table_seek(tables, k);
}

static __always_inline bool found_at(__u64 seek, struct found *f)
{
	f->place = (int)(__u32)seek - 1;
	f->state = seek >> 32;
	f->slot = seek ? session_at(f->place) : NULL;
	return f->slot != NULL;
}

/* What session_at_home() knows. */
enum at_home {
	HOME_HAS,	/* the entry */
	HOME_NOBODY,	/* that there is none anywhere */
	HOME_ELSEWHERE,	/* that it may be elsewhere */
};

/*
 * The way that has a tag, plus one; 0 where none has. Where two have it, it may be any way: whoever
 * compares the identity finds that out.
 */
static __always_inline __u32 way_tagged(const struct nsx_bucket *b, __u32 tag)
{
	__u32 way = 0;

	for (int i = 0; i < NSX_WAYS; i++)
		way |= (__u32)((__s64)((__u64)(READ_ONCE(b->tag[i]) ^ tag) - 1) >> 63) & (i + 1);
	return way;
}

/*
 * Look for an entry in the first of its buckets, which is where nearly all are; the same as
 * session_seek(), but inlined. What does not depend on the hash comes before it, and there is no
 * branch or look-up between the tags and the entry: the time is that of one step waiting for the
 * other.
 */
static __always_inline enum at_home
session_at_home(const struct nsx_conf *conf, const struct nsx_session_key *k, struct found *f)
{
	__u32 tables = READ_ONCE(conf->tables), table = tables & NSX_TABLES_CURRENT, index, way;
	__u32 count = conf->buckets[table];
	void *buckets = bpf_map_lookup_elem(&nsx_sessions, &table);
	struct nsx_bucket *b;
	__u64 hash;

	if (!buckets)
		return HOME_ELSEWHERE;
	hash = nsx_session_hash(conf, k);
	index = nsx_session_bucket(hash, k->inside_port, count, 0);
	b = bpf_map_lookup_elem(buckets, &index);
	if (!b)
		return HOME_ELSEWHERE;
	way = way_tagged(b, nsx_session_tag(hash, k->inside_port));
	if (!way)
		return READ_ONCE(b->spilled[0]) | READ_ONCE(b->spilled[1]) |
				       (tables & NSX_TABLES_MOVING)
			       ? HOME_ELSEWHERE
			       : HOME_NOBODY;
	/* The mask and the question below are for the verifier */
	way = (way & (NSX_BUCKET_PLACES - 1)) - 1;
	asm volatile("" : "+r"(way));
	if (way >= NSX_WAYS)
		return HOME_ELSEWHERE;
	f->slot = &b->way[way];
	f->place = place_in(index | (tables & NSX_TABLES_CURRENT ? NSX_PLACE_TABLE : 0), way);
	f->state = slot_read(f->slot);
	return nsx_session_is(f->slot, f->state, k) && slot_same(f->slot, f->state)
		       ? HOME_HAS
		       : HOME_ELSEWHERE;
}

/**
 * session_find() - the entry with this identity
 * @f: filled
 *
 * Return: false where there is none. The entry may be dead, which is for the caller to ask.
 */
static __always_inline bool session_find(const struct nsx_session_key *k, struct found *f)
{
	return found_at(session_seek(k), f);
}

static __always_inline void session_key_of(struct nsx_session_key *k, const struct nsx_slot *s,
					   __u32 kind)
{
	k->inside = s->inside;
	k->remote = s->remote;
	k->inside_port = s->inside_port;
	k->remote_port = s->remote_port;
	k->proto = s->proto;
	k->kind = kind;
	k->pad = 0;
}

__noinline int outside_release(int place);

/**
 * session_end() - count an entry out, and take it from the indices
 * @place: claimed by the caller, who has changed nothing yet
 * @kind: what it was, or would have been
 * @counted: it was published
 */
__noinline int session_end(int place, __u32 kind, int counted)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s = session_at(place);
	__u32 where = place_bucket(place);
	struct nsx_bucket *b = bucket_at(where), *home;
	struct choices c;

	if (!s || !b || kind <= NSX_CLAIMED)
		return 0;
	choices_of(conf, where & NSX_PLACE_TABLE ? 1 : 0,
		   nsx_session_mix(conf, &s->inside, &s->remote, s->remote_port, s->proto, kind),
		   s->inside_port, &c);
	home = bucket_at(c.where[0]);
	if (home && where == c.where[1])
		__sync_fetch_and_add(&home->spilled[0], -1);
	else if (home && where == c.where[2])
		__sync_fetch_and_add(&home->spilled[1], -1);
	if (kind == NSX_FLOW && (s->flags & NSX_F_SHARED))
		outside_release(place);
	if (counted && kind != NSX_ALIAS)
		usage_flow(s->proto, s->ifindex, -1);
	usage_places(-1);
	if ((place & 7) < NSX_WAYS)
		*(volatile __u32 *)&b->tag[place & 7] = 0;
	return 0;
}

/* End an entry that was judged by this state word; false where it changed hands meanwhile. */
static __always_inline bool session_free(const struct found *f)
{
	__u32 claim = slot_claim(f->slot, f->state);

	if (!claim)
		return false;
	session_end(f->place, NSX_KIND(f->state), true);
	slot_publish(f->slot, claim, NSX_FREE);
	return true;
}

/* Give a place back that was won and not published. */
static __always_inline void session_undo(int place, __u32 claim, __u32 kind)
{
	struct nsx_slot *s = session_at(place);

	if (!s)
		return;
	session_end(place, kind, false);
	slot_publish(s, claim, NSX_FREE);
}

#endif
