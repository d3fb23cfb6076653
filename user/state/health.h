/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether what runs is whole: what others have deleted, or detached. */
#ifndef NSXDP_HEALTH_H
#define NSXDP_HEALTH_H

#include "kernel/link.h"
#include "kernel/tables.h"

/**
 * struct health - what the kernel has, read once for many questions; health_free() accepts a zeroed
 * one
 */
struct health {
	struct instance *in;
	struct link_info *links;	/* sorted by ifindex */
	size_t links_count;
	int *bound;		/* ifindexes, sorted, of those that are bound to the links' block */
	size_t bound_count;
	bool block;		/* it has its program */
};

/* 0 or a negative errno. */
int health_read(struct instance *in, struct health *ret);
void health_free(struct health *h);

/*
 * "ready"; "unfinished", where a command died; "gone" without the namespace or its link;
 * "detached".
 */
const char *health_ns(const struct health *h, const char *name, const struct nsx_ns *ns);

/* "attached", "detached" or "gone", of one of nsx_conf.uplinks. */
const char *health_uplink(const struct health *h, int uplink);

/* All of it is ready and attached. */
bool health_is_good(struct instance *in);

/* 1: an uplink has a global IPv6 address of its own; 0: none has; or a negative errno. */
int health_way_out6(const struct nsx_conf *conf);

#endif
