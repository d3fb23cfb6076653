// SPDX-License-Identifier: GPL-2.0-only
/* Services: published ports with several targets, or with conditions. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply_map.h"

bool service_wanted(const struct map_conf *c)
{
	return c->targets > 1 || c->allows || c->rate || c->affinity;
}

__u32 service_alloc(struct instance *in)
{
	for (__u32 i = 0; i < NSX_SERVICES - 1; i++) {
		__u32 index = 1 + (in->conf->next_service + i) % (NSX_SERVICES - 1);
		struct nsx_service *svc = table_service(in, index);

		if (svc && !(svc->flags & NSX_S_USED)) {
			in->conf->next_service = index;
			return index;
		}
	}
	return 0;
}

/* FNV-1a of an endpoint: its places in the table are the same whenever it is a target. */
static __u32 target_hash(const struct nsx_target *t, __u32 seed)
{
	const __u8 *p = (const __u8 *)&t->addr;
	__u32 h = 2166136261U ^ seed;

	for (size_t i = 0; i < sizeof(t->addr); i++)
		h = (h ^ p[i]) * 16777619U;
	h = (h ^ t->port) * 16777619U;
	return h ^ h >> 15;
}

void service_spread(__u8 table[NSX_TABLE], const struct nsx_target *targets, __u32 count)
{
	__u32 at[NSX_TARGETS], skip[NSX_TARGETS], total = 0;
	int credit[NSX_TARGETS] = {};

	memset(table, NSX_NO_TARGET, NSX_TABLE);
	for (__u32 i = 0; i < count; i++) {
		at[i] = target_hash(&targets[i], 1) % NSX_TABLE;
		skip[i] = target_hash(&targets[i], 2) % (NSX_TABLE - 1) + 1;
		total += targets[i].weight;
	}
	/* Each place goes to the target that is most in arrears, at the next of its own order that is free. */
	for (int place = 0; place < NSX_TABLE && total; place++) {
		__u32 best = 0;

		for (__u32 i = 0; i < count; i++) {
			credit[i] += targets[i].weight;
			if (credit[i] > credit[best])
				best = i;
		}
		credit[best] -= total;
		while (table[at[best]] != NSX_NO_TARGET)
			at[best] = (at[best] + skip[best]) % NSX_TABLE;
		table[at[best]] = best;
	}
}

static int allow_write(struct instance *in, __u32 index, const struct map_conf *c, struct fail *f)
{
	__u8 yes = 1;

	for (int i = 0; i < c->allows; i++) {
		struct nsx_allow key = { .bits = 32 + 96 + c->allow[i].len, .service = index };

		memcpy(key.addr, &c->allow[i].addr, sizeof(key.addr));
		if (bpf_map_update_elem(in->fd[TABLE_ALLOW], &key, &yes, BPF_ANY))
			return fail_errno(f, -errno, "cannot write its allowlist");
	}
	return 0;
}

int service_allows(struct instance *in, __u32 index, allow_cb cb, void *arg)
{
	struct nsx_allow key, next;
	void *prev = NULL;
	int count = 0;

	while (bpf_map_get_next_key(in->fd[TABLE_ALLOW], prev, &next) == 0) {
		if (next.service == index) {
			count++;
			cb(&next, arg);
		}
		key = next;
		prev = &key;
	}
	return count;
}

struct doomed {
	struct nsx_allow key[MAP_ALLOWS];
	int count;
};

static void doom(const struct nsx_allow *key, void *arg)
{
	struct doomed *d = arg;

	if (d->count < MAP_ALLOWS)
		d->key[d->count++] = *key;
}

/* What went to a target goes on from that of another service, or from nothing where from is 0. */
static void counts_write(struct instance *in, __u32 index, __u32 target, __u32 from, __u32 from_target)
{
	__u32 key = index * NSX_TARGETS + target, source = from * NSX_TARGETS + from_target;
	int cpus = libbpf_num_possible_cpus();
	struct nsx_count *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

	if (!values)
		return;
	if (!from || bpf_map_lookup_elem(in->fd[TABLE_TARGET_COUNTS], &source, values) == 0)
		bpf_map_update_elem(in->fd[TABLE_TARGET_COUNTS], &key, values, BPF_ANY);
	free(values);
}

void service_keep_counts(struct instance *in, __u32 index, __u32 from)
{
	const struct nsx_service *svc = table_service(in, index), *old = table_service(in, from);

	for (__u32 i = 0; svc && old && i < svc->count; i++)
		for (__u32 n = 0; n < old->count; n++)
			if (svc->target[i].id == old->target[n].id && svc->target[i].port == old->target[n].port &&
			    svc->target[i].at == old->target[n].at)
				counts_write(in, index, i, from, n);
}

