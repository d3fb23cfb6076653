/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Neighbour discovery on an uplink for the addresses of namespaces (RFC 4861, 7.2.4), where their
 * network is on that link: the host's own stack does not know that they are behind it. Nothing else
 * answers for these addresses, so the advertisement sets the override flag: the uplink, and with it
 * the MAC, may have changed.
 */
#ifndef NSXDP_ND_H
#define NSXDP_ND_H

#include "defs.h"
#include "admit.h"
#include "answer6.h"
#include "device.h"
#include "scope.h"

#define ND_OPT_SOURCE_MAC	1
#define ND_OPT_TARGET_MAC	2
#define ND_SOLICITED		bpf_htonl(0x40000000)
#define ND_OVERRIDE		bpf_htonl(0x20000000)

struct nd_advert {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct nd_message nd;
	__u8 option;
	__u8 option_len;	/* in units of 8 bytes */
	__u8 mac[ETH_ALEN];
} __attribute__((packed));

/* To the sender, or to all nodes if it is ::, as in duplicate address detection. */
static __always_inline void nd_to(struct nd_advert *a, const struct pkt *p)
{
	static const __u8 all_nodes[ETH_ALEN] = { 0x33, 0x33, 0, 0, 0, 1 };

	if (is_unspecified(&p->saddr)) {
		mac_copy(a->eth.h_dest, all_nodes);
		__builtin_memset(&a->ip.daddr, 0, sizeof(a->ip.daddr));
		a->ip.daddr.in6_u.u6_addr8[0] = 0xff;
		a->ip.daddr.in6_u.u6_addr8[1] = 0x02;
		a->ip.daddr.in6_u.u6_addr8[15] = 0x01;
		a->nd.reserved = ND_OVERRIDE;
		return;
	}
	mac_copy(a->eth.h_dest, p->mac);
	__builtin_memcpy(&a->ip.daddr, &p->saddr, sizeof(p->saddr));
	a->nd.reserved = ND_SOLICITED | ND_OVERRIDE;
}

/* Turn the frame into the advertisement. Return: 0, or -1 where it cannot be written. */
static __always_inline int nd_write(CTX *ctx, const struct pkt *p, const struct nsx_addr *target,
				    const __u8 *mac)
{
	struct nd_advert *a;
	__u32 sum;

	if (bpf_skb_change_tail(ctx, sizeof(*a), 0) < 0 || ctx_pull(ctx, sizeof(*a)) < 0)
		return -1;
	a = ctx_data(ctx);
	if ((void *)(a + 1) > ctx_data_end(ctx))
		return -1;
	mac_copy(a->eth.h_source, mac);
	a->ip.version = 6;
	a->ip.priority = 0;
	__builtin_memset(a->ip.flow_lbl, 0, sizeof(a->ip.flow_lbl));
	a->ip.payload_len = bpf_htons(sizeof(*a) - ETH_HLEN - IP6_HLEN);
	a->ip.nexthdr = IPPROTO_ICMPV6_;
	a->ip.hop_limit = 255;
	__builtin_memcpy(&a->ip.saddr, target, sizeof(*target));
	nd_to(a, p);
	a->nd.type = ND_ADVERT;
	a->nd.code = 0;
	a->nd.checksum = 0;
	__builtin_memcpy(&a->nd.target, target, sizeof(*target));
	a->option = ND_OPT_TARGET_MAC;
	a->option_len = 1;
	mac_copy(a->mac, mac);
	/* The addresses and all behind them stand in one piece. */
	sum = sum_bytes(ctx, ETH_HLEN + 8, sizeof(*a) - ETH_HLEN - 8) +
	      bpf_htons(sizeof(*a) - ETH_HLEN - IP6_HLEN) + bpf_htons(IPPROTO_ICMPV6_);
	a = ctx_data(ctx);
	if ((void *)(a + 1) > ctx_data_end(ctx))
		return -1;
	a->nd.checksum = ~csum_fold(sum);
	return 0;
}

/**
 * struct nd_options - a walk over the options of a solicitation
 * @at, @end: offsets in the frame
 * @wrong: one of them has no length, or goes beyond the end
 * @has_mac: the sender's MAC is among them
 */
struct nd_options {
	CTX *ctx;
	__u32 at;
	__u32 end;
	__u32 wrong;
	__u32 has_mac;
};

