// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replacing what is published at some ports. The order is what keeps packets right at every moment:
 * what new targets need (a filled service, reverse entries) is there before the first client is
 * sent to them, and what old targets need goes after the last one was. Before anything else the
 * intent is written; see publish_recover().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply/confirm.h"
#include "apply/map.h"
#include "apply/up.h"

static bool same_endpoint(const struct nsx_target *a, const struct nsx_target *b)
{
	return a->ifindex == b->ifindex && a->port == b->port &&
	       memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

static bool same_target(const struct nsx_target *a, const struct nsx_target *b)
{
	return same_endpoint(a, b) && a->at == b->at && a->weight == b->weight && a->xdp == b->xdp;
}

static bool has_endpoint(const struct nsx_target *list, __u32 count, const struct nsx_target *t)
{
	for (__u32 i = 0; i < count; i++)
		if (list[i].weight && same_endpoint(&list[i], t))
			return true;
	return false;
}

static bool same_targets(const struct nsx_service *a, const struct nsx_service *b)
{
	for (__u32 i = 0; i < a->count; i++)
		if (i >= b->count || !same_target(&a->target[i], &b->target[i]))
			return false;
	return a->count == b->count;
}

/* Each target of a is one of b's. */
static bool all_stay(const struct nsx_service *a, const struct nsx_service *b)
{
	for (__u32 i = 0; i < a->count; i++) {
		bool stays = !a->target[i].weight;

		for (__u32 n = 0; n < b->count && !stays; n++)
			stays = same_target(&a->target[i], &b->target[n]);
		if (!stays)
			return false;
	}
	return true;
}

/* Clients of a device's addresses may be sent to one that is named itself from now on. */
static bool takes_from_device(const struct nsx_service *was, const struct nsx_service *svc)
{
	for (__u32 i = 0; i < was->count && svc->count > was->count; i++)
		if (was->target[i].weight && nsx_at_device(was->target[i].at))
			return true;
	return false;
}

/*
 * The only address of all targets, those that drain included; 0 where there is none or are several.
 */
static __be32 only_address(const struct nsx_service *svc)
{
	__be32 at = svc->count ? svc->target[0].at : svc->was_count ? svc->was[0].at : 0;

	for (__u32 i = 0; i < svc->count + svc->was_count; i++) {
		const struct nsx_target *t = i < svc->count ? &svc->target[i]
							    : &svc->was[i - svc->count];

		if (t->weight && t->at != at)
			return 0;
	}
	return at;
}

static bool has_addresses(const struct nsx_service *svc)
{
	for (__u32 i = 0; i < svc->count + svc->was_count; i++) {
		const struct nsx_target *t = i < svc->count ? &svc->target[i]
							    : &svc->was[i - svc->count];

		if (t->weight && t->at)
			return !only_address(svc);
	}
	return false;
}

/* The address decides who is a client's target, in both. */
static bool by_address(const struct nsx_service *was, const struct nsx_service *svc)
{
	return !was->count || has_addresses(was) || has_addresses(svc);
}

static bool is_simple(const struct publication *p)
{
	return p->svc.count == 1 && !(p->svc.flags & NSX_S_CONDITIONS) && !p->svc.was_count;
}

static const struct nsx_target *first_target(const struct nsx_service *svc)
{
	const struct nsx_target *list = svc->count ? svc->target : svc->was;
	__u32 count = svc->count ? svc->count : svc->was_count;

	for (__u32 i = 0; i < count; i++)
		if (list[i].weight)
			return &list[i];
	return NULL;
}

/* The slot of the first port; those of the others follow from it. */
static struct nsx_slot to_slot(const struct publication *p)
{
	const struct nsx_service *svc = &p->svc;
	struct nsx_slot s;

	map_fill(&s, svc, first_target(svc), 0);
	s.at = only_address(svc);
	s.flags |= p->index ? NSX_F_SERVICE : 0;
	if (p->index)
		s.service = p->index;
	else
		s.counter = p->counter;
	return s;
}

static void keep_allow(const struct nsx_allow *key, void *arg)
{
	struct publication *p = arg;

	if (p->allows < MAP_ALLOWS) {
		memcpy(&p->allow[p->allows].addr, key->addr, sizeof(key->addr));
		p->allow[p->allows].len = key->bits - 32;
	}
	p->allows++;
}

int publication_read(struct instance *in, const struct nsx_slot *s, struct publication *ret,
		     struct fail *f)
{
	struct nsx_service *svc = &ret->svc;
	int count;

	memset(ret, 0, sizeof(*ret));
	map_service(in, s, svc);
	if (!(s->flags & NSX_F_SERVICE)) {
		ret->counter = s->counter;
		return 0;
	}
	ret->index = s->service;
	if (!(svc->flags & NSX_S_USED))
		return fail_errno(f, -EIO, "cannot read its targets and conditions");
	if (!(svc->flags & NSX_S_ALLOW))
		return 0;
	count = service_allows(in, s->service, keep_allow, ret);
	if (count <= 0 || count > MAP_ALLOWS)
		return fail_errno(f, count < 0 ? count : -EIO,
				  "cannot read the networks that may reach it");
	return 0;
}

/* The targets and conditions of what is wanted. */
static int add_wanted(struct instance *in, const struct map_conf *c, struct publication *ret,
		      struct fail *f)
{
	struct nsx_service *svc = &ret->svc;

	for (int i = 0; i < c->targets; i++) {
		int err = map_resolve(in, c, i, &svc->target[i], f);

		if (err)
			return err;
	}
	svc->count = c->targets;
	svc->flags |= (c->allows ? NSX_S_ALLOW : 0) | (c->rate ? NSX_S_RATE : 0) |
		     (c->affinity ? NSX_S_AFFINITY : 0) | (*c->owner ? NSX_S_OWNED : 0);
	memcpy(svc->owner, c->owner, sizeof(svc->owner));
	if (c->rate) {
		svc->rate = c->rate;
		svc->interval = 1000000000ULL / c->rate;
		svc->burst = svc->interval * c->burst;
	}
	service_spread(svc->table, svc->target, svc->count);
	memcpy(ret->allow, c->allow, sizeof(ret->allow));
	ret->allows = c->allows;
	return 0;
}

int publication_make(struct instance *in, const struct map_conf *c, bool wanted,
		     struct publication *ret, struct fail *f)
{
	struct nsx_service *svc = &ret->svc;

	memset(ret, 0, sizeof(*ret));
	svc->row = c->row;
	svc->first = c->port;
	svc->last = c->last;
	svc->flags = NSX_S_USED;
	memset(svc->table, NSX_NO_TARGET, sizeof(svc->table));
	memset(svc->was_table, NSX_NO_TARGET, sizeof(svc->was_table));
	return wanted ? add_wanted(in, c, ret, f) : 0;
}

/* An older draining goes on. */
static void keep_draining(const struct nsx_service *was, struct nsx_service *svc)
{
	memcpy(svc->was, was->was, sizeof(svc->was));
	memcpy(svc->was_table, was->was_table, sizeof(svc->was_table));
	svc->was_count = was->was_count;
	svc->drain_deadline = was->drain_deadline;
}

/*
 * Who drains: the targets that were, in the places of their table, and those of an older draining,
 * for their connections that are remembered. Where nobody's clients change, the older one goes on;
 * but a port that is not wanted and has no targets any more goes.
 */
void publication_drain(struct instance *in, const struct publication *before,
		       struct publication *after, __u32 ticks)
{
	struct nsx_service *svc = &after->svc;
	const struct nsx_service *was = before ? &before->svc : NULL;
	__u32 now = now_tick(in);
	bool draining = was && (was->flags & NSX_S_DRAINING) &&
			(__s32)(was->drain_deadline - now) > 0;
	bool stay = was && svc->count &&
		    (same_targets(was, svc) || (by_address(was, svc) && all_stay(was, svc) &&
						!takes_from_device(was, svc)));

	if (stay && draining) {
		keep_draining(was, svc);
	} else if (was && !stay && ticks) {
		memcpy(svc->was, was->target, sizeof(svc->was));
		memcpy(svc->was_table, was->table, sizeof(svc->was_table));
		svc->was_count = was->count;
		for (__u32 i = 0; i < was->was_count && draining; i++)
			if (svc->was_count < NSX_TARGETS &&
			    !has_endpoint(svc->was, svc->was_count, &was->was[i]))
				svc->was[svc->was_count++] = was->was[i];
		svc->drain_deadline = now + ticks;
	}
	if (svc->was_count)
		svc->flags |= NSX_S_DRAINING;
}

/* Its own entry in the table of services, where it needs one. */
static int write_service(struct instance *in, const struct publication *before,
			 struct publication *after, struct fail *f)
{
	int err;

	after->index = 0;
	if (is_simple(after))
		return counts_take(in, before, after, f);
	if (has_addresses(&after->svc))
		after->svc.flags |= NSX_S_BY_ADDRESS;
	after->index = service_alloc(in);
	/* Who could do without but for connections that are to finish does without. */
	if (!after->index && after->svc.count == 1 && !after->must_drain &&
	    !(after->svc.flags & NSX_S_CONDITIONS)) {
		note("there is no room for a further service: running connections end");
		after->svc.was_count = 0;
		after->svc.flags &= ~(NSX_S_DRAINING | NSX_S_BY_ADDRESS);
		return counts_take(in, before, after, f);
	}
	if (!after->index)
		return fail(f, -ENOSPC, "no room for a further service");
	in->journal->intent.after = to_slot(after);
	err = service_fill(in, after, f);
	return err ? err : counts_take(in, before, after, f);
}

/* The reverse entries of all targets, or none; what can fail comes before what clients meet. */
static int prepare_targets(struct instance *in, const struct publication *after, struct fail *f)
{
	const struct nsx_service *svc = &after->svc;
	int count = svc->last - svc->first + 1, err = 0;

	for (__u32 i = 0; i < svc->count && err >= 0; i++)
		err = table_flush_mappings(in, &svc->target[i].addr, svc->row,
					   ntohs(svc->target[i].port), count);
	return err < 0 ? fail_errno(f, err, "cannot end masqueraded flows of the targets")
		       : reverse_add(in, svc, f);
}

/* Write the slots; how many masqueraded flows that ends, or a negative errno. */
static int write_slots(struct instance *in, const struct nsx_slot *map,
		       const struct nsx_service *svc)
{
	const struct nsx_target *targets = svc->count ? svc->target : svc->was;
	__u32 count = svc->count ? svc->count : svc->was_count;
	int ended = table_range(in, NSX_RANGE_WRITE, map), err = 0;
	struct nsx_slot further;

	for (__u32 n = 1; n < count && ended >= 0 && !err; n++) {
		map_fill(&further, svc, &targets[n], 0);
		err = table_range(in, NSX_RANGE_SECOND, &further);
	}
	return err ? err : ended;
}

/* Targets that nothing of the ports leads to any more. */
static int leave_targets(struct instance *in, const struct nsx_service *svc)
{
	int err = map_leave(in, svc, svc->target, svc->count);
	int more = map_leave(in, svc, svc->was, svc->was_count);

	return err ? err : more;
}

/*
 * After the ports are what they should be: what only the other one needed goes. Where that fails the
 * intent stays, and the next command tries again: the slots are what they are, so that it can.
 */
static int finish(struct instance *in, const struct nsx_service *targets,
		  const struct nsx_slot *gone, const struct nsx_slot *stays)
{
	int err = leave_targets(in, targets);

	if (err)
		return err;
	if (slot_service(gone))
		service_free(in, slot_service(gone));
	if (slot_counter(gone) != slot_counter(stays))
		counter_free(in, slot_counter(gone));
	in->journal->intent.kind = NSX_INTENT_NONE;
	return 0;
}

static int put_slots(struct instance *in, const struct nsx_slot *map, const struct nsx_slot *before,
		     const struct nsx_service *svc)
{
	return map->ifindex ? write_slots(in, map, svc) : table_range(in, NSX_RANGE_CLEAR, before);
}

static void note_flows(const struct nsx_service *svc, const struct nsx_slot *before, int ended)
{
	char ports[ADDR_STRLEN], addr[ADDR_STRLEN];

	if (!ended)
		return;
	config_port_name(svc->row, svc->first, svc->last, ports);
	if (svc->first == svc->last)
		note("map add %s: ends a masqueraded flow of %s that used this port", ports,
		     format_addr(&before->inside, addr));
	else
		note("map add %s: %d of these ports were used for masquerading: their flows end",
		     ports, ended);
}

static void begin(struct instance *in, const struct publication *before,
		  const struct publication *after)
{
	struct nsx_intent *intent = &in->journal->intent;
	const struct nsx_service *svc = before ? &before->svc : &after->svc;

	memset(intent, 0, sizeof(*intent));
	map_fill(&intent->before, svc, NULL, 0);
	map_fill(&intent->after, svc, NULL, 0);
	if (before)
		intent->before = to_slot(before);
	__atomic_store_n(&intent->kind, NSX_INTENT_PORTS, __ATOMIC_SEQ_CST);
}

static int turn(struct instance *in, const struct publication *before, struct publication *after,
		struct fail *f)
{
	struct nsx_intent *intent = &in->journal->intent;
	const struct nsx_slot *first = table_port(in, nsx_slot_row(&intent->before), intent->before.first);
	struct nsx_slot was;
	int err = 0, ended;

	if (!first)
		return fail_errno(f, -errno, "cannot open the port registry");
	was = *first;
	if (after)
		err = write_service(in, before, after, f);
	if (!err && after) {
		intent->after = to_slot(after);
		err = prepare_targets(in, after, f);
	}
	if (err)
		return err;
	err = table_published_set(in, nsx_slot_row(&intent->before), intent->before.first);
	if (err)
		return fail_errno(f, err, "cannot note what is published");
	err = confirm_note_ports(in, f);
	if (err < 0)
		return err;
	ended = put_slots(in, &intent->after, &intent->before, after ? &after->svc : NULL);
	if (ended < 0)
		return fail_errno(f, ended, "cannot write the port registry");
	if (after && !before)
		note_flows(&after->svc, &was, ended);
	return 0;
}

int publish(struct instance *in, const struct publication *before, struct publication *after,
	    struct fail *f)
{
	static const struct nsx_service nothing;
	struct fail ignored;
	int err;

	begin(in, before, after);
	err = turn(in, before, after, f);
	/* Packets have been given back what was before, and this step is not in it: nothing is touched. */
	if (err == -ETIME && confirm_is_noting()) {
		in->journal->intent.kind = NSX_INTENT_NONE;
		return err;
	}
	if (err) {
		publish_recover(in, &ignored);
		return err;
	}
	/* What was stays where it may have to come back. */
	if (in->journal->intent.undo) {
		in->journal->intent.kind = NSX_INTENT_NONE;
		return 0;
	}
	in->journal->intent.kind = NSX_INTENT_PORTS_DONE;
	finish(in, before ? &before->svc : &nothing, &in->journal->intent.before,
	       &in->journal->intent.after);
	return 0;
}

/* The targets that the slot of an intent speaks of. */
static int intent_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->ifindex)
		map_service(in, s, ret);
	if (s->ifindex && (s->flags & NSX_F_SERVICE) && !table_service(in, s->service))
		return -errno;
	ret->row = nsx_slot_row(s);
	ret->first = s->first;
	ret->last = s->last;
	return 0;
}

