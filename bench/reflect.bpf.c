// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two ends of the closed loop: each sends a UDP packet back where it came from, with addresses
 * and ports exchanged, so that a fixed number of packets circulates through the host and no
 * userland takes part. One end (vary) gives every packet the next flow's number on its own side
 * first. Also here: the bare redirects that no datapath between veths can beat.
 */
#include "defs.h"
#include "csum.h"

const volatile __u32 vary;		/* this end chooses the flow */
/* that many flows in turn; 0: a new one with every packet */
const volatile __u32 flows = 1;
const volatile __u32 port_base = 10000;	/* the flow's port is port_base + number % PORTS ... */
/* ... and its address vary_addr + number / PORTS (host byte order; 0: kept) */
const volatile __u32 vary_addr;
const volatile __u32 vary_remote;	/* the address that varies is the other end's */
const volatile __u32 out_ifindex;	/* of the bare redirects */
const volatile __u32 peer;		/* bare TC redirect into a namespace */
#define PORTS 20000

__u32 stop;		/* set by the loader: let the packets fall out, and count them */
__u64 fallen;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

/* Exchange what both families have. Return: as reflect(); with the number of the packet's flow. */
static __always_inline int turn(struct ethhdr *eth, struct udphdr *uh, __u32 *number)
{
	__u32 zero = 0;
	__u8 mac[ETH_ALEN];
	__u64 *count;
	__be16 port;

	if (stop) {
		__sync_fetch_and_add(&fallen, 1);
		return 1;
	}
	count = bpf_map_lookup_elem(&packets, &zero);
	if (!count)
		return -1;
	mac_copy(mac, eth->h_dest);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, mac);
	port = uh->source;
	uh->source = uh->dest;
	uh->dest = port;
	*number = *count * 2 + (bpf_get_smp_processor_id() & 1);
	if (flows)
		*number %= flows;
	*count += 1;
	return 0;
}

static __always_inline int reflect6(struct ethhdr *eth, void *end)
{
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct udphdr *uh = (void *)(ip + 1);
	struct in6_addr addr;
	__u32 number, delta;
	__be32 *varies, to;
	int ret;

	if ((void *)(uh + 1) > end || ip->nexthdr != 17)
		return -1;
	ret = turn(eth, uh, &number);
	if (ret)
		return ret;
	addr = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	ip->hop_limit = 64;
	if (!vary)
		return 0;
	to = bpf_htons(port_base + number % PORTS);
	delta = csum_delta16(uh->source, to);
	uh->source = to;
	if (vary_addr) {
		struct in6_addr *a = vary_remote ? &ip->daddr : &ip->saddr;

		varies = &a->in6_u.u6_addr32[3];
		to = bpf_htonl(vary_addr + number / PORTS);
		delta += csum_delta32(*varies, to);
		*varies = to;
	}
	uh->check = csum_apply(uh->check, delta);
	return 0;
}

/* Returns 0 where the packet goes back, 1 where it falls out, -1 where it is none of ours. */
static __always_inline int reflect(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *uh = (void *)(ip + 1);
	__u32 number, delta = 0;
	__be32 addr, to;
	int ret;

	if ((void *)(uh + 1) > end)
		return -1;
	if (eth->h_proto == ETH_P_IPV6)
		return reflect6(eth, end);
	if (eth->h_proto != ETH_P_IP || ip->protocol != 17 || ip->ihl != 5)
		return -1;
	ret = turn(eth, uh, &number);
	if (ret)
		return ret;
	addr = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	if (ip->ttl != 64) {
		delta = csum_delta16(ip->ttl, 64);
		ip->ttl = 64;
		ip->check = csum_apply(ip->check, delta);
	}
	if (!vary)
		return 0;
	to = bpf_htons(port_base + number % PORTS);
	delta = csum_delta16(uh->source, to);
	uh->source = to;
	if (vary_addr) {
		to = bpf_htonl(vary_addr + number / PORTS);
		addr = vary_remote ? ip->daddr : ip->saddr;
		if (vary_remote)
			ip->daddr = to;
		else
			ip->saddr = to;
		ip->check = csum_apply(ip->check, csum_delta32(addr, to));
		uh->check = csum_apply(uh->check, (__u64)delta + csum_delta32(addr, to));
	} else {
		uh->check = csum_apply(uh->check, delta);
	}
	return 0;
}

SEC("tc")
int tc_reflect(struct __sk_buff *skb)
{
	int ret;

	if ((skb->protocol != ETH_P_IP && skb->protocol != ETH_P_IPV6) ||
	    bpf_skb_pull_data(skb, 62) < 0)
		return TC_ACT_UNSPEC;
	ret = reflect((void *)(long)skb->data, (void *)(long)skb->data_end);
	if (ret)
		return ret < 0 ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

SEC("xdp")
int xdp_reflect(struct xdp_md *ctx)
{
	int ret = reflect((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (ret)
		return ret < 0 ? XDP_PASS : XDP_DROP;
	return XDP_TX;
}

static __always_inline bool is_udp(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	return (void *)(ip + 1) <= end && eth->h_proto == ETH_P_IP && ip->protocol == 17;
}

SEC("tc")
int tc_bare(struct __sk_buff *skb)
{
	if (!is_udp((void *)(long)skb->data, (void *)(long)skb->data_end))
		return TC_ACT_UNSPEC;
	return peer ? bpf_redirect_peer(out_ifindex, 0) : bpf_redirect(out_ifindex, 0);
}

SEC("xdp")
int xdp_bare(struct xdp_md *ctx)
{
	if (!is_udp((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_PASS;
	return bpf_redirect(out_ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
