/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of reverse entries, where it is searched off the hot path. */
#ifndef NSXDP_REVERSE_H
#define NSXDP_REVERSE_H

#include "defs.h"
#include "maps.h"

/* Places in the table of reverse entries are found by functions that the verifier looks at once. */
static __always_inline struct nsx_reverse *reverse_at(int place)
{
	__u32 index = (__u32)place / NSX_REVERSE_WAYS;
	struct nsx_reverse_bucket *b = place < 0 ? NULL : bpf_map_lookup_elem(&nsx_reverse, &index);

	return b ? &b->way[place % NSX_REVERSE_WAYS] : NULL;
}

/* A place where the reverse entry of an endpoint may be. */
static __always_inline int reverse_place(__u32 ifindex, __be16 inside_port, __u8 row, int i)
{
	return nsx_reverse_bucket(ifindex, inside_port, row, i / NSX_REVERSE_WAYS) *
		       NSX_REVERSE_WAYS +
	       i % NSX_REVERSE_WAYS;
}

/*
 * The entry is an endpoint's. owner: its .ifindex, read before the rest, for it is written after
 * the rest.
 */
static __always_inline bool reverse_is(const struct nsx_reverse *reverse, __u32 owner,
				       __u32 ifindex, __be16 inside_port, __u8 row)
{
	if (owner != ifindex)
		return false;
	smp_rmb();
	return ((reverse->inside_port ^ inside_port) | (reverse->row ^ row)) == 0;
}

#define REVERSE_PLACES (NSX_REVERSE_PROBES * NSX_REVERSE_WAYS)

__noinline int reverse_seek(__u32 ifindex, __u32 inside_port, __u32 row)
{
	for (int i = 0; i < REVERSE_PLACES; i++) {
		int place = reverse_place(ifindex, inside_port, row, i);
		const struct nsx_reverse *reverse = reverse_at(place);
		__u32 owner = reverse ? READ_ONCE(reverse->ifindex) : 0;

		if (!owner)
			return NO_PLACE;
		if (reverse_is(reverse, owner, ifindex, inside_port, row))
			return place;
	}
	return NO_PLACE;
}

/* The outside port that an endpoint answers from where nothing is remembered, or 0. */
static __always_inline __be16 reverse_port(__u32 ifindex, __be16 inside_port, __u8 row)
{
	const struct nsx_reverse *reverse = reverse_at(reverse_seek(ifindex, inside_port, row));

	return reverse ? reverse->outside_port : 0;
}

#endif