static bool port_leads_to(struct instance *in, const struct nsx_service *svc,
			  const struct nsx_target *t, unsigned int i)
{
	const struct nsx_slot *s = table_port(in, svc->row, svc->first + i);
	struct nsx_slot endpoint;

	map_fill(&endpoint, svc, t, i);
	return s && map_leads_to(in, s, &endpoint);
}

/* Connections by those of the ports that do not lead to the target. */
static int flush_target(struct instance *in, const struct nsx_service *svc,
			const struct nsx_target *t)
{
	unsigned int count = svc->last - svc->first + 1, end;
	int err = 0;

	for (unsigned int i = 0; i < count && err >= 0; i = end + 1) {
		for (end = i; end < count && !port_leads_to(in, svc, t, end); end++)
			;
		if (end > i)
			err = table_flush_returns(in, &t->addr, svc->row, svc->first + i, end - i);
	}
	return err < 0 ? err : 0;
}

int publish_end(struct instance *in, const struct nsx_slot *gone)
{
	const struct nsx_slot *s = table_port(in, nsx_slot_row(gone), gone->first);
	struct nsx_service svc;
	int err = s ? intent_service(in, gone, &svc) : -errno;

	for (__u32 i = 0; !err && i < svc.count; i++)
		err = flush_target(in, &svc, &svc.target[i]);
	for (__u32 i = 0; !err && i < svc.was_count; i++)
		err = flush_target(in, &svc, &svc.was[i]);
	if (!err && slot_service(gone) &&
	    !(is_map(s) && (s->flags & NSX_F_SERVICE) && s->service == gone->service))
		service_free(in, slot_service(gone));
	return err;
}

