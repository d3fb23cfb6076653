/* SPDX-License-Identifier: GPL-2.0-only */
/* The one way out of the programs at TC: count the verdict, translate it to the hook's action. */
#ifndef NSXDP_EXIT_H
#define NSXDP_EXIT_H

#include "defs.h"
#include "count.h"

/**
 * exit_pkt() - the action for a verdict
 * @verdict: enum nsx_verdict; anything else, as what stages say to each other, drops the packet
 * @pass: the action for what goes on to the host's stack
 * @sent: the action of the redirect helper, for verdicts that send
 */
static __always_inline int exit_pkt(enum nsx_hook hook, __u32 verdict, __u32 bytes, int pass,
				    int sent)
{
	if (verdict >= NSX_VERDICT_COUNT)
		verdict = NSX_DROP_ERROR;
	count_verdict(hook, verdict, bytes);
	if (nsx_verdict_is(verdict, NSX_PASSES))
		return pass;
	return nsx_verdict_is(verdict, NSX_DROPS) ? TC_ACT_SHOT : sent;
}

#endif
