// SPDX-License-Identifier: GPL-2.0-only
/* What programs of the old build saw of flows after their tables were copied. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "kernel/convert_pair.h"

#define FLAGS_WORD (offsetof(struct nsx_slot, flags) - 3)	/* see bpf/slot.h */

/** union flags_word - the last bytes of nsx_slot.mac, .tcp with .proto, and .flags */
union flags_word {
	__u32 word;
	struct {
		__u8 mac[2];
		__u8 tcp : 6;
		__u8 proto : 2;
		__u8 flags;
	};
};

static void merge_flags(struct nsx_slot *to, const union flags_word *was, bool later)
{
	__u32 *word = (__u32 *)((char *)to + FLAGS_WORD);
	union flags_word old = { .word = __atomic_load_n(word, __ATOMIC_RELAXED) }, next;

	do {
		next = old;
		next.flags |= was->flags;
		next.tcp = later ? was->tcp : next.tcp | was->tcp;
	} while (!__atomic_compare_exchange_n(word, &old.word, next.word, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
}

static void raise_to(__u32 *word, __u32 tick)
{
	__u32 now = __atomic_load_n(word, __ATOMIC_RELAXED);

	while ((__s32)(tick - now) > 0 &&
	       !__atomic_compare_exchange_n(word, &now, tick, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
}

/*
 * New programs may use the entry on any CPU in this moment; old ones have ended. Where the old ones
 * used it later, what they saw of TCP holds: a new connection between the same endpoints has fewer
 * flags than the one before.
 */
static void catch_up(struct nsx_slot *to, const struct nsx_slot *was)
{
	union flags_word word = { .word = *(const __u32 *)((const char *)was + FLAGS_WORD) };
	__u32 kind = NSX_KIND(was->state), none = 0;
	__s32 later = was->seen - __atomic_load_n(&to->seen, __ATOMIC_RELAXED);

	if (!to->state || to->state != was->state || kind == NSX_MAP || later < 0)
		return;
	merge_flags(to, &word, later > 0);
	raise_to(&to->seen, was->seen);
	if (kind == NSX_RETURN)
		__atomic_compare_exchange_n(&to->ack, &none, was->ack, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED);
	else
		raise_to(&to->until, was->until);
}

/* count slots in each value, which begin at an offset of the new layout's */
static int catch_up_array(const struct side *from, const struct side *to,
			  const struct layout_plan *plan, size_t first, int count)
{
	char *now = malloc(plan->to_size);
	struct arrays a;
	int err = now ? arrays_open(&a, from, to) : -ENOMEM;

	for (__u32 i = 0; i < from->info.max_entries && !err; i++) {
		const char *value = a.from + i * side_step(from);
		struct nsx_slot *slot = (struct nsx_slot *)(a.to + i * side_step(to) + first);

		if (value_is_zero(value, plan->from_size))
			continue;
		layout_convert(plan, value, now);
		for (int n = 0; n < count; n++)
			catch_up(&slot[n], (const struct nsx_slot *)(now + first) + n);
	}
	if (!err)
		arrays_close(&a);
	free(now);
	return err;
}

static int catch_up_inner(const struct pair *p)
{
	int err = 0;

	for (__u32 which = 0; which < p->from.info.max_entries && !err; which++) {
		struct side was, is;

		err = inner_open(p, which, &was, &is);
		if (!err)
			err = catch_up_array(&was, &is, &p->plan, offsetof(struct nsx_bucket, way),
					     NSX_WAYS);
		else if (err == -ENOENT)
			err = 0;
		side_close(&was);
		side_close(&is);
	}
	return err;
}

int conversion_catch_up(const struct conversion *c, const char *map, struct fail *f)
{
	struct pair p;
	int err = pair_open(c, map, &p, f);

	if (err)
		return err;
	err = p.from.info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS
		      ? catch_up_inner(&p)
		      : catch_up_array(&p.from, &p.to, &p.plan, 0, 1);
	pair_close(&p);
	return err ? fail_errno(f, err, "cannot bring over what was seen of flows, in %s", map) : 0;
}
