// SPDX-License-Identifier: GPL-2.0-only
/* Publishing ports: the registry's slot for the way in, its mirror in nsx_back for the way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply_map.h"
#include "sockets.h"

/* "port is taken by ns1:8080", and which port, where several are wanted or held as one */
static int fail_taken(struct instance *in, const struct map_conf *c, const struct nsx_slot *s, struct fail *f)
{
	__u16 port = ntohs(s->outside_port);
	const struct nsx_target *at = c->has_at && at_shared(in, s) ? at_target(in, s, c->at.w[3]) : NULL;
	char which[32] = "port", addr[ADDR_STRLEN], range[ADDR_STRLEN + 16] = "", name[ADDR_STRLEN];
	struct ns_list list = {};
	const struct ns_item *item;

	if (c->port != c->last)
		snprintf(which, sizeof(which), "port %u", port);
	if (s->first != s->last)
		snprintf(range, sizeof(range), ", published as %s", config_port_name(s->proto, s->first, s->last, name));
	if ((s->flags & NSX_F_SERVICE) && table_service(in, s->service) && !table_service(in, s->service)->count)
		return fail(f, -EEXIST, "%s is drained of its connections still%s (nsxdp map del ends them)", which, range);
	table_ns_list(in, &list);
	item = ns_list_by_id(&list, at ? at->id : s->id);
	fail(f, -EEXIST, "%s is taken by %s:%u%s", which, item ? item->name : format_addr(&s->inside, addr),
	     ntohs(at ? at->port : s->inside_port), range);
	ns_list_free(&list);
	return -EEXIST;
}

/* What the slot of the i-th port of a wanted map becomes, for one of its targets. */
static void map_fill(struct nsx_slot *map, const struct map_conf *c, const struct nsx_target *t, unsigned int i)
{
	memset(map, 0, sizeof(*map));
	map->inside = t->addr;
	map->inside_port = htons(ntohs(t->port) + i);
	map->outside_port = htons(c->port + i);
	map->first = c->port;
	map->last = c->last;
	map->at = c->has_at ? c->at.w[3] : 0;
	map->proto = c->proto;
	map->ifindex = t->ifindex;
	map->id = t->id;
	map->flags = t->xdp ? NSX_F_XDP : 0;
	memcpy(map->mac, t->mac, sizeof(map->mac));
}

/* At loopback a port is for the host alone. */
static bool is_own(struct instance *in, const struct nsx_addr *addr)
{
	if (addr_v4(addr) >> 24 == 127)
		return true;
	apply_own_learn(in);
	for (__u32 i = 0; i < NSX_OWN_MAX && i < in->conf->own_count; i++)
		if (memcmp(&in->conf->own[i].addr, addr, sizeof(*addr)) == 0)
			return in->conf->own[i].state == NSX_OWN_HERE;
	return false;
}

int map_resolve(struct instance *in, const struct map_conf *c, struct nsx_target targets[NSX_TARGETS], struct fail *f)
{
	char addr[ADDR_STRLEN];
	struct nsx_ns ns;

	memset(targets, 0, NSX_TARGETS * sizeof(*targets));
	for (int i = 0; i < c->targets; i++) {
		struct nsx_target *t = &targets[i];

		if (table_ns_get(in, c->target[i].ns, &ns) || ns.state != NSX_NS_READY)
			return fail(f, -ENOENT, "there is no namespace '%s' (nsxdp ns list shows them)", c->target[i].ns);
		t->addr = ns.addr;
		t->ifindex = ns.ifindex;
		t->id = ns.id;
		t->port = htons(c->target[i].port);
		t->weight = c->target[i].weight;
		memcpy(t->mac, ns.mac, sizeof(t->mac));
		t->xdp = (ns.flags & NSX_NS_XDP) != 0;
	}
	if (c->has_at && !is_own(in, &c->at))
		return fail(f, -EADDRNOTAVAIL, "%s is no address of the host", format_addr(&c->at, addr));
	return 0;
}

bool map_is(struct instance *in, const struct nsx_slot *s, const struct map_conf *c, const struct nsx_target *targets)
{
	const struct nsx_target *t;

	if (s->first != c->port || s->last != c->last)
		return false;
	if (at_shared(in, s)) {
		t = c->has_at ? at_target(in, s, c->at.w[3]) : NULL;
		return t && !service_wanted(c) && t->ifindex == targets[0].ifindex && t->port == targets[0].port;
	}
	if (s->at != (c->has_at ? c->at.w[3] : 0))
		return false;
	if (s->flags & NSX_F_SERVICE)
		return service_is(in, table_service(in, s->service), c, targets);
	return !service_wanted(c) && s->ifindex == targets[0].ifindex && s->inside_port == targets[0].port;
}

struct nsx_slot *map_first(struct instance *in, const struct map_conf *c)
{
	const struct nsx_slot wanted = { .proto = c->proto, .first = c->port, .last = c->last };
	int port = table_range(in, NSX_RANGE_TAKEN, &wanted);

	errno = port < 0 ? -port : 0;
	return port > 0 ? table_port(in, c->proto, port) : NULL;
}

