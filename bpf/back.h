/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of mirrors, where it is searched off the hot path. */
#ifndef NSXDP_BACK_H
#define NSXDP_BACK_H

#include "defs.h"
#include "maps.h"

/* Places in the table of mirrors are found by functions that the verifier looks at once. */
static __always_inline struct nsx_back *back_at(int place)
{
	__u32 index = (__u32)place / NSX_BACK_WAYS;
	struct nsx_back_bucket *b = place < 0 ? NULL : bpf_map_lookup_elem(&nsx_back, &index);

	return b ? &b->way[place % NSX_BACK_WAYS] : NULL;
}

/* A place where the mirror of an endpoint may be. */
static __always_inline int back_place(__u32 ifindex, __be16 inside_port, __u8 proto, int i)
{
	return nsx_back_bucket(ifindex, inside_port, proto, i / NSX_BACK_WAYS) * NSX_BACK_WAYS + i % NSX_BACK_WAYS;
}

#define BACK_PLACES (NSX_BACK_PROBES * NSX_BACK_WAYS)

__noinline int back_seek(__u32 ifindex, __u32 inside_port, __u32 proto)
{
	for (int i = 0; i < BACK_PLACES; i++) {
		int place = back_place(ifindex, inside_port, proto, i);
		const struct nsx_back *back = back_at(place);

		if (!back || !back->ifindex)
			return NO_PLACE;
		if (back->ifindex == ifindex && back->inside_port == (__be16)inside_port && back->proto == (__u8)proto)
			return place;
	}
	return NO_PLACE;
}

/* The outside port that an endpoint answers from where nothing is remembered, or 0. */
static __always_inline __be16 back_port(__u32 ifindex, __be16 inside_port, __u8 proto)
{
	const struct nsx_back *back = back_at(back_seek(ifindex, inside_port, proto));

	return back ? back->outside_port : 0;
}

#endif
