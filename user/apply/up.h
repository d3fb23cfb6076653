/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of bringing an instance up. Functions return 0 or a negative errno, with the reason in
 * words.
 */
#ifndef NSXDP_APPLY_UP_H
#define NSXDP_APPLY_UP_H

#include "apply/ns.h"

/* All addresses of the host, IPv4's first. */
int local_each(struct nl *nl, addr_cb cb, void *arg);

/*
 * local_addr.c: an address of the host is there, or not any more; now: the datapath's clock. -E2BIG
 * where there is no room for it. Flows of a lost one are dead.
 */
int local_keep(struct instance *in, const struct addr_info *info, __u32 now);
void local_set_gone(struct instance *in, __u32 index, __u32 now);

/*
 * flows.c: as many flows as the machine's memory is for; make the session table, with its
 * index; or replace it by one of another size, for a running instance.
 */
__u32 flows_default(void);
int flows_make(struct instance *in, __u32 flows, struct fail *f);
/* 0: only finish what a command left that died */
int flows_resize(struct instance *in, __u32 flows, struct fail *f);

/* Wait until every program that runs now has ended. */
void flows_wait(struct instance *in);

/* Start the sweeper, where it does not run. */
void flows_sweep(struct instance *in);

/* routes.c: tell the datapath what MTUs the routes say. */
int up_write_routes(struct instance *in, struct fail *f);

/*
 * uplink.c: the fast path on the first uplink, where it is wanted and possible. TC does all
 * the work without it, so a driver that refuses is no failure, but the user learns what to change.
 */
void uplink_choose_mode(struct instance *in, const struct up_conf *c, const struct link_info *link);

/*
 * Attach the programs of uplinks again that are other devices now, or that others have detached
 * them from.
 */
int uplinks_mend(struct instance *in, const struct link_info *link, int count, struct fail *f);

/* down.c: everything of all namespaces; keep_ns: but for what they are made of. */
int down_remove_all_ns(struct instance *in, bool keep_ns);

/* All programs are detached with that. */
int up_remove_pins(struct pin_dir *d, bool unmount, struct fail *f);

/* Let the NIC take VLAN tags off frames again, if that was changed. */
void uplink_restore_rxvlan(struct instance *in);

/*
 * upgrade.c: give an instance that runs this command's programs, and tables of their layout, where
 * those of another build run.
 */
int up_upgrade(const struct pin_dir *d, const struct up_conf *wanted, struct fail *f);

/* What runs can become what is wanted without being taken down. */
int up_check_running(const struct nsx_conf *conf, const struct nsx_journal *journal,
		     const struct up_conf *wanted, struct fail *f);

/*
 * host_local.c: let the host's own processes reach published ports, and keep them from binding to
 * them (guard), by the programs that are pinned in from: see datapath_attach_sock(). Where that is
 * not possible, everything else works.
 */
int host_local_attach(const struct pin_dir *d, const struct pin_dir *from, bool guard,
		      struct fail *f);

/* The same for an instance: the reason why it is not possible is noted and kept. */
void up_attach_local(struct instance *in, bool guard);

#endif
