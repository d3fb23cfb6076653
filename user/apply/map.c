// SPDX-License-Identifier: GPL-2.0-only
/* Slots, services and targets of published ports, from one another. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply/map.h"
#include "apply/ns.h"
#include "state/read.h"

void map_fill(struct nsx_slot *map, const struct nsx_service *svc, const struct nsx_target *t,
	      unsigned int i)
{
	memset(map, 0, sizeof(*map));
	map->proto = NSX_ROW_PROTO(svc->row);
	/* Without a target the form of the address tells the family. */
	if (NSX_ROW_FAMILY(svc->row) == NSX_V4)
		addr_set_v4(&map->inside, 0);
	map->first = svc->first;
	map->last = svc->last;
	map->outside_port = htons(svc->first + i);
	if (!t)
		return;
	map->inside = t->addr;
	map->inside_port = htons(ntohs(t->port) + i);
	map->ifindex = t->ifindex;
	map->id = t->id;
	map->flags = t->xdp ? NSX_F_XDP : 0;
	memcpy(map->mac, t->mac, sizeof(map->mac));
}

void map_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *svc)
{
	if (s->flags & NSX_F_SERVICE) {
		const struct nsx_service *found = table_service(in, s->service);

		memset(svc, 0, sizeof(*svc));
		if (found)
			*svc = *found;
		for (int i = 0; i < NSX_TARGETS && s->at; i++)
			svc->target[i].at = svc->was[i].at = s->at;
		return;
	}
	memset(svc, 0, sizeof(*svc));
	svc->count = 1;
	svc->first = s->first;
	svc->last = s->last;
	svc->row = nsx_slot_row(s);
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

int map_resolve(struct instance *in, const struct map_conf *c, int i, struct nsx_target *ret,
		struct fail *f)
{
	const struct map_target *t = &c->target[i];
	char at[ADDR_STRLEN];
	struct nsx_ns ns;
	int err = table_ns_get(in, t->ns, &ns);

	if (err && err != -ENOENT)
		return fail_errno(f, err, "cannot read the table of names");
	if (err)
		return fail(f, -ENOENT, "there is no namespace '%s' (nsxdp ns list shows them)",
			    t->ns);
	if (!ns_is_whole(in, t->ns, &ns))
		return fail(f, -ENOENT, "somebody has deleted the namespace '%s' or its link",
			    t->ns);
	memset(ret, 0, sizeof(*ret));
	target_fill(ret, &ns, NSX_ROW_FAMILY(c->row));
	if (!addr_is_set(&ret->addr))
		return fail(f, -EADDRNOTAVAIL, "the namespace '%s' has no IPv6 address", t->ns);
	ret->port = htons(t->port);
	ret->weight = t->weight;
	return find_at(in, c, &ret->at)
		       ? fail(f, -ENODEV, "nothing is published at %s any more",
			      config_at_name(&c->at, at))
		       : 0;
}

void target_fill(struct nsx_target *t, const struct nsx_ns *ns, enum nsx_family family)
{
	t->addr = family == NSX_V6 ? ns->addr6 : ns->addr;
	t->ifindex = ns->ifindex;
	t->id = ns->id;
	t->xdp = (ns->flags & NSX_NS_XDP) != 0;
	memcpy(t->mac, ns->mac, sizeof(t->mac));
}