int service_fill(struct instance *in, __u32 index, const struct map_conf *c, const struct nsx_target *targets, struct fail *f)
{
	struct nsx_service *svc = table_service(in, index);

	if (!svc)
		return fail_errno(f, -errno, "cannot open the table of services");
	memset(svc, 0, sizeof(*svc));
	svc->flags = NSX_S_USED | (c->allows ? NSX_S_ALLOW : 0) | (c->rate ? NSX_S_RATE : 0) |
		     (c->affinity ? NSX_S_AFFINITY : 0);
	svc->first = c->port;
	svc->last = c->last;
	svc->proto = c->proto;
	if (c->rate) {
		svc->interval = 1000000000ULL / c->rate;
		svc->burst = svc->interval * (c->burst ? c->burst : 1);
	}
	svc->count = c->targets;
	if (c->targets)
		memcpy(svc->target, targets, c->targets * sizeof(*targets));
	service_spread(svc->table, svc->target, svc->count);
	memset(svc->was_table, NSX_NO_TARGET, sizeof(svc->was_table));
	for (__u32 i = 0; i < NSX_TARGETS; i++)
		counts_write(in, index, i, 0, 0);
	return allow_write(in, index, c, f);
}

static bool has_target(const struct nsx_target *list, __u32 count, const struct nsx_target *t)
{
	for (__u32 i = 0; i < count; i++)
		if (list[i].id == t->id && list[i].port == t->port)
			return true;
	return false;
}

void service_drain(struct instance *in, __u32 index, const struct nsx_service *before, __u32 until)
{
	struct nsx_service *svc = table_service(in, index);

	if (!svc)
		return;
	/* First those that the table leads to, in its order; then those of an older draining, for their pinned connections. */
	memcpy(svc->was, before->target, sizeof(svc->was));
	svc->was_count = before->count;
	memcpy(svc->was_table, before->table, sizeof(svc->was_table));
	for (__u32 i = 0; i < before->was_count && (before->flags & NSX_S_DRAINING); i++)
		if (svc->was_count < NSX_TARGETS && !has_target(svc->was, svc->was_count, &before->was[i]))
			svc->was[svc->was_count++] = before->was[i];
	svc->until = until;
	svc->flags |= NSX_S_DRAINING;
	in->conf->drainings++;
}

void service_free(struct instance *in, __u32 index)
{
	struct nsx_service *svc = table_service(in, index);
	struct doomed d;

	if (!svc)
		return;
	do {
		d.count = 0;
		if (svc->flags & NSX_S_ALLOW)
			service_allows(in, index, doom, &d);
		for (int i = 0; i < d.count; i++)
			bpf_map_delete_elem(in->fd[TABLE_ALLOW], &d.key[i]);
	} while (d.count == MAP_ALLOWS);
	if (svc->flags & NSX_S_DRAINING)
		in->conf->drainings--;
	svc->flags = 0;
}

bool service_is(struct instance *in, const struct nsx_service *svc, const struct map_conf *c, const struct nsx_target *targets)
{
	__u64 interval = c->rate ? 1000000000ULL / c->rate : 0;
	int allows = 0;

	if (!svc || svc->count != (__u32)c->targets || svc->interval != interval ||
	    svc->burst != interval * (c->burst ? c->burst : 1) || !(svc->flags & NSX_S_AFFINITY) != !c->affinity)
		return false;
	for (int i = 0; i < c->targets; i++)
		if (!has_target(svc->target, svc->count, &targets[i]) || svc->target[i].weight != targets[i].weight)
			return false;
	for (int i = 0; i < c->allows; i++) {
		__u32 index = svc - table_service(in, 1) + 1;
		struct nsx_allow key = { .bits = 32 + 96 + c->allow[i].len, .service = index };
		__u8 yes;

		memcpy(key.addr, &c->allow[i].addr, sizeof(key.addr));
		allows += bpf_map_lookup_elem(in->fd[TABLE_ALLOW], &key, &yes) == 0;
	}
	return allows == c->allows && !c->allows == !(svc->flags & NSX_S_ALLOW);
}

bool service_has_ns(struct instance *in, __u32 index, __u32 ns_id)
{
	const struct nsx_service *svc = table_service(in, index);

	for (__u32 i = 0; svc && i < svc->count + svc->was_count; i++)
		if ((i < svc->count ? svc->target[i].id : svc->was[i - svc->count].id) == ns_id)
			return true;
	return false;
}

/*
 * Leave a namespace's targets out of a list and its table, while packets go on. Other targets keep their places, so that
 * neither the table nor their counters speak of another one in between; what is left of a target has no weight.
 */
static void forget(struct nsx_target *list, __u32 *count, __u8 table[NSX_TABLE], __u32 ns_id)
{
	struct nsx_target kept[NSX_TARGETS];
	__u8 next[NSX_TABLE];

	memcpy(kept, list, sizeof(kept));
	for (__u32 i = 0; i < *count; i++)
		if (kept[i].id == ns_id)
			memset(&kept[i], 0, sizeof(kept[i]));
	service_spread(next, kept, *count);
	memcpy(table, next, sizeof(next));
	memcpy(list, kept, sizeof(kept));
	while (*count && !list[*count - 1].weight)
		--*count;
}

bool service_forget_ns(struct instance *in, struct nsx_slot *s, __u32 ns_id)
{
	struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service) : NULL;

	if (!svc)
		return s->id != ns_id;
	forget(svc->target, &svc->count, svc->table, ns_id);
	forget(svc->was, &svc->was_count, svc->was_table, ns_id);
	return svc->count || svc->was_count;
}
