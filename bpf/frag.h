/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments. Only the first of a datagram tells its ports; what was decided for it is kept for the
 * others by the identity that they share (RFC 791, 3.2; RFC 8200, 4.5). So fragments from outside go
 * on as they come while they are in order.
 *
 * Fragments come in any order, overlap, or never become a datagram. The kernel has a reassembler
 * with bounds and rules for that. It runs in a network namespace of the instance's own that nothing
 * else is in:
 *
 *	fragment -> tc_from_uplink or tc_from_ns -> nsx.fib | its far end: reassembly, and fragments
 *	                    ^                               |  of the sizes that they came in
 *	                    '---- tc_from_private <---------'
 *
 * Fragments that come back carry nsx_conf.defrag_mark. They are in order and behind each other on
 * one CPU, and go the way of any packet. The source of what comes from a namespace has been
 * checked, and what comes from outside has none of the pool's, so datagrams of two senders never
 * meet there.
 *
 * A fragment from outside goes there where another than the first of its datagram came before the
 * first. Whoever writes the entry of a datagram first decides for all CPUs: the first fragment,
 * just before it is sent on or passed to the host, or a later one, before it is sent there. Who
 * finds that another was faster does as the entry says. (Where an entry of an older datagram with
 * the same identity has to go first, two CPUs may both replace it: the datagram is lost.)
 *
 * A datagram is forgotten with the last of its fragments, for its identification may come again at
 * once.
 *
 * All fragments of a namespace go there. What leaves the host gets a new identification, for behind
 * one address those of two namespaces may be the same (RFC 6864, 5.3.1).
 */
#ifndef NSXDP_FRAG_H
#define NSXDP_FRAG_H

#include "defs.h"
#include "flow.h"
#include "parse.h"

#define FRAG_MAX	4096
#define FRAG_SECONDS	2	/* in which the rest of a datagram has to come */

/* @ip_proto: IPv4: of the datagram. IPv6: 0, for it is no part of the identity (RFC 8200, 4.5) */
struct frag_key {
	struct nsx_addr src;
	struct nsx_addr dst;
	__u32 ifindex;
	__be32 id;
	__u32 ip_proto;
	__u32 pad;
};

/* A part of a datagram that was seen, in units of 8 bytes; empty where both are 0. */
struct span {
	__u16 begin;
	__u16 end;
};

#define SPANS 4

/* The kernel reassembles this family for the datapath. */
static __always_inline bool defrags(__u32 family)
{
	return nsx_conf.defrag & (1 << (family & 1));
}

/*
 * @key: of whom it is: an element that gives way to another is used again at once, under the eyes
 *	of whoever has found it
 * @x: its verdict is NSX_DEFRAG for a datagram of which parts were sent to be reassembled
 */
struct frag {
	struct frag_key key;
	struct xlat x;
	__u32 until;	/* ticks */
	struct span span[SPANS];
	__u16 seen;	/* of its length, in units of 8 bytes */
	__u16 end;	/* its length, once the last fragment was seen */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAG_MAX);
	__type(key, struct frag_key);
	__type(value, struct frag);
} nsx_frags SEC(".maps");

static __always_inline void frag_key(struct frag_key *k, const struct pkt *p, __u32 ifindex)
{
	k->src = p->saddr;
	k->dst = p->daddr;
	k->ifindex = ifindex;
	k->id = p->ip_id;
	k->ip_proto = p->family == NSX_V6 ? 0 : p->ip_proto;
	k->pad = 0;
}

/*
 * It still is of whom it was found for. The kernel takes the oldest entries for others and writes
 * them whole, with no order to rely on: a copy of two halves is possible, where an entry is taken
 * within some nanoseconds of its look-up.
 */
