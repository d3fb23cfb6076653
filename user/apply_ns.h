/* SPDX-License-Identifier: GPL-2.0-only */
/* What making and adopting a namespace share. Functions return 0 or a negative errno, with the reason in words. */
#ifndef NSXDP_APPLY_NS_H
#define NSXDP_APPLY_NS_H

#include "apply.h"
#include "link.h"

/* Sockets into both sides of a namespace's link. */
struct sides {
	struct nl host;
	struct nl ns;
	int self;	/* the host's network namespace */
	int fd;		/* the namespace */
};

int ns_sides_open(struct sides *s, const char *name, struct fail *f);
void ns_sides_close(struct sides *s);

/* apply_veth.c */

/* Make the pair, with one end in s->fd; sets ns->ifindex. */
int veth_make(struct instance *in, struct sides *s, struct nsx_ns *ns, struct fail *f);

/* Addresses and link states of both ends, and the way out. */
int veth_configure(struct sides *s, const struct nsx_ns *ns, struct fail *f);

/* Let the datapath know the veth and guard it, before a packet can come from it; and forget it. */
int veth_register(struct instance *in, struct nsx_ns *ns, struct fail *f);
void veth_unregister(struct instance *in, const struct nsx_ns *ns);

/* Prepare the end inside for XDP on the host's, or undo that. */
int veth_set_xdp(struct sides *s, const struct nsx_ns *ns, bool on, struct fail *f);

/* All of it undone, for a link that stays. */
void veth_release(struct instance *in, const char *name, const struct nsx_ns *ns);

/* Set again what others have reset or detached. */
int veth_mend(struct instance *in, const char *name, const struct nsx_ns *ns, struct fail *f);

/* Links that nsxdp made with one MTU get another. Does all that it can; returns the first error. */
int veth_follow_mtu(struct instance *in, unsigned int from, unsigned int to);

/* apply_ns.c */

/* The address is in the pool, and its network is no other namespace's. */
int ns_check_addr(struct instance *in, const struct ns_list *list, const struct nsx_ns *ns, struct fail *f);

/* Choose addresses, MAC and names of a new link. */
int ns_plan(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f);

/* Write the intent, make what ns->flags says, and undo all of it where something fails. */
int ns_commit(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f);

/*
 * What the table has under this name. Returns 1 where it is just what is wanted, 0 where the name is
 * free (remains of a dead command or of a namespace that others deleted are removed first).
 */
int ns_existing(struct instance *in, const struct ns_conf *c, struct fail *f);

#endif
