// SPDX-License-Identifier: GPL-2.0-only
/* Reverse entries of published ports: which outside port an inside endpoint answers from. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/map.h"

bool map_leads_to(struct instance *in, const struct nsx_slot *s, const struct nsx_slot *endpoint)
{
	const struct nsx_service *svc;

	if (NSX_KIND(s->state) != NSX_MAP || nsx_slot_row(s) != nsx_slot_row(endpoint))
		return false;
	if (!(s->flags & NSX_F_SERVICE))
		return s->ifindex == endpoint->ifindex && s->inside_port == endpoint->inside_port;
	svc = table_service(in, s->service);
	for (__u32 i = 0; svc && i < svc->count + svc->was_count; i++) {
		const struct nsx_target *t = i < svc->count ? &svc->target[i]
							    : &svc->was[i - svc->count];

		if (t->ifindex == endpoint->ifindex &&
		    ntohs(t->port) + (ntohs(s->outside_port) - svc->first) ==
			    ntohs(endpoint->inside_port))
			return true;
	}
	return false;
}

/**
 * struct others - ports that still lead to the endpoints of a range, by the endpoint's place in it
 */
struct others {
	const struct nsx_service *gone;
	const struct nsx_target *target;
	struct other {
		struct nsx_slot *slot; /* the one that the reverse entry is to answer for */
		int count;
	} * at;
};

/* What a target of some publication has in common with the range. */
static void note_target(struct instance *in, const struct nsx_slot *first,
			const struct nsx_target *t, struct others *o)
{
	int span = o->gone->last - o->gone->first, from = ntohs(t->port) - ntohs(o->target->port);

	if (!t->weight || t->ifindex != o->target->ifindex)
		return;
	for (int i = from < 0 ? -from : 0; i <= first->last - first->first && from + i <= span;
	     i++) {
		struct other *other = &o->at[from + i];
		struct nsx_slot *s = table_port(in, nsx_slot_row(first), first->first + i);

		if (!s || !is_map(s))
			continue;
		other->count++;
		if (!other->slot || !(s->flags & NSX_F_STATEFUL))
			other->slot = s;
	}
}

static int note_publication(struct instance *in, struct nsx_slot *s, void *arg)
{
	struct others *o = arg;
	struct nsx_service svc;

	if (nsx_slot_row(s) != o->gone->row)
		return 0;
	map_service(in, s, &svc);
	for (__u32 i = 0; i < svc.count; i++)
		note_target(in, s, &svc.target[i], o);
	for (__u32 i = 0; i < svc.was_count; i++)
		note_target(in, s, &svc.was[i], o);
	return 0;
}

/*
 * An endpoint is not published on a port any more: its entry goes, or answers for another of its
 * ports.
 */
static int reverse_release(struct instance *in, const struct nsx_slot *gone,
			   const struct other *other)
{
	struct nsx_reverse *reverse =
		table_reverse(in, gone->ifindex, gone->inside_port, nsx_slot_row(gone));
	struct nsx_slot alone = {};
	int err;

	/* One that answers for another port alone was not ours. */
	if (!reverse ||
	    (!(reverse->flags & NSX_B_STATEFUL) && reverse->outside_port != gone->outside_port))
		return 0;
	if (!other->slot) {
		table_reverse_del(reverse);
		return 0;
	}
	alone.proto = other->slot->proto;
	alone.inside = other->slot->inside;
	alone.first = alone.last = ntohs(other->slot->outside_port);
	err = table_range(in, NSX_RANGE_ALONE, &alone);
	if (err)
		return err;
	reverse->outside_port = other->slot->outside_port;
	if (other->count == 1)
		reverse->flags &= ~NSX_B_STATEFUL;
	return 0;
}

/*
 * Reverse entries that answer for several ports look for another one. One walk serves the whole
 * range.
 */
static int reverse_entries_release(struct instance *in, const struct nsx_service *svc,
				   const struct nsx_target *t)
{
	int count = svc->last - svc->first + 1;
	struct others others = { svc, t, calloc(count, sizeof(*others.at)) };
	struct nsx_slot map;
	int err = 0;

	if (!others.at || !table_reverse_buckets(in) ||
	    published_each(in, note_publication, &others)) {
		free(others.at);
		return -ENOMEM;
	}
	for (int i = 0; i < count && !err; i++) {
		map_fill(&map, svc, t, i);
		err = reverse_release(in, &map, &others.at[i]);
	}
	free(others.at);
	return err;
}

