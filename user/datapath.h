/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF programs: loading, attaching, pinning. Loading is datapath.c, attaching to devices attach.c.
 * Functions return 0 or a negative errno, with the reason in words.
 */
#ifndef NSXDP_DATAPATH_H
#define NSXDP_DATAPATH_H

#include <stdbool.h>

#include "fail.h"
#include "pin.h"

/* libbpf's own words are not printed, but for NSXDP_DEBUG. */
void datapath_hush_libbpf(void);

/* Load the programs at TC, and pin them and the maps in the (empty) directory. Takes some 70 ms for the kernel's BTF. */
int datapath_load(const struct pin_dir *d, struct fail *f);

/* Load the programs that the command runs (programs.c) on the same maps, and pin them. */
int datapath_load_cmd(const struct pin_dir *d, struct fail *f);

/* The same with those at XDP. */
int datapath_load_xdp(const struct pin_dir *d, struct fail *f);

/* Attach the pinned xdp_from_uplink, or the one for a veth, which keeps VLAN tags beside frames, in native or generic mode, and pin the link as "xdp_uplink". */
int datapath_attach_uplink_xdp(const struct pin_dir *d, int ifindex, bool generic, bool veth, struct fail *f);

/*
 * Load and attach the programs for the host's own sockets to a hierarchy of control groups (a descriptor), and pin
 * the links by the programs' names; guard: with those that refuse to bind() to published ports. All or none.
 */
int datapath_attach_sock(const struct pin_dir *d, int cgroup, bool guard, struct fail *f);
void datapath_detach_guard(const struct pin_dir *d);
void datapath_detach_sock(const struct pin_dir *d);

/* Detach what does not go with its pin: all filters of the instance, and the qdiscs of its uplinks that it has made. */
void datapath_detach_filters(const struct pin_dir *d);

/*
 * Attach the pinned programs of an uplink's ingress and egress and pin the links, that of the first uplink's ingress as
 * "link_uplink".
 */
int datapath_attach_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f);

/* tc_from_private to the near end of the private network namespace's link, and a guard behind it that drops everything. */
int datapath_attach_private(const struct pin_dir *d, int ifindex, struct fail *f);

/*
 * The same for a host-side veth, before all other programs there, pinned by its ifindex; one that is attached already is
 * left as it is.
 */
int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f);

/*
 * Attach the guards of a host-side veth, which let nothing through where the programs are not attached or the host
 * forwards (bpf/nsxdp_tc.bpf.c); *made: its clsact qdisc was not there before. Undone by datapath_unguard_ns().
 */
int datapath_guard_ns(const struct pin_dir *d, int ifindex, bool *made, struct fail *f);
void datapath_unguard_ns(int ifindex, bool made);

/* The programs of a host-side veth are where they should be; xdp: that at XDP too. */
bool datapath_ns_attached(const struct pin_dir *d, int ifindex, bool xdp);
int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f);

/* At both hooks. Harmless where nothing is attached. */
void datapath_detach_ns(const struct pin_dir *d, int ifindex);

#endif
