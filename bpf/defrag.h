/* SPDX-License-Identifier: GPL-2.0-only */
/* Which fragments go to be reassembled. */
#ifndef NSXDP_DEFRAG_H
#define NSXDP_DEFRAG_H

#include "defs.h"
#include "frag.h"
#include "private.h"
#include "scope.h"
#include "source.h"

/*
 * A later fragment from outside whose first has not been seen, or whose datagram is being
 * reassembled. What could only be dropped afterwards is left to the host.
 */
__noinline int fragment_in(CTX *ctx, const struct pkt *p, struct xlat *x, int *action)
{
	int v;

	if (!p || !x || !action)
		return NSX_DROP_ERROR;
	if (!defrags(p->family) || p->ttl <= 1 || source_check(ctx, &nsx_conf, p) != NSX_CONTINUE)
		return NSX_PASS_HOST;
	/* Before it is noted: a flood makes no more entries than it may have fragments underway. */
	v = defrag_pay(ctx, p);
	if (v != NSX_CONTINUE)
		return v;
	if (frag_defers(ctx, p))
		return defrag_send(ctx, p, action);
	frag_refund(NULL, &p->saddr, ctx_len(ctx) - ETH_HLEN);
	return frag_find(ctx, p, x);
}

/* Charge a fragment to its sender, and have it reassembled. */
__noinline int fragment_joins(CTX *ctx, const struct pkt *p, int *action)
{
	int v = defrag_pay(ctx, p);

	return v == NSX_CONTINUE ? defrag_send(ctx, p, action) : v;
}

/*
 * A fragment of a namespace, before reassembly. Those to the host are reassembled here too, so that
 * no namespace can fill the host's own reassembler.
 */
__noinline int fragment_out(CTX *ctx, const struct pkt *p, int *action)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!p || !action)
		return NSX_DROP_ERROR;
	if (!veth)
		return NSX_DROP_DETACHED;
	if (is_spoofed(p, veth))
		return NSX_DROP_SPOOFED;
	if (to_multicast(p))
		return NSX_DROP_MULTICAST;
	if (to_martian(p))
		return NSX_DROP_MARTIAN;
	if (p->ttl <= 1 && p->fragment == FRAGMENT_FIRST)
		return NSX_CONTINUE;
	return fragment_joins(ctx, p, action);
}

#endif
