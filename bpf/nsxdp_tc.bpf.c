// SPDX-License-Identifier: GPL-2.0-only
/*
 * The datapath at TC, complete by itself: tc_from_uplink on the ingress of the uplink, tc_from_ns on
 * the ingress of the host end of every namespace's veth. The order of the includes is the packet's way.
 */
#include "defs.h"
#include "maps.h"
#include "ctx_skb.h"
#include "parse.h"
#include "scope.h"
#include "flow.h"
#include "portmap.h"
#include "snat.h"
#include "snat_new.h"
#include "frag.h"
#include "rewrite.h"
#include "ttl.h"
#include "redirect.h"
#include "exit.h"

/* The second end of a packet of which both are translated. */
static __noinline int rewrite_other(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	struct xlat other = {};

	if (!p || !x)
		return NSX_DROP_ERROR;
	other.addr = x->other;
	other.port = x->other_port;
	other.side = x->side == SIDE_SRC ? SIDE_DST : SIDE_SRC;
	return rewrite_pkt(ctx, p, &other, false);
}

/* Translate and send: the common end of both programs. */
static __always_inline int send_pkt(CTX *ctx, const struct pkt *p, const struct nsx_conf *conf, struct xlat *x,
				    int *action)
{
	int v;

	if (p->fragment == FRAGMENT_FIRST)
		frag_note(ctx, p, x);
	v = rewrite_pkt(ctx, p, x, true);
	if (v == NSX_CONTINUE && x->both)
		v = rewrite_other(ctx, p, x);
	if (v != NSX_CONTINUE)
		return v;
	if (p->icmp_error)
		x->verdict = NSX_ICMP_ERROR;
	return redirect_pkt(ctx, conf, x, action);
}

static __always_inline int from_uplink(CTX *ctx, struct pkt *p, int *action)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_addr local = {};
	struct xlat x = {};
	struct nsx_slot *s;
	__u32 state;
	int own, v;

	v = parse_pkt(ctx, p);
	if (v != NSX_CONTINUE)
		return v == NSX_PASS_LINK ? v : NSX_PASS_HOST;
	/* A device that bridges or is listened to also sees frames for other machines. */
	if (!conf || ctx->pkt_type != PACKET_HOST)
		return NSX_PASS_HOST;

	addr_from_v4(&local, p->daddr);
	own = own_index(conf, &local);
	if (own < 0)
		return in_pool(conf, &local) ? NSX_DROP_POOL : NSX_PASS_HOST;
	if (p->fragment == FRAGMENT_LATER) {
		/* Without its first it may be the host's own. */
		if (frag_find(ctx, p, &x) != NSX_CONTINUE)
			return frag_wait(ctx, NSX_PASS_HOST, action);
		goto found;
	}
	if (p->proto >= NSX_PROTOS || (p->icmp_error && !addr_eq(&local, &p->dst)))
		return NSX_PASS_HOST;

	s = port_slot(p->proto & 3, p->dport);
	if (!s)
		return NSX_PASS_HOST;
	state = READ_ONCE(s->state);
	if (NSX_KIND(state) == NSX_MAP)
		v = portmap_in(p, s, state, own, &x);
	else if (NSX_KIND(state) == NSX_FLOW)
		v = snat_in(p, conf, s, state, own, &x);
	else
		return NSX_PASS_HOST;
	if (v != NSX_CONTINUE)
		return v;
found:
	if (p->ttl <= 1)
		return ttl_answer(ctx, p, p->daddr, action);
	return send_pkt(ctx, p, conf, &x, action);
}

/*
 * From a namespace to one of the host's own addresses: a published port is reached, all else is for the
 * host itself. Another namespace sees the client's address; to reach its own port a namespace comes from
 * its gateway's, for no host takes packets from itself by the network.
 */
static __always_inline int hairpin(CTX *ctx, struct pkt *p, const struct nsx_veth *veth, int own, struct xlat *x)
{
	struct nsx_slot *s;
	__u32 state;

	if (p->proto >= NSX_ICMP || p->icmp_error)
		return NSX_PASS_GATEWAY;
	s = port_slot(p->proto & 3, p->dport);
	if (!s)
		return NSX_PASS_GATEWAY;
	state = READ_ONCE(s->state);
	if (NSX_KIND(state) != NSX_MAP)
		return NSX_PASS_GATEWAY;
	if (s->ifindex == ctx_ifindex(ctx)) {
		x->both = 1;
		x->other = veth->gw;
		x->other_port = p->sport;
		p->src = veth->gw;	/* as the server will know the client */
	}
	xlat_inside(x, s, NSX_HAIRPIN);
	if (!slot_same(s, state))
		return NSX_DROP_ISOLATED;
	return return_note(p, x, own, ctx_ifindex(ctx));
}

/* To the gateway: the host's, unless it answers a connection of the namespace to its own published port. */
static __always_inline int from_own_port(const struct pkt *p, const struct nsx_conf *conf,
					 const struct nsx_veth *veth, struct xlat *x)
{
	__u32 now = now_tick();
	struct nsx_slot *s = p->proto < NSX_ICMP ? return_find(p, conf, now) : NULL;

	if (!s || !(s->flags & NSX_F_SELF))
		return NSX_PASS_GATEWAY;
	x->both = 1;
	x->other = veth->addr;
	x->other_port = p->dport;
	return return_out(p, conf, s, now, x);
}