static long nd_option(__u64 i, struct nd_options *o)
{
	__u8 option[2];	/* type, and length in units of 8 bytes */

	if (o->at >= o->end)
		return 1;
	o->wrong = ctx_load(o->ctx, o->at, &option) < 0 || !option[1] ||
		   o->at + option[1] * 8 > o->end;
	if (o->wrong)
		return 1;
	o->has_mac |= option[0] == ND_OPT_SOURCE_MAC;
	o->at += option[1] * 8;
	return 0;
}

/* The solicited-node group of an address (RFC 4291, 2.7.1). */
static __always_inline bool is_group_of(const struct nsx_addr *group, const struct nsx_addr *a)
{
	return group->w[0] == bpf_htonl(0xff020000) && !group->w[1] &&
	       group->w[2] == bpf_htonl(1) &&
	       group->w[3] == (bpf_htonl(0xff000000) | (a->w[3] & bpf_htonl(0x00ffffff)));
}

/* Options as they have to be; from nobody without the sender's MAC. */
static __always_inline bool nd_options_valid(CTX *ctx, const struct pkt *p, __u32 begin, __u32 end)
{
	struct nd_options o = { .ctx = ctx, .at = begin, .end = end };

	bpf_loop(SUM_WORDS / 2, nd_option, &o, 0);
	return !o.wrong && o.at == end && !(o.has_mac && is_unspecified(&p->saddr));
}

/*
 * The checks of RFC 4861, 7.1.1, and a checksum that is not left to be computed. What is from
 * nobody asks whether the address is free (RFC 4862, 5.4.2). Longer ones than are summed do not
 * occur.
 */
static __always_inline bool nd_is_valid(CTX *ctx, const struct pkt *p, const struct nd_message *nd)
{
	__u32 begin = ETH_HLEN + IP6_HLEN + sizeof(*nd), start, offset, end, sum;
	struct nsx_addr target;
	struct ipv6hdr *ip;

	addr_from_v6(&target, &nd->target);
	ip = ctx_data(ctx) + ETH_HLEN;
	if ((void *)(ip + 1) > ctx_data_end(ctx))
		return false;
	end = ETH_HLEN + IP6_HLEN + bpf_ntohs(ip->payload_len);
	if (p->ttl != 255 || nd->code || p->fragment || p->l4 != ETH_HLEN + IP6_HLEN ||
	    end < begin || end - ETH_HLEN - 8 > SUM_WORDS * 4 || ctx_partial(ctx, &start, &offset))
		return false;
	if (is_multicast_of(&p->saddr, NSX_V6) || addr_eq(&p->saddr, &target))
		return false;
	if (is_unspecified(&p->saddr) && !is_group_of(&p->daddr, &target))
		return false;
	if (!nd_options_valid(ctx, p, begin, end) || ctx_pull(ctx, end) < 0)
		return false;
	sum = sum_bytes(ctx, ETH_HLEN + 8, end - ETH_HLEN - 8);
	sum += bpf_htons(end - ETH_HLEN - IP6_HLEN) + bpf_htons(IPPROTO_ICMPV6_);
	return csum_fold(sum) == 0xffff;
}

/**
 * nd_answer() - a neighbour solicitation that came in by an uplink
 * @action: set to the TC action
 *
 * Return: NSX_ANSWER_ND; NSX_CONTINUE where it does not ask for an address of a namespace; or the
 * verdict that drops it.
 */
__noinline int nd_answer(CTX *ctx, const struct pkt *p, int *action)
{
	struct nd_message nd;
	struct nsx_addr target;
	__u8 mac[ETH_ALEN] = {};

	if (!p || !action || ctx->pkt_type == PACKET_OTHERHOST || ctx_load(ctx, p->l4, &nd) < 0)
		return NSX_CONTINUE;
	addr_from_v6(&target, &nd.target);
	if (!in_pool_of(&nsx_conf, &target, NSX_V6) || !bpf_map_lookup_elem(&nsx_inside, &target))
		return NSX_CONTINUE;
	if (!nd_is_valid(ctx, p, &nd))
		return NSX_DROP_BAD_PACKET;
	if ((p->tagged && ctx_untag(ctx) < 0) || dev_mac(ctx, mac) < 0 ||
	    nd_write(ctx, p, &target, mac) < 0)
		return NSX_DROP_ERROR;
	*action = bpf_redirect(ctx_ifindex(ctx), 0);
	return NSX_ANSWER_ND;
}

#endif
