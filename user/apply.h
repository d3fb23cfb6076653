/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making wanted state true. Each function does all of its work or leaves the system as it was; what
 * is true already is left alone. They return 0 or a negative errno, with the reason in words.
 */
#ifndef NSXDP_APPLY_H
#define NSXDP_APPLY_H

#include "config.h"
#include "tables.h"

/* apply_up.c */
int apply_up(const struct up_conf *c, struct fail *f);
int apply_down(bool keep_ns, struct fail *f);

/* apply_own.c: tell the datapath of the host's addresses that it does not know yet. */
void apply_own_learn(struct instance *in);

/* apply_adopt.c */
int apply_ns_adopt(struct instance *in, const struct ns_conf *c, struct fail *f);

/* apply_ns.c */
int apply_ns_add(struct instance *in, const struct ns_conf *c, struct fail *f);

/* Refuses where ports are published to it, unless force is set: then those go first. */
int apply_ns_del(struct instance *in, const char name[NSX_NAME_LEN], bool force, struct fail *f);

/* Remove whatever there is of a namespace, finished or not; keep: its netns and veth stay. */
void apply_ns_remove(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns, bool keep);

/* apply_map.c */
int apply_map_add(struct instance *in, const struct map_conf *c, struct fail *f);
int apply_map_set(struct instance *in, const struct map_conf *c, struct fail *f);
int apply_map_del(struct instance *in, const struct map_conf *c, struct fail *f);

/* Finish what is over: every command that changes something does it first. */
void apply_map_reap(struct instance *in);

/* Unpublish every port of a namespace. */
void apply_map_del_ns(struct instance *in, __u32 ns_id);

#endif
