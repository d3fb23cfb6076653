// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether the tables of the running instance agree with each other, as every command must leave
 * them. Says what does not and exits with 1.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply/map.h"
#include "apply/ns.h"
#include "kernel/services.h"

static int wrong;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	wrong++;
}

static struct nsx_reverse *find_reverse(struct nsx_reverse_bucket *buckets,
					const struct nsx_slot *endpoint)
{
	for (int probe = 0; probe < NSX_REVERSE_PROBES; probe++) {
		struct nsx_reverse_bucket *b = &buckets[nsx_reverse_bucket(
			endpoint->ifindex, endpoint->inside_port, nsx_slot_row(endpoint), probe)];

		for (int way = 0; way < NSX_REVERSE_WAYS; way++)
			if (b->way[way].ifindex == endpoint->ifindex &&
			    b->way[way].row == nsx_slot_row(endpoint) &&
			    b->way[way].inside_port == endpoint->inside_port)
				return &b->way[way];
	}
	return NULL;
}

static bool is_used[NSX_SERVICES];

/* Each target of each port has its reverse entry. */
static void check_port(struct instance *in, const struct nsx_slot *s,
		       struct nsx_reverse_bucket *buckets)
{
	/* A service says the port inside of the first, a simple map that of each. */
	int i = s->flags & NSX_F_SERVICE ? ntohs(s->outside_port) - s->first : 0;
	struct nsx_service svc;

	map_service(in, s, &svc);
	if (s->flags & NSX_F_SERVICE) {
		is_used[s->service] = true;
		if (!(svc.flags & NSX_S_USED))
			say("port %u leads to the service %u, which is free",
			    ntohs(s->outside_port), s->service);
		if (svc.first != s->first || svc.last != s->last || svc.row != nsx_slot_row(s))
			say("the service %u has other ports than those that lead to it",
			    s->service);
	}
	for (__u32 n = 0; n < svc.count; n++) {
		struct nsx_slot endpoint;

		if (!svc.target[n].weight)
			continue;
		svc.row = nsx_slot_row(s);
		svc.first = s->first;
		svc.last = s->last;
		map_fill(&endpoint, &svc, &svc.target[n], i);
		if (!find_reverse(buckets, &endpoint))
			say("port %u has a target without a reverse entry", ntohs(s->outside_port));
	}
}

static void check_ports(struct instance *in, struct nsx_reverse_bucket *buckets)
{
	const struct nsx_slot *ports = table_ports(in);

	for (__u32 i = 0; i < NSX_ROWS * NSX_PORTS; i++) {
		const struct nsx_slot *s = &ports[i];

		if (!is_map(s))
			continue;
		if ((i & 0xffff) < s->first || (i & 0xffff) > s->last)
			say("port %u says that it is of %u-%u", i & 0xffff, s->first, s->last);
		if (!is_map(&ports[(i & ~0xffffU) | s->first]) ||
		    !is_map(&ports[(i & ~0xffffU) | s->last]))
			say("port %u is part of a range that is not published as a whole",
			    i & 0xffff);
		check_port(in, s, buckets);
	}
}

static int count_published(struct instance *in, struct nsx_slot *s, void *arg)
{
	(void)in;
	*(int *)arg += s->last - s->first + 1;
	return 0;
}

/* What published_each() finds is all that there is. */
static void check_published(struct instance *in)
{
	const struct nsx_slot *ports = table_ports(in);
	int found = 0, count = 0;

	published_each(in, count_published, &found);
	for (__u32 i = 0; i < NSX_ROWS * NSX_PORTS; i++)
		count += is_map(&ports[i]);
	if (found != count)
		say("%d ports are published, and %d are known", count, found);
}

static void check_reverse(struct instance *in, struct nsx_reverse_bucket *buckets)
{
	for (__u32 i = 0; i < NSX_REVERSE_BUCKETS * NSX_REVERSE_WAYS; i++) {
		const struct nsx_reverse *r =
			&buckets[i / NSX_REVERSE_WAYS].way[i % NSX_REVERSE_WAYS];
		struct nsx_slot endpoint = { .ifindex = r->ifindex,
					     .inside_port = r->inside_port,
					     .inside = r->inside,
					     .proto = NSX_ROW_PROTO(r->row) };
		const struct nsx_slot *s;

		if (!r->ifindex || r->ifindex == NSX_REVERSE_GONE)
			continue;
		s = table_port(in, r->row, ntohs(r->outside_port));
		if (!s || !map_leads_to(in, s, &endpoint))
			say("a reverse entry says port %u, which does not lead to it",
			    ntohs(r->outside_port));
	}
}

static int note_counter(struct instance *in, struct nsx_slot *s, void *arg)
{
	__u64 *counters = arg;
	__u32 i = slot_counter(s) - NSX_COUNTER_0;

	(void)in;
	if (!slot_counter(s))
		return 0;
	if (i >= NSX_COUNTERS || (counters[i / 64] >> i % 64 & 1))
		say("port %u is counted in the place %u, which is another's or none", s->first,
		    s->counter);
	else
		counters[i / 64] |= 1ULL << i % 64;
	return 0;
}

/* Each has one map, and those of no map are free. */
static void check_counters(struct instance *in)
{
	__u64 counters[NSX_COUNTERS / 64] = {};
	const struct nsx_published *published = table_published(in);

	published_each(in, note_counter, counters);
	if (!published || memcmp(counters, published->counters, sizeof(counters)))
		say("the counters that maps have are not those that are taken");
}

