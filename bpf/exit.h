/* SPDX-License-Identifier: GPL-2.0-only */
/* The one way out: count the verdict, translate it to the hook's action. */
#ifndef NSXDP_EXIT_H
#define NSXDP_EXIT_H

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

/**
 * exit_pkt() - the action for a verdict
 * @sent: the action of the redirect helper, for verdicts that send
 */
static __always_inline int exit_pkt(enum nsx_hook hook, int verdict, __u32 bytes, int sent)
{
	count_verdict(hook, verdict, bytes);
	if (verdict <= NSX_PASS_MULTICAST)
		return TC_ACT_UNSPEC;
	if (verdict >= NSX_DROP_TTL)
		return TC_ACT_SHOT;
	return sent;
}

#endif
