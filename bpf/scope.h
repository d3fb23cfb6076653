/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose address is it? */
#ifndef NSXDP_SCOPE_H
#define NSXDP_SCOPE_H

#include "defs.h"
#include "maps.h"

/* Index of one of the host's own addresses in nsx_conf.own, or -1. */
static __always_inline int own_index(const struct nsx_conf *conf, const struct nsx_addr *addr)
{
	__u32 *index;

	if (addr_eq(addr, &conf->own[0]))
		return 0;
	if (conf->own_count < 2)
		return -1;
	index = bpf_map_lookup_elem(&nsx_own, addr);
	return index ? (int)*index : -1;
}

static __always_inline bool in_pool(const struct nsx_conf *conf, const struct nsx_addr *a)
{
	return (a->d[0] & conf->pool_mask.d[0]) == conf->pool.d[0] &&
	       (a->d[1] & conf->pool_mask.d[1]) == conf->pool.d[1];
}

static __always_inline bool is_multicast(__be32 v4)
{
	return (v4 & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || v4 == 0xffffffff;
}

/* 0.0.0.0/8, 127.0.0.0/8 or 240.0.0.0/4, without the broadcast address (RFC 1122, 3.2.1.3; RFC 1812, 5.3.7). */
static __always_inline bool is_martian(__be32 v4)
{
	__u8 first = bpf_ntohl(v4) >> 24;

	return first == 0 || first == 127 || (first >= 240 && v4 != 0xffffffff);
}

#endif
