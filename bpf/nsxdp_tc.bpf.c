// SPDX-License-Identifier: GPL-2.0-only
/*
 * The datapath at TC, complete by itself: tc_from_uplink on the ingress of the uplink, tc_from_ns
 * on the ingress of the host end of every namespace's link. Where that is a pair of netkit devices,
 * tc_from_ns is also what the far end sends by, and sees again on the ingress only what it has
 * passed, or what comes back from the private network namespace. The order of the includes is the
 * packet's way.
 */
#include "defs.h"
#include "maps.h"
#include "ctx_skb.h"
#include "parse.h"
#include "scope.h"
#include "source.h"
#include "flow.h"
#include "route.h"
#include "local_addr.h"
#include "admit.h"
#include "connection.h"
#include "host_socket.h"
#include "service.h"
#include "portmap.h"
#include "snat.h"
#include "snat_new.h"
#include "work.h"
#include "hairpin.h"
#include "egress.h"
#include "frag.h"
#include "private.h"
#include "defrag.h"
#include "answer.h"
#include "mtu.h"
#include "rewrite.h"
#include "redirect.h"
#include "exit.h"

/* The second end of a packet of which both are translated. */
__noinline int rewrite_other(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	struct xlat other = {};

	if (!p || !x)
		return NSX_DROP_ERROR;
	other.addr = x->other;
	other.port = x->other_port;
	other.side = x->side == SIDE_SRC ? SIDE_DST : SIDE_SRC;
	return rewrite_pkt(ctx, p, &other, false);
}

/* A SYN of a connection of a namespace that wants its segments clamped, in either direction. */
__noinline int clamp_syn(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	__u32 ifindex, mss, mtu;
	const struct nsx_veth *veth;

	if (!p || !x)
		return NSX_DROP_ERROR;
	ifindex = ctx_ifindex(ctx);
	if (x->to_ns)
		ifindex = x->ifindex;
	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	if (!veth || !veth->mss)
		return NSX_CONTINUE;
	mtu = x->to_ns ? route_mtu(ctx, &p->src, p->family, ctx_ifindex(ctx))
		       : route_mtu(ctx, &p->dst, x->local, x->ifindex);
	mss = mtu - TCP_IP_HLEN(p->family);
	if (mss > veth->mss)
		mss = veth->mss;
	return mss_clamp(ctx, p, mss) == 0 ? NSX_CONTINUE : NSX_DROP_ERROR;
}

/* Translate and send: the common end of both programs. */
static __always_inline int send_pkt(CTX *ctx, enum nsx_hook hook, const struct pkt *p,
				    const struct nsx_conf *conf, struct xlat *x, int *action)
{
	int v;

	if (p->tagged && ctx_untag(ctx) < 0)
		return NSX_DROP_ERROR;
	if (conf->clamps && p->proto == NSX_TCP && (p->tcp_flags & TCP_SYN) && !p->icmp_error) {
		v = clamp_syn(ctx, p, x);
		if (v != NSX_CONTINUE)
			return v;
	}
	if ((x->side == SIDE_SRC || x->both) &&
	    (p->fragment == FRAGMENT_FIRST || (!p->fragment && x->cut_to)))
		fragment_id(p, x, ctx_gso_size(ctx) ? ctx->gso_segs : 1);
	if (p->fragment == FRAGMENT_FIRST && frag_note(ctx, p, x) < 0)
		return fragment_joins(ctx, p, action);
	v = rewrite_pkt(ctx, p, x, true);
	if (v == NSX_CONTINUE && x->both)
		v = rewrite_other(ctx, p, x);
	if (v == NSX_CONTINUE && x->new_id && rewrite_id(ctx, x) < 0)
		v = NSX_DROP_ERROR;
	if (v != NSX_CONTINUE)
		return v;
	if (p->icmp_error)
		x->verdict = NSX_ICMP_ERROR;
	return redirect_pkt(ctx, hook, p, x, action);
}

/* The namespace behind a veth may be reached from 169.254.0.0/16. */
static __always_inline bool admits_link_local(__u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && (veth->flags & NSX_V_LINK_LOCAL);
}

/*
 * A whole packet, or the first fragment of one, to the host's address with index own: whose port is
 * it?
 */
static __always_inline int port_in(CTX *ctx, struct pkt *p, const struct nsx_conf *conf, int local,
				   struct xlat *x)
{
	struct nsx_slot *s = port_slot(p->row, p->dport);
	__u32 state;
	int v;

