// SPDX-License-Identifier: GPL-2.0-only
/* The running state as JSON. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/link.h"
#include "kernel/private.h"
#include "kernel/netns.h"
#include "kernel/orphans.h"
#include "state/health.h"
#include "state/read.h"
#include "state/state.h"
#include "version.h"

static const char *const verdict_names[NSX_VERDICT_COUNT] = {
#define V(id, class, name, sentence) name,
	NSX_VERDICTS(V)
#undef V
};

static const char *const verdict_sentences[NSX_VERDICT_COUNT] = {
#define V(id, class, name, sentence) sentence,
	NSX_VERDICTS(V)
#undef V
};

json_t *counter_json(unsigned long long value)
{
	/* jansson's integers are signed; a counter that big is beyond centuries of packets. */
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *addr_json(const struct nsx_addr *addr)
{
	char buf[ADDR_STRLEN];

	return json_string(format_addr(addr, buf));
}

/* An array of addresses. */
static json_t *addrs_json(const struct nsx_addr *addr, __u32 count)
{
	json_t *array = json_array();

	for (__u32 i = 0; i < count; i++)
		json_array_append_new(array, addr_json(&addr[i]));
	return array;
}

static json_t *ns_at_json(const struct ns_list *list, const struct nsx_addr *addr)
{
	const struct ns_item *item = ns_list_by_addr(list, addr);

	return item ? json_string(item->name) : json_null();
}

const char *range_text(__u16 first, __u16 last, char buf[16])
{
	snprintf(buf, 16, first == last ? "%u" : "%u-%u", first, last);
	return buf;
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

/* "192.168.0.2:4000", "[2001:db8::1]:4000"; ICMP's remote end has no port. */
static json_t *endpoint_json(const struct nsx_addr *addr, __be16 port)
{
	char text[ADDR_STRLEN], buf[ADDR_STRLEN + 8];

	format_addr(addr, text);
	if (!port)
		return json_string(text);
	snprintf(buf, sizeof(buf), nsx_is_v4(addr) ? "%s:%u" : "[%s]:%u", text, ntohs(port));
	return json_string(buf);
}

static const char *flow_kind(const struct nsx_slot *s)
{
	if (NSX_KIND(s->state) == NSX_FLOW)
		return "masquerade";
	return s->flags & NSX_F_ROUTED ? "routed" : "published";
}

/*
 * Who else may have the outside port (RFC 4787, 4.1): no other endpoint, or others with other
 * remotes.
 */
static const char *flow_mapping(const struct nsx_slot *s, bool session)
{
	if (NSX_KIND(s->state) == NSX_RETURN)
		return s->flags & NSX_F_ROUTED ? "none" : "published";
	return session && (s->flags & NSX_F_SHARED) ? "shared" : "endpoint-independent";
}

/* What rows of flows are made of. */
struct flow_rows {
	json_t *rows;
	struct instance *in;
	struct ns_list list;
	__u32 now;
};

static void flow_append(struct flow_rows *r, const struct nsx_slot *s, bool session)
{
	__u32 kind = NSX_KIND(s->state);
	bool routed = kind == NSX_RETURN && (s->flags & NSX_F_ROUTED);
	const struct nsx_learned *learned = r->in->learned;
	const struct nsx_conf *conf = r->in->conf;
	__s32 left;

	if (kind != NSX_FLOW && kind != NSX_RETURN)
		return;
	left = nsx_flow_left(s, conf, learned, r->now);
	if (left < 0)
		return;
	json_array_append_new(
		r->rows, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:i}", "proto",
				   proto_name(s->proto), "kind",
				   flow_kind(s), "mapping",
				   flow_mapping(s, session), "ns", ns_at_json(&r->list, &s->inside),
				   "inside", endpoint_json(&s->inside, s->inside_port), "outside",
				   routed ? endpoint_json(&s->inside, s->inside_port)
					  : endpoint_json(&learned->local[s->local & (NSX_LOCAL_MAX - 1)].addr,
							  s->outside_port),
				   "remote", endpoint_json(&s->remote, s->remote_port), "state",
				   flow_state(s), "expires",
				   (int)(((__u64)left << NSX_TICK_SHIFT) / conf->hz)));
}

static void session_append(struct nsx_slot *s, void *arg)
{
	flow_append(arg, s, true);
}

