/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filters of ours at a device's clsact qdisc: the guards, and before them, where the kernel has no
 * tcx (before 6.6), the programs. Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef NSXDP_CLSACT_H
#define NSXDP_CLSACT_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#include "fail.h"
#include "kernel/pin.h"

#define FILTER_HANDLE 0x6e73
#define PROG_PRIORITY 1
#define GUARD_PRIORITY 2

/*
 * Whether there is one: 1, 0, -EBUSY where an ingress qdisc has its place, or another negative
 * errno, with the reason in words.
 */
int clsact_look(int ifindex, struct fail *f);

/* Make one unless there is one. -EBUSY as above. */
int clsact_make(int ifindex, struct fail *f);

/* With all filters, whosever they are. */
void clsact_remove(int ifindex);

/* Somebody has a filter there, or it cannot be known. */
bool clsact_is_used(int ifindex);

/* A filter, in the place of the one that we have there; name: the program's, for the error. */
int clsact_set(int ifindex, enum bpf_tc_attach_point point, __u32 priority, int prog,
	       const char *name, struct fail *f);

/* The same with a program that is pinned. */
int clsact_set_pinned(const struct pin_dir *d, const char *name, int ifindex,
		      enum bpf_tc_attach_point point, __u32 priority, struct fail *f);

/* Harmless where there is none. */
void clsact_unset(int ifindex, enum bpf_tc_attach_point point, __u32 priority);

/* Our filter is there: 1, 0 or a negative errno; and: it has this program. */
int clsact_has_filter(int ifindex, enum bpf_tc_attach_point point, __u32 priority);
bool clsact_has(int ifindex, enum bpf_tc_attach_point point, __u32 priority, int prog);

#endif