/* Nobody else has one of the ports. Returns 1 where the map is there already or was joined to those of other addresses. */
static int map_check(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, struct fail *f)
{
	const struct nsx_slot *s = map_first(in, c);
	char holder[128], which[32] = "port";
	int port;

	if (!s && errno)
		return fail_errno(f, -errno, "cannot read the port registry");
	if (s && map_is(in, s, c, targets))
		return 1;
	if (s) {
		int join = at_may_join(in, s, c, f);

		if (join > 0)
			join = at_change(in, s, c->at.w[3], &targets[0], 0, f) ? -EINVAL : 1;
		return join ? join : fail_taken(in, c, s, f);
	}
	port = sockets_holder(c->proto, c->port, c->last, c->has_at ? c->at.w[3] : 0, holder, sizeof(holder));
	if (port < 0)
		return fail_errno(f, port, "cannot ask the kernel for the host's sockets");
	if (c->port != c->last)
		snprintf(which, sizeof(which), "port %d", port);
	return port > 0 ? fail(f, -EADDRINUSE, "%s is taken by the host itself: %s", which, holder) : 0;
}

/* A masqueraded flow that uses a port is over once the port is published. */
static void note_flows(const struct map_conf *c, const struct nsx_slot *before, int ended)
{
	char ports[ADDR_STRLEN], addr[ADDR_STRLEN];

	if (!ended)
		return;
	config_port_name(c->proto, c->port, c->last, ports);
	if (c->port == c->last)
		note("map add %s: ends a masqueraded flow of %s that used this port", ports,
		     format_addr(&before->inside, addr));
	else
		note("map add %s: %d of these ports were used for masquerading: their flows end", ports, ended);
}

/* Mirrors that answer for several maps look for another one. */
static void mirrors_release(struct instance *in, const struct map_conf *c, const struct nsx_target *t)
{
	struct nsx_slot map;

	if (c->port != c->last && table_map_back(in))
		return;
	for (unsigned int i = 0; i <= (unsigned int)c->last - c->port; i++) {
		map_fill(&map, c, t, i);
		back_del(in, &map);
	}
}

void map_leave(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 count)
{
	for (__u32 n = 0; n < count; n++) {
		struct nsx_slot map, *s = table_port(in, c->proto, c->port);

		map_fill(&map, c, &targets[n], 0);
		if (!s || map_leads_to(in, s, &map))
			continue;
		if (table_range(in, NSX_RANGE_UNMIRROR, &map) != 0)
			mirrors_release(in, c, &targets[n]);
		table_flush_returns(in, &targets[n].addr, c->proto, c->port, c->last - c->port + 1U);
	}
}

/* The mirrors of all targets, or none. */
static int mirrors_add(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, struct fail *f)
{
	int count = c->last - c->port + 1;

	for (int n = 0; n < c->targets; n++) {
		struct map_conf made = *c;
		struct nsx_slot map;
		int done;

		map_fill(&map, c, &targets[n], 0);
		done = table_range(in, NSX_RANGE_MIRROR, &map);
		if (done == count)
			continue;
		map_leave(in, c, targets, n);
		if (done < 0)
			return fail_errno(f, done, "cannot write the way back");
		made.last = c->port + done - 1;
		if (done)
			map_leave(in, &made, &targets[n], 1);
		return fail(f, -ENOSPC, "no room left for the way back");
	}
	return 0;
}

int map_write(struct instance *in, const struct map_conf *c, const struct nsx_slot *map, const struct nsx_target *targets,
	      __u32 count)
{
	int ended = table_range(in, NSX_RANGE_WRITE, map), err = 0;
	struct nsx_slot further;

	for (__u32 n = 1; n < count && ended >= 0 && !err; n++) {
		map_fill(&further, c, &targets[n], 0);
		err = table_range(in, NSX_RANGE_SECOND, &further);
	}
	return err ? err : ended;
}

int map_turn(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 index,
		    bool published, struct fail *f)
{
	unsigned int count = c->last - c->port + 1U;
	struct nsx_slot map, before, *first = table_port(in, c->proto, c->port);
	int err = 0;

	if (!first)
		return fail_errno(f, -errno, "cannot open the port registry");
	before = *first;
	for (int n = 0; n < c->targets && err >= 0; n++)
		err = table_flush_mappings(in, &targets[n].addr, c->proto, ntohs(targets[n].port), count);
	if (err < 0)
		return fail_errno(f, err, "cannot end masqueraded flows of the targets");
	/* What can fail comes before what clients meet. */
	err = mirrors_add(in, c, targets, f);
	if (err)
		return err;
	map_fill(&map, c, &targets[0], 0);
	map.flags |= index ? NSX_F_SERVICE : 0;
	map.service = index;
	err = map_write(in, c, &map, targets, c->targets);
	if (err < 0)
		return fail_errno(f, err, "cannot write the port registry");
	if (!published)
		note_flows(c, &before, err);
	return 0;
}

int apply_map_add(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_target targets[NSX_TARGETS];
	__u32 index = 0;
	int err = map_resolve(in, c, targets, f);

	if (err)
		return err;
	apply_map_reap(in);
	err = map_check(in, c, targets, f);
	if (err)
		return err < 0 ? err : 0;
	if (service_wanted(c)) {
		index = service_alloc(in);
		if (!index)
			return fail(f, -ENOSPC, "no room for a further service");
		err = service_fill(in, index, c, targets, f);
	}
	if (!err)
		err = map_turn(in, c, targets, index, false, f);
	if (err && index)
		service_free(in, index);
	return err;
}