	if (!s)
		return NSX_PASS_HOST;
	state = slot_state(s);
	/*
	 * Its owner was interrupted. The host would answer with a RST, which is worse than to come
	 * again.
	 */
	if (NSX_KIND(state) == NSX_CLAIMED)
		return NSX_DROP_CHANGED;
	if (NSX_KIND(state) == NSX_MAP && !map_answers(ctx, s, &p->daddr))
		return slot_same(s, state) ? NSX_PASS_HOST : NSX_DROP_CHANGED;
	if (NSX_KIND(state) != NSX_MAP && NSX_KIND(state) != NSX_FLOW &&
	    NSX_KIND(state) != NSX_SHARED)
		return NSX_PASS_HOST;
	v = source_check(conf, p);
	if (v != NSX_CONTINUE)
		return v;
	if (NSX_KIND(state) == NSX_FLOW)
		return snat_in(ctx, p, conf, s, state, local, x);
	if (NSX_KIND(state) == NSX_SHARED)
		return snat_in_shared(p, local, x);
	if ((s->flags & NSX_F_HOST_RANGE) && host_expects(ctx, p, HOST_CONNECTED))
		return NSX_PASS_HOST;
	if (!(s->flags & NSX_F_SERVICE))
		return portmap_in(ctx, p, s, state, local, x);
	v = service_in(ctx, p, s, x);
	if (v == NSX_CONTINUE && is_to_the_dead(ctx, p, x))
		return NSX_DROP_LINK_DOWN;
	return v == NSX_CONTINUE && (local != p->family || (s->flags & NSX_F_STATEFUL))
		       ? return_note(ctx, p, x, local, 0)
		       : v;
}

/*
 * What is larger than mtu is cut; and what follows a fragment that is cut goes the same way, or it
 * would overtake it.
 */
static __always_inline void set_cut(const struct pkt *p, const struct nsx_conf *conf,
				    struct xlat *x, __u32 mtu)
{
	if (!conf->defrag)
		mtu = 0;
	if (mtu || p->fragment != FRAGMENT_LATER)
		x->cut_to = mtu;
}

static __always_inline int from_uplink(CTX *ctx, struct pkt *p, struct xlat *x, int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 mtu;
	int local, v;

	v = parse_pkt(ctx, p);
	if (v != NSX_CONTINUE)
		return v == NSX_PASS_LINK ? v : NSX_PASS_HOST;
	if (p->family == NSX_V6 && conf->ipv6 == NSX_IPV6_OFF)
		return NSX_PASS_HOST;
	/* A device that bridges or is listened to also sees frames for other machines. */
	if (ctx->pkt_type != PACKET_HOST && !p->reassembled)
		return NSX_PASS_HOST;

	local = local_index_of(&p->daddr, p->family);
	if (local < 0) {
		if (in_pool_of(conf, &p->daddr, p->family))
			return NSX_DROP_POOL;
		local = local_learn(ctx, &p->daddr, ctx_ifindex(ctx), false);
		if (local < 0)
			return NSX_PASS_HOST;
	}
	local_recheck(ctx, local);
	if (!local_is_here(local) && !local_check(ctx, local))
		return NSX_PASS_HOST;
	if (p->fragment && p->family == NSX_V4 && !is_forwarded(p))
		return NSX_PASS_HOST;
	if (p->fragment == FRAGMENT_LATER) {
		v = frag_find(ctx, p, x);
		if (p->reassembled && v == NSX_DEFRAG)
			return NSX_DROP_FRAGMENT;
		if (!p->reassembled && (v == NSX_DROP_FRAGMENT || v == NSX_DEFRAG))
			v = fragment_in(ctx, p, x, action);
		if (v != NSX_CONTINUE || x->verdict == NSX_PASS_HOST)
			return v == NSX_CONTINUE ? NSX_PASS_HOST : v;
		goto found;
	}
	if (p->fragment && !p->reassembled && frag_is_deferred(ctx, p))
		return fragment_joins(ctx, p, action);
	if (p->proto >= NSX_PROTOS || (p->icmp_error && !addr_eq(&p->daddr, &p->dst)))
		return NSX_PASS_HOST;

	v = port_in(ctx, p, conf, local, x);
	if (v == NSX_DROP_LINK_DOWN)
		return answer_pkt(ctx, p, &p->daddr, ANSWER_UNREACHABLE, action) == 0
			       ? NSX_REJECT_LINK_DOWN
			       : v;
	if (v != NSX_CONTINUE)
		return v;
	if (is_link_local_of(&p->saddr, p->family) &&
	    (p->family == NSX_V6 || !admits_link_local(x->ifindex)))
		return NSX_DROP_LINK_LOCAL;
found:
	if (p->ttl <= 1)
		return answer_pkt(ctx, p, &p->daddr, ANSWER_TTL, action) == 0
			       ? NSX_ICMP_TIME_EXCEEDED
			       : NSX_DROP_TTL;
	mtu = mtu_exceeded(ctx, p, x);
	if (mtu && p->dont_fragment)
		return answer_pkt(ctx, p, &p->daddr, ANSWER_TOO_BIG(mtu), action) == 0
			       ? NSX_ICMP_FRAG_NEEDED
			       : NSX_DROP_TOO_BIG;
	set_cut(p, conf, x, mtu);
	return send_pkt(ctx, NSX_FROM_UPLINK, p, conf, x, action);
}

