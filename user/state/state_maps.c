// SPDX-License-Identifier: GPL-2.0-only
/* Published ports as JSON: what is wanted, from the model, and what the datapath made of it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "kernel/services.h"
#include "state/merge.h"
#include "state/read.h"
#include "state/state.h"

/** struct place - what the datapath knows of a published port, at one of its addresses */
struct place {
	struct instance *in;
	const struct nsx_slot *slot;
	const struct nsx_service *svc;	/* NULL: a simple map */
	__be32 at;	/* NSX_S_BY_ADDRESS: the address */
	__u32 now;
};

/* A target that clients may have here: where the address chooses, that of the place. */
static bool is_here(const struct place *p, const struct nsx_target *t)
{
	return t->weight && (!(p->svc->flags & NSX_S_BY_ADDRESS) || t->at == p->at);
}

/* NULL where no namespace has the id. */
static const char *ns_name(struct instance *in, __u32 id, char name[NSX_NAME_LEN])
{
	return table_ns_name(in, id, name) ? NULL : name;
}

/* The index of the model's next target; the model leaves out those of namespaces that are gone. */
static __u32 next_target(const struct place *p, __u32 index)
{
	char name[NSX_NAME_LEN];

	while (index < p->svc->count && !(is_here(p, &p->svc->target[index]) &&
					  ns_name(p->in, p->svc->target[index].id, name)))
		index++;
	return index;
}

/* Percent of the clients. */
static int target_share(const struct nsx_service *svc, __u32 target)
{
	int places = 0;

	if (svc->flags & NSX_S_BY_ADDRESS)
		return 100;
	for (int place = 0; place < NSX_TABLE; place++)
		places += svc->table[place] == target;
	return (places * 100 + NSX_TABLE / 2) / NSX_TABLE;
}

/* place: in nsx_target_counts; of 0, which is not counted, they are null. */
static void set_counts(struct instance *in, json_t *target, __u32 place)
{
	struct nsx_count count;

	if (place && table_target_count(in, place, &count) == 0) {
		json_object_set_new(target, "packets", counter_json(count.packets));
		json_object_set_new(target, "bytes", counter_json(count.bytes));
	} else {
		json_object_set_new(target, "packets", json_null());
		json_object_set_new(target, "bytes", json_null());
	}
}

static json_t *target_json(const char *ns, __u16 to, __u16 span, const struct nsx_addr *addr,
			   __u16 weight)
{
	char inside[16];

	return json_pack("{s:s?, s:s, s:i, s:o, s:i}", "ns", ns, "to",
			 range_text(to, to + span, inside), "ns_port", to, "address",
			 addr_json(addr), "weight", weight);
}

/* The targets of the model, with their shares of the clients and what went to them. */
static json_t *targets_json(const struct place *p, const struct map_conf *c)
{
	json_t *targets = json_array();
	__u32 index = 0;

	for (int i = 0; i < c->targets; i++, index++) {
		const struct map_target *t = &c->target[i];
		const struct nsx_addr *addr = &p->slot->inside;
		__u32 count = slot_counter(p->slot);
		int share = 100;
		json_t *target;

		if (p->svc && (index = next_target(p, index)) < p->svc->count) {
			addr = &p->svc->target[index].addr;
			count = p->slot->service * NSX_TARGETS + index;
			share = target_share(p->svc, index);
		}
		target = target_json(t->ns, t->port, c->last - c->port, addr, t->weight);
		json_object_set_new(target, "share", json_integer(share));
		set_counts(p->in, target, count);
		json_array_append_new(targets, target);
	}
	return targets;
}

/* A target from before a change at another address. */
static bool stays(const struct nsx_service *svc, const struct nsx_target *was)
{
	for (__u32 i = 0; i < svc->count && (svc->flags & NSX_S_BY_ADDRESS); i++)
		if (svc->target[i].at == was->at && svc->target[i].id == was->id &&
		    svc->target[i].port == was->port)
			return true;
	return false;
}

static json_t *draining_json(const struct place *p)
{
	__s32 left = p->svc ? (__s32)(p->svc->drain_deadline - p->now) : 0;
	json_t *draining = json_array();

	if (!p->svc || !(p->svc->flags & NSX_S_DRAINING) || left <= 0)
		return draining;
	for (__u32 i = 0; i < p->svc->was_count; i++) {
		const struct nsx_target *t = &p->svc->was[i];
		char name[NSX_NAME_LEN];
		json_t *target;

		if (!is_here(p, t) || stays(p->svc, t))
			continue;
		target = target_json(ns_name(p->in, t->id, name), ntohs(t->port),
				     p->svc->last - p->svc->first, &t->addr, t->weight);
		json_object_set_new(target, "seconds",
				    json_integer(((json_int_t)left << NSX_TICK_SHIFT) /
						 p->in->conf->hz));
		json_array_append_new(draining, target);
	}
	return draining;
}

static json_t *allow_json(const struct map_conf *c)
{
	json_t *allow = json_array();

	for (int i = 0; i < c->allows; i++) {
		char text[ADDR_STRLEN];

		json_array_append_new(allow, json_string(format_prefix(&c->allow[i].addr,
								       c->allow[i].len, text)));
	}
	return allow;
}

/*
 * A published port of the model. A range is one entry: "ports" and "to" show it as it was typed,
 * the numbers are there too.
 */
