/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs that the stages use on a packet, for TC: the packet is an sk_buff, which may be
 * non-linear, a GSO super-packet, or carry its checksum as metadata.
 */
#ifndef NSXDP_CTX_SKB_H
#define NSXDP_CTX_SKB_H

#include "defs.h"
#include "maps.h"
#include "csum.h"

#define CTX struct __sk_buff

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

static __always_inline __u32 ctx_ifindex(CTX *ctx)
{
	/*
	 * As a pointer is loaded: LLVM may choose between addresses instead of values, which the
	 * verifier refuses.
	 */
	return (__u32)(unsigned long)ctx_pointer(ctx, ifindex);
}

static __always_inline __u32 ctx_len(CTX *ctx)
{
	return ctx->len;
}

/* The stack has moved the frame's tag into metadata. */
static __always_inline bool ctx_tagged(CTX *ctx)
{
	return ctx->vlan_present != 0;
}

/*
 * The VLAN of a tagged frame, which belongs to another device; 0 where the tag has only a priority
 * (802.1Q, 9.6).
 */
static __always_inline __u32 ctx_vlan(CTX *ctx)
{
	return ctx->vlan_tci & VLAN_VID;
}

/*
 * The program runs where the packet is sent: on the far end of a pair of netkit devices, in the
 * sender's context. Otherwise it runs where the packet is received, and the stack has noted by
 * which device.
 */
static __always_inline bool ctx_is_sent(CTX *ctx)
{
	return ctx->ingress_ifindex == 0;
}

/* A mark of nsx_conf's that nobody else knows; it is taken off. */
static __always_inline bool ctx_take_mark(CTX *ctx, __u32 mark)
{
	if (!ctx->mark || ctx->mark != mark || ctx->tc_index != nsx_conf.mark_index)
		return false;
	ctx->mark = 0;
	ctx->tc_index = 0;
	return true;
}

static __always_inline void ctx_set_mark(CTX *ctx, __u32 mark)
{
	ctx->mark = mark;
	ctx->tc_index = nsx_conf.mark_index;
}

/* What the kernel says of a packet's checksum. */
struct skb_sum {
	__u32 mode;	/* CHECKSUM_* */
	__u32 start;	/* of CHECKSUM_PARTIAL: bytes from the start of the frame ... */
	__u32 offset;	/* ... and of the field from there */
};

/* Numbers, or LLVM calculates with halves of pointers. */
static __always_inline __u32 distance(const void *from, const void *to)
{
	__u64 begin = (__u64)from, end = (__u64)to;

	asm volatile("" : "+r"(begin), "+r"(end));
	end -= begin;
	asm volatile("" : "+r"(end));
	return (__u32)end;
}

/*
 * Before 6.2 a program cannot be given its packet's sk_buff, but what it is given is one, which
 * helpers can read.
 */
static __always_inline void skb_sum_probe(CTX *ctx, struct skb_sum *sum)
{
	const struct sk_buff *skb = (const struct sk_buff *)ctx;

	sum->mode = BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed);
	if (sum->mode != CHECKSUM_PARTIAL)
		return;
	sum->start = BPF_CORE_READ(skb, csum_start) -
		     distance(BPF_CORE_READ(skb, head), BPF_CORE_READ(skb, data));
	sum->offset = BPF_CORE_READ(skb, csum_offset);
}

static __always_inline void skb_sum(CTX *ctx, struct skb_sum *sum)
{
	const struct sk_buff *skb;

	if (!bpf_cast_to_kern_ctx || test_old_kernel) {
		skb_sum_probe(ctx, sum);
		return;
	}
	skb = bpf_cast_to_kern_ctx(ctx);
	sum->mode = BPF_CORE_READ_BITFIELD(skb, ip_summed);
	if (sum->mode != CHECKSUM_PARTIAL)
		return;
	sum->start = (__u32)skb->csum_start - distance(skb->head, skb->data);
	sum->offset = skb->csum_offset;
}

/*
 * Where a checksum that is left to the device (CHECKSUM_PARTIAL) begins, in bytes from the start of
 * the frame, and the offset of its field from there. Return: false where none is left to it.
 */
