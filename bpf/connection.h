/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that are told by nobody's memory but the namespace's own: its kernel knows which it
 * has. So a published port needs no table to tell a running connection from a forged segment, or
 * the target of one that began before a swap.
 *
 * Only sockets of the kernel are seen, and none that is bound to a device: the kernel looks for
 * those by the number of a device here.
 */
#ifndef NSXDP_CONNECTION_H
#define NSXDP_CONNECTION_H

#include "defs.h"
#include "maps.h"
#include "parse.h"
#include "tuple.h"

/* The host's address on a namespace's link. */
static __always_inline const struct nsx_addr *gateway_of(const struct nsx_veth *veth, __u32 family)
{
	return family == NSX_V6 ? &nsx_conf.gw6 : &veth->gw;
}

enum connection {
	CONNECTION_NONE,
	CONNECTION_OVER,	/* in TIME-WAIT */
	CONNECTION_OPENING,	/* a SYN was answered */
	CONNECTION_RUNNING,
};

/**
 * connection_ask() - the state of the sender's TCP connection to an endpoint of a namespace
 * @addr, @port: the endpoint
 * @ifindex: host-side veth of its namespace; where the packet comes from there too, the sender is
 *	known by its gateway's address
 *
 * Return: enum connection.
 */
__noinline int connection_ask(CTX *ctx, const struct pkt *p, const struct nsx_addr *addr,
			      __u32 port, __u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct bpf_sock_tuple t = {};
	const struct nsx_addr *src;
	struct bpf_sock *sk;
	__u32 state;

	if (!p || !addr || !veth || veth->nsid < 0)
		return CONNECTION_NONE;
	src = ifindex == ctx_ifindex(ctx) ? gateway_of(veth, p->family) : &p->src;
	if (p->family == NSX_V6) {
		tuple_v6(&t, src, p->sport, addr, port);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), veth->nsid, 0);
	} else {
		tuple_v4(&t, src, p->sport, addr, port);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), veth->nsid, 0);
	}
	if (!sk)
		return CONNECTION_NONE;
	state = READ_ONCE(sk->state);
	bpf_sk_release(sk);
	if (state == TCP_LISTEN)
		return CONNECTION_NONE;
	if (state == TCP_TIME_WAIT)
		return CONNECTION_OVER;
	return state == TCP_SYN_RECV || state == TCP_NEW_SYN_RECV ? CONNECTION_OPENING
								  : CONNECTION_RUNNING;
}

#endif
