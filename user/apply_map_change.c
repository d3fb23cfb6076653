// SPDX-License-Identifier: GPL-2.0-only
/* Changing what is published: other targets, draining, an end. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply_map.h"
#include "apply_up.h"

/* The map that these ports are, by its first slot; NULL with the reason where they are not one. */
static struct nsx_slot *map_find(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_slot *s = map_first(in, c);
	char name[ADDR_STRLEN];

	f->text[0] = '\0';
	if (!s) {
		if (errno)
			fail_errno(f, -errno, "cannot read the port registry");
		return NULL;
	}
	if (s->first != c->port || s->last != c->last) {
		fail(f, -EINVAL, "what is published is %s, as one", config_port_name(s->proto, s->first, s->last, name));
		return NULL;
	}
	if (at_shared(in, s)) {
		if (!c->has_at)
			fail(f, -EINVAL, "several addresses have it: say at which, as ADDRESS:PORT");
		return c->has_at && at_target(in, s, c->at.w[3]) ? s : NULL;
	}
	if (c->has_at && s->at != c->at.w[3]) {
		fail(f, -EINVAL, "it is not published at that address alone");
		return NULL;
	}
	return s;
}

void map_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *svc)
{
	if (s->flags & NSX_F_SERVICE) {
		*svc = *table_service(in, s->service);
		for (int i = 0; i < NSX_TARGETS && s->at; i++)
			svc->target[i].at = svc->was[i].at = s->at;
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
	svc->target[0].at = s->at;
	svc->target[0].xdp = (s->flags & NSX_F_XDP) != 0;
	memcpy(svc->target[0].mac, s->mac, sizeof(s->mac));
	service_spread(svc->table, svc->target, 1);
}

struct map_conf service_ports(const struct nsx_slot *s)
{
	struct map_conf c = { .proto = s->proto, .port = s->first, .last = s->last, .has_at = s->at != 0 };

	if (s->at)
		addr_set_v4(&c.at, ntohl(s->at));
	return c;
}

#define DRAIN_SECONDS 300	/* unless --drain says otherwise */

static __u32 drain_ticks(struct instance *in, const struct map_conf *c)
{
	/* Only TCP tells where a connection begins. */
	if (c->proto != NSX_TCP)
		return 0;
	return nsx_ticks(in->conf, c->has_drain ? c->drain : DRAIN_SECONDS);
}

/* The ports of a map lead to a service that takes nobody new. */
static int map_drain(struct instance *in, const struct nsx_slot *s, const struct nsx_service *before, __u32 index,
		     struct fail *f)
{
	struct map_conf c = service_ports(s);
	struct nsx_slot map = *s;
	int err;

	map.flags |= NSX_F_SERVICE;
	map.service = index;
	err = map_write(in, &c, &map, before->target, before->count);
	return err < 0 ? fail_errno(f, err, "cannot write the port registry") : 0;
}

int map_swap(struct instance *in, const struct nsx_slot *s, const struct map_conf *wanted, const struct nsx_target *targets,
	     const struct swap *swap, struct fail *f)
{
	__u32 index = service_alloc(in), old = s->flags & NSX_F_SERVICE ? s->service : 0;
	int err;

	if (!index)
		return fail(f, -ENOSPC, "no room for a further service");
	err = service_fill(in, index, wanted, targets, f);
	if (!err) {
		table_service(in, index)->flags |= swap->flags;
		service_keep_counts(in, index, old);
		service_drain(in, index, swap->before, swap->until);
		err = wanted->targets ? map_turn(in, wanted, targets, index, true, f) :
					map_drain(in, s, swap->before, index, f);
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

static void keep_allow(const struct nsx_allow *key, void *arg)
{
	struct map_conf *c = arg;

	if (c->allows == MAP_ALLOWS)
		return;
	memcpy(&c->allow[c->allows].addr, key->addr, sizeof(key->addr));
	c->allow[c->allows++].len = key->bits - 32 - 96;
}

/* What a port has and the wish does not speak of stays: a swap of targets opens nothing. */
static void keep_conditions(struct instance *in, const struct nsx_slot *s, struct map_conf *c)
{
	const struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service) : NULL;

	if (s->at && !c->has_at) {
		c->has_at = true;
		addr_set_v4(&c->at, ntohl(s->at));
	}
	if (!svc)
		return;
	if (!(c->said & MAP_SAID_ALLOW) && (svc->flags & NSX_S_ALLOW))
		service_allows(in, s->service, keep_allow, c);
	if (!(c->said & MAP_SAID_RATE) && (svc->flags & NSX_S_RATE)) {
		c->rate = 1000000000ULL / svc->interval;
		c->burst = svc->burst / svc->interval;
	}
	if (!(c->said & MAP_SAID_AFFINITY))
		c->affinity = (svc->flags & NSX_S_AFFINITY) != 0;
}

int apply_map_set(struct instance *in, const struct map_conf *c, struct fail *f)
{
	struct nsx_target targets[NSX_TARGETS];
	struct nsx_service before;
	struct map_conf wanted = *c;
	struct nsx_slot *s;
	int err;

	apply_map_reap(in);
	s = map_find(in, c, f);
	if (!s)
		return f->text[0] ? -EINVAL : fail(f, -ENOENT, "it is not published (nsxdp map add publishes)");
	keep_conditions(in, s, &wanted);
	err = map_resolve(in, &wanted, targets, f);
	if (err)
		return err;
	if (map_is(in, s, &wanted, targets))
		return 0;
	if (at_shared(in, s))
		return service_wanted(&wanted) ?
			       fail(f, -EINVAL, "a port that several addresses have takes one target at each, without conditions") :
			       at_change(in, s, c->at.w[3], &targets[0], drain_ticks(in, c), f);
	map_service(in, s, &before);
	return map_swap(in, s, &wanted, targets, &(struct swap){ &before, 0, now_tick(in) + drain_ticks(in, c) }, f);
}

int map_remove(struct instance *in, const struct nsx_slot *s, struct fail *f)
{
	const struct nsx_slot map = *s;
	struct map_conf c = service_ports(s);
	__u32 service = s->flags & NSX_F_SERVICE ? s->service : 0;
	struct nsx_service svc;
	int err;

	map_service(in, s, &svc);
	err = table_range(in, NSX_RANGE_CLEAR, &map);
	if (err < 0)
		return fail_errno(f, err, "cannot write the port registry");
	map_leave(in, &c, svc.target, svc.count);
	map_leave(in, &c, svc.was, svc.was_count);
	if (service)
		service_free(in, service);
	return 0;
}

int apply_map_del(struct instance *in, const struct map_conf *c, struct fail *f)
{
	__u32 drain = c->has_drain ? drain_ticks(in, c) : 0;
	struct nsx_service before;
	struct map_conf nobody;
	struct nsx_slot *s;
	char name[ADDR_STRLEN];

	apply_map_reap(in);
	s = map_find(in, c, f);
	if (!s && f->text[0])
		return -EINVAL;
	if (!s) {
		note("map del %s: it is not published", config_port_name(c->proto, c->port, c->last, name));
		return 0;
	}
	if (at_shared(in, s))
		return at_change(in, s, c->at.w[3], NULL, drain, f);
	if (!drain)
		return map_remove(in, s, f);
	/* A service that takes nobody new: its ports go when the draining is over. */
	nobody = service_ports(s);
	map_service(in, s, &before);
	return map_swap(in, s, &nobody, NULL, &(struct swap){ &before, 0, now_tick(in) + drain }, f);
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
		if (s && (!is_map(s) || !(s->flags & NSX_F_SERVICE) || s->service != index) && !svc->count) {
			/* The sweeper has freed its ports, or is about to: let it come to its end. */
			flows_wait(in);
			before = *svc;
			c = (struct map_conf){ .proto = svc->proto, .port = svc->first, .last = svc->last };
			map_leave(in, &c, before.was, before.was_count);
			service_free(in, index);
			continue;
		}
		if (!s || !is_map(s) || s->service != index)
			continue;
		if (!svc->count) {
			map_remove(in, s, &f);
			continue;
		}
		before = *svc;
		c = service_ports(s);
		c.targets = 1;
		if (svc->flags & NSX_S_BY_ADDRESS) {
			c.has_at = true;
			addr_set_v4(&c.at, ntohl(before.target[0].at));
		}
		svc->flags &= ~NSX_S_DRAINING;
		svc->was_count = 0;
		in->conf->drainings--;
		map_leave(in, &c, before.was, before.was_count);
		if (svc->count == 1 && !(svc->flags & (NSX_S_ALLOW | NSX_S_RATE)) &&
		    map_turn(in, &c, before.target, 0, true, &f) == 0)
			service_free(in, index);
	}
}

/* Leave a namespace's targets out of a service, with their mirrors; false where nobody would be left. */
static bool forget_ns(struct instance *in, struct nsx_slot *s, __u32 ns_id)
{
	struct map_conf c = service_ports(s);
	struct nsx_service before;
	bool others;

	map_service(in, s, &before);
	others = service_forget_ns(in, s, ns_id);
	for (__u32 n = 0; n < before.count + before.was_count; n++) {
		const struct nsx_target *t = n < before.count ? &before.target[n] : &before.was[n - before.count];

		if (t->id == ns_id)
			map_leave(in, &c, t, 1);
	}
	return others;
}

/* A namespace goes: services lose its targets, maps that led nowhere else go with it. */
void apply_map_del_ns(struct instance *in, __u32 ns_id)
{
	struct nsx_slot *ports = table_ports(in);
	struct fail f;

	for (size_t i = 0; ports && i < TABLE_PORTS_COUNT; i++) {
		struct nsx_slot *s = &ports[i];

		if (is_map(s) && s->first == (i & 0xffff) && !forget_ns(in, s, ns_id))
			map_remove(in, s, &f);
	}
}
