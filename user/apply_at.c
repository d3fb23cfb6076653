// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports that several addresses of the host have, each with a target of its own: a service of which the address that
 * was asked chooses the target. One address alone is a simple map.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply_map.h"

/* What decides about clients one by one does not go together with addresses. */
#define CONDITIONS (NSX_S_ALLOW | NSX_S_RATE | NSX_S_AFFINITY)

bool at_shared(struct instance *in, const struct nsx_slot *s)
{
	const struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service) : NULL;

	return svc && (svc->flags & NSX_S_BY_ADDRESS);
}

const struct nsx_target *at_target(struct instance *in, const struct nsx_slot *s, __be32 at)
{
	const struct nsx_service *svc = table_service(in, s->service);

	for (__u32 i = 0; svc && i < svc->count; i++)
		if (svc->target[i].at == at)
			return &svc->target[i];
	return NULL;
}

int at_may_join(struct instance *in, const struct nsx_slot *s, const struct map_conf *c, struct fail *f)
{
	const struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service) : NULL;
	bool shared = at_shared(in, s);

	if (!c->has_at || s->first != c->port || s->last != c->last ||
	    (shared ? at_target(in, s, c->at.w[3]) != NULL : !s->at || s->at == c->at.w[3]))
		return 0;
	if (service_wanted(c) || (!shared && svc && (svc->count != 1 || (svc->flags & CONDITIONS))))
		return fail(f, -EINVAL, "a port that several addresses have takes one target at each, without conditions");
	return 1;
}

int at_change(struct instance *in, const struct nsx_slot *s, __be32 at, const struct nsx_target *t, __u32 drain,
	      struct fail *f)
{
	struct nsx_target list[NSX_TARGETS];
	struct map_conf c = service_ports(s);
	struct nsx_service before;
	__u32 until;

	map_service(in, s, &before);
	c.has_at = false;
	for (__u32 i = 0; i < before.count; i++)
		if (before.target[i].at != at)
			list[c.targets++] = before.target[i];
	if (t && c.targets == NSX_TARGETS)
		return fail(f, -ENOSPC, "a port has %d addresses at most", NSX_TARGETS);
	if (t) {
		list[c.targets] = *t;
		list[c.targets++].at = at;
	}
	if (!c.targets && !drain)
		return map_remove(in, s, f);
	until = now_tick(in) + drain;
	if (c.targets > (int)before.count && (before.flags & NSX_S_DRAINING))
		until = before.until;	/* nobody goes: what drained before does so still */
	return map_swap(in, s, &c, list, &(struct swap){ &before, NSX_S_BY_ADDRESS, until }, f);
}
