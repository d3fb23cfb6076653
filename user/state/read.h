/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running instance as the model, sorted. Functions return 0 or a negative errno, with the
 * reason in words; the model is to be freed in any case.
 */
#ifndef NSXDP_READ_H
#define NSXDP_READ_H

#include "config/config.h"
#include "kernel/tables.h"

/* All of it. */
int read_config(struct instance *in, struct config *ret, struct fail *f);

/* The namespaces, or one of them; nothing where there is none of that name. */
int read_ns(struct instance *in, const char *name, struct config *ret, struct fail *f);

/* The instance; and a namespace that the table of names tells of. */
void read_up_conf(const struct instance *in, struct up_conf *ret);
void read_ns_conf(const char *name, const struct nsx_ns *ns, struct ns_conf *ret);

/* Where a port is published, from nsx_slot.at and to it; a device that has no place there is -ENOENT. */
void read_at(const struct instance *in, __be32 at, struct map_conf *c);
int find_at(const struct instance *in, const struct map_conf *c, __be32 *ret);

/*
 * What is published by the slot of a first port: one, or one for each of its addresses. 0 or a
 * negative errno.
 */
int read_map(struct instance *in, const struct nsx_slot *s, struct config *ret);

/* Call cb for the first slot of whatever is published at any of these ports. */
int read_each_port(struct instance *in, __u8 row, __u16 first, __u16 last, published_cb cb,
		   void *arg);

/* What is published at any of these ports. */
int read_ports(struct instance *in, __u8 row, __u16 first, __u16 last, struct config *ret,
	       struct fail *f);

/* What is published to one of its namespaces, beside what is in the model already. */
int read_ports_of(struct instance *in, __u32 ns_id, struct config *ret, struct fail *f);

#endif