json_t *state_flows(struct instance *in)
{
	struct flow_rows r = { .rows = json_array(), .in = in, .now = now_tick(in) };
	const struct nsx_slot *ports = table_ports(in);

	table_ns_list(in, &r.list);
	for (__u32 i = 0; ports && i < TABLE_PORTS_COUNT; i++)
		flow_append(&r, &ports[i], false);
	table_sessions(in, session_append, &r);
	ns_list_free(&r.list);
	return r.rows;
}

static json_t *egress_json(const struct ns_conf *c, bool deny)
{
	json_t *array = json_array();

	for (__u32 i = 0; i < c->egress_count; i++) {
		char text[ADDR_STRLEN];

		if (c->egress[i].deny == deny)
			json_array_append_new(array,
					      json_string(config_egress_name(&c->egress[i], text)));
	}
	return array;
}

/* What is wanted of it, from the model, and what the datapath made of that. */
json_t *state_ns(const struct health *h, const char name[NSX_NAME_LEN], const struct nsx_ns *ns)
{
	char addr[ADDR_STRLEN], prefix[ADDR_STRLEN + 8], mac[ADDR_STRLEN], mss[8] = "no";
	struct nsx_veth veth;
	struct ns_conf c;
	json_int_t flows = 0;
	json_t *ret;

	read_ns_conf(name, ns, &c);
	snprintf(prefix, sizeof(prefix), "%s/%u", format_addr(&c.addr, addr), c.prefix_len);
	if (c.mss)
		snprintf(mss, sizeof(mss), "%u", c.mss);
	if (bpf_map_lookup_elem(h->in->fd[TABLE_VETHS], &ns->ifindex, &veth) == 0)
		for (int p = 0; p < NSX_PROTOS; p++)
			flows += veth.flows[p];
	ret = json_pack(
		"{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:o, s:o, "
		"s:o, s:o, s:s}",
		"name", c.name, "address", prefix, "gateway", addr_json(&ns->gw), "mac",
		format_mac(ns->mac, mac), "host_if", ns->host_if, "ns_if", ns->ns_if, "link",
		c.netkit ? "netkit" : "veth", "netns", c.adopted ? "adopted" : "made", "datapath",
		c.xdp ? "xdp" : "tc", "filtering", config_filtering_name(c.filtering), "link_local",
		c.link_local ? "open" : "closed", "clamp_mss", c.mss == MSS_PATH ? "path" : mss,
		"flows", flows, "max_flows", c.max_flows, "egress_rate", (json_int_t)c.egress_rate,
		"source", addr_is_set(&c.source[NSX_V4]) ? addr_json(&c.source[NSX_V4]) : json_null(),
		"egress_allow",
		egress_json(&c, false), "egress_deny", egress_json(&c, true), "dns",
		addrs_json(c.dns, c.dns_count), "state", health_ns(h, name, ns));
	json_object_set_new(ret, "address6",
			    addr_is_set(&ns->addr6) ? addr_json(&ns->addr6) : json_null());
	json_object_set_new(ret, "source6",
			    addr_is_set(&c.source[NSX_V6]) ? addr_json(&c.source[NSX_V6])
							   : json_null());
	json_object_set_new(ret, "prefer_ipv6", json_boolean(c.prefer_ipv6));
	return ret;
}

json_t *state_ns_list(struct instance *in)
{
	json_t *rows = json_array();
	struct ns_list list = {};
	struct health h;
	int err = health_read(in, &h);

	if (!err)
		err = table_ns_list(in, &list);
	for (size_t i = 0; i < list.count && !err; i++)
		json_array_append_new(rows, state_ns(&h, list.item[i].name, &list.item[i].ns));
	ns_list_free(&list);
	health_free(&h);
	if (!err)
		return rows;
	json_decref(rows);
	return NULL;
}

static json_t *counts_json(struct instance *in)
{
	static const char *const hooks[NSX_HOOKS] = { "from-uplink", "from-ns", "to-ns",
						      "from-private" };
	struct nsx_count counts[NSX_HOOKS][NSX_VERDICT_COUNT];
	json_t *rows = json_array();

	if (table_counts(in, counts))
		return rows;
	for (int hook = 0; hook < NSX_HOOKS; hook++)
		for (int v = 0; v < NSX_VERDICT_COUNT; v++)
			if (counts[hook][v].packets)
				json_array_append_new(
					rows,
					json_pack("{s:s, s:s, s:o, s:o, s:s}", "from", hooks[hook],
						  "verdict", verdict_names[v], "packets",
						  counter_json(counts[hook][v].packets), "bytes",
						  counter_json(counts[hook][v].bytes), "meaning",
						  verdict_sentences[v]));
	return rows;
}

