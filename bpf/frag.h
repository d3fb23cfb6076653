/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments. Only the first of a datagram tells its ports; what was decided for it is kept for the
 * others, which follow within a moment, by the identity that they share (RFC 791, 3.2). The table is
 * bounded: a flood pushes out older entries and touches nothing else.
 */
#ifndef NSXDP_FRAG_H
#define NSXDP_FRAG_H

#include "defs.h"
#include "flow.h"
#include "parse.h"

#define FRAG_MAX	4096
#define FRAG_SECONDS	5	/* in which the rest of a datagram has to come */

struct frag_key {
	struct nsx_addr src;
	struct nsx_addr dst;
	__u32 ifindex;
	__be16 id;
	__u8 ip_proto;
	__u8 pad;
};

struct frag {
	struct xlat x;
	__u32 until;	/* ticks */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAG_MAX);
	__type(key, struct frag_key);
	__type(value, struct frag);
} nsx_frags SEC(".maps");

static __always_inline void frag_key(struct frag_key *k, const struct pkt *p, __u32 ifindex)
{
	addr_from_v4(&k->src, p->saddr);
	addr_from_v4(&k->dst, p->daddr);
	k->ifindex = ifindex;
	k->id = p->ip_id;
	k->ip_proto = p->ip_proto;
	k->pad = 0;
}

/* Keep what was decided for the first fragment. */
static __noinline int frag_note(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	const struct nsx_conf *conf = conf_get();
	struct frag_key k;
	struct frag f = {};

	if (!p || !x || !conf)
		return -1;
	frag_key(&k, p, ctx_ifindex(ctx));
	f.x = *x;
	f.until = now_tick() + nsx_ticks(conf, FRAG_SECONDS);
	return bpf_map_update_elem(&nsx_frags, &k, &f, BPF_ANY);
}

/**
 * frag_find() - what was decided for the first fragment of this one's datagram
 *
 * Return: NSX_CONTINUE with x filled, or DROP_FRAGMENT where the first has not been seen.
 */
static __noinline int frag_find(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	struct frag_key k;
	struct frag *f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (!f || (__s32)(f->until - now_tick()) < 0)
		return NSX_DROP_FRAGMENT;
	*x = f->x;
	return NSX_CONTINUE;
}

#endif
