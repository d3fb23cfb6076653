/* SPDX-License-Identifier: GPL-2.0-only */
/* The one way out of the programs at TC: count the verdict, translate it to the hook's action. */
#ifndef NSXDP_EXIT_H
#define NSXDP_EXIT_H

#include "defs.h"
#include "count.h"

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
