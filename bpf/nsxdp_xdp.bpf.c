// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path at XDP: xdp_from_uplink on the uplink, xdp_from_ns on the host end of a namespace's
 * veth. They finish published ports and masqueraded flows in both directions, and pass everything
 * else, unchanged, to the programs at TC, which are complete; so also what they would drop, to be
 * judged and counted there.
 */
#define NSXDP_AT_XDP
#include "defs.h"
#include "maps.h"
#include "ctx_xdp.h"
#include "parse.h"
#include "scope.h"
#include "source.h"
#include "flow.h"
#include "route.h"
#include "local_addr.h"
#include "local_source.h"
#include "admit.h"
#include "connection.h"
#include "host_socket.h"
#include "portmap.h"
#include "snat.h"
#include "snat_new.h"
#include "work.h"
#include "egress.h"
#include "hop.h"
#include "link_mtu.h"
#include "owned.h"
#include "rewrite.h"
#include "count.h"

static const __u8 host_mac[ETH_ALEN] = NSX_HOST_MAC;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/*
 * Not for this path: an ICMP error, a fragment, something without ports, a SYN to be clamped, or
 * what is answered.
 */
static __always_inline bool is_uncommon(const struct nsx_conf *conf, const struct pkt *p)
{
	return p->proto >= NSX_PROTOS || p->icmp_error || p->fragment || p->ttl <= 1 ||
	       is_link_local_of(&p->saddr, p->family) ||
	       (conf->clamps && p->proto == NSX_TCP && (p->tcp_flags & TCP_SYN));
}

/* Write, count and send; from here on the packet is ours. */
static __always_inline int finish(CTX *ctx, enum nsx_hook hook, const struct pkt *p,
				  const struct xlat *x, const __u8 *dmac, const __u8 *smac,
				  __u32 ifindex, const struct nsx_slot *held)
{
	enum side side = hook == NSX_FROM_NS ? SIDE_SRC : SIDE_DST;
	__u32 verdict = NSX_DROP_ERROR;
	struct ethhdr *eth;

	if (rewrite_whole(ctx, p, x, side) != NSX_CONTINUE)
		goto drop;
	if (hook == NSX_FROM_NS && !is_owned(ctx, p, x, held)) {
		verdict = NSX_DROP_EGRESS_SOURCE;
		goto drop;
	}
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_data_end(ctx))
		goto drop;
	mac_copy(eth->h_dest, dmac);
	mac_copy(eth->h_source, smac);
	count_verdict(hook, x->verdict, ctx_len(ctx));
	return bpf_redirect(ifindex, 0);
drop:
	count_verdict(hook, verdict, ctx_len(ctx));
	return XDP_DROP;
}

/* A device that bridges or is listened to also sees frames for other machines. */
static __always_inline bool is_to(CTX *ctx, const __u8 *mac)
{
	struct ethhdr *eth = ctx_data(ctx);

	return (void *)(eth + 1) <= ctx_data_end(ctx) && mac_eq(eth->h_dest, mac);
}

static __always_inline int from_uplink(struct xdp_md *ctx)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_begin();
	struct nsx_slot *s;
	struct xlat *x;
	struct pkt *p;
	__u32 state;
	__u32 local;
	int v = NSX_PASS_HOST;

	if (!w || is_passive())
		return XDP_PASS;
	p = &w->p;
	x = &w->x;
	if (parse_pkt(ctx, p) != NSX_CONTINUE || is_uncommon(conf, p))
		return XDP_PASS;
	/* The first of its family; without IPv6 nothing is in its rows. */
	local = p->family & 1;
	if (!addr_eq(&p->dst, &nsx_learned.local[local].addr))
		return XDP_PASS;
	local_recheck(ctx, local);
	if (!local_is_here(local) || !is_to(ctx, conf->uplink_mac) ||
	    source_check(ctx, conf, p) != NSX_CONTINUE)
		return XDP_PASS;
	s = port_slot(p->row, p->dport);
	if (!s || !(s->flags & NSX_F_XDP) || (s->flags & NSX_F_STATEFUL))
		return XDP_PASS;
	state = slot_state(s);
	if (NSX_KIND(state) == NSX_MAP &&
	    ((s->flags & (NSX_F_HOST_RANGE | NSX_F_SERVICE)) || !map_answers(ctx, s, &p->daddr)))
		return XDP_PASS;
	if (NSX_KIND(state) == NSX_MAP)
		v = portmap_in(ctx, p, s, state, local, x);
	else if (NSX_KIND(state) == NSX_FLOW)
		v = snat_in(ctx, p, conf, s, state, local, x);
	else if (NSX_KIND(state) == NSX_SHARED)
		v = snat_in_shared(p, local, x);
	if (NSX_KIND(state) == NSX_SHARED && !x->xdp)
		return XDP_PASS;
	if (v != NSX_CONTINUE || (ctx_len(ctx) > ETH_HLEN + MTU_SURE &&
				  !link_takes(x->ifindex, ctx_len(ctx) - ETH_HLEN)))
		return XDP_PASS;
	return finish(ctx, NSX_FROM_UPLINK, p, x, x->mac, host_mac, x->ifindex, NULL);
}

SEC("xdp")
int xdp_from_uplink(struct xdp_md *ctx)
{
	return from_uplink(ctx);
}

