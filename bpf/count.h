/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting verdicts, and what goes to targets of published ports; per CPU. */
#ifndef NSXDP_COUNT_H
#define NSXDP_COUNT_H

#include "defs.h"
#include "maps.h"

static __always_inline void count_verdict(enum nsx_hook hook, __u32 verdict, __u32 bytes)
{
	__u32 index = hook * NSX_VERDICT_COUNT + verdict;
	struct nsx_count *c = bpf_map_lookup_elem(&nsx_counts, &index);

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
}

/* place: in nsx_target_counts; 0: it is not counted. */
static __always_inline void count_target(__u32 place, __u32 bytes)
{
	struct nsx_count *c = place ? bpf_map_lookup_elem(&nsx_target_counts, &place) : NULL;

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
}

#endif