static __always_inline bool ctx_partial(CTX *ctx, __u32 *start, __u32 *offset)
{
	struct skb_sum sum = {};

	skb_sum(ctx, &sum);
	*start = sum.start;
	*offset = sum.offset;
	return sum.mode == CHECKSUM_PARTIAL;
}

/* Bytes of payload in each segment of a super-packet; 0 for an ordinary one. */
static __always_inline __u32 ctx_gso_size(CTX *ctx)
{
	return ctx->gso_size;
}

/*
 * Make the first len bytes directly accessible (fewer if the packet is shorter). All pointers die.
 */
static __always_inline int ctx_pull(CTX *ctx, __u32 len)
{
	return bpf_skb_pull_data(ctx, ctx->len < len ? ctx->len : len);
}

/*
 * Account for a changed endpoint in the checksum of TCP or UDP at offset off.
 *
 * addr_delta is the change of the pseudo-header, port_delta that of the L4 header.
 *
 * Under CHECKSUM_PARTIAL the field holds the sum of the pseudo-header only, so the ports must not
 * count, unless what is partial is the inner header of a tunnel.
 *
 * Under CHECKSUM_COMPLETE skb->csum covers the packet from the IP header on and must follow what is
 * not balanced. The change of IPv4's addresses is balanced by the header's own checksum, so what is
 * left is the change of the L4 checksum. For IPv6 that field balances the addresses and ports.
 *
 * A UDP checksum of zero means none and stays (RFC 768, RFC 6935): it balances nothing.
 */
static __always_inline int ctx_l4_csum(CTX *ctx, __u32 off, __u32 addr_delta, __u32 port_delta,
				       bool udp)
{
	void *data = ctx_data(ctx);
	__sum16 *field = data + off;
	struct skb_sum sum = {};

	skb_sum(ctx, &sum);
	if ((void *)(field + 1) > ctx_data_end(ctx))
		return -1;
	if (udp && *field == 0 && sum.start + sum.offset != off) {
		if (sum.mode == CHECKSUM_COMPLETE)
			bpf_csum_update(ctx, ctx->protocol == ETH_P_IP ? port_delta
								       : addr_delta + port_delta);
		return 0;
	}
	/*
	 * A tunnel's: what is partial is inside, but a super-packet's segments get their outer sum
	 * anew, too.
	 */
	if (sum.mode == CHECKSUM_PARTIAL && (sum.start + sum.offset == off || ctx_gso_size(ctx))) {
		*field = csum_add_partial(*field, addr_delta);
		return 0;
	}
	*field = csum_apply(*field, addr_delta + port_delta);
	if (udp && *field == 0)
		*field = 0xffff;
	if (sum.mode == CHECKSUM_COMPLETE && ctx->protocol == ETH_P_IP)
		bpf_csum_update(ctx, ~addr_delta);
	return 0;
}

/* A change of the IPv6 header that no checksum in the packet balances. */
static __always_inline void ctx_header_changed(CTX *ctx, __u32 delta)
{
	struct skb_sum sum = {};

	skb_sum(ctx, &sum);
	if (sum.mode == CHECKSUM_COMPLETE)
		bpf_csum_update(ctx, delta);
}

/* Take off the tag of a frame that has only a priority. All pointers die. */
static __always_inline int ctx_untag(CTX *ctx)
{
	return bpf_skb_vlan_pop(ctx);
}

/*
 * What a packet must not carry from one network namespace to the other: redirect_peer kept the mark
 * before kernel 6.15, and a receive queue's number would choose a queue of the next device.
 */
static __always_inline void ctx_scrub(CTX *ctx)
{
	if (ctx->mark)
		ctx->mark = 0;
	if (ctx->queue_mapping)
		ctx->queue_mapping = 0;
}

/*
 * When a socket of a namespace wants the packet to leave (SO_TXTIME) is for the namespace's own
 * queues: fq on the uplink would keep it, in everybody's room. The kernel clears the time of what
 * it forwards, too.
 */
static __always_inline void ctx_forget_time(CTX *ctx)
{
	ctx->tstamp = 0;
}

#endif
