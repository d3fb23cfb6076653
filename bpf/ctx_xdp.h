/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The same verbs as in ctx_skb.h for XDP: the packet is one frame from the wire, linear, with its
 * checksums complete. (A frame that a veth made of an skb may not be: namespaces whose packets come
 * this way compute their checksums themselves, see user/kernel/offload.c.)
 */
#ifndef NSXDP_CTX_XDP_H
#define NSXDP_CTX_XDP_H

#include "defs.h"
#include "csum.h"

#define CTX struct xdp_md

static __always_inline __u32 ctx_ifindex(CTX *ctx)
{
	return ctx->ingress_ifindex;
}

static __always_inline __u32 ctx_len(CTX *ctx)
{
	void *data = ctx_data(ctx);
	__u64 len = (__u64)ctx_data_end(ctx);

	/* As a number: half of a pointer may not be kept. */
	asm volatile("%0 -= %1" : "+r"(len) : "r"(data));
	return len;
}

/* The tag is still in the frame, whose type is then not IP. */
static __always_inline bool ctx_tagged(CTX *ctx)
{
	return false;
}

static __always_inline __u32 ctx_vlan(CTX *ctx)
{
	return 0;
}

/* Frames at XDP have their checksums. */
static __always_inline bool ctx_partial(CTX *ctx, __u32 *start, __u32 *offset)
{
	return false;
}

static __always_inline __u32 ctx_gso_size(CTX *ctx)
{
	return 0;
}

static __always_inline int ctx_pull(CTX *ctx, __u32 len)
{
	return -1;
}

static __always_inline int ctx_l4_csum(CTX *ctx, __u32 off, __u32 addr_delta, __u32 port_delta,
				       bool udp)
{
	__sum16 *field = ctx_data(ctx) + off;

	if ((void *)(field + 1) > ctx_data_end(ctx))
		return -1;
	if (udp && *field == 0)
		return 0;
	*field = csum_apply(*field, addr_delta + port_delta);
	if (udp && *field == 0)
		*field = 0xffff;
	return 0;
}

static __always_inline void ctx_header_changed(CTX *ctx, __u32 delta)
{
}

#endif
