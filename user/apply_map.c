// SPDX-License-Identifier: GPL-2.0-only
/* Publishing ports: the registry's slot for the way in, its mirror in nsx_back for the way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "sockets.h"

static bool is_map(const struct nsx_slot *s)
{
	return NSX_KIND(s->state) == NSX_MAP;
}

static bool same_endpoint(const struct nsx_slot *a, const struct nsx_slot *b)
{
	return a->ifindex == b->ifindex && a->inside_port == b->inside_port && a->proto == b->proto;
}

/* "port is taken by ns1:8080", and which port, where several are wanted or held as one */
static int fail_taken(struct instance *in, const struct map_conf *c, const struct nsx_slot *s, struct fail *f)
{
	__u16 port = ntohs(s->outside_port);
	char which[32] = "port", addr[ADDR_STRLEN], range[ADDR_STRLEN + 16] = "", name[ADDR_STRLEN];
	struct ns_list list = {};
	const struct ns_item *item;

	if (c->port != c->last)
		snprintf(which, sizeof(which), "port %u", port);
	if (s->first != s->last)
		snprintf(range, sizeof(range), ", published as %s", config_port_name(s->proto, s->first, s->last, name));
	table_ns_list(in, &list);
	item = ns_list_by_id(&list, s->id);
	fail(f, -EEXIST, "%s is taken by %s:%u%s", which, item ? item->name : format_addr(&s->inside, addr),
	     ntohs(s->inside_port), range);
	ns_list_free(&list);
	return -EEXIST;
}

/*
 * Write the mirror of a map. A second port of one endpoint makes the endpoint stateful: connections to
 * it are remembered, and the mirror keeps answering for the first port.
 */
static int back_add(struct instance *in, struct nsx_slot *map, struct fail *f)
{
	struct nsx_back *room, *back = table_back(in, map->ifindex, map->inside_port, map->proto, &room);

	if (back) {
		map->flags |= NSX_F_STATEFUL;
		back->flags |= NSX_B_STATEFUL;
		return 0;
	}
	back = room;
	if (!back)
		return fail(f, -ENOSPC, "no room left for the way back");
	back->inside_port = map->inside_port;
	back->outside_port = map->outside_port;
	back->inside = map->inside;
	back->proto = map->proto;
	back->flags = 0;
	memcpy(back->mac, map->mac, sizeof(back->mac));
	__atomic_store_n(&back->ifindex, map->ifindex, __ATOMIC_RELEASE);
	return 0;
}

/* A map is gone: its mirror goes too, or answers for another port of the same endpoint. */
static void back_del(struct instance *in, const struct nsx_slot *gone)
{
	struct nsx_back *room, *back = table_back(in, gone->ifindex, gone->inside_port, gone->proto, &room);
	struct nsx_slot *ports, *first = NULL;
	int others = 0;

	if (!back)
		return;
	ports = back->flags & NSX_B_STATEFUL ? table_ports(in) : NULL;
	for (__u32 port = 1; ports && port < NSX_PORTS; port++) {
		struct nsx_slot *s = &ports[(__u32)gone->proto << 16 | port];

		if (!is_map(s) || !same_endpoint(s, gone))
			continue;
		others++;
		if (!first || !(s->flags & NSX_F_STATEFUL))
			first = s;
	}
	if (!first) {
		table_back_del(back);
		return;
	}
	first->flags &= ~NSX_F_STATEFUL;
	back->outside_port = first->outside_port;
	if (others == 1)
		back->flags &= ~NSX_B_STATEFUL;
}

/* What the slot of the i-th port of a wanted map becomes. */
static void map_fill(struct instance *in, struct nsx_slot *map, const struct map_conf *c, const struct nsx_ns *ns,
		     unsigned int i)
{
	memset(map, 0, sizeof(*map));
	map->inside = ns->addr;
	map->inside_port = htons(c->ns_port + i);
	map->outside_port = htons(c->port + i);
	map->first = c->port;
	map->last = c->last;
	map->at = c->has_at ? c->at.w[3] : 0;
	map->proto = c->proto;
	map->ifindex = ns->ifindex;
	map->id = ns->id;
	map->flags = ns->flags & NSX_NS_XDP ? NSX_F_XDP : 0;
	if (c->port + i >= in->conf->host_lo && c->port + i <= in->conf->host_hi)
		map->flags |= NSX_F_HOST_RANGE;
	memcpy(map->mac, ns->mac, sizeof(map->mac));
}

/* Nobody else has one of the ports. Returns 1 where the map is there already. */
static int map_check(struct instance *in, const struct map_conf *c, const struct nsx_ns *ns, struct fail *f)
{
	char holder[128], which[32] = "port";
	unsigned int same = 0;
	int port;

	for (unsigned int i = 0; i <= (unsigned int)c->last - c->port; i++) {
		const struct nsx_slot *s = table_port(in, c->proto, c->port + i);
		struct nsx_slot map;

		if (!s)
			return fail_errno(f, -errno, "cannot open the port registry");
		map_fill(in, &map, c, ns, i);
		if (!is_map(s))
			continue;
		if (!same_endpoint(s, &map) || s->first != map.first || s->last != map.last || s->at != map.at)
			return fail_taken(in, c, s, f);
		same++;
	}
	if (same)
		return 1;
	port = sockets_holder(c->proto, c->port, c->last, holder, sizeof(holder));
	if (c->port != c->last)
		snprintf(which, sizeof(which), "port %d", port);
	return port > 0 ? fail(f, -EADDRINUSE, "%s is taken by the host itself: %s", which, holder) : 0;
}