int publish_recover(struct instance *in, struct fail *f)
{
	struct nsx_intent *intent = &in->journal->intent;
	struct nsx_service before, after;
	/* All targets of what was have gone with their namespace: what is left can only go. */
	bool empty = !intent->before.ifindex && slot_service(&intent->before);
	bool done = intent->kind == NSX_INTENT_PORTS_DONE || empty;
	int err = intent_service(in, &intent->before, &before);

	if (!err)
		err = intent_service(in, &intent->after, &after);
	if (!err && (!done || empty))
		err = put_slots(in, &intent->before, &intent->before, &before);
	if (err < 0)
		return fail_errno(f, err, "cannot write the port registry");
	confirm_forget_ports(in);
	services_recount(in);
	/* Those that ports of the undo log have are not found in the registry: see confirm_clear(). */
	err = in->conf->confirm ? 0 : counters_recount(in);
	if (err)
		return fail_errno(f, err, "cannot take stock of what is counted");
	err = done ? finish(in, &before, &intent->before, &intent->after) :
		     finish(in, &after, &intent->after, &intent->before);
	return err ? fail_errno(f, err, "cannot remove the reverse entries of old targets") : 0;
}

struct nsx_slot *published_at(struct instance *in, __u8 row, __u16 first, __u16 last)
{
	const struct nsx_service wanted = { .row = row, .first = first, .last = last };
	struct nsx_slot ports;
	int port;

