/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changing the model: what a command wants of what is there. Each returns 0, or a negative errno
 * with the reason in words; the model is then as it was.
 */
#ifndef NSXDP_EDIT_H
#define NSXDP_EDIT_H

#include "config/config.h"

/* Publish; nothing else may have the ports. Returns 1 where it is there already, just so. */
int edit_map_add(struct config *c, const struct map_conf *wanted, struct fail *f);

/* Nothing else has the ports, as edit_map_add() wants it. */
int edit_map_check(const struct config *c, const struct map_conf *wanted, struct fail *f);

/*
 * The published ports that are meant, with an address where they have only one. NULL where they are
 * not published, with an empty reason, or where what is there is something else.
 */
struct map_conf *edit_map_find(struct config *c, const struct map_conf *wanted, struct fail *f);

/* What is given takes the place of what is there. */
int edit_map_set(struct config *c, const struct map_conf *wanted, struct fail *f);

/* Publish no more. Returns 1 where nothing was published. */
int edit_map_del(struct config *c, const struct map_conf *wanted, struct fail *f);

/* Make or adopt a namespace. Returns 1 where it is there already, with all that is given. */
int edit_ns_add(struct config *c, const struct ns_conf *wanted, struct fail *f);
int edit_ns_set(struct config *c, const struct ns_conf *wanted, struct fail *f);

/*
 * Remove a namespace, which is there. force: with it what is published to it goes; else that is a
 * reason to refuse.
 */
int edit_ns_del(struct config *c, const char *name, bool force, struct fail *f);

#endif