/*
 * What the driver of veth has around its xdp_buff: the packet that the frame is made of, if it is
 * made of one.
 */
struct veth_xdp_buff {
	struct sk_buff *skb;
} __attribute__((preserve_access_index));

/*
 * The tag of a frame that a veth made of a packet is kept in that packet, and the frame looks as if
 * it had none. The driver may be a module, whose types a program cannot be given; so the pointer is
 * read by a type of the kernel's that begins with one of the same kind, which costs a load where a
 * helper costs a tenth of the packet's way.
 */
static __always_inline bool veth_tagged(struct xdp_md *ctx)
{
	struct sk_buff_head *at;
	void *buff;

	/*
	 * Not to be known: whatever it is, it is for TC. Both functions came with one version of
	 * the kernel.
	 */
	if (!bpf_rdonly_cast || !(bpf_core_field_exists(struct veth_xdp_buff, skb) &
				  bpf_core_field_exists(struct sk_buff, vlan_all)))
		return true;
	buff = bpf_cast_to_kern_ctx(ctx);
	at = bpf_rdonly_cast(buff + bpf_core_field_offset(struct veth_xdp_buff, skb),
			     bpf_core_type_id_kernel(struct sk_buff_head));
	return at->next && at->next->vlan_all != 0;
}

/*
 * The same for an uplink that is a veth. Not to be run by hand: only the driver calls it with what
 * it reads.
 */
SEC("xdp")
int xdp_from_uplink_veth(struct xdp_md *ctx)
{
	return veth_tagged(ctx) ? XDP_PASS : from_uplink(ctx);
}

/* A flow that is new, or that snat_established() does not know at a glance. */
static __always_inline int snat_new(CTX *ctx, struct pkt *p, const struct nsx_slot *port,
				    struct xlat *x)
{
	__u32 ifindex = ctx_ifindex(ctx);
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	const struct nsx_conf *conf = &nsx_conf;
	int local;

	if (!veth || is_spoofed(p, veth))
		return NSX_DROP_SPOOFED;
	/* TC answers it. */
	if (veth->egress && !egress_allows(veth->egress, &p->daddr))
		return NSX_PASS_HOST;
	p->veth_flags = veth->flags;
	local = port->local;
	if (snat_holds(port, p, ifindex))
		local_recheck(ctx, local);
	/* The endpoint keeps the address that it has; otherwise the route chooses it. */
	if (!snat_holds(port, p, ifindex) || !snat_keeps(port, conf, now_tick()))
		local = local_chosen(ctx, p, local_for(ctx, &p->dst));
	p->local = local;
	return local < 0 ? NSX_PASS_HOST : snat_pkt(ctx, veth);
}

static __always_inline int from_ns(struct xdp_md *ctx)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct work *w = work_begin();
	const struct hop *hop;
	struct nsx_slot *s;
	struct xlat *x;
	struct pkt *p;
	int v;

	if (!w || is_passive())
		return XDP_PASS;
	p = &w->p;
	x = &w->x;
	if (parse_pkt(ctx, p) != NSX_CONTINUE || is_uncommon(conf, p) ||
	    is_link_local_of(&p->daddr, p->family) ||
	    (p->family == NSX_V4 ? !ip_sum_right(ctx, p) : is_metadata6(&p->daddr)))
		return XDP_PASS;
	s = port_slot(p->row, p->sport);
	if (!s)
		return XDP_PASS;
	/* First of all, for it says also that the destination is outside. */
	hop = hop_find(ctx, &p->dst, p->family);
	if (!hop || hop->ifindex != conf->uplinks[0])
		return XDP_PASS;
	v = snat_established(ctx, p, conf, s, x);
	if (v == NSX_DROP_NO_FLOW && (s->flags & NSX_F_MANY) && snat_holds(s, p, ctx_ifindex(ctx)))
		v = snat_session(ctx, p, s->flags & NSX_F_ANY_PORT, x);
	if (v == NSX_DROP_NO_FLOW) {
		v = NSX_UNKNOWN;
		if (p->proto < NSX_ICMP && !snat_holds(s, p, ctx_ifindex(ctx)) &&
		    !(conf->limits && egress_refuses(ctx, p)))
			v = published_out(ctx, p, x);
		if (v == NSX_UNKNOWN)
			v = snat_new(ctx, p, s, x);
	}
	if (v != NSX_CONTINUE)
		return XDP_PASS;
	if (x->local != p->family)
		hop = hop_find(ctx, &p->dst, x->local);
	if (!hop || x->to_ns || x->both || x->ifindex != hop->ifindex ||
	    ctx_len(ctx) > hop->mtu + ETH_HLEN)
		return XDP_PASS;
	return finish(ctx, NSX_FROM_NS, p, x, hop->dmac, hop->smac, x->ifindex, s);
}

/* For namespaces that put VLAN tags into their frames, and test runs. */
SEC("xdp")
int xdp_from_ns(struct xdp_md *ctx)
{
	return from_ns(ctx);
}

SEC("xdp")
int xdp_from_ns_veth(struct xdp_md *ctx)
{
	return veth_tagged(ctx) ? XDP_PASS : from_ns(ctx);
}

char LICENSE[] SEC("license") = "GPL";