	map_fill(&ports, &wanted, NULL, 0);
	port = table_range(in, NSX_RANGE_TAKEN, &ports);
	errno = port < 0 ? -port : 0;
	return port > 0 ? table_port(in, row, port) : NULL;
}

/* A service whose ports lead elsewhere, or are free: the sweeper has freed them, or is about to. */
static bool reap_freed(struct instance *in, struct nsx_service *svc, __u32 index,
		       const struct nsx_slot *s)
{
	struct nsx_service before;

	if (is_map(s) && (s->flags & NSX_F_SERVICE) && s->service == index)
		return false;
	if (svc->count)
		return true;
	flows_wait(in);
	before = *svc;
	leave_targets(in, &before);
	service_free(in, index);
	return true;
}

/* What stays; the places of targets whose namespaces went are closed. */
static void without_draining(const struct publication *p, struct publication *ret)
{
	struct nsx_service *svc = &ret->svc;

	*ret = *p;
	ret->index = 0;
	svc->count = svc->was_count = 0;
	svc->flags &= ~(NSX_S_DRAINING | NSX_S_BY_ADDRESS);
	for (__u32 i = 0; i < p->svc.count; i++)
		if (p->svc.target[i].weight)
			svc->target[svc->count++] = p->svc.target[i];
	service_spread(svc->table, svc->target, svc->count);
}

/*
 * Old targets lose their reverse entries, ports without any target go, simple maps become simple.
 */
static void reap(struct instance *in, __u32 index, struct nsx_service *svc)
{
	struct nsx_slot *s = table_port(in, svc->row, svc->first);
	struct publication before, after;
	struct fail f;

	if (!s || reap_freed(in, svc, index, s) || publication_read(in, s, &before, &f))
		return;
	without_draining(&before, &after);
	publish(in, &before, after.svc.count ? &after : NULL, &f);
}

void publish_reap(struct instance *in)
{
	__u32 now = now_tick(in);

	for (__u32 index = 1; index < NSX_SERVICES && in->journal->drainings; index++) {
		struct nsx_service *svc = table_service(in, index);

		if (svc && (svc->flags & NSX_S_DRAINING) && (__s32)(svc->drain_deadline - now) <= 0)
			reap(in, index, svc);
	}
}
