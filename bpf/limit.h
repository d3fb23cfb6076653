/* SPDX-License-Identifier: GPL-2.0-only */
/* So many of something at a rate. */
#ifndef NSXDP_LIMIT_H
#define NSXDP_LIMIT_H

#include "defs.h"
#include "slot.h"

/**
 * gcra_take() - take one at a rate (generic cell rate algorithm)
 * @tat: when the next may come (theoretical arrival time), nanoseconds of the monotonic clock;
 *	shared by the CPUs
 * @cost: nanoseconds that this one costs
 * @burst: nanoseconds that may be owed
 *
 * Where other CPUs win the word again and again it is taken unpaid.
 */
static __always_inline bool gcra_take(__u64 *tat, __u64 cost, __u64 burst)
{
	__u64 now = bpf_ktime_get_ns(), was, next;

	for (int i = 0; i < 8; i++) {
		was = READ_ONCE(*tat);
		next = (was > now ? was : now) + cost;
		if (next - now > burst)
			return false;
		if (__sync_val_compare_and_swap(tat, was, next) == was)
			break;
	}
	return true;
}

#endif
