/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a socket of the host's own want a packet? */
#ifndef NSXDP_HOST_SOCKET_H
#define NSXDP_HOST_SOCKET_H

#include "defs.h"
#include "parse.h"
#include "tuple.h"

/* What kind of socket is asked for. */
enum host_sockets {
	HOST_CONNECTED,		/* to just that remote */
	HOST_ANY,		/* listeners and bound ones too */
};

/* A socket of the host's for a tuple of so many bytes, which tells the family. */
static __always_inline bool host_socket_at(CTX *ctx, __u8 proto, struct bpf_sock_tuple *t,
					   __u32 size, enum host_sockets which)
{
	bool found = false;
	struct bpf_sock *sk;

	if (proto == NSX_TCP) {
		sk = bpf_skc_lookup_tcp(ctx, t, size, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = which == HOST_ANY || READ_ONCE(sk->state) != TCP_LISTEN;
			bpf_sk_release(sk);
		}
	} else if (proto == NSX_UDP) {
		sk = bpf_sk_lookup_udp(ctx, t, size, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = which == HOST_ANY || READ_ONCE(sk->state) == TCP_ESTABLISHED;
			bpf_sk_release(sk);
		}
	}
	return found;
}

/* A socket of the host's that takes what comes from remote to a port of local. */
static __always_inline bool host_socket(CTX *ctx, const struct pkt *p,
					const struct nsx_addr *remote, __be16 remote_port,
					const struct nsx_addr *local, __be16 port,
					enum host_sockets which)
{
	struct bpf_sock_tuple t = {};

	if (p->family == NSX_V6) {
		tuple_v6(&t, remote, remote_port, local, port);
		return host_socket_at(ctx, p->proto, &t, sizeof(t.ipv6), which);
	}
	tuple_v4(&t, remote, remote_port, local, port);
	return host_socket_at(ctx, p->proto, &t, sizeof(t.ipv4), which);
}

/*
 * The packet is for a socket of the host's. For a published port only connected ones count, for no
 * process may take it by a bind.
 */
__noinline int host_expects(CTX *ctx, const struct pkt *p, __u32 which)
{
	return p && host_socket(ctx, p, &p->src, p->sport, &p->dst, p->dport, which);
}

#endif