static void map_write(struct nsx_slot *s, const struct nsx_slot *map)
{
	slot_take(s);
	memcpy((char *)s + sizeof(s->state), (const char *)map + sizeof(map->state), sizeof(*map) - sizeof(map->state));
	slot_give(s, NSX_MAP);
}

/* A masqueraded flow that uses a port is over once the port is published. */
static void map_note_flow(struct instance *in, const struct nsx_slot *s, const struct nsx_slot *map, __u32 now)
{
	char port[ADDR_STRLEN], addr[ADDR_STRLEN];

	if (NSX_KIND(s->state) == NSX_FLOW && nsx_flow_left(s, in->conf, now) >= 0)
		note("map add %s: ends a masqueraded flow of %s that used this port",
		     config_port_name(map->proto, ntohs(map->outside_port), ntohs(map->outside_port), port),
		     format_addr(&s->inside, addr));
}

static bool is_own(struct instance *in, const struct nsx_addr *addr)
{
	for (__u32 i = 0; i < in->conf->own_count; i++)
		if (memcmp(&in->conf->own[i], addr, sizeof(*addr)) == 0)
			return !(in->conf->lost >> i & 1);
	return false;
}

int apply_map_add(struct instance *in, const struct map_conf *c, struct fail *f)
{
	unsigned int count = c->last - c->port + 1U, done;
	struct nsx_slot map, *s;
	char addr[ADDR_STRLEN];
	__u32 now = now_tick(in);
	struct nsx_ns ns;
	int err = 0;

	if (table_ns_get(in, c->ns, &ns) || ns.state != NSX_NS_READY)
		return fail(f, -ENOENT, "there is no namespace '%s' (nsxdp ns list shows them)", c->ns);
	if (c->has_at && !is_own(in, &c->at))
		return fail(f, -EADDRNOTAVAIL, "%s is no address of the host (after a change of addresses: nsxdp up again)",
			    format_addr(&c->at, addr));
	if (count > 1 && (err = table_map_ports(in)) != 0)
		return fail_errno(f, err, "cannot open the tables");
	err = map_check(in, c, &ns, f);
	if (err)
		return err < 0 ? err : 0;
	err = table_flush_mappings(in, &ns.addr, c->proto, c->ns_port, count);
	if (err)
		return fail_errno(f, err, "cannot end its masqueraded flows");
	for (done = 0; done < count; done++) {
		s = table_port(in, c->proto, c->port + done);
		map_fill(in, &map, c, &ns, done);
		map_note_flow(in, s, &map, now);
		err = back_add(in, &map, f);
		if (err)
			break;
		map_write(s, &map);
	}
	while (err && done--) {
		map_fill(in, &map, c, &ns, done);
		s = table_port(in, c->proto, c->port + done);
		slot_take(s);
		slot_give(s, NSX_FREE);
		back_del(in, &map);
	}
	return err;
}

int apply_map_del(struct instance *in, const struct map_conf *c, struct fail *f)
{
	const struct nsx_slot *s;
	struct nsx_slot gone = {};
	char name[ADDR_STRLEN];
	int err;

	if (c->port != c->last && (err = table_map_ports(in)) != 0)
		return fail_errno(f, err, "cannot open the tables");
	s = table_port(in, c->proto, c->port);
	if (!s)
		return fail_errno(f, -errno, "cannot open the port registry");
	/* A wanted range that holds maps but is none is not guessed at. */
	for (unsigned int port = c->port; port <= c->last && !is_map(s); port++)
		s = table_port(in, c->proto, port);
	if (!is_map(s)) {
		note("map del %s: it is not published", config_port_name(c->proto, c->port, c->last, name));
		return 0;
	}
	if (s->first != c->port || s->last != c->last)
		return fail(f, -EINVAL, "what is published is %s, as one", config_port_name(s->proto, s->first, s->last, name));
	if (c->has_at && s->at != c->at.w[3])
		return fail(f, -EINVAL, "it is not published at that address alone");
	for (unsigned int port = c->port; port <= c->last; port++) {
		struct nsx_slot *each = table_port(in, c->proto, port);

		gone = *each;
		slot_take(each);
		slot_give(each, NSX_FREE);
		back_del(in, &gone);
	}
	return table_flush_returns(in, &gone.inside, gone.proto, ntohs(gone.inside_port) - (c->last - c->port),
				   c->last - c->port + 1U);
}

void apply_map_del_ns(struct instance *in, __u32 ns_id)
{
	struct nsx_slot *ports = table_ports(in);

	for (size_t i = 0; ports && i < TABLE_PORTS_COUNT; i++) {
		struct nsx_slot gone = ports[i];

		if (!is_map(&gone) || gone.id != ns_id)
			continue;
		slot_take(&ports[i]);
		slot_give(&ports[i], NSX_FREE);
		back_del(in, &gone);
	}
}
