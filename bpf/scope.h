/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose address is it? */
#ifndef NSXDP_SCOPE_H
#define NSXDP_SCOPE_H

#include "defs.h"
#include "maps.h"

/* Index in nsx_learned.local of an address that is or was the host's, or -1. */
static __always_inline int local_index_of(const struct nsx_addr *addr, __u32 family)
{
	struct nsx_addr key;
	__u32 *index;

	family &= 1;
	if (addr_eq(addr, &nsx_learned.local[family].addr))
		return family;
	if (!nsx_learned.further[family])
		return -1;
	key = *addr;	/* kernels before 6.3 take no argument of a function for a key */
	index = bpf_map_lookup_elem(&nsx_local, &key);
	return index ? (int)*index : -1;
}

static __always_inline __u32 family_of(const struct nsx_addr *addr)
{
	return nsx_is_v4(addr) ? NSX_V4 : NSX_V6;
}

static __always_inline int local_index(const struct nsx_addr *addr)
{
	return local_index_of(addr, family_of(addr));
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

static __always_inline bool in_pool_of(const struct nsx_conf *conf, const struct nsx_addr *a,
				       __u32 family)
{
	const struct nsx_addr *pool = &conf->pool[family & 1], *mask = &conf->pool_mask[family & 1];

	return (a->d[0] & mask->d[0]) == pool->d[0] && (a->d[1] & mask->d[1]) == pool->d[1];
}

static __always_inline bool in_pool(const struct nsx_conf *conf, const struct nsx_addr *a)
{
	return in_pool_of(conf, a, family_of(a));
}

static __always_inline bool is_multicast4(__be32 v4)
{
	return (v4 & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || v4 == 0xffffffff;
}

/* Multicast, or the broadcast address of the link. */
static __always_inline bool is_multicast_of(const struct nsx_addr *a, __u32 family)
{
	return family == NSX_V6 ? (a->w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000)
				: is_multicast4(a->w[3]);
}

static __always_inline bool is_multicast(const struct nsx_addr *a)
{
	return is_multicast_of(a, family_of(a));
}

/*
 * What is from or to 169.254.0.0/16 or fe80::/10 stays on its link (RFC 3927, 7; RFC 4291, 2.5.6).
 */
static __always_inline bool is_link_local_of(const struct nsx_addr *a, __u32 family)
{
	return family == NSX_V6 ? (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000)
				: (a->w[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
}

/*
 * The metadata services of clouds, which give away the host's credentials: AWS's (all of
 * fd00:ec2::/32 is its own), Google's, Akamai's, Oracle's and Scaleway's. That of IPv4 has a
 * link-local address.
 */
static __always_inline bool is_metadata6(const struct nsx_addr *a)
{
	if (a->w[0] == bpf_htonl(0xfd000ec2))
		return true;
	if (a->w[1] || a->w[2])
		return a->w[0] == bpf_htonl(0xfd00a9fe) && a->w[1] == bpf_htonl(0xa9fe0000) &&
		       !a->w[2] && a->w[3] == bpf_htonl(1);
	return (a->w[0] == bpf_htonl(0xfd2000ce) && a->w[3] == bpf_htonl(0x254)) ||
	       (a->w[0] == bpf_htonl(0xfd0000c1) && a->w[3] == bpf_htonl(0xa9fea9fe)) ||
	       (a->w[0] == bpf_htonl(0xfd000042) && a->w[3] == bpf_htonl(0x42));
}

/* ::, the unspecified address: what DAD sends has it as its source (RFC 4862, 5.4). */
static __always_inline bool is_unspecified(const struct nsx_addr *a)
{
	return !a->d[0] && !a->d[1];
}

/*
 * 0.0.0.0/8, 127.0.0.0/8 or 240.0.0.0/4, without the broadcast address (RFC 1122, 3.2.1.3; RFC
 * 1812, 5.3.7).
 */
static __always_inline bool is_martian4(__be32 v4)
{
	__u8 first = bpf_ntohl(v4) >> 24;

	return first == 0 || first == 127 || (first >= 240 && v4 != 0xffffffff);
}

/*
 * An address that no packet on a network has. Of IPv6 that is ::/80 (RFC 4291, 2.5.5; RFC 6890); the
 * form in which IPv4 addresses are kept here is in it.
 */
static __always_inline bool is_martian_of(const struct nsx_addr *a, __u32 family)
{
	return family == NSX_V6 ? !a->w[0] && !a->w[1] && !(a->w[2] & bpf_htonl(0xffff0000))
				: is_martian4(a->w[3]);
}

static __always_inline bool is_martian(const struct nsx_addr *a)
{
	return is_martian_of(a, family_of(a));
}

#endif