static json_t *map_json(const struct place *p, const struct map_conf *c)
{
	const struct nsx_slot *s = p->slot;
	char name[NSX_NAME_LEN];
	json_t *targets = targets_json(p, c), *first = json_array_get(targets, 0), *map;
	char ports[16], at[ADDR_STRLEN] = "any";

	if (c->has_at)
		config_at_name(&c->at, at);
	map = json_pack("{s:s, s:s, s:i, s:i, s:s}", "at", at, "ports",
			range_text(c->port, c->last, ports), "port", c->port, "last_port", c->last,
			"proto", proto_name(NSX_ROW_PROTO(c->row)));
	json_object_set_new(map, "family",
			    json_string(family_name(NSX_ROW_FAMILY(c->row))));
	/* The first target, for those that look for no more; of a port that only drains, that it had. */
	first = first ? json_copy(first)
		      : target_json(ns_name(p->in, s->id, name), ntohs(s->inside_port),
				    c->last - c->port, &s->inside, 0);
	for (int i = 0; i < 4; i++) {
		static const char *const keys[] = { "ns", "to", "ns_port", "address" };

		json_object_set(map, keys[i], json_object_get(first, keys[i]));
	}
	json_decref(first);
	json_object_set_new(map, "targets", targets);
	json_object_set_new(map, "allow", allow_json(c));
	json_object_set_new(map, "draining", draining_json(p));
	if (c->rate) {
		json_object_set_new(map, "rate", json_integer(c->rate));
		json_object_set_new(map, "burst", json_integer(c->burst));
	}
	json_object_set_new(map, "owner", *c->owner ? json_string(c->owner) : json_null());
	json_object_set_new(map, "affinity", json_string(c->affinity ? "client" : "connection"));
	return map;
}

/* Rows of published ports; of one namespace where ns_id is not 0. */
struct map_rows {
	json_t *rows;
	const struct map_conf *which;	/* those of its address; NULL: all */
	__u32 ns_id;
	__u32 now;
};

static bool leads_there(const struct place *p, __u32 ns_id)
{
	if (!ns_id || !p->svc)
		return !ns_id || p->slot->id == ns_id;
	for (__u32 i = 0; i < p->svc->count; i++)
		if (p->svc->target[i].id == ns_id && is_here(p, &p->svc->target[i]))
			return true;
	for (__u32 i = 0; i < p->svc->was_count; i++)
		if (p->svc->was[i].id == ns_id && is_here(p, &p->svc->was[i]))
			return true;
	return false;
}

static bool is_wanted(const struct map_rows *r, const struct place *p, const struct map_conf *c)
{
	if (r->which && r->which->has_at &&
	    !(c->has_at && memcmp(&c->at, &r->which->at, sizeof(c->at)) == 0))
		return false;
	return leads_there(p, r->ns_id);
}

/* Addresses that are nobody's wish any more, but drain. */
static void append_draining(struct map_rows *r, struct place p, const struct map_conf *like)
{
	for (__u32 i = 0; i < p.svc->was_count; i++) {
		struct map_conf c = { .row = like->row, .port = like->port, .last = like->last };
		const struct nsx_target *t = &p.svc->was[i];
		bool seen = !t->weight;

		for (__u32 n = 0; n < p.svc->count && !seen; n++)
			seen = p.svc->target[n].weight && p.svc->target[n].at == t->at;
		for (__u32 n = 0; n < i && !seen; n++)
			seen = p.svc->was[n].weight && p.svc->was[n].at == t->at;
		p.at = t->at;
		read_at(p.in, t->at, &c);
		if (!seen && is_wanted(r, &p, &c))
			json_array_append_new(r->rows, map_json(&p, &c));
	}
}

static int append_map(struct instance *in, struct nsx_slot *s, void *arg)
{
	struct map_rows *r = arg;
	struct place p = { in, s, NULL, s->at, r->now };
	struct config model = {};
	int err;

	if (r->ns_id && !(s->flags & NSX_F_SERVICE ? service_has_ns(in, s->service, r->ns_id)
						   : s->id == r->ns_id))
		return 0;
	err = read_map(in, s, &model);
	if (s->flags & NSX_F_SERVICE)
		p.svc = table_service(in, s->service);
	for (size_t i = 0; i < model.map_count && !err; i++) {
		find_at(in, &model.map[i], &p.at);
		if (is_wanted(r, &p, &model.map[i]))
			json_array_append_new(r->rows, map_json(&p, &model.map[i]));
	}
	if (!err && p.svc && (p.svc->flags & NSX_S_BY_ADDRESS)) {
		const struct map_conf like = { .row = nsx_slot_row(s), .port = s->first, .last = s->last };

		append_draining(r, p, &like);
	}
	config_free(&model);
	return err;
}

static bool is_row_of(const struct map_conf *which, __u8 row)
{
	unsigned int family = NSX_ROW_FAMILY(row) == NSX_V4 ? MAP_GIVEN_V4 : MAP_GIVEN_V6;

	if ((which->given & MAP_GIVEN_PROTO) && NSX_ROW_PROTO(which->row) != NSX_ROW_PROTO(row))
		return false;
	return !(which->given & (MAP_GIVEN_V4 | MAP_GIVEN_V6)) || (which->given & family);
}

/* At the ports of which, by one protocol and family or by all. */
static int each_at(struct instance *in, const struct map_conf *which, struct map_rows *r)
{
	int err = 0;

	for (__u8 row = 0; row < NSX_ROWS && !err; row++)
		if (NSX_ROW_PROTO(row) != NSX_ICMP && is_row_of(which, row))
			err = read_each_port(in, row, which->port, which->last, append_map, r);
	return err;
}

json_t *state_maps(struct instance *in, __u32 ns_id, const struct map_conf *which)
{
	struct map_rows r = { .rows = json_array(), .which = which, .ns_id = ns_id, .now = now_tick(in) };

	if (which ? each_at(in, which, &r) : published_each(in, append_map, &r)) {
		json_decref(r.rows);
		return NULL;
	}
	return merge_families(r.rows);
}
