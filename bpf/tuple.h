/* SPDX-License-Identifier: GPL-2.0-only */
/* The tuple that the kernel looks a socket up by: remote to local. */
#ifndef NSXDP_TUPLE_H
#define NSXDP_TUPLE_H

#include "defs.h"

static __always_inline void tuple_v4(struct bpf_sock_tuple *t, const struct nsx_addr *remote,
				     __be16 remote_port, const struct nsx_addr *local, __be16 port)
{
	t->ipv4.saddr = remote->w[3];
	t->ipv4.sport = remote_port;
	t->ipv4.daddr = local->w[3];
	t->ipv4.dport = port;
}

static __always_inline void tuple_v6(struct bpf_sock_tuple *t, const struct nsx_addr *remote,
				     __be16 remote_port, const struct nsx_addr *local, __be16 port)
{
	__builtin_memcpy(t->ipv6.saddr, remote->w, sizeof(t->ipv6.saddr));
	t->ipv6.sport = remote_port;
	__builtin_memcpy(t->ipv6.daddr, local->w, sizeof(t->ipv6.daddr));
	t->ipv6.dport = port;
}

#endif
