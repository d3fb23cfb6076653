// SPDX-License-Identifier: GPL-2.0-only
/* Published ports, and all that are taken, as JSON. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_map.h"
#include "output.h"
#include "sockets.h"
#include "state.h"

static json_t *target_json(const struct nsx_target *t, const struct ns_list *list, __u16 span)
{
	__u16 to = ntohs(t->port);
	char inside[16];

	return json_pack("{s:o, s:s, s:i, s:o, s:i}", "ns", ns_name_json(list, t->id), "to",
			 range_text(to, to + span, inside), "ns_port", to, "address", addr_json(&t->addr), "weight", t->weight);
}

static void allow_append(const struct nsx_allow *allow, void *arg)
{
	char text[ADDR_STRLEN], prefix[ADDR_STRLEN + 8];
	struct nsx_addr addr;

	memcpy(&addr, allow->addr, sizeof(addr));
	snprintf(prefix, sizeof(prefix), "%s/%u", format_addr(&addr, text), allow->bits - 32 - 96);
	json_array_append_new(arg, json_string(prefix));
}

/* A target that clients of this map may have: where the address chooses, that at the map's own. */
static bool is_here(const struct nsx_service *svc, const struct nsx_slot *map, const struct nsx_target *t)
{
	return !(svc->flags & NSX_S_BY_ADDRESS) || t->at == map->at;
}

/* A target from before a change at another address. */
static bool stays(const struct nsx_service *svc, const struct nsx_target *was)
{
	for (__u32 i = 0; i < svc->count && (svc->flags & NSX_S_BY_ADDRESS); i++)
		if (svc->target[i].at == was->at && svc->target[i].id == was->id && svc->target[i].port == was->port)
			return true;
	return false;
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

/* The targets of a service with their share of the clients and what went to them; conditions; those that drain. */
static void service_json(struct instance *in, json_t *json, const struct nsx_slot *map, const struct ns_list *list,
			 __u32 now)
{
	const struct nsx_service *svc = table_service(in, map->service);
	json_t *targets = json_array(), *draining = json_array(), *allow = json_array();
	struct nsx_count counts[NSX_TARGETS] = {};
	__s32 left;

	if (svc)
		table_target_counts(in, map->service, counts);
	for (__u32 i = 0; svc && i < svc->count; i++) {
		json_t *target;

		if (!svc->target[i].weight || !is_here(svc, map, &svc->target[i]))
			continue;
		target = target_json(&svc->target[i], list, svc->last - svc->first);
		json_object_set_new(target, "share", json_integer(target_share(svc, i)));
		json_object_set_new(target, "packets", output_u64(counts[i].packets));
		json_object_set_new(target, "bytes", output_u64(counts[i].bytes));
		json_array_append_new(targets, target);
	}
	left = svc ? (__s32)(svc->until - now) : 0;
	for (__u32 i = 0; svc && (svc->flags & NSX_S_DRAINING) && left > 0 && i < svc->was_count; i++) {
		json_t *target;

		if (!svc->was[i].weight || !is_here(svc, map, &svc->was[i]) || stays(svc, &svc->was[i]))
			continue;
		target = target_json(&svc->was[i], list, svc->last - svc->first);
		json_object_set_new(target, "seconds", json_integer(((json_int_t)left << NSX_TICK_SHIFT) / in->conf->hz));
		json_array_append_new(draining, target);
	}
	json_object_set_new(json, "targets", targets);
	if (svc && (svc->flags & NSX_S_ALLOW))
		service_allows(in, map->service, allow_append, allow);
	json_object_set_new(json, "allow", allow);
	json_object_set_new(json, "draining", draining);
	if (svc && (svc->flags & NSX_S_RATE) && svc->interval) {
		json_object_set_new(json, "rate", output_u64(1000000000ULL / svc->interval));
		json_object_set_new(json, "burst", output_u64(svc->burst / svc->interval));
	}
	json_object_set_new(json, "affinity", json_string(svc && (svc->flags & NSX_S_AFFINITY) ? "client" : "connection"));
}

/* A range is one entry: "ports" and "to" show it as it was typed, the numbers are there too. */
static json_t *map_json(struct instance *in, const struct nsx_slot *s, const struct ns_list *list, __u32 now)
{
	__u16 to = ntohs(s->inside_port);
	char ports[16], inside[16], at[ADDR_STRLEN] = "any";
	struct nsx_addr own;
	json_t *map;

	if (s->at) {
		addr_set_v4(&own, ntohl(s->at));
		format_addr(&own, at);
	}
	map = json_pack("{s:s, s:s, s:i, s:i, s:s, s:o, s:s, s:i, s:o}", "at", at, "ports",
			range_text(s->first, s->last, ports), "port", s->first, "last_port", s->last, "proto",
			proto_name(s->proto), "ns", ns_name_json(list, s->id), "to",
			range_text(to, to + (s->last - s->first), inside), "ns_port", to, "address", addr_json(&s->inside));
	if (s->flags & NSX_F_SERVICE)
		service_json(in, map, s, list, now);
	return map;
}

/* An entry for each address of a port that several have; ns_id: only those that lead there, or 0. */
static void append_by_address(json_t *rows, struct instance *in, const struct nsx_slot *s, const struct ns_list *list,
			      __u32 ns_id, __u32 now)
{
	const struct nsx_service *svc = table_service(in, s->service);
	__be32 seen[2 * NSX_TARGETS];
	int count = 0;

	for (__u32 i = 0; i < svc->count + svc->was_count; i++) {
		const struct nsx_target *t = i < svc->count ? &svc->target[i] : &svc->was[i - svc->count];
		struct nsx_slot map = *s;
		int n = 0;

		while (n < count && seen[n] != t->at)
			n++;
		if (!t->weight || n < count || (ns_id && t->id != ns_id))
			continue;
		seen[count++] = t->at;
		map.at = t->at;
		map.inside = t->addr;
		map.inside_port = t->port;
		map.id = t->id;
		json_array_append_new(rows, map_json(in, &map, list, now));
	}
}

json_t *state_maps(struct instance *in, __u32 ns_id)
{
	const struct nsx_slot *ports = table_ports(in);
	json_t *rows = json_array();
	struct ns_list list = {};
	__u32 now = now_tick(in);

	table_ns_list(in, &list);
	for (__u32 i = 0; ports && i < TABLE_PORTS_COUNT; i++) {
		const struct nsx_slot *s = &ports[i];

		if (NSX_KIND(s->state) != NSX_MAP || s->first != (i & 0xffff))
			continue;
		if (at_shared(in, s)) {
			append_by_address(rows, in, s, &list, ns_id, now);
			continue;
		}
		if (ns_id && (s->flags & NSX_F_SERVICE) ? !service_has_ns(in, s->service, ns_id) : ns_id && s->id != ns_id)
			continue;
		json_array_append_new(rows, map_json(in, s, &list, now));
	}
	ns_list_free(&list);
	return rows;
}

static json_t *port_json(__u8 proto, const char *ports, __u16 first, const char *owner, const char *reason)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s}", "proto", proto_name(proto), "ports", ports, "port", first, "owner",
			 owner, "reason", reason);
}

