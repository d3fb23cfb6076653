// SPDX-License-Identifier: GPL-2.0-only
/* Publishing ports: the registry's slot for the way in, its mirror in nsx_back for the way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply_map.h"
#include "sockets.h"

static bool is_map(const struct nsx_slot *s)
{
	return NSX_KIND(s->state) == NSX_MAP;
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

/* What the slot of the i-th port of a wanted map becomes, for one of its targets. */
static void map_fill(struct instance *in, struct nsx_slot *map, const struct map_conf *c, const struct nsx_target *t,
		     unsigned int i)
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
	if (c->port + i >= in->conf->host_lo && c->port + i <= in->conf->host_hi)
		map->flags |= NSX_F_HOST_RANGE;
	memcpy(map->mac, t->mac, sizeof(map->mac));
}

static bool is_own(struct instance *in, const struct nsx_addr *addr)
{
	for (__u32 i = 0; i < in->conf->own_count; i++)
		if (memcmp(&in->conf->own[i], addr, sizeof(*addr)) == 0)
			return !(in->conf->lost >> i & 1);
	return false;
}

/* Names to endpoints. */
static int resolve(struct instance *in, const struct map_conf *c, struct nsx_target targets[NSX_TARGETS], struct fail *f)
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
		return fail(f, -EADDRNOTAVAIL, "%s is no address of the host (after a change of addresses: nsxdp up again)",
			    format_addr(&c->at, addr));
	return 0;
}

/* The slot of the first port is what is wanted already. */
static bool map_is(struct instance *in, const struct nsx_slot *s, const struct map_conf *c, const struct nsx_target *targets)
{
	if (s->first != c->port || s->last != c->last || s->at != (c->has_at ? c->at.w[3] : 0))
		return false;
	if (s->flags & NSX_F_SERVICE)
		return service_is(in, table_service(in, s->service), c, targets);
	return !service_wanted(c) && s->ifindex == targets[0].ifindex && s->inside_port == targets[0].port;
}

