/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The size of what is sent (RFC 1191): what is larger than its route or link takes and must not be
 * fragmented is answered, for neither the kernel's redirect nor the device tells the sender. And
 * the maximum segment size of TCP, where a namespace asks for it to be clamped.
 */
#ifndef NSXDP_MTU_H
#define NSXDP_MTU_H

#include "defs.h"
#include "flow.h"
#include "hop.h"
#include "link_mtu.h"
#include "parse.h"
#include "route.h"

/* What a segment's size is less than the MTU, without options */
#define TCP_IP_HLEN(family) (TCP_HLEN_MIN + ((family) == NSX_V6 ? IP6_HLEN : IP_HLEN_MIN))
#define TCP_OPTIONS_MAX	40

/* What the route to a destination takes, kept for a second as next hops are. */
struct mtu {
	struct nsx_addr dst;
	__u32 until;		/* ticks */
	__u32 mtu;		/* bytes of IP */
	__u32 local;		/* index of the host's address that is the source */
	__u32 ifindex;		/* the uplink that was asked for */
};

#define MTUS 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MTUS);
	__type(key, __u32);
	__type(value, struct mtu);
} nsx_mtus SEC(".maps");

/**
 * route_mtu() - what the route to dst takes, bytes of IP
 * @local: index of the host's address that is the source
 * @ifindex: the uplink that the packet leaves by; its own MTU is what counts where the route leads
 *	by another
 */
__noinline int route_mtu(CTX *ctx, const struct nsx_addr *dst, __u32 local, __u32 ifindex)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct bpf_fib_lookup fib = {};
	struct mtu *m;
	__u32 index;

	if (!dst)
		return 0xffff;
	index = addr_hash(dst, local) >> 22;
	m = bpf_map_lookup_elem(&nsx_mtus, &index);
	if (!m)
		return conf->mtu;
	if (!addr_eq(&m->dst, dst) || m->local != local || m->ifindex != ifindex ||
	    !is_fresh(m->until, now_tick(), 1)) {
		m->dst = *dst;
		m->local = local;
		m->ifindex = ifindex;
		if (route_ask(ctx, dst, local, false, &fib) == 0 && fib.ifindex == ifindex)
			m->mtu = fib.mtu_result;
		else
			m->mtu = uplink_mtu(ctx, ifindex);
		m->until = now_tick() + nsx_ticks(conf, 1);
	}
	return m->mtu;
}

/* Bytes of IP that the packet, or each segment of a super-packet, has on the wire. */
static __always_inline __u32 wire_len(CTX *ctx, const struct pkt *p)
{
	__u32 l4_len = p->proto == NSX_TCP ? p->l4_len : UDP_HLEN;

	if (!ctx_gso_size(ctx))
		return ctx_len(ctx) - ETH_HLEN;
	/* Where the kernel has put in the jumbo option (RFC 2675, "BIG TCP") it cuts without it. */
	if (p->family == NSX_V6 && ctx_len(ctx) > ETH_HLEN + IP6_HLEN + 0xffff &&
	    p->l4 >= ETH_HLEN + IP6_HLEN + IP6_JUMBO_HLEN)
		l4_len -= IP6_JUMBO_HLEN;
	return p->l4 - ETH_HLEN + l4_len + ctx_gso_size(ctx);
}

/**
 * mtu_exceeded() - the MTU that a packet exceeds: of the link of the namespace that it goes to, or
 * of its route
 *
 * Return: 0 where it fits.
 */
static __always_inline __u32 mtu_exceeded(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	__u32 len = wire_len(ctx, p), mtu;

	if (len <= MTU_SURE || (x->to_ns ? link_takes(x->ifindex, len)
					 : hop_takes(&p->dst, x->local, x->ifindex, len)))
		return 0;
	mtu = x->to_ns ? link_mtu(ctx, x->ifindex) : route_mtu(ctx, &p->dst, x->local, x->ifindex);
	/* No sender of IPv6 has to go below that (RFC 8200, 5). */
	if (p->family == NSX_V6 && mtu < MTU6_LEAST)
		mtu = MTU6_LEAST;
	return len > mtu ? mtu : 0;
}

/* Lower the value of the option at offset off to mss. */
static __always_inline int mss_write(CTX *ctx, const struct pkt *p, __u32 off, __u16 mss)
{
	__u8 *option = ctx_data(ctx) + off;
	__u16 was;
	__u32 delta;

	if ((void *)(option + 4) > ctx_data_end(ctx))
		return -1;
	was = option[2] << 8 | option[3];
	if (was <= mss)
		return 0;
	option[2] = mss >> 8;
	option[3] = mss & 0xff;
	/* In the order of the bytes as the sum sees them, which is swapped at an odd offset. */
	if ((off - p->l4) & 1)
		delta = csum_delta16(was, mss);
	else
		delta = csum_delta16(bpf_htons(was), bpf_htons(mss));
	return ctx_l4_csum(ctx, l4_offset(p) + 16, 0, delta, false);
}

/* A walk over the options of a TCP header; the verifier follows a call of bpf_loop() once. */
struct mss_walk {
	CTX *ctx;
	__u32 at;	/* offsets in the frame */
	__u32 end;
	__u32 found;	/* of the option for the maximum segment size; 0: there is none */
};

static long mss_step(__u64 i, struct mss_walk *w)
{
	__u8 *option = ctx_data(w->ctx) + (w->at & 0x1ff);

	if (w->at + 4 > w->end || (void *)(option + 2) > ctx_data_end(w->ctx) || option[0] == 0)
		return 1;
	if (option[0] == 1) {
		w->at++;
		return 0;
	}
	if (option[0] == 2 && option[1] == 4)
		w->found = w->at;
	w->at += option[1];
	return option[0] == 2 || option[1] < 2;
}

/**
 * mss_clamp() - lower the maximum segment size that a SYN announces
 * @mss: to this
 *
 * Return: 0, or -1 where the packet cannot be written.
 */
__noinline int mss_clamp(CTX *ctx, const struct pkt *p, __u32 mss)
{
	struct mss_walk w = { .ctx = ctx };

	if (!p || p->l4_len > TCP_HLEN_MIN + TCP_OPTIONS_MAX || ctx_pull(ctx, HEADERS6_MAX) < 0)
		return -1;
	w.at = p->l4 + TCP_HLEN_MIN;
	w.end = p->l4 + p->l4_len;
	bpf_loop(TCP_OPTIONS_MAX, mss_step, &w, 0);
	return w.found ? mss_write(ctx, p, w.found & 0x1ff, mss) : 0;
}

#endif
