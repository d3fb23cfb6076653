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

/* Set before loading: use the checksum helpers even where the kernel lets us read ip_summed (tests). */
const volatile bool force_csum_helpers;

static __always_inline __u32 ctx_ifindex(CTX *ctx)
{
	/* As a pointer is loaded: LLVM may choose between addresses instead of values, which the verifier refuses. */
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

/* The VLAN of a tagged frame, which belongs to another device; 0 where the tag has only a priority (802.1Q, 9.6). */
static __always_inline __u32 ctx_vlan(CTX *ctx)
{
	return ctx->vlan_tci & VLAN_VID;
}

/*
 * Where a checksum that is left to the device (CHECKSUM_PARTIAL) begins, in bytes from the start of the
 * frame, and the offset of its field from there. Return: false where none is left to it. Kernels before
 * 6.2 do not tell.
 */
static __always_inline bool ctx_partial(CTX *ctx, __u32 *start, __u32 *offset)
{
	struct sk_buff *skb;
	__u64 head, data;

	if (!bpf_cast_to_kern_ctx)
		return false;
	skb = bpf_cast_to_kern_ctx(ctx);
	if (BPF_CORE_READ_BITFIELD(skb, ip_summed) != CHECKSUM_PARTIAL)
		return false;
	head = (__u64)skb->head;
	data = (__u64)skb->data;
	/* Numbers from here on, or LLVM calculates with halves of pointers. */
	asm volatile("" : "+r"(head), "+r"(data));
	data -= head;
	asm volatile("" : "+r"(data));
	*start = (__u32)skb->csum_start - (__u32)data;
	*offset = skb->csum_offset;
	return true;
}

/* Bytes of payload in each segment of a super-packet; 0 for an ordinary one. */
static __always_inline __u32 ctx_gso_size(CTX *ctx)
{
	return ctx->gso_size;
}

/* Make the first len bytes directly accessible (fewer if the packet is shorter). All pointers die. */
static __always_inline int ctx_pull(CTX *ctx, __u32 len)
{
	return bpf_skb_pull_data(ctx, ctx->len < len ? ctx->len : len);
}

/*
 * Account for a changed endpoint in the checksum of TCP or UDP at offset off.
 *
 * addr_delta is the change of the pseudo-header, port_delta that of the L4 header. Under
 * CHECKSUM_PARTIAL the field holds the sum of the pseudo-header only, so the ports must not count;
 * unless it is of another header: a packet in a tunnel's;
 * under CHECKSUM_COMPLETE skb->csum covers the L4 header and must follow the checksum field, whose
 * change is not balanced by the addresses. Kernels before 6.2 do not let us read ip_summed: there the
 * helper does the same, more slowly. A UDP checksum of zero means none and stays (RFC 768).
 *
 * The helper path invalidates packet pointers.
 */
static __always_inline int ctx_l4_csum(CTX *ctx, __u32 off, __u32 addr_delta, __u32 port_delta, bool udp)
{
	void *data = ctx_data(ctx);
	__sum16 *field = data + off;

	if (bpf_cast_to_kern_ctx && !force_csum_helpers) {
		struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
		__u8 mode = BPF_CORE_READ_BITFIELD(skb, ip_summed);
		__u32 start = 0, offset = 0;

		if (mode == CHECKSUM_PARTIAL)
			ctx_partial(ctx, &start, &offset);
		if ((void *)(field + 1) > ctx_data_end(ctx))
			return -1;
		if (udp && *field == 0 && start + offset != off)
			return 0;
		/* A tunnel's: what is partial is inside, but a super-packet's segments get their outer sum anew, too. */
		if (mode == CHECKSUM_PARTIAL && (start + offset == off || ctx_gso_size(ctx))) {
			*field = csum_add_partial(*field, addr_delta);
			return 0;
		}
		*field = csum_apply(*field, addr_delta + port_delta);
		if (udp && *field == 0)
			*field = 0xffff;
		if (mode == CHECKSUM_COMPLETE)
			bpf_csum_update(ctx, ~addr_delta);
		return 0;
	}

	__u64 udp_flag = udp ? BPF_F_MARK_MANGLED_0 : 0;

	if (port_delta && bpf_l4_csum_replace(ctx, off, 0, port_delta, udp_flag) < 0)
		return -1;
	return bpf_l4_csum_replace(ctx, off, 0, addr_delta, BPF_F_PSEUDO_HDR | udp_flag) < 0 ? -1 : 0;
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

#endif
