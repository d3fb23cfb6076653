/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports as the datapath has them. Whatever is wanted of a port, or of a range of ports as
 * one, is a struct publication: its targets, conditions, and those that drain. One function
 * replaces one by another, for every command. The simple map of the datapath is the form in which a
 * publication of one target without conditions is written; nothing here depends on which it is.
 *
 * Functions return 0 or a negative errno, with the reason in words.
 */
#ifndef NSXDP_PUBLISH_H
#define NSXDP_PUBLISH_H

#include "config/config.h"
#include "kernel/services.h"

/* What belongs to a port as a whole: it does not go together with several addresses. */
#define NSX_S_CONDITIONS (NSX_S_ALLOW | NSX_S_RATE | NSX_S_AFFINITY | NSX_S_OWNED)

/**
 * struct publication - ports first to last of a row
 * @svc: .target, .count, .was, .was_count, their tables, .drain_deadline, the conditions in .flags,
 *	.interval and .burst; .row, .first and .last. Each target's .at says where it is
 *	published, as nsx_slot.at
 * @allow: networks that may reach it, NSX_S_ALLOW
 * @must_drain: the operator asked for it: without room for a service that fails
 * @index: place in the table of services, 0 where it is a simple map
 * @counter: of a simple map, its place in nsx_target_counts; 0: it is not counted
 */
struct publication {
	struct nsx_service svc;
	struct map_allow allow[MAP_ALLOWS];
	int allows;
	__u32 index;
	__u32 counter;
	bool must_drain;
};

/* What a slot of the registry, the first of its ports, belongs to. */
int publication_read(struct instance *in, const struct nsx_slot *s, struct publication *ret,
		     struct fail *f);

/*
 * What is wanted of ports: the names of the targets become endpoints. wanted false: nothing, of the
 * same ports.
 */
int publication_make(struct instance *in, const struct map_conf *c, bool wanted,
		     struct publication *ret, struct fail *f);

/*
 * What becomes of the connections that old targets have: they are let finish for so many ticks; 0:
 * they end. For after, before publish().
 */
void publication_drain(struct instance *in, const struct publication *before,
		       struct publication *after, __u32 ticks);

/*
 * Turn the ports from what they are to what is wanted; either may be NULL for nothing. All or
 * nothing.
 */
int publish(struct instance *in, const struct publication *before, struct publication *after,
	    struct fail *f);

/*
 * What gone, a first slot as it was, led to goes as far as the ports do not lead there now: its
 * service, and the connections that are remembered; not the reverse entries, for which see
 * reverses_settle().
 */
int publish_end(struct instance *in, const struct nsx_slot *gone);

/* The first slot of published ports that overlap these; NULL, with errno 0 where there are none. */
struct nsx_slot *published_at(struct instance *in, __u8 row, __u16 first, __u16 last);

/* Finish what is over: every command that changes something does it first. */
void publish_reap(struct instance *in);

/* Finish, or take back, what a command that died was about to publish. */
int publish_recover(struct instance *in, struct fail *f);

#endif
