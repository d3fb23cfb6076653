// SPDX-License-Identifier: GPL-2.0-only
/* Where packets to the targets of published ports are counted. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/map.h"

/* The same configured target, whatever link and address its namespace has now. */
static bool same_target(const struct nsx_target *a, const struct nsx_target *b)
{
	return a->weight && b->weight && a->id == b->id && a->port == b->port && a->at == b->at;
}

static __u32 place_of(const struct publication *p, __u32 target)
{
	return p->index ? p->index * NSX_TARGETS + target : p->counter;
}

/* The place in which the target was counted until now, or 0. */
static __u32 place_before(const struct publication *before, const struct nsx_target *t)
{
	for (__u32 i = 0; before && i < before->svc.count; i++)
		if (same_target(&before->svc.target[i], t))
			return place_of(before, i);
	return 0;
}

/* What was counted in one place goes on in another, or from nothing where from is 0. */
static int counts_write(struct instance *in, __u32 place, __u32 from)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct nsx_count *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

	if (!values)
		return cpus < 0 ? cpus : -ENOMEM;
	if ((from && bpf_map_lookup_elem(in->fd[TABLE_TARGET_COUNTS], &from, values)) ||
	    bpf_map_update_elem(in->fd[TABLE_TARGET_COUNTS], &place, values, BPF_ANY))
		err = -errno;
	free(values);
	return err;
}

static __u32 counter_alloc(struct instance *in)
{
	struct nsx_published *published = table_published(in);

	for (int i = 0; published && i < NSX_COUNTERS / 64; i++) {
		int bit;

		if (published->counters[i] == ~0ULL)
			continue;
		bit = __builtin_ctzll(~published->counters[i]);
		published->counters[i] |= 1ULL << bit;
		return NSX_COUNTER_0 + i * 64 + bit;
	}
	return 0;
}

void counter_free(struct instance *in, __u32 counter)
{
	struct nsx_published *published = table_published(in);
	__u32 i = counter - NSX_COUNTER_0;

	if (published && i < NSX_COUNTERS)
		published->counters[i / 64] &= ~(1ULL << i % 64);
}

int counts_take(struct instance *in, const struct publication *before, struct publication *after,
		struct fail *f)
{
	int err = 0;

	after->counter = 0;
	if (!after->index && before && !before->index && before->counter)
		after->counter = place_before(before, &after->svc.target[0]);
	if (!after->index && !after->counter)
		after->counter = counter_alloc(in);
	for (__u32 i = 0; i < after->svc.count && !err; i++) {
		__u32 place = place_of(after, i);
		__u32 from = place_before(before, &after->svc.target[i]);

		if (place && place != from)
			err = counts_write(in, place, from);
	}
	return err ? fail_errno(f, err, "cannot write what was counted") : 0;
}

static int note_counter(struct instance *in, struct nsx_slot *s, void *arg)
{
	__u32 i = slot_counter(s) - NSX_COUNTER_0;
	__u64 *counters = arg;

	(void)in;
	if (i < NSX_COUNTERS)
		counters[i / 64] |= 1ULL << i % 64;
	return 0;
}

int counters_recount(struct instance *in)
{
	struct nsx_published *published = table_published(in);
	__u64 counters[NSX_COUNTERS / 64] = {};
	int err;

	if (!published)
		return -errno;
	err = published_each(in, note_counter, counters);
	if (!err)
		memcpy(published->counters, counters, sizeof(counters));
	return err;
}