static json_t *timeouts_json(const struct up_conf *c)
{
	json_t *object = json_object();

	for (int i = 0; i < NSX_TIMEOUTS; i++)
		json_object_set_new(object, config_timeout_names[i], json_integer(c->timeout[i]));
	return object;
}

/* "1024-32767 61000-65535": the ports for masquerading, without those of the host's own sockets. */
static const char *masquerade_ports(const struct nsx_conf *conf, char buf[32])
{
	bool hole = nsx_port_hole(conf) != 0;
	int used = 0;

	if (!hole)
		snprintf(buf, 32, "%u-%u", conf->port_lo, conf->port_hi);
	if (hole && conf->port_lo < conf->host_lo)
		used = snprintf(buf, 32, "%u-%u", conf->port_lo, conf->host_lo - 1);
	if (hole && conf->port_hi > conf->host_hi)
		snprintf(buf + used, 32 - used, "%s%u-%u", used ? " " : "", conf->host_hi + 1,
			 conf->port_hi);
	return buf;
}

/* How full the session table is and was, what gave way, and who holds the outside ports. */
static json_t *usage_json(struct instance *in)
{
	const struct nsx_held *held = table_held(in);
	struct nsx_usage usage;
	json_t *ports = json_object();
	__s64 high;

	if (table_usage(in, &usage))
		memset(&usage, 0, sizeof(usage));
	high = usage.places > in->learned->high ? usage.places : in->learned->high;
	for (int p = 0; held && p < NSX_PROTOS; p++)
		json_object_set_new(ports, proto_name(p),
				    json_pack("{s:i, s:i, s:I}", "own",
					      held->local[p] + held->local[NSX_ROW(p, NSX_V6)],
					      "shared",
					      held->shared[p] + held->shared[NSX_ROW(p, NSX_V6)],
					      "flows",
					      (json_int_t)usage.flows[p]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "room", (json_int_t)in->conf->flows,
			 "used", (json_int_t)usage.places, "most", (json_int_t)high,
			 "gave_way_closed", (json_int_t)usage.closed, "gave_way_unanswered",
			 (json_int_t)usage.unanswered, "swept", (json_int_t)usage.swept, "ports",
			 ports);
}

/* What the kernel did not have at "up". */
static json_t *missing_json(const struct nsx_journal *journal)
{
	json_t *names = json_array();

	for (int i = 0; i < FEATURES; i++)
		if (journal->missing >> i & 1)
			json_array_append_new(names, json_string(feature_info(i)->name));
	return names;
}

/* As many as "map list" shows. Return: -1 where they cannot be read. */
static int count_maps(struct instance *in)
{
	json_t *maps = state_maps(in, 0, NULL);
	int count = maps ? (int)json_array_size(maps) : -1;

	json_decref(maps);
	return count;
}

static const char *change_name(__u32 state)
{
	static const char *const names[NSX_CONFIRM_STATES] = {
		[NSX_CONFIRM_NONE] = "none",	   [NSX_CONFIRM_MAKING] = "making",
		[NSX_CONFIRM_WAITING] = "waiting", [NSX_CONFIRM_UNDOING] = "undoing",
		[NSX_CONFIRM_UNDONE] = "undone",   [NSX_CONFIRM_KEEPING] = "keeping",
	};

	return state < NSX_CONFIRM_STATES ? names[state] : "?";
}

/* Uplinks with their states; names: all of them, for people. */
static json_t *uplinks_json(const struct up_conf *c, const struct health *h, char *names,
			    size_t size, bool *present)
{
	json_t *uplinks = json_array();

	*names = '\0';
	*present = true;
	for (int i = 0; i < c->devs; i++) {
		const char *state = health_uplink(h, i);

		*present = *present && strcmp(state, "gone");
		json_array_append_new(uplinks, json_pack("{s:s, s:s}", "name", c->dev[i], "state",
							 state));
		snprintf(names + strlen(names), size - strlen(names), "%s%s", i ? " " : "",
			 c->dev[i]);
	}
	return uplinks;
}

struct presence {
	const struct nsx_learned *learned;
	bool here[NSX_LOCAL_MAX];
};

static void presence_cb(const struct addr_info *addr, void *arg)
{
	struct presence *p = arg;

	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < p->learned->local_count; i++)
		p->here[i] |= memcmp(&p->learned->local[i].addr, &addr->addr,
				     sizeof(addr->addr)) == 0;
}

