// SPDX-License-Identifier: GPL-2.0-only
/* Services: published ports with several targets, or with conditions. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/map.h"

__u32 service_alloc(struct instance *in)
{
	for (__u32 i = 0; i < NSX_SERVICES - 1; i++) {
		__u32 index = 1 + (in->journal->next_service + i) % (NSX_SERVICES - 1);
		struct nsx_service *svc = table_service(in, index);

		if (svc && !(svc->flags & NSX_S_USED)) {
			in->journal->next_service = index;
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
	/*
	 * Each place goes to the target that is most in arrears, at the next of its own order that
	 * is free.
	 */
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

static int allow_write(struct instance *in, const struct publication *p, struct fail *f)
{
	__u8 yes = 1;

	for (int i = 0; i < p->allows; i++) {
		struct nsx_allow key = {
			.bits = 32 + p->allow[i].len,
			.set = NSX_NET_SET(p->index, addr_family(&p->allow[i].addr)),
		};

		memcpy(key.addr, &p->allow[i].addr, sizeof(key.addr));
		if (bpf_map_update_elem(in->fd[TABLE_ALLOW], &key, &yes, BPF_ANY))
			return fail_errno(f, -errno, "cannot write its allowlist");
	}
	return 0;
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

/* No network may reach a service any more. */
static int allow_clear(struct instance *in, __u32 index)
{
	struct doomed d;
	int count;

	do {
		d.count = 0;
		count = service_allows(in, index, doom, &d);
		for (int i = 0; i < d.count; i++)
			if (bpf_map_delete_elem(in->fd[TABLE_ALLOW], &d.key[i]))
				return -errno;
	} while (count > d.count);
	return count < 0 ? count : 0;
}

int service_fill(struct instance *in, const struct publication *p, struct fail *f)
{
	struct nsx_service *svc = table_service(in, p->index);
	int err;

	if (!svc)
		return fail_errno(f, -errno, "cannot open the table of services");
	*svc = p->svc;
	svc->flags |= NSX_S_USED;
	svc->tat = 0;
	if (svc->flags & NSX_S_DRAINING)
		in->journal->drainings++;
	err = p->allows ? allow_clear(in, p->index) : 0;
	return err ? fail_errno(f, err, "cannot write the networks that may reach it")
		   : allow_write(in, p, f);
}

void service_free(struct instance *in, __u32 index)
{
	struct nsx_service *svc = table_service(in, index);

	if (!svc)
		return;
	/* What is left where that fails, the next one with this index clears. */
	if ((svc->flags & NSX_S_ALLOW) && allow_clear(in, index))
		allow_clear(in, index);
	if (svc->flags & NSX_S_DRAINING)
		in->journal->drainings--;
	svc->flags = 0;
}

void services_sweep(struct instance *in)
{
	for (__u32 index = 1; index < NSX_SERVICES; index++) {
		const struct nsx_service *svc = table_service(in, index);
		const struct nsx_slot *s =
			svc && (svc->flags & NSX_S_USED) ? table_port(in, svc->row, svc->first) : NULL;

		if (s && !(svc->flags & NSX_S_DRAINING) &&
		    !(is_map(s) && (s->flags & NSX_F_SERVICE) && s->service == index))
			service_free(in, index);
	}
}

void services_recount(struct instance *in)
{
	__u32 count = 0;

	for (__u32 index = 1; index < NSX_SERVICES; index++) {
		const struct nsx_service *svc = table_service(in, index);

		count += svc && (svc->flags & NSX_S_USED) && (svc->flags & NSX_S_DRAINING);
	}
	in->journal->drainings = count;
}

/*
 * Leave a namespace's targets out of a list and its table, while packets go on. Other targets keep
 * their places, so that neither the table nor their counters speak of another one in between; what
 * is left of a target has no weight.
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
