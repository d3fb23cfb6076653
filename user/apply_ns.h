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
