/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may come from a namespace at all. Its root sends whatever frames it likes, and what is not
 * for the host by name must not get to the host's stack, which would judge it by rules of its own.
 * So everything that is not known here drops.
 */
#ifndef NSXDP_ADMIT_H
#define NSXDP_ADMIT_H

#include "defs.h"
#include "csum.h"
#include "local_addr.h"
#include "parse.h"
#include "scope.h"
#include "source.h"

#define ARP_ETHERNET	bpf_htons(1)

struct arp_frame {
	struct ethhdr eth;
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;
	__u8 sender_mac[ETH_ALEN];
	__be32 sender;
	__u8 target_mac[ETH_ALEN];
	__be32 target;
} __attribute__((packed));

/* ARP between the namespace's address and the host's: nobody else's address is spoken of. */
static __always_inline int admit_arp(CTX *ctx, const struct nsx_veth *veth)
{
	struct arp_frame *arp = ctx_data(ctx);
	struct nsx_addr target;

	if ((void *)(arp + 1) > ctx_data_end(ctx))
		return NSX_DROP_BAD_PACKET;
	if (arp->hardware != ARP_ETHERNET || arp->protocol != ETH_P_IP ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != 4)
		return NSX_DROP_LINK;
	if (!mac_eq(arp->sender_mac, veth->mac) || arp->sender != veth->addr[NSX_V4].w[3])
		return NSX_DROP_SPOOFED;
	addr_from_v4(&target, arp->target);
	return addr_eq(&target, &veth->gw) || is_local(&target) ? NSX_PASS_LINK
								      : NSX_DROP_LINK;
}

/* A frame of a namespace that is not IP. */
__noinline int admit_frame(CTX *ctx, const struct pkt *p)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!p)
		return NSX_DROP_ERROR;
	if (!veth)
		return NSX_DROP_DETACHED;
	if (p->ethertype == ETH_P_8021Q || p->ethertype == ETH_P_8021AD)
		return NSX_DROP_VLAN;
	if (!mac_eq(p->mac, veth->mac))
		return NSX_DROP_SPOOFED;
	if (p->ethertype != ETH_P_ARP)
		return NSX_DROP_LINK;
	return ctx_pull(ctx, sizeof(struct arp_frame)) < 0 ? NSX_DROP_BAD_PACKET
							   : admit_arp(ctx, veth);
}

/* The rest of an IP header's sum, where it has options. */
__noinline int sum_options(CTX *ctx, const struct pkt *p)
{
	__u16 *w = ctx_data(ctx) + ETH_HLEN + IP_HLEN_MIN;
	__u32 sum = 0;

	for (__u32 i = 0; p && i < (IP_HLEN_MAX - IP_HLEN_MIN) / 2; i++) {
		if (ETH_HLEN + IP_HLEN_MIN + 2 * i >= p->l4 ||
		    (void *)(w + i + 1) > ctx_data_end(ctx))
			break;
		sum += w[i];
	}
	return sum;
}

/*
 * The IP header's own checksum: what is redirected passes nobody who would look at it, and it is
 * changed in steps only.
 */
static __always_inline bool ip_sum_right(CTX *ctx, const struct pkt *p)
{
	__u32 *w = ctx_data(ctx) + ETH_HLEN;
	__u64 sum;

	if ((void *)(w + 5) > ctx_data_end(ctx))
		return false;
	sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
	if (l4_offset(p) > ETH_HLEN + IP_HLEN_MIN)
		sum += (__u32)sum_options(ctx, p);
	return csum_fold(csum_narrow(sum)) == 0xffff;
}

/*
 * A checksum that is left to the device to compute is written where the packet says, after
 * everything else: anywhere but in the L4 header's own field, that rewrites addresses and ports
 * behind the translation's back. The payload of UDP is free, for tunnels have packets of their own
 * there.
 */
static __always_inline bool offload_right(CTX *ctx, const struct pkt *p)
{
	__u32 start, offset;

	if (!ctx_partial(ctx, &start, &offset))
		return true;
	if (p->fragment || p->icmp_error || is_icmp(p))
		return false;
	if (p->proto == NSX_TCP)
		return start == p->l4 && offset == TCP_CSUM;
	if (p->proto == NSX_UDP)
		return start == p->l4 ? offset == UDP_CSUM
				      : start >= p->l4 + UDP_HLEN && start < ctx_len(ctx);
	return start >= p->l4 && start < ctx_len(ctx);	/* for the host itself, if for anybody */
}

/* 169.254.0.0/16 is the host's, or for namespaces that may reach it. */
__noinline int admit_link_local(CTX *ctx, const struct pkt *p)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	if (!p || !veth)
		return NSX_DROP_DETACHED;
	return (veth->flags & NSX_V_LINK_LOCAL) || is_local(&p->daddr) ? NSX_CONTINUE
									 : NSX_DROP_LINK_LOCAL;
}

#include "admit6.h"

/**
 * admit_ns() - may this packet of a namespace be looked at further?
 * @parsed: what parse_pkt() said of it
 *
 * Return: NSX_CONTINUE, or the verdict.
 */
static __always_inline int admit_ns(CTX *ctx, const struct pkt *p, int parsed)
{
	if (p->tagged)
		return NSX_DROP_VLAN;
	if (parsed == NSX_PASS_LINK)
		return admit_frame(ctx, p);
	if (p->family == NSX_V6 && parsed == NSX_CONTINUE && !is_plain6(p))
		parsed = admit_v6(ctx, p);
	if (parsed != NSX_CONTINUE)
		return parsed;
	if ((p->family == NSX_V4 && !ip_sum_right(ctx, p)) || !offload_right(ctx, p))
		return NSX_DROP_CHECKSUM;
	return p->family == NSX_V4 && is_link_local_of(&p->daddr, NSX_V4) ? admit_link_local(ctx, p)
									    : NSX_CONTINUE;
}

#endif
