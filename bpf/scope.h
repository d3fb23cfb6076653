/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose address is it? */
#ifndef NSXDP_SCOPE_H
#define NSXDP_SCOPE_H

#include "defs.h"
#include "maps.h"
#include "parse.h"

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

/* The source address or MAC is not that of the namespace behind this veth. */
static __always_inline bool is_spoofed(const struct pkt *p, const struct nsx_veth *veth)
{
	return p->saddr != veth->addr.w[3] || !mac_eq(p->mac, veth->mac);
}

#endif