/* A published port or range, or the outside port of a live masqueraded endpoint; else NULL. */
static json_t *registry_port_json(struct instance *in, const struct ns_list *list, const struct nsx_slot *s, __u16 port,
				  __u32 now)
{
	const struct ns_item *item = NSX_KIND(s->state) == NSX_MAP ? ns_list_by_id(list, s->id) :
								     ns_list_by_addr(list, &s->inside);
	char ports[16], addr[ADDR_STRLEN], reason[ADDR_STRLEN + 32];

	if (NSX_KIND(s->state) == NSX_MAP && s->first == port) {
		range_text(s->first, s->last, ports);
		snprintf(reason, sizeof(reason), "published, to port %u", ntohs(s->inside_port));
	} else if (NSX_KIND(s->state) == NSX_SHARED && nsx_port_left(s, in->conf, now) >= 0) {
		snprintf(ports, sizeof(ports), "%u", port);
		snprintf(reason, sizeof(reason), "masquerades, shared");
		item = NULL;
	} else if (NSX_KIND(s->state) == NSX_FLOW && nsx_port_left(s, in->conf, now) >= 0) {
		snprintf(ports, sizeof(ports), "%u", port);
		snprintf(reason, sizeof(reason), "masquerades %s:%u", format_addr(&s->inside, addr), ntohs(s->inside_port));
	} else {
		return NULL;
	}
	if (NSX_KIND(s->state) == NSX_MAP && (s->flags & NSX_F_SERVICE)) {
		const struct nsx_service *svc = table_service(in, s->service);

		__u32 targets = 0;

		for (__u32 i = 0; svc && i < svc->count; i++)
			targets += svc->target[i].weight != 0;
		if (svc && (svc->flags & NSX_S_BY_ADDRESS) && targets > 1)
			snprintf(reason, sizeof(reason), "published, at %u addresses", targets);
		else if (svc && targets != 1)
			snprintf(reason, sizeof(reason), targets ? "published, to %u targets" : "published, drains", targets);
	}
	return port_json(s->proto, ports, port, item ? item->name : "-", reason);
}

json_t *state_ports(struct instance *in)
{
	const struct nsx_slot *slots = table_ports(in);
	struct socket_item *sockets = NULL;
	json_t *rows = json_array();
	struct ns_list list = {};
	__u32 now = now_tick(in);
	size_t count = 0;

	if (!slots || sockets_list(&sockets, &count)) {
		json_decref(rows);
		return NULL;
	}
	table_ns_list(in, &list);
	for (__u32 i = 0; i < NSX_ICMP * NSX_PORTS; i++) {
		json_t *row = registry_port_json(in, &list, &slots[i], i & 0xffff, now);

		if (row)
			json_array_append_new(rows, row);
	}
	for (size_t i = 0; i < count; i++) {
		char port[16];

		snprintf(port, sizeof(port), "%u", sockets[i].port);
		json_array_append_new(rows, port_json(sockets[i].proto, port, sockets[i].port, "host", sockets[i].holder));
	}
	ns_list_free(&list);
	free(sockets);
	return rows;
}

