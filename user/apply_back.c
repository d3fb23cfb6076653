// SPDX-License-Identifier: GPL-2.0-only
/* The mirror of published ports, for the way back: which outside port an inside endpoint answers from. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply_map.h"

bool map_leads_to(struct instance *in, const struct nsx_slot *s, const struct nsx_slot *endpoint)
{
	const struct nsx_service *svc;

	if (NSX_KIND(s->state) != NSX_MAP || s->proto != endpoint->proto)
		return false;
	if (!(s->flags & NSX_F_SERVICE))
		return s->ifindex == endpoint->ifindex && s->inside_port == endpoint->inside_port;
	svc = table_service(in, s->service);
	for (__u32 i = 0; svc && i < svc->count + svc->was_count; i++) {
		const struct nsx_target *t = i < svc->count ? &svc->target[i] : &svc->was[i - svc->count];

		if (t->ifindex == endpoint->ifindex &&
		    ntohs(t->port) + (ntohs(s->outside_port) - svc->first) == ntohs(endpoint->inside_port))
			return true;
	}
	return false;
}

/* A map is gone: its mirror goes too, or answers for another port of the same endpoint. */
void back_del(struct instance *in, const struct nsx_slot *gone)
{
	struct nsx_back *back = table_back(in, gone->ifindex, gone->inside_port, gone->proto);
	struct nsx_slot *ports, *first = NULL;
	int others = 0;

	/* One that answers for another port alone was not ours. */
	if (!back || (!(back->flags & NSX_B_STATEFUL) && back->outside_port != gone->outside_port))
		return;
	ports = back->flags & NSX_B_STATEFUL ? table_ports(in) : NULL;
	for (__u32 port = 1; ports && port < NSX_PORTS; port++) {
		struct nsx_slot *s = &ports[(__u32)gone->proto << 16 | port];

		if (!map_leads_to(in, s, gone))
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