/* The addresses that packets have shown to be the host's, and that it has still. */
static json_t *local_json(struct instance *in)
{
	struct presence p = { .learned = in->learned };
	json_t *local = json_array();
	struct nl nl = {};
	int err = nl_open(&nl);

	for (int family = 0; family < NSX_FAMILIES && !err; family++)
		err = addr_each(&nl, family, 0, presence_cb, &p);
	nl_close(&nl);
	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++)
		if (in->learned->local[i].state == NSX_LOCAL_PRESENT && (err || p.here[i]))
			json_array_append_new(local, addr_json(&in->learned->local[i].addr));
	return local;
}

static json_t *pool6_json(const struct up_conf *c)
{
	char pool[ADDR_STRLEN];

	return c->ipv6 == NSX_IPV6_OFF
		       ? json_null()
		       : json_string(format_prefix(&c->pool6, c->pool6_len, pool));
}

json_t *state_status(struct instance *in)
{
	char pool[ADDR_STRLEN], prefix[ADDR_STRLEN + 8];
	char names[NSX_UPLINKS * 18], ports[32];
	struct nsx_usage usage = {};
	json_t *uplinks, *status;
	struct ns_list list = {};
	int maps = 0, orphans;
	struct fail ignored;
	struct up_conf c;
	struct health h;
	bool present;

	if (health_read(in, &h) || table_ns_list(in, &list) || (maps = count_maps(in)) < 0) {
		health_free(&h);
		ns_list_free(&list);
		return NULL;
	}
	orphans = orphans_find(false, &ignored);
	read_up_conf(in, &c);
	uplinks = uplinks_json(&c, &h, names, sizeof(names), &present);
	table_usage(in, &usage);
	snprintf(prefix, sizeof(prefix), "%s/%u", format_addr(&c.pool, pool), c.pool_len);
	status = json_pack(
		"{s:s, s:b, s:o, s:b, s:b, s:o, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:s, s:b, s:i, s:i, s:I, s:o, s:o, "
		"s:o}",
		"uplink", names, "uplink_present", present, "uplinks", uplinks, "routes_told",
		private_works(in->conf), "reassembly",
		private_reassembles(&in->dir, in->conf), "kernel_lacks", missing_json(in->journal),
		"mode", config_mode_name(in->conf->mode), "mode_reason", in->journal->mode_reason,
		"pins", in->dir.path, "addresses", local_json(in), "pool", prefix, "masquerade_ports",
		masquerade_ports(in->conf, ports), "snat", addrs_json(c.snat, c.snat_count), "host_local",
		*in->journal->local_reason ? in->journal->local_reason : "yes", "bind_guard",
		(in->conf->flags & NSX_UP_BIND_GUARD) != 0, "namespaces",
		(int)list.count, "published_ports", maps,
		"flows",
		(json_int_t)(usage.flows[NSX_TCP] + usage.flows[NSX_UDP] + usage.flows[NSX_ICMP]),
		"session_table", usage_json(in), "timeouts", timeouts_json(&c), "verdicts",
		counts_json(in));
	json_object_set_new(status, "orphans", json_integer(orphans > 0 ? orphans : 0));
	json_object_set_new(status, "version", json_string(NSXDP_VERSION));
	json_object_set_new(status, "publish_at",
			    addr_is_set(&c.publish_at) ? addr_json(&c.publish_at) : json_null());
	json_object_set_new(status, "ipv6", json_string(config_ipv6_name(c.ipv6)));
	json_object_set_new(status, "pool6", pool6_json(&c));
	json_object_set_new(status, "ipv6_way_out", json_boolean(in->journal->way_out6));
	json_object_set_new(status, "change", json_string(change_name(in->conf->confirm)));
	json_object_set_new(status, "confirm_seconds", json_integer(confirm_left(in)));
	json_object_set_new(status, "link_group", json_integer(in->journal->link_group));
	json_object_set_new(status, "datapath_version", json_string(in->meta.version));
	health_free(&h);
	ns_list_free(&list);
	return status;
}
