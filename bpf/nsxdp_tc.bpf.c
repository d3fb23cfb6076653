// SPDX-License-Identifier: GPL-2.0-only
/*
 * The datapath at TC, complete by itself: tc_from_uplink on the ingress of the uplink, tc_from_ns
 * on the ingress of the host end of every namespace's link. Where that is a pair of netkit devices,
 * tc_from_ns is also what the far end sends by, and sees again on the ingress only what it has
 * passed, or what comes back from the private network namespace.
 */
#include "defs.h"
#include "maps.h"
#include "ctx_skb.h"
#include "parse.h"
#include "frag.h"
#include "private.h"
#include "defrag.h"
#include "work.h"
#include "from_uplink.h"
#include "from_ns.h"
#include "exit.h"

/* Begin with a packet. A mark of ours has said what it had to. */
static __always_inline struct work *begin(struct __sk_buff *skb)
{
	struct work *w = work_begin();

	if (w && ctx_take_mark(skb, nsx_conf.defrag_mark))
		w->p.reassembled = 1;
	return w;
}

/* A fragment to the host itself, unless others of its datagram are being reassembled. */
static __always_inline int pass_fragment(struct __sk_buff *skb, const struct work *w, int verdict,
					 int *action)
{
	if (w->p.fragment == FRAGMENT_FIRST && frag_note_host(skb, &w->p) < 0)
		return fragment_joins(skb, &w->p, action);
	if (w->p.reassembled)
		bpf_skb_change_type(skb, PACKET_HOST);
	return verdict;
}

SEC("tc")
int tc_from_uplink(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;
	int action = TC_ACT_SHOT, v;
	struct work *w;

	if (is_passive())
		return TC_ACT_UNSPEC;
	w = begin(skb);
	if (!w)
		return TC_ACT_SHOT;
	v = from_uplink(skb, &w->p, &w->x, &action);
	if (v == NSX_PASS_HOST && w->p.fragment)
		v = pass_fragment(skb, w, v, &action);
	return exit_pkt(NSX_FROM_UPLINK, v, bytes, TC_ACT_UNSPEC, action);
}

/* The far end sends by tc_from_ns. */
static __always_inline bool is_netkit(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && (veth->flags & NSX_V_NETKIT);
}

/*
 * The stack goes by the type that a sender has given beside the frame (packet(7), sll_protocol),
 * where no driver reads it from the frame again: a netkit device does not, nor does
 * bpf_redirect_peer() out of the namespace.
 */
static __always_inline bool is_of_its_type(struct __sk_buff *skb)
{
	struct ethhdr *eth = ctx_data(skb);

	return (void *)(eth + 1) <= ctx_data_end(skb) && eth->h_proto == (__be16)skb->protocol;
}

SEC("tc")
int tc_from_ns(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;
	int action = TC_ACT_SHOT, v;
	struct work *w;

	if (is_passive())
		return exit_pkt(NSX_FROM_NS, NSX_DROP_DETACHED, bytes, TC_ACT_SHOT, TC_ACT_SHOT);
	if (ctx_is_sent(skb))
		skb->mark = 0;
	else if (ctx_take_mark(skb, nsx_conf.passed_mark) && is_netkit(skb))
		return TC_ACT_OK;
	w = begin(skb);
	if (!w)
		return TC_ACT_SHOT;
	v = !is_of_its_type(skb) ? NSX_DROP_LINK : from_ns(skb, &w->p, &w->x, &action);
	if (v == NSX_PASS_GATEWAY && w->p.fragment)
		v = pass_fragment(skb, w, v, &action);
	/* Not on to the guard, which is next. */
	v = exit_pkt(NSX_FROM_NS, v, bytes, TC_ACT_OK, action);
	if (v == TC_ACT_OK && ctx_is_sent(skb))
		ctx_set_mark(skb, nsx_conf.passed_mark);
	return v;
}

static __always_inline int from_private4(struct __sk_buff *skb, int *action)
{
	struct iphdr *ip = ctx_data(skb) + ETH_HLEN;

	if ((void *)(ip + 1) > ctx_data_end(skb))
		return NSX_DROP_FRAGMENT;
	if ((bpf_ntohl(ip->saddr) & NSX_TRANSIT_MASK) == NSX_TRANSIT_NET)
		return transit_back(skb, ip, action);
	return defrag_back4(skb, ip, action);
}

/* Nothing of IPv6 is cut (RFC 8200, 5). Multicast from the far end (MLD, ND) is for nobody. */
static __always_inline int from_private6(struct __sk_buff *skb, int *action)
{
	struct ipv6hdr *ip = ctx_data(skb) + ETH_HLEN;

	if ((void *)(ip + 1) > ctx_data_end(skb))
		return NSX_DROP_FRAGMENT;
	if (ip->daddr.in6_u.u6_addr8[0] == 0xff)
		return NSX_PASS_LINK;
	return defrag_back6(skb, ip, action);
}

