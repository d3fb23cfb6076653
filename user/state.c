// SPDX-License-Identifier: GPL-2.0-only
/* The running state as JSON. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_map.h"
#include "config.h"
#include "netns.h"
#include "output.h"
#include "sockets.h"
#include "state.h"

static const char *const verdict_names[NSX_VERDICT_COUNT] = {
#define V(id, name, sentence) name,
	NSX_VERDICTS(V)
#undef V
};

static const char *const verdict_sentences[NSX_VERDICT_COUNT] = {
#define V(id, name, sentence) sentence,
	NSX_VERDICTS(V)
#undef V
};

static json_t *addr_json(const struct nsx_addr *addr)
{
	char buf[ADDR_STRLEN];

	return json_string(format_addr(addr, buf));
}

static json_t *ns_name_json(const struct ns_list *list, __u32 id)
{
	const struct ns_item *item = ns_list_by_id(list, id);

	return item ? json_string(item->name) : json_null();
}

/* "20000-29999", or "6000" where it is one. */
static const char *range_text(__u16 first, __u16 last, char buf[16])
{
	snprintf(buf, 16, first == last ? "%u" : "%u-%u", first, last);
	return buf;
}

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

		if (!is_here(svc, map, &svc->target[i]))
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

		if (!is_here(svc, map, &svc->was[i]) || stays(svc, &svc->was[i]))
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
		if (n < count || (ns_id && t->id != ns_id))
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

static const char *flow_state(const struct nsx_slot *s)
{
	if (s->proto != NSX_TCP)
		return s->tcp & NSX_T_IN ? "two-way" : "one-way";
	if (s->tcp & NSX_T_RST)
		return "reset";
	if (nsx_tcp_closed(s->tcp))
		return "closed";
	if (s->tcp & (NSX_T_FIN_IN | NSX_T_FIN_OUT))
		return "half-closed";
	return s->tcp & NSX_T_IN ? "established" : "opening";
}

/* "192.168.0.2:4000"; ICMP's remote end has no port. */
static json_t *endpoint_json(const struct nsx_addr *addr, __be16 port)
{
	char text[ADDR_STRLEN], buf[ADDR_STRLEN + 8];

	format_addr(addr, text);
	if (!port)
		return json_string(text);
	snprintf(buf, sizeof(buf), "%s:%u", text, ntohs(port));
	return json_string(buf);
}

static void flow_append(json_t *rows, struct instance *in, const struct ns_list *list, const struct nsx_slot *s,
			__u32 now)
{
	__u32 kind = NSX_KIND(s->state);
	__s32 left;

	if (kind != NSX_FLOW && kind != NSX_RETURN)
		return;
	left = nsx_flow_left(s, in->conf, now);
	if (left < 0 || s->own >= NSX_OWN_MAX)
		return;
	json_array_append_new(
		rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:i}", "proto", proto_name(s->proto), "kind",
				kind == NSX_FLOW ? "masquerade" : "published", "ns", ns_name_json(list, s->id),
				"inside", endpoint_json(&s->inside, s->inside_port), "outside",
				endpoint_json(&in->conf->own[s->own], s->outside_port), "remote",
				endpoint_json(&s->remote, s->remote_port), "state", flow_state(s), "expires",
				(int)(((__u64)left << NSX_TICK_SHIFT) / in->conf->hz)));
}

json_t *state_flows(struct instance *in)
{
	json_t *rows = json_array();
	struct ns_list list = {};
	const struct nsx_slot *ports = table_ports(in), *sessions = table_sessions(in);
	__u32 now = now_tick(in);

	table_ns_list(in, &list);
	for (__u32 i = 0; ports && i < TABLE_PORTS_COUNT; i++)
		flow_append(rows, in, &list, &ports[i], now);
	for (__u32 i = 0; sessions && i < TABLE_SESSIONS_COUNT; i++)
		flow_append(rows, in, &list, &sessions[i], now);
	ns_list_free(&list);
	return rows;
}

static const char *ns_state(const char *name, const struct nsx_ns *ns)
{
	char ifname[IF_NAMESIZE];

	if (ns->state != NSX_NS_READY)
		return "unfinished";
	return netns_exists(name) && if_indextoname(ns->ifindex, ifname) ? "ready" : "gone";
}

json_t *state_ns(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns)
{
	char addr[ADDR_STRLEN], prefix[ADDR_STRLEN + 8], mac[ADDR_STRLEN], mss[8] = "no";

	(void)in;
	snprintf(prefix, sizeof(prefix), "%s/%u", format_addr(&ns->addr, addr), ns->prefix_len);
	if (ns->mss)
		snprintf(mss, sizeof(mss), "%u", ns->mss);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:s}", "name", name, "address", prefix,
			 "gateway", addr_json(&ns->gw), "mac", format_mac(ns->mac, mac), "host_if", ns->host_if, "ns_if",
			 ns->ns_if, "netns", ns->flags & NSX_NS_MADE_NETNS ? "made" : "adopted", "datapath",
			 ns->flags & NSX_NS_XDP ? "xdp" : "tc", "filtering", config_filtering_name(ns->flags), "clamp_mss",
			 ns->mss == MSS_PATH ? "path" : mss, "max_flows", ns->max_flows, "egress_rate",
			 (json_int_t)ns->egress_rate, "state", ns_state(name, ns));
}

