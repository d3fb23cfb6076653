/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock, and the state word of a slot: how one is won, shown and read. The rules are in flow.h. */
#ifndef NSXDP_SLOT_H
#define NSXDP_SLOT_H

#include "defs.h"

static __always_inline __u32 now_tick(void)
{
	return bpf_jiffies64() >> NSX_TICK_SHIFT;
}

/* The slot still has the owner that state was read from: what was copied since is consistent. */
static __always_inline bool slot_same(const struct nsx_slot *s, __u32 state)
{
	barrier();
	return READ_ONCE(s->state) == state;
}

/* The state word, once whoever is writing the slot has finished, which takes some dozen nanoseconds. */
static __always_inline __u32 slot_state(const struct nsx_slot *s)
{
	__u32 state = READ_ONCE(s->state);

	for (int tries = 0; tries < 16 && NSX_KIND(state) == NSX_CLAIMED; tries++)
		state = READ_ONCE(s->state);
	return state;
}

/* Take a slot whose state word was read as state. One caller wins. */
static __always_inline bool slot_claim(struct nsx_slot *s, __u32 state)
{
	return __sync_val_compare_and_swap(&s->state, state,
					   ((state & ~0xffU) + NSX_SEQ_ONE) | NSX_CLAIMED) == state;
}

/* Set a flag of a slot that is seen by others, who may be setting another one. */
static __always_inline void slot_flag(struct nsx_slot *s, __u8 flag)
{
	__u32 *word = (__u32 *)((void *)s + __builtin_offsetof(struct nsx_slot, flags) - 3);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__sync_fetch_and_or(word, (__u32)flag << 24);
#else
	__sync_fetch_and_or(word, (__u32)flag);
#endif
}

/* Let look-ups see a claimed slot. */
static __always_inline void slot_publish(struct nsx_slot *s, enum nsx_kind kind)
{
	__sync_lock_test_and_set(&s->state, (s->state & ~0xffU) | kind);
}

#endif
