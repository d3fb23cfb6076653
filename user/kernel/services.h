/* SPDX-License-Identifier: GPL-2.0-only */
/* The services of published ports, read in place. Functions return 0 or a negative errno. */
#ifndef NSXDP_SERVICES_H
#define NSXDP_SERVICES_H

#include "kernel/tables.h"

/* The index of its service, or the place that it is counted in: a slot has the one or the other. */
static inline __u32 slot_service(const struct nsx_slot *s)
{
	return s->flags & NSX_F_SERVICE ? s->service : 0;
}

static inline __u32 slot_counter(const struct nsx_slot *s)
{
	return s->flags & NSX_F_SERVICE ? 0 : s->counter;
}

/* The sum over the CPUs of what went to a target: place in nsx_target_counts. */
int table_target_count(struct instance *in, __u32 place, struct nsx_count *ret);

/* One of its targets, or of those that drain, is in this namespace. */
bool service_has_ns(struct instance *in, __u32 index, __u32 ns_id);

/*
 * Call cb for each network that may reach a service; returns how many there are, or a negative
 * errno.
 */
typedef void (*allow_cb)(const struct nsx_allow *allow, void *arg);
int service_allows(struct instance *in, __u32 index, allow_cb cb, void *arg);

#endif
