/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments. Only the first of a datagram tells its ports; what was decided for it is kept for the
 * others, which follow within a moment, by the identity that they share (RFC 791, 3.2). The table is
 * bounded: a flood pushes out older entries and touches nothing else.
 *
 * A fragment that comes before the first of its datagram goes once more to the end of the device's
 * receive queue, where in a burst that was reordered the first stands already; for some hundredth of a
 * second, whose beginning its mark keeps, and all of them together at most FRAG_BUDGET times per tick and
 * CPU, so that fragments of nothing cost a bounded share of the time.
 */
#ifndef NSXDP_FRAG_H
#define NSXDP_FRAG_H

#include "defs.h"
#include "flow.h"
#include "limit.h"
#include "parse.h"

#define FRAG_MAX	4096
#define FRAG_SECONDS	5	/* in which the rest of a datagram has to come */

#define FRAG_WAIT(conf)	((conf)->hz / 100 + 2)	/* jiffies */
#define FRAG_BUDGET	16000
#define FRAG_MARK	0x6e780000U	/* of a waiting fragment; below it, the jiffy it came in */
#define FRAG_MARK_MASK	0xffff0000U

struct frag_key {
	struct nsx_addr src;
	struct nsx_addr dst;
	__u32 ifindex;
	__be16 id;
	__u8 ip_proto;
	__u8 pad;
};

/* A part of a datagram that was seen, in units of 8 bytes; empty where both are 0. */
struct span {
	__u16 begin;
	__u16 end;
};

#define SPANS 4

struct frag {
	struct xlat x;
	__u32 until;	/* ticks */
	struct span span[SPANS];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAG_MAX);
	__type(key, struct frag_key);
	__type(value, struct frag);
} nsx_frags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct budget);
} nsx_frag_budget SEC(".maps");

static __always_inline void frag_key(struct frag_key *k, const struct pkt *p, __u32 ifindex)
{
	addr_from_v4(&k->src, p->saddr);
	addr_from_v4(&k->dst, p->daddr);
	k->ifindex = ifindex;
	k->id = p->ip_id;
	k->ip_proto = p->ip_proto;
	k->pad = 0;
}

/*
 * A part that was seen already is not let in twice: fragments that overlap exist to say one thing to those who
 * judge a datagram and another to who receives it (RFC 1858, RFC 3128). Parts that join become one span; where a
 * datagram arrives in more pieces than there are spans, the rest is not remembered.
 */
static __always_inline bool frag_overlaps(struct frag *f, __u16 begin, __u16 end)
{
	struct span *room = NULL;

	for (int i = 0; i < SPANS; i++) {
		struct span *s = &f->span[i];

		if (s->begin < end && begin < s->end)
			return true;
		if (!s->end)
			room = s;
	}
	for (int i = 0; i < SPANS; i++) {
		struct span *s = &f->span[i];

		if (s->end && s->end == begin) {
			s->end = end;
			return false;
		}
		if (s->end && s->begin == end) {
			s->begin = begin;
			return false;
		}
	}
	if (room) {
		room->begin = begin;
		room->end = end;
	}
	return false;
}

/* Keep what was decided for the first fragment. */
__noinline int frag_note(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct frag_key k;
	struct frag f = {};

	if (!p || !x)
		return -1;
	frag_key(&k, p, ctx_ifindex(ctx));
	f.x = *x;
	f.until = now_tick() + nsx_ticks(conf, FRAG_SECONDS);
	f.span[0].end = p->end;
	return bpf_map_update_elem(&nsx_frags, &k, &f, BPF_ANY);
}

/* The first fragment went to the host: so do the others. */
__noinline int frag_note_host(CTX *ctx, const struct pkt *p)
{
	struct xlat x = { .verdict = NSX_PASS_HOST };

	return p ? frag_note(ctx, p, &x) : -1;
}

/**
 * frag_find() - what was decided for the first fragment of this one's datagram
 *
 * Return: NSX_CONTINUE with x filled, DROP_FRAGMENT where the first has not been seen, or DROP_OVERLAP.
 */
__noinline int frag_find(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	struct frag_key k;
	struct frag *f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (!f || (__s32)(f->until - now_tick()) < 0)
		return NSX_DROP_FRAGMENT;
	if (frag_overlaps(f, p->begin, p->end))
		return NSX_DROP_OVERLAP;
	*x = f->x;
	return NSX_CONTINUE;
}

static __always_inline bool frag_may_wait(void)
{
	__u32 zero = 0;

	return budget_take(bpf_map_lookup_elem(&nsx_frag_budget, &zero), FRAG_BUDGET);
}

/**
 * frag_wait() - let a fragment whose first has not been seen come again
 * @give_up: the verdict where it has come often enough
 * @action: set to the TC action where it waits
 */
__noinline int frag_wait(CTX *ctx, int give_up, int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 mark = ctx->mark, jiffy = bpf_jiffies64() & ~FRAG_MARK_MASK;
	bool waits = (mark & FRAG_MARK_MASK) == FRAG_MARK;
	__u32 waited = waits ? (jiffy - mark) & ~FRAG_MARK_MASK : 0;

	if (!action)
		return NSX_DROP_ERROR;
	/* A mark of somebody else's is not ours to change. */
	if ((mark && !waits) || waited > FRAG_WAIT(conf) || !frag_may_wait()) {
		if (waits)
			ctx->mark = 0;
		return give_up;
	}
	if (!waits)
		ctx->mark = FRAG_MARK | jiffy;
	*action = bpf_redirect(ctx_ifindex(ctx), BPF_F_INGRESS);
	return NSX_FRAGMENT_WAITS;
}

#endif