static void check_services(struct instance *in)
{
	__u32 drainings = 0;

	for (__u32 i = 1; i < NSX_SERVICES; i++) {
		const struct nsx_service *svc = table_service(in, i);

		drainings += (svc->flags & NSX_S_USED) && (svc->flags & NSX_S_DRAINING);
		if ((svc->flags & NSX_S_USED) && !is_used[i])
			say("no port leads to the service %u", i);
	}
	if (drainings != in->journal->drainings)
		say("%u services drain, and %u are counted", drainings, in->journal->drainings);
}

static void check_allow(struct instance *in)
{
	struct nsx_allow key, next;
	void *prev = NULL;

	while (bpf_map_get_next_key(in->fd[TABLE_ALLOW], prev, &next) == 0) {
		if (NSX_NET_NUMBER(next.set) >= NSX_SERVICES ||
		    !(table_service(in, NSX_NET_NUMBER(next.set))->flags & NSX_S_ALLOW))
			say("a network may reach the service %u, which has no list",
			    NSX_NET_NUMBER(next.set));
		key = next;
		prev = &key;
	}
}

/* The entries of a table whose keys are, or whose values are, ifindexes. */
static int count_entries(struct instance *in, enum table table, size_t key_size)
{
	char key[64], next[64];
	void *prev = NULL;
	int count = 0;

	for (; bpf_map_get_next_key(in->fd[table], prev, next) == 0; count++) {
		memcpy(key, next, key_size);
		prev = key;
	}
	return count;
}

/* Entries of its set: of each family there is one for all. */
static __u32 count_networks(const struct nsx_ns *ns)
{
	__u32 count = ns->egress_count ? NSX_FAMILIES : 0;

	for (__u32 i = 0; i < ns->egress_count; i++) {
		const struct nsx_network *network = &ns->egress[i];

		count += network->len != (nsx_is_v4(&network->addr) ? 96 : 0) &&
			 !network_is_any(network);
	}
	return count;
}

static void check_namespaces(struct instance *in)
{
	__u32 clamps = 0, limits = 0, quotas = 0, networks = 0, addresses = 0;
	struct ns_list list = {};

	table_ns_list(in, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct nsx_ns *ns = &list.item[i].ns;
		char name[NSX_NAME_LEN];
		struct nsx_veth veth;
		__u32 ifindex;

		clamps += ns->mss != 0;
		limits += ns_is_limited(ns);
		quotas += ns->max_flows != 0;
		networks += count_networks(ns);
		addresses += 1 + addr_is_set(&ns->addr6);
		if (ns->state != NSX_NS_READY)
			say("%s is unfinished", list.item[i].name);
		if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth) ||
		    veth.id != ns->id ||
		    memcmp(&veth.addr[NSX_V4], &ns->addr, sizeof(ns->addr)) ||
		    memcmp(&veth.addr[NSX_V6], &ns->addr6, sizeof(ns->addr6)) ||
		    veth.max_flows != ns->max_flows || veth.mss != ns->mss ||
		    veth.egress != ns->egress_set ||
		    memcmp(&veth.source, &ns->source, sizeof(ns->source)))
			say("the datapath does not know the link of %s as it is",
			    list.item[i].name);
		if (bpf_map_lookup_elem(in->fd[TABLE_INSIDE], &ns->addr, &ifindex) ||
		    ifindex != ns->ifindex)
			say("the datapath does not know the address of %s", list.item[i].name);
		if (addr_is_set(&ns->addr6) &&
		    (bpf_map_lookup_elem(in->fd[TABLE_INSIDE], &ns->addr6, &ifindex) ||
		     ifindex != ns->ifindex))
			say("the datapath does not know the IPv6 address of %s", list.item[i].name);
		if (table_ns_name(in, ns->id, name) || strcmp(name, list.item[i].name))
			say("the name of %s is not found by its id", list.item[i].name);
	}
	if (count_entries(in, TABLE_VETHS, 4) != (int)list.count ||
	    count_entries(in, TABLE_INSIDE, 16) != (int)addresses ||
	    count_entries(in, TABLE_IDS, 4) != (int)list.count ||
	    count_entries(in, TABLE_QUOTAS, 4) != (int)quotas)
		say("the datapath knows %d links, %d addresses, %d ids and %d limits, of %zu namespaces with %u",
		    count_entries(in, TABLE_VETHS, 4), count_entries(in, TABLE_INSIDE, 16),
		    count_entries(in, TABLE_IDS, 4), count_entries(in, TABLE_QUOTAS, 4), list.count,
		    quotas);
	if (count_entries(in, TABLE_EGRESS, sizeof(struct nsx_egress_key)) != (int)networks)
		say("the datapath knows %d networks that namespaces may reach or not, of %u",
		    count_entries(in, TABLE_EGRESS, sizeof(struct nsx_egress_key)), networks);
	if (clamps != in->conf->clamps || limits != in->conf->limits)
		say("%u and %u namespaces are clamped and limited, and %u and %u are counted",
		    clamps, limits, in->conf->clamps, in->conf->limits);
	ns_list_free(&list);
}

int main(void)
{
	struct nsx_reverse_bucket *buckets;
	struct instance in;
	struct fail f;

	if (instance_open(&in, ACCESS_READ, &f)) {
		say("%s", f.text);
		return 1;
	}
	buckets = table_reverse_buckets(&in);
	if (in.journal->intent.kind)
		say("an intent of kind %u is left", in.journal->intent.kind);
	check_ports(&in, buckets);
	check_published(&in);
	if (in.conf->confirm > NSX_CONFIRM_WAITING)
		say("a change is not settled: state %u", in.conf->confirm);
	/* What was before a change that waits to be confirmed is there too. */
	if (!in.conf->confirm) {
		check_reverse(&in, buckets);
		check_services(&in);
		check_counters(&in);
		check_allow(&in);
		check_namespaces(&in);
	}
	instance_close(&in);
	return wrong != 0;
}
