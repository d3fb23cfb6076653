/* SPDX-License-Identifier: GPL-2.0-only */
/* Sending a translated packet on, by TC: MAC addresses and the device. */
#ifndef NSXDP_REDIRECT_H
#define NSXDP_REDIRECT_H

#include "defs.h"
#include "hop.h"
#include "owned.h"
#include "private.h"

/**
 * redirect_pkt() - send the packet where the look-ups decided
 * @action: set to the TC action of the helper
 *
 * Larger than its route or link takes: to be cut, and sent on from there (transit_send). Into a
 * namespace: straight to the far end of its link, past the host's queue (bpf_redirect_peer); the
 * kernel allows that only to programs that run where a packet is received. Out: by the uplink that
 * the address belongs to. Where the next hop is known, that is all; else the kernel finds route and
 * neighbour for the translated packet and resolves the neighbour if it must (bpf_redirect_neigh).
 */
static __always_inline int redirect_pkt(CTX *ctx, enum nsx_hook hook, const struct pkt *p,
					const struct xlat *x, int *action)
{
	const __u8 *dmac = x->mac, *smac = host_mac;
	const struct hop *hop;
	struct ethhdr *eth;

	ctx_scrub(ctx);
	if (hook == NSX_FROM_NS)
		ctx_forget_time(ctx);
	if (!x->to_ns && !is_owned(ctx, p, x, NULL))
		return NSX_DROP_EGRESS_SOURCE;
	if (x->cut_to)
		return transit_send(ctx, x, action) == 0 ? x->verdict : NSX_DROP_ERROR;
	if (!x->to_ns) {
		if (hook == NSX_FROM_NS && p->proto == NSX_ICMP && ctx_is_sent(ctx))
			ctx->tc_index = NSX_SENT_INDEX;
		hop = hop_known(ctx, &p->dst, x->local);
		if (!hop || hop->ifindex != x->ifindex) {
			*action = bpf_redirect_neigh(x->ifindex, NULL, 0, 0);
			return x->verdict;
		}
		dmac = hop->dmac;
		smac = hop->smac;
	}
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_data_end(ctx))
		return NSX_DROP_ERROR;
	mac_copy(eth->h_dest, dmac);
	mac_copy(eth->h_source, smac);
	if (x->to_ns && !(hook == NSX_FROM_NS && ctx_is_sent(ctx)))
		*action = bpf_redirect_peer(x->ifindex, 0);
	else
		*action = bpf_redirect(x->ifindex, 0);
	return x->verdict;
}

#endif