/* Everything that snat_established() did not answer. */
__noinline int from_ns_lookup(CTX *ctx, struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_slot *port;
	const struct nsx_veth *veth;
	bool pool;
	int local, v;

	if (!p || !x)
		return NSX_DROP_ERROR;
	local = local_index_of(&p->daddr, p->family);
	if (local >= 0 && !local_check(ctx, local))
		local = -1;	/* somebody else's, now */
	pool = in_pool_of(conf, &p->daddr, p->family);
	port = port_slot(p->row, p->sport);
	/*
	 * An error is about a packet that its sender got, and for who sent that; or it would change
	 * others' flows.
	 */
	if (p->icmp_error && (!addr_eq(&p->saddr, &p->src) || !addr_eq(&p->daddr, &p->dst)))
		return NSX_DROP_SPOOFED;
	if (local < 0 && !pool && !to_multicast(p) && !to_martian(p) &&
	    p->proto < NSX_ICMP && port && !snat_holds(port, p, ifindex) &&
	    !(conf->limits && egress_refuses(ctx, p))) {
		v = published_out(ctx, p, x);
		if (v != NSX_DROP_NO_FLOW)
			return v;
	}

	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	if (!veth)
		return NSX_DROP_DETACHED;
	if (is_spoofed(p, veth))
		return NSX_DROP_SPOOFED;
	p->veth_flags = veth->flags;
	if (p->family == NSX_V4 && is_icmp(p) && p->icmp_type == ICMP_REDIRECT)
		return NSX_DROP_REDIRECT;
	if (to_martian(p))
		return NSX_DROP_MARTIAN;
	if (p->fragment == FRAGMENT_LATER && !to_multicast(p))
		return NSX_LATER;
	if (addr_eq(&p->daddr, gateway_of(veth, p->family)))
		return from_own_port(ctx, p, conf, veth, x);
	/* Of TCP to the host, what the host has begun is answered. */
	if (veth->egress && !pool && !to_multicast(p) &&
	    (local < 0 || p->proto != NSX_TCP || SYN_ALONE(p)) &&
	    !egress_allows(veth->egress, &p->daddr))
		return NSX_DROP_EGRESS_DENIED;
	if (local >= 0)
		return hairpin(ctx, p, veth, local, x);
	if (to_multicast(p))
		return NSX_DROP_MULTICAST;
	if (pool) {
		struct found f;

		if (p->proto >= NSX_ICMP || !return_find(p, conf, now_tick(), &f) ||
		    !(f.slot->flags & NSX_F_HAIRPIN))
			return NSX_DROP_ISOLATED;
		return return_out(ctx, p, &f, x);
	}
	if (p->proto >= NSX_PROTOS)
		return NSX_DROP_PROTOCOL;
	return NSX_MASQUERADE;
}

/* Answer a packet of a namespace with an ICMP error from its gateway. */
__noinline int answer_ns(CTX *ctx, const struct pkt *p, __u32 what, int *action)
{
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

	return veth && p && action
		       ? answer_pkt(ctx, p, gateway_of(veth, p->family), what, action)
		       : -1;
}

