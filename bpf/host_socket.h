/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a socket of the host's own want a packet? */
#ifndef NSXDP_HOST_SOCKET_H
#define NSXDP_HOST_SOCKET_H

#include "defs.h"
#include "parse.h"

/* What kind of socket is asked for. */
enum host_sockets {
	HOST_CONNECTED,		/* to just that remote */
	HOST_ANY,		/* listeners and bound ones too */
};

/* A socket of the host's that takes what comes from remote (saddr) to port of local (daddr). */
static __always_inline bool host_socket(CTX *ctx, __u8 proto, const struct bpf_sock_tuple *t,
					enum host_sockets which)
{
	bool found = false;
	struct bpf_sock *sk;

	if (proto == NSX_TCP) {
		sk = bpf_skc_lookup_tcp(ctx, (void *)t, sizeof(t->ipv4), BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = which == HOST_ANY || READ_ONCE(sk->state) != TCP_LISTEN;
			bpf_sk_release(sk);
		}
	} else if (proto == NSX_UDP) {
		sk = bpf_sk_lookup_udp(ctx, (void *)t, sizeof(t->ipv4), BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = which == HOST_ANY || READ_ONCE(sk->state) == TCP_ESTABLISHED;
			bpf_sk_release(sk);
		}
	}
	return found;
}

/*
 * The packet is for a socket of the host's. For a published port only connected ones count, for no
 * process may take it by a bind.
 */
__noinline int host_expects(CTX *ctx, const struct pkt *p, __u32 which)
{
	struct bpf_sock_tuple t = {};

	if (!p)
		return false;
	t.ipv4.saddr = p->src.w[3];
	t.ipv4.sport = p->sport;
	t.ipv4.daddr = p->dst.w[3];
	t.ipv4.dport = p->dport;
	return host_socket(ctx, p->proto, &t, which);
}

#endif
