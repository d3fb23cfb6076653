/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last look at what leaves by an uplink. Whatever the stages before decided, and however they may be wrong: its source
 * is an address that the host has, and its port one that the namespace holds.
 */
#ifndef NSXDP_OWNED_H
#define NSXDP_OWNED_H

#include "defs.h"
#include "maps.h"
#include "parse.h"
#include "scope.h"
#include "slot.h"

/* One of a service's targets, or of those that drain, is behind this veth. */
__noinline int service_is_of(__u32 index, __u32 ifindex)
{
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);

	for (__u32 i = 0; svc && i < NSX_TARGETS; i++)
		if ((i < svc->count && svc->target[i].ifindex == ifindex) ||
		    (i < svc->was_count && svc->was[i].ifindex == ifindex))
			return true;
	return false;
}

/* The port of the host's side that a translated packet carries: its source, or an echo's identifier. */
static __always_inline __be16 written_port(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	__be16 *l4 = ctx_data(ctx) + (p->l4 & 0xff);

	if (p->icmp_error)
		return x->port;
	if (p->proto == NSX_ICMP)
		l4 += 2;
	return (void *)(l4 + 1) > ctx_data_end(ctx) ? 0 : *l4;
}

static __always_inline bool is_owned(CTX *ctx, const struct nsx_conf *conf, const struct pkt *p, const struct xlat *x)
{
	const struct nsx_own *own = &conf->own[x->own];
	struct iphdr *ip = ctx_data(ctx) + ETH_HLEN;
	const struct nsx_slot *s;
	__u32 kind;

	if ((void *)(ip + 1) > ctx_data_end(ctx) || ip->saddr != own->addr.w[3] || own->state != NSX_OWN_HERE)
		return false;
	if (p->fragment == FRAGMENT_LATER)
		return true;	/* the port went with the first */
	s = port_slot(p->proto & 3, written_port(ctx, p, x));
	if (!s)
		return false;
	kind = NSX_KIND(slot_state(s));
	if (kind == NSX_MAP && (s->flags & NSX_F_SERVICE))
		return service_is_of(s->service, ctx_ifindex(ctx));
	return (kind == NSX_MAP || kind == NSX_FLOW) && s->ifindex == ctx_ifindex(ctx);
}

#endif