/* What is dropped for a reason that its sender can mend is answered. Return: the verdict. */
static __always_inline int reject_ns(CTX *ctx, const struct pkt *p, int v, int *action)
{
	__u32 what = ANSWER_PROHIBITED;
	int told;

	switch (v) {
	case NSX_DROP_NO_PORT:
	case NSX_DROP_TABLE_FULL:
		told = NSX_REJECT_NO_PORT;
		break;
	case NSX_DROP_NO_UPLINK:
		what = ANSWER_NO_ROUTE;
		told = NSX_REJECT_NO_UPLINK;
		break;
	case NSX_DROP_LINK_DOWN:
		what = ANSWER_UNREACHABLE;
		told = NSX_REJECT_LINK_DOWN;
		break;
	case NSX_DROP_EGRESS_DENIED:
		told = NSX_REJECT_EGRESS_DENIED;
		break;
	case NSX_DROP_MAX_FLOWS:
		told = NSX_REJECT_MAX_FLOWS;
		break;
	default:
		return v;
	}
	return answer_ns(ctx, p, what, action) == 0 ? told : v;
}

static __always_inline int from_ns(CTX *ctx, struct pkt *p, struct xlat *x, int *action)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_slot *s = NULL;
	__be16 dport = 0;
	__u32 ifindex = ctx_ifindex(ctx), mtu;
	int local, v;

	v = admit_ns(ctx, p, parse_pkt(ctx, p));
	if (v != NSX_CONTINUE)
		return v;

	if (p->fragment && !p->reassembled && defrags(p->family)) {
		v = fragment_out(ctx, p, action);
		if (v != NSX_CONTINUE)
			return v;
	}

	v = NSX_DROP_NO_FLOW;
	if (p->proto < NSX_PROTOS && !p->icmp_error)
		s = port_slot(p->row, p->sport);
	if (s)
		v = snat_established(ctx, p, conf, s, x);
	if (v == NSX_DROP_NO_FLOW && s && (s->flags & NSX_F_MANY) &&
	    snat_holds(s, p, ctx_ifindex(ctx)))
		v = snat_session(ctx, p, s->flags & NSX_F_ANY_PORT, x);
	if (v == NSX_DROP_NO_FLOW)
		v = from_ns_lookup(ctx, p, x);
	if (v == NSX_MASQUERADE) {
		/* An error makes no flow, and the addresses in it are whoever's. */
		local = p->icmp_error ? p->family : local_chosen(ctx, p, local_for(ctx, &p->dst));
		p->local = local;
		v = NSX_OPEN;
		if (local == LOCAL_NO_UPLINK)
			v = NSX_DROP_NO_UPLINK;
		else if (local == LOCAL_ITSELF)
			v = from_ns_lookup(ctx, p, x);
	}
	if (v == NSX_BETWEEN_FLOWS) {
		dport = p->dport;
		v = hairpin_flow(p, x);
		if (v == NSX_OPEN && (p->veth_flags & NSX_V_SOURCE(p->family))) {
			p->local = local = local_sourced(ctx, p->family, p->local);
			v = local < 0 ? NSX_DROP_NO_UPLINK : v;
		}
	}
	if (v == NSX_OPEN) {
		struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

		v = snat_pkt(ctx, p, veth, x);
		if (v == NSX_DROP_CHANGED)
			v = snat_pkt(ctx, p, veth, x);
		if (dport)
			hairpin_flow_end(p, x, dport);
	}
	if (v == NSX_TO_SERVICE)
		v = hairpin_service(ctx, p, x);
	if (v == NSX_REMEMBER)
		v = is_to_the_dead(ctx, p, x) ? NSX_DROP_LINK_DOWN
					      : return_note(ctx, p, x, x->local, ctx_ifindex(ctx));
	if (v == NSX_LATER) {
		v = frag_find(ctx, p, x);
		if (v == NSX_CONTINUE && x->verdict == NSX_PASS_HOST)
			return NSX_PASS_GATEWAY;
		if (v == NSX_DEFRAG)
			v = NSX_DROP_FRAGMENT;
	}
	if (v != NSX_CONTINUE)
		return reject_ns(ctx, p, v, action);
	if (p->ttl <= 1)
		return answer_ns(ctx, p, ANSWER_TTL, action) == 0 ? NSX_ICMP_TIME_EXCEEDED
								  : NSX_DROP_TTL;
	if (conf->limits && !x->to_ns &&
	    egress_take(ctx_ifindex(ctx), egress_bytes(ctx, p)) != NSX_CONTINUE)
		return NSX_DROP_EGRESS_RATE;
	mtu = mtu_exceeded(ctx, p, x);
	if (mtu && p->dont_fragment)
		return answer_ns(ctx, p, ANSWER_TOO_BIG(mtu), action) == 0 ? NSX_ICMP_FRAG_NEEDED
									   : NSX_DROP_TOO_BIG;
	set_cut(p, conf, x, mtu);
	return send_pkt(ctx, NSX_FROM_NS, p, conf, x, action);
}

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