json_t *state_ns_list(struct instance *in)
{
	json_t *rows = json_array();
	struct ns_list list = {};

	table_ns_list(in, &list);
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(rows, state_ns(in, list.item[i].name, &list.item[i].ns));
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
	const struct ns_item *item = ns_list_by_id(list, s->id);
	char ports[16], addr[ADDR_STRLEN], reason[ADDR_STRLEN + 32];

	if (NSX_KIND(s->state) == NSX_MAP && s->first == port) {
		range_text(s->first, s->last, ports);
		snprintf(reason, sizeof(reason), "published, to port %u", ntohs(s->inside_port));
	} else if (NSX_KIND(s->state) == NSX_FLOW && nsx_flow_left(s, in->conf, now) >= 0) {
		snprintf(ports, sizeof(ports), "%u", port);
		snprintf(reason, sizeof(reason), "masquerades %s:%u", format_addr(&s->inside, addr), ntohs(s->inside_port));
	} else {
		return NULL;
	}
	if (NSX_KIND(s->state) == NSX_MAP && (s->flags & NSX_F_SERVICE)) {
		const struct nsx_service *svc = table_service(in, s->service);

		if (svc && (svc->flags & NSX_S_BY_ADDRESS) && svc->count > 1)
			snprintf(reason, sizeof(reason), "published, at %u addresses", svc->count);
		else if (svc && svc->count != 1)
			snprintf(reason, sizeof(reason), svc->count ? "published, to %u targets" : "published, drains",
				 svc->count);
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

static json_t *counts_json(struct instance *in)
{
	static const char *const hooks[NSX_HOOKS] = { "from-uplink", "from-ns" };
	struct nsx_count counts[NSX_HOOKS][NSX_VERDICT_COUNT];
	json_t *rows = json_array();

	if (table_counts(in, counts))
		return rows;
	for (int hook = 0; hook < NSX_HOOKS; hook++)
		for (int v = 0; v < NSX_VERDICT_COUNT; v++)
			if (counts[hook][v].packets)
				json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:s}", "from", hooks[hook],
								      "verdict", verdict_names[v], "packets",
								      output_u64(counts[hook][v].packets), "bytes",
								      output_u64(counts[hook][v].bytes), "meaning",
								      verdict_sentences[v]));
	return rows;
}

static json_t *timeouts_json(struct instance *in)
{
	json_t *object = json_object();

	for (int i = 0; i < NSX_TIMEOUTS; i++) {
		/* Rounded: a tick is a fraction of a second. */
		__u64 jiffies = (__u64)in->conf->timeout[i] << NSX_TICK_SHIFT;

		json_object_set_new(object, config_timeout_names[i],
				    json_integer((jiffies + in->conf->hz / 2) / in->conf->hz));
	}
	return object;
}

json_t *state_status(struct instance *in)
{
	char pool[ADDR_STRLEN], prefix[ADDR_STRLEN + 8], ifname[IF_NAMESIZE];
	char names[NSX_UPLINKS * 18] = "";
	bool present = true;
	json_t *own = json_array(), *namespaces = state_ns_list(in);
	json_t *maps = state_maps(in, 0), *flows = state_flows(in), *status;

	for (int i = 0; i < NSX_UPLINKS && in->conf->uplinks[i]; i++) {
		present = present && if_indextoname(in->conf->uplinks[i], ifname);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "", in->conf->uplink_names[i]);
	}
	for (__u32 i = 0; i < in->conf->own_count; i++)
		if (!(in->conf->lost >> i & 1))
			json_array_append_new(own, addr_json(&in->conf->own[i]));
	snprintf(prefix, sizeof(prefix), "%s/%u", format_addr(&in->conf->pool, pool), in->conf->pool_len);
	status = json_pack("{s:s, s:b, s:s, s:s, s:s, s:o, s:s, s:[i,i], s:s, s:b, s:i, s:i, s:i, s:o, s:o}", "uplink", names,
			   "uplink_present", present, "mode",
			   config_mode_name(in->conf->mode), "mode_reason", in->conf->mode_reason, "pins", in->dir.path, "addresses", own,
			   "pool", prefix, "masquerade_ports", in->conf->port_lo, in->conf->port_hi, "host_local",
			   *in->conf->local_reason ? in->conf->local_reason : "yes", "bind_guard",
			   (in->conf->flags & NSX_UP_BIND_GUARD) != 0, "namespaces",
			   (int)json_array_size(namespaces), "published_ports", (int)json_array_size(maps), "flows",
			   (int)json_array_size(flows), "timeouts", timeouts_json(in), "verdicts",
			   counts_json(in));
	json_decref(namespaces);
	json_decref(maps);
	json_decref(flows);
	return status;
}
