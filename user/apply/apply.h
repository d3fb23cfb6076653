/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changing the system, which nothing else does. A step of config/diff.h is carried out by the
 * function for its object, which does all of it or leaves the system as it was. They return 0 or a
 * negative errno, with the reason in words.
 *
 * Includes lead one way: steps.c -> up.c, ns.c, ports.c -> veth.c, publish.c -> service.c,
 * reverse.c.
 */
#ifndef NSXDP_APPLY_H
#define NSXDP_APPLY_H

#include "config/config.h"
#include "config/diff.h"
#include "kernel/tables.h"

/* steps.c */

/* Carry out steps in order; where one fails, those before it are undone. */
int apply_steps(struct instance *in, const struct steps *steps, struct fail *f);

/*
 * Make everything as the model says; keep: what it does not name stays. All or nothing, an instance
 * that has to be brought up included. confirm: seconds until it is taken back, unless it is
 * confirmed; 0: it stays.
 */
int apply_config(const struct config *wanted, bool keep, unsigned int confirm, struct fail *f);

/* Namespaces of the model that somebody deleted, or their links, are made ready to be made again. */
int apply_clear_gone(struct instance *in, const struct config *wanted, struct fail *f);

/* The steps from what runs to what is wanted, checked before the first one is carried out. */
int apply_change(struct instance *in, const struct config *running, const struct config *wanted,
		 bool keep, struct fail *f);

/* undo.c: a change that waits to be confirmed is to stay, or is taken back now. */
int apply_confirm(struct fail *f);
int apply_undo(struct fail *f);

/*
 * What the sweeper has taken back, or is about to, is taken back completely, and what was confirmed
 * is finished. wait: for the lock; else another command may have it, and does so. The same by a
 * process that has it already (pin_hold()), which -EBUSY tells that a change waits to be confirmed.
 */
int apply_settle(bool wait, struct fail *f);
int apply_settle_locked(struct fail *f);
int apply_undo_locked(struct fail *f);

/* Open the instance to change it: what a command left that died is finished or taken back first. */
int apply_open(struct instance *in, struct fail *f);

/* For whoever has it open already. */
int apply_recover(struct instance *in, struct fail *f);

/* up.c */
int apply_up(const struct up_conf *c, struct fail *f);

/* The same with c->confirm */
int apply_up_confirmed(const struct up_conf *c, struct fail *f);
int apply_down(bool keep_ns, struct fail *f);

/* Instances whose network namespace is gone. */
int apply_down_orphans(struct fail *f);

/* local_addr.c: tell the datapath of the host's addresses that it does not know yet. */
void apply_local_addr_learn(struct instance *in);

/* The host has this address now. */
bool local_is_present(struct instance *in, const struct nsx_addr *addr);

/* ns.c: without before it is made, without after removed */
int apply_ns(struct instance *in, const struct ns_conf *before, const struct ns_conf *after,
	     struct fail *f);

/*
 * Remove what is left of a namespace: of a command that died, or of one that others deleted.
 * Refuses where only its link is gone.
 */
int apply_ns_clear(struct instance *in, const char *name, struct fail *f);

/*
 * A namespace is about to be removed by steps, of which this is not the first; or it stays. Whoever
 * finds it marked, because a command died, removes it.
 */
int apply_ns_mark(struct instance *in, const char *name, bool going);

/*
 * device.c: a place for the device or the IPv6 address that a port is to be published at, if it is
 * one. And: devices that others have made again are other ones of the same name, and places that
 * nothing needs are free.
 */
int place_take(struct instance *in, const struct map_conf *c, struct fail *f);
void devices_follow(struct instance *in);

/* ports.c: the same of published ports; before and after are of the same ports */
int apply_map(struct instance *in, const struct map_conf *before, const struct map_conf *after,
	      struct fail *f);

/* What would make apply_map() fail, and can be seen before. */
int map_check_new(struct instance *in, const struct map_conf *before, const struct map_conf *after,
		  struct fail *f);

/* No socket of the host has one of the ports, unless the port is managed by an owner. */
int map_check_host(const struct map_conf *c, struct fail *f);

/* Wanted for both families where that is possible, but one of its targets has no IPv6; c may be NULL. */
bool map_is_beyond(struct instance *in, const struct map_conf *c);

/*
 * A namespace goes: its targets are left out, and ports that lead nowhere else are published no
 * more.
 */
int apply_map_forget_ns(struct instance *in, __u32 ns_id);

/* A namespace has another link or address: what leads to it follows. */
int apply_map_retarget(struct instance *in, const struct nsx_ns *ns, struct fail *f);

#endif