/* What comes back from the private network namespace. Nothing of it is for the host's stack. */
SEC("tc")
int tc_from_private(struct __sk_buff *skb)
{
	int action = TC_ACT_SHOT, v = NSX_DROP_FRAGMENT;
	__u32 bytes = skb->len;

	if (ctx_pull(skb, ETH_HLEN + IP6_HLEN) < 0)
		return exit_pkt(NSX_FROM_PRIVATE, v, bytes, TC_ACT_SHOT, TC_ACT_SHOT);
	if (skb->protocol == ETH_P_IP)
		v = from_private4(skb, &action);
	else if (skb->protocol == ETH_P_IPV6)
		v = from_private6(skb, &action);
	return exit_pkt(NSX_FROM_PRIVATE, v, bytes, TC_ACT_SHOT, action);
}

/* The identifier of an echo request that the host itself sends; -1 where the packet is none. */
static __always_inline int sent_echo4(struct __sk_buff *skb)
{
	struct iphdr *ip = ctx_data(skb) + ETH_HLEN;
	struct icmphdr *icmp;

	if ((void *)(ip + 1) > ctx_data_end(skb) || ip->protocol != IPPROTO_ICMP_ ||
	    (ip->frag_off & IP_OFFSET))
		return -1;
	icmp = (void *)ip + (ip->ihl & 0xf) * 4;
	if ((void *)(icmp + 1) > ctx_data_end(skb) || icmp->type != ICMP_ECHO)
		return -1;
	return icmp->un.echo.id;
}

static __always_inline int sent_echo6(struct __sk_buff *skb)
{
	struct ipv6hdr *ip = ctx_data(skb) + ETH_HLEN;
	__u8 *next = (__u8 *)(ip + 1);
	struct icmphdr *icmp = (void *)next;
	__u8 proto;

	if ((void *)(next + IP6_FRAGMENT_HLEN) > ctx_data_end(skb))
		return -1;
	proto = ip->nexthdr;
	if (proto == EXT_FRAGMENT && !(*(__be16 *)(next + 2) & IP6_OFFSET)) {
		proto = *next;
		icmp = (void *)next + IP6_FRAGMENT_HLEN;
	}
	if (proto != IPPROTO_ICMPV6_ || (void *)(icmp + 1) > ctx_data_end(skb) ||
	    icmp->type != ICMPV6_ECHO)
		return -1;
	return icmp->un.echo.id;
}

/*
 * What leaves by an uplink: the host's own pings. Nobody else tells which identifiers they have,
 * and an answer is known by nothing else. What nsxdp sends has come in by a device, or says so.
 */
SEC("tc")
int tc_to_uplink(struct __sk_buff *skb)
{
	__u32 family = skb->protocol == ETH_P_IPV6 ? NSX_V6 : NSX_V4;
	struct nsx_slot *s;
	int id;

	if (is_passive())
		return TC_ACT_UNSPEC;
	if (skb->tc_index == NSX_SENT_INDEX) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	if (skb->ingress_ifindex || (skb->protocol != ETH_P_IP && skb->protocol != ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	id = family == NSX_V6 ? sent_echo6(skb) : sent_echo4(skb);
	if (id < 0)
		return TC_ACT_UNSPEC;
	s = port_slot(NSX_ROW(NSX_ICMP, family), id);
	if (s)
		host_takes(s, NSX_ICMP);
	return TC_ACT_UNSPEC;
}

/*
 * The guards of a namespace's link. They are attached to its clsact qdisc, so they hold without the
 * BPF file system and while tc_from_ns is not attached: then nothing goes through, whatever the
 * host forwards.
 */
SEC("tc")
int tc_guard_from_ns(struct __sk_buff *skb)
{
	return exit_pkt(NSX_FROM_NS, NSX_DROP_DETACHED, skb->len, TC_ACT_SHOT, TC_ACT_SHOT);
}

/*
 * What the host itself sends has not come in by any device, nor has what a namespace behind netkit
 * sends; what nsxdp answers has come in by this one.
 */
SEC("tc")
int tc_guard_to_ns(struct __sk_buff *skb)
{
	if (!skb->ingress_ifindex || skb->ingress_ifindex == skb->ifindex)
		return TC_ACT_UNSPEC;
	return exit_pkt(NSX_TO_NS, NSX_DROP_FORWARDED, skb->len, TC_ACT_SHOT, TC_ACT_SHOT);
}

char LICENSE[] SEC("license") = "GPL";
