/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose address is it? */
#ifndef NSXDP_SCOPE_H
#define NSXDP_SCOPE_H

#include "defs.h"
#include "maps.h"

/* Index in nsx_learned.local of an address that is or was the host's, or -1. */
static __always_inline int local_index(const struct nsx_addr *addr)
{
	struct nsx_addr key;
	__u32 *index;

	if (addr_eq(addr, &nsx_learned.local[0].addr))
		return 0;
	if (nsx_learned.local_count < 2)
		return -1;
	key = *addr;	/* kernels before 6.3 take no argument of a function for a key */
	index = bpf_map_lookup_elem(&nsx_local, &key);
	return index ? (int)*index : -1;
}

static __always_inline bool local_is_here(__u32 index)
{
	const struct nsx_local_addr *local = &nsx_learned.local[index & (NSX_LOCAL_MAX - 1)];
	bool here = READ_ONCE(local->state) == NSX_LOCAL_PRESENT;

	smp_rmb();	/* before the address, which is written first */
	return here;
}

/* The address is the host's, as far as the datapath knows. */
static __always_inline bool is_local(const struct nsx_addr *addr)
{
	int index = local_index(addr);

	return index >= 0 && local_is_here(index);
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

/* 169.254.0.0/16: packets from and to it stay on their link (RFC 3927, 7). */
static __always_inline bool is_link_local(__be32 v4)
{
	return (v4 & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
}

/*
 * 0.0.0.0/8, 127.0.0.0/8 or 240.0.0.0/4, without the broadcast address (RFC 1122, 3.2.1.3; RFC
 * 1812, 5.3.7).
 */
static __always_inline bool is_martian(__be32 v4)
{
	__u8 first = bpf_ntohl(v4) >> 24;

	return first == 0 || first == 127 || (first >= 240 && v4 != 0xffffffff);
}

#endif
