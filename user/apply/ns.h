/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What making and adopting a namespace share. Functions return 0 or a negative errno, with the
 * reason in words.
 */
#ifndef NSXDP_APPLY_NS_H
#define NSXDP_APPLY_NS_H

#include "apply/apply.h"
#include "kernel/tables.h"
#include "kernel/link.h"

/* Sockets into both sides of a namespace's link. */
struct sides {
	struct nl host;
	struct nl ns;
	int self;	/* the host's network namespace */
	int fd;		/* the namespace */
};

int ns_sides_open(struct sides *s, const char *name, struct fail *f);
void ns_sides_close(struct sides *s);

/* veth.c */

/* Make the pair, with one end in s->fd; sets ns->ifindex. */
int veth_make(struct instance *in, struct sides *s, struct nsx_ns *ns, struct fail *f);

/* Addresses and link states of both ends, and the way out. */
int veth_configure(struct instance *in, struct sides *s, const struct nsx_ns *ns, struct fail *f);

/* IPv6 on a link that others made, beside what it has. */
int veth_add_ipv6(const struct instance *in, struct sides *s, const struct nsx_ns *ns,
		  struct fail *f);

/*
 * Note whether the clsact qdisc of its link will be nsxdp's, before there is one, so that recovery
 * removes it.
 */
int veth_note_clsact(struct nsx_ns *ns, struct fail *f);

/* Let the datapath know the veth and guard it, before a packet can come from it; and forget it. */
int veth_register(struct instance *in, struct nsx_ns *ns, struct fail *f);
int veth_unregister(struct instance *in, const struct nsx_ns *ns);

/* Prepare the end inside for XDP on the host's, or undo that. */
int veth_set_xdp(struct sides *s, const struct nsx_ns *ns, bool on, struct fail *f);

/* All of it undone, for a link that stays. */
int veth_release(struct instance *in, const char *name, const struct nsx_ns *ns);

/* Set again what others have reset or detached. */
int veth_mend(struct instance *in, const char *name, const struct nsx_ns *ns, struct fail *f);

/*
 * The link of a namespace gets another MTU, if nsxdp made it and others have not set its MTU. What
 * fails is noted, for a tenant may be the reason, and tried again by the next "up".
 */
void veth_follow_mtu(struct instance *in, const char *name, unsigned int mtu);

/* Change what the datapath knows of a running link: the flags, limits and sizes of ns. */
int veth_change(struct instance *in, const struct nsx_ns *old, const struct nsx_ns *ns,
		struct fail *f);

/* ns.c */

/*
 * The address is in the pool, and its network is no other namespace's than that of name, which may
 * be NULL.
 */
int ns_check_addr(struct instance *in, const struct ns_list *list, const char *name,
		  const struct nsx_ns *ns, struct fail *f);

/* The namespace that the table tells of is really there, with its link. */
bool ns_is_whole(const struct instance *in, const char *name, const struct nsx_ns *ns);

/* Choose addresses, MAC and names of a new link. */
int ns_plan(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f);

/* What is wanted, in the terms of the tables; not the addresses. */
int ns_describe(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f);

/* Make the link where it is to be made, and let the datapath serve it. What fails is not undone. */
int ns_make_link(struct instance *in, struct sides *s, const char *name, struct nsx_ns *ns,
		 struct fail *f);

/* -EEXIST where gai.conf is to be made and is there already: it is the administrator's. */
int ns_check_gai(const char *name, const struct nsx_ns *ns, struct fail *f);

/* Write gai.conf, or remove it, as the flags say; ns_check_gai() has found none before. */
int ns_write_gai(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f);
int ns_write_resolv(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f);

/* The routes of last resort of its networks go, and what uplinks listen to for it. */
int ns_unguard(const struct instance *in, struct nl *nl, const struct nsx_ns *ns);

/* Write the intent, make what ns->flags says, and undo all of it where something fails. */
int ns_commit(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f);
int ns_add(struct instance *in, const struct ns_conf *c, struct fail *f);

/* What would make ns_add() or ns_adopt() fail, and can be seen before. */
int ns_check_new(struct instance *in, const struct ns_conf *c, struct fail *f);

/* Namespaces in state NSX_NS_MAKING are made, or removed, until the end. */
void ns_begin(struct instance *in);
void ns_end(struct instance *in);

/*
 * Remove whatever there is of a namespace, finished or not; keep: its netns and veth stay. What is
 * gone already is no error; where something cannot be removed, the entry in the table stays, and
 * the next command tries again.
 */
int ns_remove(struct instance *in, const char *name, const struct nsx_ns *ns, bool keep);

/* It counts to nsx_conf.limits. */
bool ns_is_limited(const struct nsx_ns *ns);

/* Set nsx_conf.clamps and .limits to what the namespaces say. */
void ns_recount(struct instance *in);

/*
 * egress.c: the set of networks that ns has, written before the datapath gets its number and
 * deleted after it has another; 0 or a negative errno. egress_sweep(): delete sets that no
 * namespace has.
 */
int egress_write(struct instance *in, const struct nsx_ns *ns);
int egress_delete(struct instance *in, const struct nsx_ns *ns);
void egress_sweep(struct instance *in);


/* adopt.c */
int ns_adopt(struct instance *in, const struct ns_conf *c, struct fail *f);

/* ns_set.c */
int ns_set(struct instance *in, const struct ns_conf *c, struct fail *f);

/* Make its link anew, as the table says; what leads to it follows. */
int ns_relink(struct instance *in, const char *name, struct fail *f);

/* Finish a change, or take it back: make everything as the table says. */
int ns_set_recover(struct instance *in, const char *name, struct fail *f);

#endif
