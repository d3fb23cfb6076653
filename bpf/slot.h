/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock, and the one rule by which slots of the port registry and of the session table change
 * hands.
 *
 * The state word of a slot has its kind and a sequence number. Whoever wants to change a slot's
 * owner reads the word, judges the slot, and claims it with that word, never with one that was read
 * later: slot_claim() succeeds only if nobody else has claimed the slot in between, and returns the
 * word that the slot has from then on. The winner writes the fields and shows them with
 * slot_publish(), which takes the word of the claim. Any CPU may do so against any other, in the
 * datapath or for a command. A claim is never taken from its owner, who may be interrupted for
 * milliseconds, or lose its virtual CPU, between any two lines: others pass the slot by, or come
 * again. No claim stays for good, for a program runs to its end.
 *
 * A reader takes the word first (slot_read), then what it needs, and has a consistent copy if the
 * word is still the same after that (slot_same); both order the loads. A claim and its publication
 * are compare-and-exchanges, which are fully ordered on every architecture. Only times, flags and
 * what was seen of a flow change while a slot has an owner, and of those each is one word or less.
 */
#ifndef NSXDP_SLOT_H
#define NSXDP_SLOT_H

#include "defs.h"

static __always_inline __u32 now_tick(void)
{
	return bpf_jiffies64() >> NSX_TICK_SHIFT;
}

/*
 * Something that is believed for some seconds, until a tick, is still to be believed; whenever that
 * was.
 */
static __always_inline bool is_fresh(__u32 until, __u32 now, __u32 seconds)
{
	return until - now - 1 < nsx_ticks(&nsx_conf, seconds);
}

/* The tables are being converted: see nsx_conf.frozen_until. Commands set it; any CPU reads it. */
static __always_inline bool is_frozen(const struct nsx_conf *conf)
{
	__u32 until = READ_ONCE(conf->frozen_until);

	return until && is_fresh(until, now_tick(), NSX_FROZEN_SECONDS);
}

/* An "up" was not confirmed: see nsx_conf.passive. The sweeper sets it; any CPU reads it. */
static __always_inline bool is_passive(void)
{
	return READ_ONCE(nsx_conf.passive);
}

/* The state word, before anything else of the slot is read. */
static __always_inline __u32 slot_read(const struct nsx_slot *s)
{
	__u32 state = READ_ONCE(s->state);

	smp_rmb();
	return state;
}

/* The slot still has the owner that state was read from: what was copied since is consistent. */
static __always_inline bool slot_same(const struct nsx_slot *s, __u32 state)
{
	smp_rmb();
	return READ_ONCE(s->state) == state;
}

/*
 * The state word, once whoever is writing the slot has finished, which mostly takes some dozen
 * nanoseconds.
 */
static __always_inline __u32 slot_state(const struct nsx_slot *s)
{
	__u32 state = READ_ONCE(s->state);

	for (int tries = 0; tries < 64 && NSX_KIND(state) == NSX_CLAIMED; tries++)
		state = READ_ONCE(s->state);
	smp_rmb();
	return state;
}

/* Set before loading, by tests: how long whoever has won a slot is held up before it goes on. */
const volatile __u32 test_pause;

static long pause_once(__u64 i, void *unused)
{
	return 0;
}

__noinline int slot_pause(void)
{
	bpf_loop(test_pause, pause_once, NULL, 0);
	return 0;
}

/**
 * slot_claim() - win a slot
 * @state: the word that it was judged by
 *
 * Return: its new word, for slot_publish(); 0 where somebody else has it or was faster.
 */
static __always_inline __u32 slot_claim(struct nsx_slot *s, __u32 state)
{
	__u32 claim = ((state & ~0xffU) + NSX_SEQ_ONE) | NSX_CLAIMED;

	if (NSX_KIND(state) == NSX_CLAIMED ||
	    __sync_val_compare_and_swap(&s->state, state, claim) != state)
		return 0;
	if (test_pause)
		slot_pause();
	return claim;
}

/**
 * slot_publish() - let look-ups see a slot that was won
 * @claim: what slot_claim() returned
 *
 * Return: its new word.
 */
static __always_inline __u32 slot_publish(struct nsx_slot *s, __u32 claim, enum nsx_kind kind)
{
	__u32 state = (claim & ~0xffU) | kind;

	__sync_val_compare_and_swap(&s->state, claim, state);
	return state;
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
	/* Whoever claims the slot sees the flag, or is seen by slot_same() */
	smp_mb__after_atomic();
}

/*
 * Change what was seen of a flow, which stands in one byte with its protocol. Where the slot has
 * got another owner in this moment, or another CPU has seen something too, that stays.
 */
static __always_inline void slot_tcp(struct nsx_slot *s, __u8 was, __u8 next)
{
	__u32 *word = (__u32 *)((void *)s + __builtin_offsetof(struct nsx_slot, flags) - 3),
	      old = READ_ONCE(*word);
	union {
		__u32 word;
		struct {
			__u8 mac[2];
			__u8 tcp : 6;
			__u8 proto : 2;
			__u8 flags;
		};
	} u = { .word = old };

	if (u.tcp != was)
		return;
	u.tcp = next;
	__sync_val_compare_and_swap(word, old, u.word);
}

#endif
