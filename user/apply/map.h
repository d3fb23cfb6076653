/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of publishing ports. Functions return 0 or a negative errno, with the reason in words.
 */
#ifndef NSXDP_APPLY_MAP_H
#define NSXDP_APPLY_MAP_H

#include "apply/publish.h"

/* map.c */

static inline bool is_map(const struct nsx_slot *s)
{
	return NSX_KIND(s->state) == NSX_MAP;
}

/*
 * What the slot of the i-th port becomes for one of the targets; t NULL: an empty one of these
 * ports.
 */
void map_fill(struct nsx_slot *map, const struct nsx_service *svc, const struct nsx_target *t,
	      unsigned int i);

/*
 * What a map leads to now, as a service (a copy), whether it is one or not. Without NSX_S_USED in
 * .flags where it is one that cannot be read.
 */
void map_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *svc);

/* The i-th target of what is wanted, from a name to an endpoint. */
int map_resolve(struct instance *in, const struct map_conf *c, int i, struct nsx_target *ret,
		struct fail *f);

/* What a namespace says of the targets in it. */
void target_fill(struct nsx_target *t, const struct nsx_ns *ns, enum nsx_family family);

/*
 * reverse.c; an endpoint is described by a slot: namespace, address, inside and outside port,
 * protocol
 */

/* A slot of the registry sends clients to this endpoint. */
bool map_leads_to(struct instance *in, const struct nsx_slot *s, const struct nsx_slot *endpoint);

/*
 * The reverse entries of all targets. Where that fails, map_leave() removes those that were made.
 */
int reverse_add(struct instance *in, const struct nsx_service *svc, struct fail *f);

/*
 * Ports do not lead to count targets any more: their reverse entries go, and the connections to
 * them that are remembered end. Those that the ports lead to still are left alone.
 */
int map_leave(struct instance *in, const struct nsx_service *svc, const struct nsx_target *targets,
	       __u32 count);

/*
 * Make all reverse entries what the published ports say: those that are missing are added, those
 * that no port leads to go. A negative errno where that fails.
 */
int reverses_settle(struct instance *in);

/* All that there are by the link of a namespace. */
void reverse_purge(struct instance *in, __u32 ifindex);

/* service.c */

/* A free place for a service, or 0. */
__u32 service_alloc(struct instance *in);

/* Fill the place p->index from what is wanted, and let clients be admitted. */
int service_fill(struct instance *in, const struct publication *p, struct fail *f);

/*
 * Targets go on counting from where they did in what was published before. A simple map gets a
 * counter, or keeps the one that its target had; without a free one it is not counted.
 */
int counts_take(struct instance *in, const struct publication *before, struct publication *after,
		struct fail *f);
void counter_free(struct instance *in, __u32 counter);

/* Rebuild the bitmap of counters from the registry. */
int counters_recount(struct instance *in);
void service_free(struct instance *in, __u32 index);

/* Free those that no port leads to. */
void services_sweep(struct instance *in);

/* Set nsx_journal.drainings to what the services say. */
void services_recount(struct instance *in);

/*
 * A namespace goes: leave its targets out. Returns false where the map that the slot is of led to
 * nobody else.
 */
bool service_forget_ns(struct instance *in, struct nsx_slot *s, __u32 ns_id);

/* Spread count targets over a table, by weight (Maglev: Eisenbud et al., NSDI 2016). */
void service_spread(__u8 table[NSX_TABLE], const struct nsx_target *targets, __u32 count);

#endif