/* Nobody else has one of the ports. Returns 1 where the map is there already. */
static int map_check(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, struct fail *f)
{
	char holder[128], which[32] = "port";
	int port;

	for (unsigned int i = c->port; i <= c->last; i++) {
		const struct nsx_slot *s = table_port(in, c->proto, i);

		if (!s)
			return fail_errno(f, -errno, "cannot open the port registry");
		if (!is_map(s))
			continue;
		return i == c->port && map_is(in, s, c, targets) ? 1 : fail_taken(in, c, s, f);
	}
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

static void map_unwrite(struct nsx_slot *s)
{
	slot_take(s);
	slot_give(s, NSX_FREE);
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

/* The mirrors of all targets of one port; flags gets what they say of the slot. */
static int mirrors_add(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, unsigned int i,
		       __u8 *flags, struct fail *f)
{
	struct nsx_slot map;

	for (int n = 0; n < c->targets; n++) {
		int err;

		map_fill(in, &map, c, &targets[n], i);
		err = back_add(in, &map, f);
		if (err)
			return err;
		*flags |= map.flags & NSX_F_STATEFUL;
	}
	return 0;
}

static void mirrors_del(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 count,
			unsigned int i)
{
	struct nsx_slot map;

	for (__u32 n = 0; n < count; n++) {
		map_fill(in, &map, c, &targets[n], i);
		if (!map_leads_to(in, table_port(in, c->proto, c->port + i), &map))
			back_del(in, &map);
	}
}

/* Turn the ports to the targets; index: of their service, or 0. Undone where something fails, unless they were published. */
static int map_turn(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 index,
		    bool published, struct fail *f)
{
	unsigned int count = c->last - c->port + 1U, done;
	__u32 now = now_tick(in);
	struct nsx_slot map, *s;
	int err = 0;

	for (int n = 0; n < c->targets && !err; n++)
		err = table_flush_mappings(in, &targets[n].addr, c->proto, ntohs(targets[n].port), count);
	if (err)
		return fail_errno(f, err, "cannot end masqueraded flows of the targets");
	for (done = 0; done < count; done++) {
		__u8 flags = 0;

		s = table_port(in, c->proto, c->port + done);
		err = mirrors_add(in, c, targets, done, &flags, f);
		if (err)
			break;
		map_fill(in, &map, c, &targets[0], done);
		map.flags |= flags | (index ? NSX_F_SERVICE : 0);
		map.service = index;
		if (!published)
			map_note_flow(in, s, &map, now);
		map_write(s, &map);
	}
	for (unsigned int i = 0; err && !published && i <= done && i < count; i++) {
		if (i < done)
			map_unwrite(table_port(in, c->proto, c->port + i));
		mirrors_del(in, c, targets, c->targets, i);
	}
	return err;
}

int apply_map_add(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_target targets[NSX_TARGETS];
	__u32 index = 0;
	int err = resolve(in, c, targets, f);

	if (err)
		return err;
	apply_map_reap(in);
	if (c->port != c->last && (err = table_map_ports(in)) != 0)
		return fail_errno(f, err, "cannot open the tables");
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

/* The map that these ports are, by its first slot; NULL with the reason where they are not one. */
static struct nsx_slot *map_find(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_slot *s;
	char name[ADDR_STRLEN];
	int err;

	f->text[0] = '\0';
	if (c->port != c->last && (err = table_map_ports(in)) != 0) {
		fail_errno(f, err, "cannot open the tables");
		return NULL;
	}
	s = table_port(in, c->proto, c->port);
	/* A wanted range that holds maps but is none is not guessed at. */
	for (unsigned int port = c->port; s && port <= c->last && !is_map(s); port++)
		s = table_port(in, c->proto, port);
	if (!s) {
		fail_errno(f, -errno, "cannot open the port registry");
		return NULL;
	}
	if (!is_map(s))
		return NULL;
	if (s->first != c->port || s->last != c->last) {
		fail(f, -EINVAL, "what is published is %s, as one", config_port_name(s->proto, s->first, s->last, name));
		return NULL;
	}
	if (c->has_at && s->at != c->at.w[3]) {
		fail(f, -EINVAL, "it is not published at that address alone");
		return NULL;
	}
	return s;
}

/* What a map leads to now, as a service (a copy), whether it is one or not. */
static void map_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *svc)
{
	if (s->flags & NSX_F_SERVICE) {
		*svc = *table_service(in, s->service);
		return;
	}
	memset(svc, 0, sizeof(*svc));
	svc->count = 1;
	svc->first = s->first;
	svc->last = s->last;
	svc->proto = s->proto;
	svc->target[0].addr = s->inside;
	svc->target[0].ifindex = s->ifindex;
	svc->target[0].id = s->id;
	svc->target[0].port = s->inside_port;
	svc->target[0].weight = 1;
	svc->target[0].xdp = (s->flags & NSX_F_XDP) != 0;
	memcpy(svc->target[0].mac, s->mac, sizeof(s->mac));
	service_spread(svc->table, svc->target, 1);
}

/* Which ports a service has, as a wish without targets. */
static struct map_conf service_ports(const struct nsx_slot *s)
{
	struct map_conf c = { .proto = s->proto, .port = s->first, .last = s->last, .has_at = s->at != 0 };

	if (s->at)
		addr_set_v4(&c.at, ntohl(s->at));
	return c;
}

static __u32 drain_ticks(struct instance *in, const struct map_conf *c)
{
	return c->has_drain ? nsx_ticks(in->conf, c->drain) : in->conf->timeout[NSX_TO_TCP_ESTABLISHED];
}

int apply_map_set(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_target targets[NSX_TARGETS];
	struct nsx_service before;
	struct map_conf wanted = *c;
	struct nsx_slot *s;
	__u32 index, old;
	int err;

	apply_map_reap(in);
	s = map_find(in, c, f);
	if (!s)
		return f->text[0] ? -EINVAL : fail(f, -ENOENT, "it is not published (nsxdp map add publishes)");
	if (s->at && !c->has_at) {
		wanted.has_at = true;
		addr_set_v4(&wanted.at, ntohl(s->at));
	}
	err = resolve(in, &wanted, targets, f);
	if (err)
		return err;
	if (map_is(in, s, &wanted, targets))
		return 0;
	old = s->flags & NSX_F_SERVICE ? s->service : 0;
	map_service(in, s, &before);
	index = service_alloc(in);
	if (!index)
		return fail(f, -ENOSPC, "no room for a further service");
	err = service_fill(in, index, &wanted, targets, f);
	if (!err) {
		service_drain(in, index, &before, now_tick(in) + drain_ticks(in, c));
		err = map_turn(in, &wanted, targets, index, true, f);
	}
	if (err) {
		service_free(in, index);
		return err;
	}
	if (old)
		service_free(in, old);
	apply_map_reap(in);	/* a draining of no length is over */
	return 0;
}

/* Take the ports of a map away. */
static int map_remove(struct instance *in, const struct nsx_slot *s, struct fail *f)
{
	struct map_conf c = service_ports(s);
	__u32 service = s->flags & NSX_F_SERVICE ? s->service : 0;
	unsigned int count = c.last - c.port + 1U;
	struct nsx_service svc;
	int err = 0;

	map_service(in, s, &svc);
	if (count > 1 && table_map_ports(in))
		return fail_errno(f, -errno, "cannot open the tables");
	for (unsigned int i = 0; i < count; i++)
		map_unwrite(table_port(in, c.proto, c.port + i));
	for (unsigned int i = 0; i < count; i++) {
		mirrors_del(in, &c, svc.target, svc.count, i);
		mirrors_del(in, &c, svc.was, svc.was_count, i);
	}
	for (__u32 n = 0; n < svc.count + svc.was_count && !err; n++) {
		const struct nsx_target *t = n < svc.count ? &svc.target[n] : &svc.was[n - svc.count];

		err = table_flush_returns(in, &t->addr, c.proto, ntohs(t->port), count);
	}
	if (service)
		service_free(in, service);
	return err ? fail_errno(f, err, "cannot end its connections") : 0;
}

int apply_map_del(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct map_conf nobody = *c;
	struct nsx_service before;
	struct nsx_slot *s;
	char name[ADDR_STRLEN];
	__u32 index, old;

	apply_map_reap(in);
	s = map_find(in, c, f);
	if (!s && f->text[0])
		return -EINVAL;
	if (!s) {
		note("map del %s: it is not published", config_port_name(c->proto, c->port, c->last, name));
		return 0;
	}
	if (!c->has_drain || !c->drain || c->proto != NSX_TCP)
		return map_remove(in, s, f);
	/* A service that takes nobody new: its ports go when the draining is over. */
	old = s->flags & NSX_F_SERVICE ? s->service : 0;
	map_service(in, s, &before);
	index = service_alloc(in);
	if (!index)
		return fail(f, -ENOSPC, "no room for a further service");
	nobody.targets = 0;
	service_fill(in, index, &nobody, NULL, f);
	service_drain(in, index, &before, now_tick(in) + drain_ticks(in, c));
	for (unsigned int port = c->port; port <= c->last; port++) {
		struct nsx_slot map = *(s = table_port(in, c->proto, port));

		map.flags |= NSX_F_SERVICE;
		map.service = index;
		map_write(s, &map);
	}
	if (old)
		service_free(in, old);
	return 0;
}

/* Drainings that are over: old targets lose their mirrors, ports without any target go, simple maps become simple. */
void apply_map_reap(struct instance *in)
{
	__u32 now = now_tick(in);

	for (__u32 index = 1; index < NSX_SERVICES && in->conf->drainings; index++) {
		struct nsx_service *svc = table_service(in, index), before;
		struct map_conf c;
		struct nsx_slot *s;
		struct fail f;

		if (!svc || !(svc->flags & NSX_S_DRAINING) || (__s32)(svc->until - now) > 0)
			continue;
		s = table_port(in, svc->proto, svc->first);
		if (!s || !is_map(s) || s->service != index)
			continue;
		if (!svc->count) {
			map_remove(in, s, &f);
			continue;
		}
		c = service_ports(s);
		c.targets = 1;
		before = *svc;
		svc->flags &= ~NSX_S_DRAINING;
		svc->was_count = 0;
		in->conf->drainings--;
		for (unsigned int i = 0; i <= (unsigned int)c.last - c.port; i++)
			mirrors_del(in, &c, before.was, before.was_count, i);
		if (svc->count == 1 && !(svc->flags & (NSX_S_ALLOW | NSX_S_RATE)) &&
		    map_turn(in, &c, before.target, 0, true, &f) == 0)
			service_free(in, index);
	}
}

/* A namespace goes: services lose its targets, maps that led nowhere else go with it. */
void apply_map_del_ns(struct instance *in, __u32 ns_id)
{
	struct nsx_slot *ports = table_ports(in);
	struct fail f;

	for (size_t i = 0; ports && i < TABLE_PORTS_COUNT; i++) {
		struct nsx_slot *s = &ports[i];

		if (is_map(s) && s->first == (i & 0xffff) && !service_forget_ns(in, s, ns_id))
			map_remove(in, s, &f);
	}
}
