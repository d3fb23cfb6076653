// SPDX-License-Identifier: GPL-2.0-only
/* Publishing ports: the registry's slot for the way in, its mirror in nsx_back for the way out. */
#include <arpa/inet.h>
#include <errno.h>
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

/* "port is taken by ns1:8080" */
static int fail_taken(struct instance *in, const struct nsx_slot *s, struct fail *f)
{
	struct ns_list list = {};
	const struct ns_item *item;
	char addr[ADDR_STRLEN];

	table_ns_list(in, &list);
	item = ns_list_by_id(&list, s->id);
	fail(f, -EEXIST, "port is taken by %s:%u", item ? item->name : format_addr(&s->inside, addr),
	     ntohs(s->inside_port));
	ns_list_free(&list);
	return -EEXIST;
}

/*
 * Write the mirror of a map. A second port of one endpoint makes the endpoint stateful: connections to
 * it are remembered, and the mirror keeps answering for the first port.
 */
static int back_add(struct instance *in, struct nsx_slot *map, struct fail *f)
{
	struct nsx_back *back = table_back(in, map->ifindex, map->inside_port, map->proto);

	if (back) {
		map->flags |= NSX_F_STATEFUL;
		back->flags |= NSX_B_STATEFUL;
		return 0;
	}
	back = table_back_room(in, map->ifindex, map->inside_port, map->proto);
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
	struct nsx_back *back = table_back(in, gone->ifindex, gone->inside_port, gone->proto);
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
		table_back_del(in, back);
		return;
	}
	first->flags &= ~NSX_F_STATEFUL;
	back->outside_port = first->outside_port;
	if (others == 1)
		back->flags &= ~NSX_B_STATEFUL;
}

int apply_map_add(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_slot *s = table_port(in, c->proto, c->port), map = {};
	char port[ADDR_STRLEN], addr[ADDR_STRLEN], holder[128];
	struct nsx_ns ns;
	int err;

	if (!s)
		return fail_errno(f, -errno, "cannot open the port registry");
	if (table_ns_get(in, c->ns, &ns) || ns.state != NSX_NS_READY)
		return fail(f, -ENOENT, "there is no namespace '%s' (nsxdp ns list shows them)", c->ns);
	map.inside = ns.addr;
	map.inside_port = htons(c->ns_port);
	map.outside_port = htons(c->port);
	map.proto = c->proto;
	map.ifindex = ns.ifindex;
	map.id = ns.id;
	map.flags = ns.flags & NSX_NS_XDP ? NSX_F_XDP : 0;
	memcpy(map.mac, ns.mac, sizeof(map.mac));

	if (is_map(s))
		return same_endpoint(s, &map) ? 0 : fail_taken(in, s, f);
	if (sockets_holder(c->proto, c->port, holder, sizeof(holder)) > 0)
		return fail(f, -EADDRINUSE, "port is taken by the host itself: %s", holder);
	if (NSX_KIND(s->state) == NSX_FLOW && nsx_flow_left(s, in->conf, now_tick(in)) >= 0)
		note("map add %s: ends a masqueraded flow of %s that used this port",
		     config_port_name(c->proto, c->port, port), format_addr(&s->inside, addr));

	err = table_flush_mapping(in, &ns.addr, c->proto, map.inside_port);
	if (err)
		return fail_errno(f, err, "cannot end its masqueraded flows");
	err = back_add(in, &map, f);
	if (err)
		return err;
	slot_take(s);
	map.state = s->state;
	memcpy((char *)s + sizeof(s->state), (char *)&map + sizeof(map.state), sizeof(map) - sizeof(map.state));
	slot_give(s, NSX_MAP);
	return 0;
}

static void map_remove(struct instance *in, struct nsx_slot *s)
{
	struct nsx_slot gone = *s;

	slot_take(s);
	slot_give(s, NSX_FREE);
	back_del(in, &gone);
	table_flush(in, &gone.inside, gone.proto, gone.inside_port);
}

int apply_map_del(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_slot *s = table_port(in, c->proto, c->port);
	char port[ADDR_STRLEN];

	if (!s)
		return fail_errno(f, -errno, "cannot open the port registry");
	if (is_map(s))
		map_remove(in, s);
	else
		note("map del %s: it is not published", config_port_name(c->proto, c->port, port));
	return 0;
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
