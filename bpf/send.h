/* SPDX-License-Identifier: GPL-2.0-only */
/* Translate and send: the common end of both directions at TC. */
#ifndef NSXDP_SEND_H
#define NSXDP_SEND_H

#include "defs.h"
#include "maps.h"
#include "frag.h"
#include "mtu.h"
#include "parse.h"
#include "private.h"
#include "redirect.h"
#include "rewrite.h"

/* The second end of a packet of which both are translated. */
__noinline int rewrite_other(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	struct xlat other = {};

	if (!p || !x)
		return NSX_DROP_ERROR;
	other.addr = x->other;
	other.port = x->other_port;
	other.side = x->side == SIDE_SRC ? SIDE_DST : SIDE_SRC;
	return rewrite_pkt(ctx, p, &other, false);
}

/* A SYN of a connection of a namespace that wants its segments clamped, in either direction. */
__noinline int clamp_syn(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	__u32 ifindex, mss, mtu;
	const struct nsx_veth *veth;

	if (!p || !x)
		return NSX_DROP_ERROR;
	ifindex = ctx_ifindex(ctx);
	if (x->to_ns)
		ifindex = x->ifindex;
	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	if (!veth || !veth->mss)
		return NSX_CONTINUE;
	mtu = x->to_ns ? route_mtu(ctx, &p->src, p->family, ctx_ifindex(ctx))
		       : route_mtu(ctx, &p->dst, x->local, x->ifindex);
	mss = mtu - TCP_IP_HLEN(p->family);
	if (mss > veth->mss)
		mss = veth->mss;
	return mss_clamp(ctx, p, mss) == 0 ? NSX_CONTINUE : NSX_DROP_ERROR;
}

/* Translate and send: the common end of both programs. */
static __always_inline int send_pkt(CTX *ctx, enum nsx_hook hook, const struct pkt *p,
				    const struct nsx_conf *conf, struct xlat *x, int *action)
{
	int v;

	if (p->tagged && ctx_untag(ctx) < 0)
		return NSX_DROP_ERROR;
	if (conf->clamps && p->proto == NSX_TCP && (p->tcp_flags & TCP_SYN) && !p->icmp_error) {
		v = clamp_syn(ctx, p, x);
		if (v != NSX_CONTINUE)
			return v;
	}
	if ((x->side == SIDE_SRC || x->both) &&
	    (p->fragment == FRAGMENT_FIRST || (!p->fragment && x->cut_to)))
		fragment_id(p, x, ctx_gso_size(ctx) ? ctx->gso_segs : 1);
	if (p->fragment == FRAGMENT_FIRST && frag_note(ctx, p, x) < 0)
		return fragment_joins(ctx, p, action);
	v = rewrite_pkt(ctx, p, x, true);
	if (v == NSX_CONTINUE && x->both)
		v = rewrite_other(ctx, p, x);
	if (v == NSX_CONTINUE && x->new_id && rewrite_id(ctx, x) < 0)
		v = NSX_DROP_ERROR;
	if (v != NSX_CONTINUE)
		return v;
	if (p->icmp_error)
		x->verdict = NSX_ICMP_ERROR;
	return redirect_pkt(ctx, hook, p, x, action);
}

/*
 * What is larger than mtu is cut; and what follows a fragment that is cut goes the same way, or it
 * would overtake it.
 */
static __always_inline void set_cut(const struct pkt *p, const struct nsx_conf *conf,
				    struct xlat *x, __u32 mtu)
{
	if (!conf->defrag)
		mtu = 0;
	if (mtu || p->fragment != FRAGMENT_LATER)
		x->cut_to = mtu;
}

#endif
