/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last look at what leaves by an uplink. Whatever the stages before decided, and however they
 * may be wrong: its source is an address that the host has, and its port one that the namespace
 * holds; or, with --ipv6 routed, its source is the namespace's own address.
 */
#ifndef NSXDP_OWNED_H
#define NSXDP_OWNED_H

#include "defs.h"
#include "maps.h"
#include "parse.h"
#include "outside.h"
#include "route.h"
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

/* A flow by a shared port is of the namespace behind this veth. */
__noinline int shared_is_of(const struct pkt *p, const struct xlat *x, __u32 ifindex)
{
	struct outside o = {};
	struct found f;

	if (!p || !x)
		return false;
	o.remote = p->dst;
	o.remote_port = p->dport;
	o.port = x->port;
	o.local = x->local;
	o.proto = p->proto;
	return outside_find(&o, &f) && f.slot->ifindex == ifindex;
}

/* This address is that of the namespace behind this veth. */
__noinline int inside_is_of(const struct nsx_addr *addr, __u32 ifindex)
{
	struct nsx_addr key;
	const __u32 *owner;

	if (!addr)
		return false;
	key = *addr;
	owner = bpf_map_lookup_elem(&nsx_inside, &key);
	return owner && *owner == ifindex;
}

/**
 * is_owned() - what is about to leave is the sender's
 * @x: what was written into the packet
 * @held: the registry's slot of the sender's own port number, which is mostly that of the written
 *	port too
 */
static __always_inline bool is_owned(CTX *ctx, const struct pkt *p, const struct xlat *x,
				     const struct nsx_slot *held)
{
	const struct nsx_local_addr *local = &nsx_learned.local[x->local & (NSX_LOCAL_MAX - 1)];
	const struct nsx_slot *s = held;
	__u32 kind;

	if (x->local == LOCAL_ROUTED && x->side == SIDE_SRC)
		return inside_is_of(&x->addr, ctx_ifindex(ctx));
	if (x->side != SIDE_SRC || !addr_eq(&x->addr, &local->addr) ||
	    local->state != NSX_LOCAL_PRESENT)
		return false;
	if (p->fragment == FRAGMENT_LATER)
		return true;	/* the port went with the first */
	if (!s || x->port != p->sport)
		s = port_slot(p->row, x->port);
	if (!s)
		return false;
	kind = NSX_KIND(slot_state(s));
	if (kind == NSX_MAP && (s->flags & NSX_F_SERVICE))
		return service_is_of(s->service, ctx_ifindex(ctx));
	if (kind == NSX_SHARED)
		return shared_is_of(p, x, ctx_ifindex(ctx));
	return (kind == NSX_MAP || kind == NSX_FLOW) && s->ifindex == ctx_ifindex(ctx);
}

#endif