/* Everything that snat_established() did not answer. */
int from_ns_lookup(CTX *ctx, struct pkt *p, struct xlat *x)
{
	const struct nsx_conf *conf = conf_get();
	__u32 ifindex = ctx_ifindex(ctx);
	const struct nsx_slot *port;
	const struct nsx_veth *veth;
	struct nsx_addr remote = {};
	bool pool;
	int own, v;

	if (!p || !x || !conf)
		return NSX_DROP_ERROR;
	addr_from_v4(&remote, p->daddr);
	own = own_index(conf, &remote);
	pool = in_pool(conf, &remote);
	port = port_slot(p->proto & 3, p->sport);
	if (own < 0 && !pool && !is_multicast(p->daddr) && p->proto < NSX_ICMP && port &&
	    !snat_holds(port, p, ifindex)) {
		v = published_out(ctx, p, conf, x);
		if (v != NSX_DROP_NO_FLOW)
			return v;
	}

	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	if (!veth)
		return NSX_PASS_HOST;
	if (is_spoofed(p, veth))
		return NSX_DROP_SPOOFED;
	p->ns_id = veth->id;
	p->veth_flags = veth->flags;
	if (addr_eq(&remote, &veth->gw))
		return from_own_port(p, conf, veth, x);
	if (own >= 0 && p->fragment == FRAGMENT_LATER)
		return frag_find(ctx, p, x) == NSX_CONTINUE ? NSX_CONTINUE : NSX_PASS_GATEWAY;
	if (own >= 0)
		return hairpin(ctx, p, veth, own, x);
	if (is_multicast(p->daddr))
		return NSX_PASS_MULTICAST;
	if (p->fragment == FRAGMENT_LATER)
		return frag_find(ctx, p, x);
	if (pool) {
		__u32 now = now_tick();
		struct nsx_slot *s;

		if (p->proto >= NSX_ICMP)
			return NSX_DROP_ISOLATED;
		s = return_find(p, conf, now);
		return s && (s->flags & NSX_F_HAIRPIN) ? return_out(p, conf, s, now, x) : NSX_DROP_ISOLATED;
	}
	if (p->proto >= NSX_PROTOS)
		return NSX_DROP_PROTOCOL;
	return NSX_MASQUERADE;
}

/* IPv6 is not forwarded: only what belongs to the link itself reaches the host. */
static __always_inline int link_scope(CTX *ctx, const struct pkt *p)
{
	__u8 *dst = ctx_data(ctx) + ETH_HLEN + 24;

	if (p->ip_proto != 41)
		return NSX_PASS_LINK;
	if ((void *)(dst + 16) > ctx_data_end(ctx))
		return NSX_DROP_BAD_PACKET;
	if (dst[0] == 0xff || (dst[0] == 0xfe && (dst[1] & 0xc0) == 0x80))
		return NSX_PASS_LINK;
	return NSX_DROP_IPV6;
}

static __always_inline int from_ns(CTX *ctx, struct pkt *p, int *action)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_slot *s = NULL;
	struct xlat x = {};
	int v;

	v = parse_pkt(ctx, p);
	if (v == NSX_PASS_LINK)
		return link_scope(ctx, p);
	if (v != NSX_CONTINUE)
		return v;
	if (!conf)
		return NSX_DROP_ERROR;

	v = NSX_DROP_NO_FLOW;
	if (p->proto < NSX_PROTOS && !p->icmp_error)
		s = port_slot(p->proto & 3, p->sport);
	if (s)
		v = snat_established(ctx, p, conf, s, &x);
	if (v == NSX_DROP_NO_FLOW)
		v = from_ns_lookup(ctx, p, &x);
	if (v == NSX_MASQUERADE)
		v = snat_pkt(ctx, p, &x);
	if (v == NSX_DROP_FRAGMENT)
		v = frag_wait(ctx, NSX_DROP_FRAGMENT, action);
	if (v != NSX_CONTINUE)
		return v;
	if (p->ttl <= 1) {
		__u32 ifindex = ctx_ifindex(ctx);
		const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);

		return veth ? ttl_answer(ctx, p, veth->gw.w[3], action) : NSX_DROP_TTL;
	}
	return send_pkt(ctx, p, conf, &x, action);
}

SEC("tc")
int tc_from_uplink(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;
	int action = TC_ACT_SHOT;
	struct pkt p = {};
	int v = from_uplink(skb, &p, &action);

	return exit_pkt(NSX_FROM_UPLINK, v, bytes, action);
}

SEC("tc")
int tc_from_ns(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;
	int action = TC_ACT_SHOT;
	struct pkt p = {};
	int v = from_ns(skb, &p, &action);

	return exit_pkt(NSX_FROM_NS, v, bytes, action);
}

/* For the command: the datapath's clock. */
SEC("syscall")
int nsx_clock(void *unused)
{
	return now_tick();
}

char LICENSE[] SEC("license") = "GPL";
