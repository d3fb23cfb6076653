/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of bringing an instance up. Functions return 0 or a negative errno, with the reason in words. */
#ifndef NSXDP_APPLY_UP_H
#define NSXDP_APPLY_UP_H

#include "apply_ns.h"

/*
 * apply_own.c: an address of the host is there, or not any more; now: the datapath's clock. -E2BIG where there is no
 * room for it. Flows of a lost one are dead.
 */
int own_keep(struct instance *in, const struct addr_info *info, __u32 now);
void own_lose(struct instance *in, __u32 index, __u32 now);

/*
 * apply_flows.c: as many flows as the machine's memory is for; make the session table, with its index; or replace it by
 * one of another size, for a running instance.
 */
__u32 flows_default(void);
int flows_make(struct instance *in, __u32 flows, struct fail *f);
int flows_resize(struct instance *in, __u32 flows, struct fail *f);	/* 0: only finish what a command left that died */

/* Wait until every program that runs now has ended. */
void flows_wait(struct instance *in);

/* Start the sweeper, where it does not run. */
void flows_sweep(struct instance *in);

/* apply_routes.c: tell the datapath what MTUs the routes say. */
int up_write_routes(struct instance *in, struct fail *f);

/*
 * apply_local.c: let the host's own processes reach published ports, and keep them from binding to them (guard). Where
 * that is not possible everything else works: the reason is noted and kept.
 */
void up_attach_local(const struct pin_dir *d, struct nsx_conf *conf, bool guard);

#endif
