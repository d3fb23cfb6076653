/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tc(8) blocks that namespaces' links share: a filter on a block is a filter at every qdisc
 * that is bound to it. Binding a link takes microseconds, where attaching a program to it (tcx)
 * waits for an RCU grace period. Functions return 0 or a negative errno.
 */
#ifndef NSXDP_BLOCK_H
#define NSXDP_BLOCK_H

#include <stdbool.h>

#include "kernel/netlink.h"

#define BLOCK_INGRESS 0x6e7301U
#define BLOCK_EGRESS 0x6e7302U

/* A clsact qdisc for the link, bound to both blocks. -EEXIST where it has one already. */
int block_bind(struct nl *nl, int ifindex);

/* The link's clsact qdisc is bound to the block at its ingress. */
bool block_is_bound(struct nl *nl, int ifindex);

/* Call cb for each link that is. */
typedef void (*block_cb)(int ifindex, void *arg);
int block_each(struct nl *nl, block_cb cb, void *arg);

/* A filter on a block that is bound, in the place of one of the same priority. */
int block_filter_set(struct nl *nl, __u32 block, __u16 priority, int prog, const char *name);

/* The id of the program of our filter with this priority; 0 where there is none. */
__u32 block_filter_prog(struct nl *nl, __u32 block, __u16 priority);

#endif
