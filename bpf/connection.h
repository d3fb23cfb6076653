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
__noinline int connection_ask(CTX *ctx, const struct pkt *p, __be32 addr, __u32 port, __u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	__u32 state;

	if (!p || !veth || veth->nsid < 0)
		return CONNECTION_NONE;
	t.ipv4.saddr = ifindex == ctx_ifindex(ctx) ? veth->gw.w[3] : p->src.w[3];
	t.ipv4.sport = p->sport;
	t.ipv4.daddr = addr;
	t.ipv4.dport = port;
	sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), veth->nsid, 0);
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
