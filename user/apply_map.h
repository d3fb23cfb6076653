/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of publishing ports. Functions return 0 or a negative errno, with the reason in words. */
#ifndef NSXDP_APPLY_MAP_H
#define NSXDP_APPLY_MAP_H

#include "apply.h"

/* apply_back.c; an endpoint is described by a slot: namespace, address, inside and outside port, protocol */

/* An endpoint is not published on a port any more: its mirror goes, or answers for another port of the same endpoint. */
void back_del(struct instance *in, const struct nsx_slot *gone);

/* A slot of the registry sends clients to this endpoint. */
bool map_leads_to(struct instance *in, const struct nsx_slot *s, const struct nsx_slot *endpoint);

/* apply_map.c */

static inline bool is_map(const struct nsx_slot *s)
{
	return NSX_KIND(s->state) == NSX_MAP;
}

/* Names to endpoints, in the order of c->target. */
int map_resolve(struct instance *in, const struct map_conf *c, struct nsx_target targets[NSX_TARGETS], struct fail *f);

/* The slot of the first port is what is wanted already. */
bool map_is(struct instance *in, const struct nsx_slot *s, const struct map_conf *c, const struct nsx_target *targets);

/* Turn the ports to the targets; index: of their service, or 0; published: they lead elsewhere now. All or nothing. */
int map_turn(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 index,
	     bool published, struct fail *f);

/*
 * Ports do not lead to count targets any more: their mirrors go, and the connections to them that are remembered end.
 * Those that the ports lead to still are left alone.
 */
void map_leave(struct instance *in, const struct map_conf *c, const struct nsx_target *targets, __u32 count);

/* Publish a map of which the first slot is given, and mark what count targets say of it; how many flows that ends. */
int map_write(struct instance *in, const struct map_conf *c, const struct nsx_slot *map, const struct nsx_target *targets,
	      __u32 count);

/* The slot of the first published port of those wanted; NULL, with errno 0 where none is. */
struct nsx_slot *map_first(struct instance *in, const struct map_conf *c);

/* apply_map_change.c */

/* Which ports a service has, as a wish without targets. */
struct map_conf service_ports(const struct nsx_slot *s);

/* What a map leads to now, as a service (a copy), whether it is one or not. */
void map_service(struct instance *in, const struct nsx_slot *s, struct nsx_service *svc);

/* Take the ports of a map away. */
int map_remove(struct instance *in, const struct nsx_slot *s, struct fail *f);

/** struct swap - from what a service takes over */
struct swap {
	const struct nsx_service *before;
	__u32 flags;	/* NSX_S_*, besides those of the conditions */
	__u32 until;	/* ticks: when connections of before end */
};

/* Turn the ports of a map to a new service with these targets, or with none. All or nothing. */
int map_swap(struct instance *in, const struct nsx_slot *s, const struct map_conf *wanted, const struct nsx_target *targets,
	     const struct swap *swap, struct fail *f);

/* apply_at.c */

/* The port is one of several addresses, each with a target of its own. */
bool at_shared(struct instance *in, const struct nsx_slot *s);

/* Its target at an address, IPv4; NULL where there is none. */
const struct nsx_target *at_target(struct instance *in, const struct nsx_slot *s, __be32 at);

/* 1 where what is wanted is for a further address of published ports, 0 where it is something else. */
int at_may_join(struct instance *in, const struct nsx_slot *s, const struct map_conf *c, struct fail *f);

/* Another target at an address, or none there (t is NULL); connections that were go on for so many ticks. */
int at_change(struct instance *in, const struct nsx_slot *s, __be32 at, const struct nsx_target *t, __u32 drain,
	      struct fail *f);

/* apply_service.c */

/* What is wanted needs a service: more than one target, or a condition. */
bool service_wanted(const struct map_conf *c);

/* A free place for a service, or 0. */
__u32 service_alloc(struct instance *in);

/* Fill it from what is wanted, and let clients be admitted. The targets are resolved in the order of c->target. */
int service_fill(struct instance *in, __u32 index, const struct map_conf *c, const struct nsx_target *targets, struct fail *f);

/* Targets that another service had too go on counting from there. */
void service_keep_counts(struct instance *in, __u32 index, __u32 from);

/* Connections of these targets go on until the draining ends, in ticks; those of an older draining too. */
void service_drain(struct instance *in, __u32 index, const struct nsx_service *before, __u32 until);
void service_free(struct instance *in, __u32 index);

/* The same wish as the service was made from. */
bool service_is(struct instance *in, const struct nsx_service *svc, const struct map_conf *c, const struct nsx_target *targets);

bool service_has_ns(struct instance *in, __u32 index, __u32 ns_id);

/*
 * A namespace goes: leave its targets out. Returns false where the map that the slot is of led to nobody else.
 */
bool service_forget_ns(struct instance *in, struct nsx_slot *s, __u32 ns_id);

/* Call cb for each network that may reach a service; returns how many there are. */
typedef void (*allow_cb)(const struct nsx_allow *allow, void *arg);
int service_allows(struct instance *in, __u32 index, allow_cb cb, void *arg);

/* Spread count targets over a table, by weight (Maglev: Eisenbud et al., NSDI 2016). */
void service_spread(__u8 table[NSX_TABLE], const struct nsx_target *targets, __u32 count);

#endif