static __always_inline bool frag_same(const struct frag *f, const struct frag_key *k)
{
	const __u64 *a = (const __u64 *)&f->key, *b = (const __u64 *)k;

	smp_rmb();
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

static __always_inline bool frag_is_fresh(const struct frag *f)
{
	return is_fresh(f->until, now_tick(), FRAG_SECONDS);
}

/*
 * A part that was seen already is not let in twice, and one that overlaps it otherwise ends its
 * datagram: overlaps exist to show one thing to those who judge a datagram and another to who
 * receives it (RFC 1858, RFC 3128, RFC 5722). Parts that join become one span; where a datagram
 * arrives in more pieces than there are spans, the rest is not remembered.
 */
static __always_inline bool frag_overlaps(struct frag *f, __u16 begin, __u16 end)
{
	struct span *room = NULL;

	for (int i = 0; i < SPANS; i++) {
		struct span *s = &f->span[i];

		if (s->begin < end && begin < s->end) {
			/*
			 * More than a copy: nothing of the datagram is to be believed (RFC 5722).
			 */
			if (begin < s->begin || end > s->end)
				f->x.verdict = NSX_DROP_OVERLAP;
			return true;
		}
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

static __always_inline int frag_write(CTX *ctx, const struct pkt *p, const struct xlat *x,
				      __u64 flags)
{
	struct frag_key k;
	struct frag f = {};

	frag_key(&k, p, ctx_ifindex(ctx));
	f.key = k;
	f.x = *x;
	f.until = now_tick() + nsx_ticks(&nsx_conf, FRAG_SECONDS);
	f.span[0].begin = p->begin;
	f.span[0].end = p->end;
	f.seen = p->end - p->begin;
	f.end = p->last ? p->end : 0;
	return bpf_map_update_elem(&nsx_frags, &k, &f, flags);
}

/**
 * frag_note() - keep what was decided for the first fragment
 *
 * Return: 0, or -1 where the datagram is being reassembled: the fragment is to go there too. Never
 * so for one that has come back.
 */
__noinline int frag_note(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	struct frag_key k;
	struct frag *f;

	if (!p || !x)
		return 0;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (!f && frag_write(ctx, p, x, BPF_NOEXIST) == 0)
		return 0;
	if (!f)
		f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (f && f->x.verdict == NSX_DEFRAG && frag_is_fresh(f) && !p->reassembled &&
	    defrags(p->family))
		return -1;
	frag_write(ctx, p, x, BPF_ANY);
	return 0;
}

/* The same where it goes to the host. */
__noinline int frag_note_host(CTX *ctx, const struct pkt *p)
{
	struct xlat x = { .verdict = NSX_PASS_HOST };

	return p ? frag_note(ctx, p, &x) : 0;
}

/**
 * frag_find() - what was decided for the first fragment of this one's datagram
 *
 * Return: NSX_CONTINUE with x filled; NSX_DEFRAG where the datagram is being reassembled;
 * DROP_FRAGMENT where nothing is known of it, or DROP_OVERLAP.
 */
__noinline int frag_find(CTX *ctx, const struct pkt *p, struct xlat *x)
{
	struct frag_key k;
	struct frag *f;

	if (!p || !x)
		return NSX_DROP_ERROR;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (!f || !frag_is_fresh(f))
		return NSX_DROP_FRAGMENT;
	*x = f->x;
	/* Before anything is written there. */
	if (!frag_same(f, &k))
		return NSX_DROP_FRAGMENT;
	if (x->verdict == NSX_DEFRAG || x->verdict == NSX_DROP_OVERLAP)
		return x->verdict;
	if (!p->reassembled && frag_overlaps(f, p->begin, p->end))
		return NSX_DROP_OVERLAP;
	f->until = now_tick() + nsx_ticks(&nsx_conf, FRAG_SECONDS);
	f->seen += p->end - p->begin;
	if (p->last)
		f->end = p->end;
	if (f->end && f->seen >= f->end)
		bpf_map_delete_elem(&nsx_frags, &k);
	return NSX_CONTINUE;
}

/* The datagram of a first fragment is being reassembled. */
__noinline int frag_is_deferred(CTX *ctx, const struct pkt *p)
{
	struct frag_key k;
	struct frag *f;

	if (!p || !defrags(p->family))
		return false;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	return f && f->x.verdict == NSX_DEFRAG && frag_is_fresh(f);
}

/**
 * frag_defers() - a later fragment of which nothing is known is to be reassembled with the others
 *
 * Return: false where its first became known meanwhile.
 */
__noinline int frag_defers(CTX *ctx, const struct pkt *p)
{
	struct xlat x = { .verdict = NSX_DEFRAG };
	struct frag_key k;
	struct frag *f;

	if (!p)
		return true;
	frag_key(&k, p, ctx_ifindex(ctx));
	f = bpf_map_lookup_elem(&nsx_frags, &k);
	if (!f || !frag_is_fresh(f)) {
		if (frag_write(ctx, p, &x, f ? BPF_ANY : BPF_NOEXIST) == 0)
			return true;
		f = bpf_map_lookup_elem(&nsx_frags, &k);
	}
	return !f || f->x.verdict == NSX_DEFRAG;
}

#endif