int map_leave(struct instance *in, const struct nsx_service *svc, const struct nsx_target *targets,
	      __u32 count)
{
	int err = 0;

	for (__u32 n = 0; n < count && !err; n++) {
		struct nsx_slot map, *s = table_port(in, svc->row, svc->first);

		if (!targets[n].ifindex)
			continue;
		if (!s)
			return -ENOMEM;
		map_fill(&map, svc, &targets[n], 0);
		if (map_leads_to(in, s, &map))
			continue;
		if (table_range(in, NSX_RANGE_DEL_REVERSE, &map) != 0)
			err = reverse_entries_release(in, svc, &targets[n]);
		if (!err)
			err = table_flush_returns(in, &targets[n].addr, svc->row, svc->first,
						  svc->last - svc->first + 1U);
		err = err < 0 ? err : 0;
	}
	return err;
}

int reverse_add(struct instance *in, const struct nsx_service *svc, struct fail *f)
{
	int count = svc->last - svc->first + 1;

	for (__u32 n = 0; n < svc->count; n++) {
		struct nsx_slot map;
		int done;

		map_fill(&map, svc, &svc->target[n], 0);
		done = table_range(in, NSX_RANGE_ADD_REVERSE, &map);
		if (done == count)
			continue;
		return done < 0 ? fail_errno(f, done, "cannot write the reverse entries")
				: fail(f, -ENOSPC, "no room for further reverse entries");
	}
	return 0;
}

/** struct leading - ports that lead to the endpoint of a reverse entry */
struct leading {
	struct nsx_slot *slot; /* one of them that is to answer */
	__u32 count;
	bool answers; /* the one that answers is among them */
};

static struct nsx_reverse *all_reverses(struct instance *in)
{
	struct nsx_reverse_bucket *buckets = table_reverse_buckets(in);

	return buckets ? buckets->way : NULL;
}

static int note_leading_target(struct instance *in, const struct nsx_service *svc,
			       const struct nsx_target *t, struct leading *all)
{
	struct nsx_reverse *first = all_reverses(in);
	struct nsx_slot map;
	int err;

	if (!t->weight)
		return 0;
	map_fill(&map, svc, t, 0);
	err = table_range(in, NSX_RANGE_ADD_REVERSE, &map);
	for (unsigned int i = 0; err >= 0 && i <= (unsigned int)(svc->last - svc->first); i++) {
		struct nsx_slot *s = table_port(in, svc->row, svc->first + i);
		struct nsx_reverse *reverse =
			table_reverse(in, t->ifindex, htons(ntohs(t->port) + i), svc->row);
		struct leading *l = reverse ? &all[reverse - first] : NULL;

		if (!l || !s || !is_map(s))
			continue;
		l->count++;
		l->answers |= reverse->outside_port == s->outside_port;
		if (!l->slot || !(s->flags & NSX_F_STATEFUL))
			l->slot = s;
	}
	return err < 0 ? err : 0;
}

static int note_leading(struct instance *in, struct nsx_slot *s, void *arg)
{
	struct nsx_service svc;
	int err = 0;

	map_service(in, s, &svc);
	for (__u32 i = 0; i < svc.count && !err; i++)
		err = note_leading_target(in, &svc, &svc.target[i], arg);
	for (__u32 i = 0; i < svc.was_count && !err; i++)
		err = note_leading_target(in, &svc, &svc.was[i], arg);
	return err;
}

static int settle_one(struct instance *in, struct nsx_reverse *reverse, const struct leading *l)
{
	struct nsx_slot alone = {};
	int err;

	if (!l->count) {
		table_reverse_del(reverse);
		return 0;
	}
	if (l->answers && (l->count > 1 || !(reverse->flags & NSX_B_STATEFUL)))
		return 0;
	alone.proto = l->slot->proto;
	alone.inside = l->slot->inside;
	alone.first = alone.last = ntohs(l->slot->outside_port);
	err = table_range(in, NSX_RANGE_ALONE, &alone);
	if (err)
		return err;
	reverse->outside_port = l->slot->outside_port;
	if (l->count == 1)
		reverse->flags &= ~NSX_B_STATEFUL;
	return 0;
}

int reverses_settle(struct instance *in)
{
	const size_t count = NSX_REVERSE_BUCKETS * NSX_REVERSE_WAYS;
	struct leading *all = calloc(count, sizeof(*all));
	struct nsx_reverse *reverse = all_reverses(in);
	int err = all && reverse ? published_each(in, note_leading, all) : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++)
		if (reverse[i].ifindex && reverse[i].ifindex != NSX_REVERSE_GONE)
			err = settle_one(in, &reverse[i], &all[i]);
	free(all);
	return err;
}

/* After a namespace is gone, whatever its maps were. */
void reverse_purge(struct instance *in, __u32 ifindex)
{
	struct nsx_reverse_bucket *bucket = table_reverse_buckets(in);

	for (__u32 i = 0; bucket && i < NSX_REVERSE_BUCKETS; i++)
		for (int way = 0; way < NSX_REVERSE_WAYS; way++)
			if (bucket[i].way[way].ifindex == ifindex)
				table_reverse_del(&bucket[i].way[way]);
}
