/* SPDX-License-Identifier: GPL-2.0-only */
/* Internet checksum arithmetic (RFC 1071, RFC 1624); touches no packet. */
#ifndef NSXDP_CSUM_H
#define NSXDP_CSUM_H

#include "defs.h"

/*
 * A sum of 32 bits, folded to 16: with itself rotated by 16 bits it has both halves, and their
 * carry, in the upper one.
 */
static __always_inline __u16 csum_fold(__u32 sum)
{
	sum += sum << 16 | sum >> 16;
	return sum >> 16;
}

/* A sum of a few 32-bit words (below 2^40) in 25 bits, to which others can be added. */
static __always_inline __u32 csum_narrow(__u64 sum)
{
	return (sum & 0xffff) + (sum >> 16);
}

/* What must be added to a sum (not to its complement) when a word changes. */
static __always_inline __u32 csum_delta32(__be32 from, __be32 to)
{
	return csum_narrow((__u64)(__u32)~from + to);
}

static __always_inline __u32 csum_delta128(const struct nsx_addr *from, const struct nsx_addr *to)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from->w[i] + to->w[i];
	return csum_narrow(sum);
}

static __always_inline __u32 csum_delta16(__be16 from, __be16 to)
{
	return (__u32)(__u16)~from + to;
}

/* RFC 1624, eqn. 3: the checksum field after a change of what it covers. */
static __always_inline __sum16 csum_apply(__sum16 field, __u32 delta)
{
	return ~csum_fold((__u16)~field + delta);
}

/* The same for a field that holds an uncomplemented partial sum. */
static __always_inline __sum16 csum_add_partial(__sum16 field, __u32 delta)
{
	return csum_fold(field + delta);
}

#endif
