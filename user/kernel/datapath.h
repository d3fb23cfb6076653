/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF programs: loading, attaching, pinning. Loading is datapath.c, attaching to devices
 * attach.c, guard.c and links.c. Functions return 0 or a negative errno, with the reason in words.
 */
#ifndef NSXDP_DATAPATH_H
#define NSXDP_DATAPATH_H

#include <stdbool.h>

#include "fail.h"
#include "kernel/netlink.h"
#include "kernel/pin.h"

/* libbpf's own words are not printed, but for NSXDP_DEBUG. */
void datapath_hush_libbpf(void);

/* A number that tells the programs of this command from those of another build. */
__u64 datapath_build(void);

struct bpf_map;
struct bpf_object;

/*
 * Call cb with each object of this command's programs, not loaded, until it returns something else
 * than 0.
 */
int datapath_each_object(int (*cb)(const struct bpf_object *obj, void *arg), void *arg);

/* The name that a map of such an object is pinned by; NULL where it is the object's own. */
const char *datapath_pin_name(const struct bpf_map *map);

/*
 * Load the programs at TC, and pin them and the maps in the directory; maps that are pinned there
 * are used, and programs take the place of those that are. Takes some 70 ms for the kernel's BTF.
 */
int datapath_load(const struct pin_dir *d, struct fail *f);

/* Load the programs that the command runs (programs.c) on the same maps, and pin them. */
int datapath_load_cmd(const struct pin_dir *d, struct fail *f);

/* The same with those at XDP. */
int datapath_load_xdp(const struct pin_dir *d, struct fail *f);

/*
 * Attach the pinned xdp_from_uplink, or the one for a veth, which keeps VLAN tags beside frames, in
 * native or generic mode, and pin the link as "xdp_uplink".
 */
int datapath_attach_uplink_xdp(const struct pin_dir *d, int ifindex, bool generic, bool veth,
			       struct fail *f);
void datapath_detach_uplink_xdp(const struct pin_dir *d);

/* The same with those for the host's own sockets. */
int datapath_load_sock(const struct pin_dir *d, struct fail *f);

/*
 * Wait until every program that runs now has ended: the kernel waits so before an update of a table
 * of tables returns.
 */
int datapath_wait(void);

/*
 * Attach the programs for sockets that are pinned in from to a hierarchy of control groups (a
 * descriptor), with links pinned in d by the programs' names; links that are pinned get the
 * programs. guard: with those that refuse to bind() to published ports. All or none, where none was
 * attached before.
 */
int datapath_attach_sock(const struct pin_dir *d, const struct pin_dir *from, int cgroup,
			 bool guard, struct fail *f);
void datapath_detach_guard(const struct pin_dir *d);
void datapath_detach_sock(const struct pin_dir *d);

/*
 * Give all links and filters of the instance, those of the block included, the programs that are
 * pinned in from.
 * @uplink: ifindex of the first uplink
 * @veth: that is a veth with XDP in native mode
 * @private: ifindex of the near end of the private network namespace's link
 */
int datapath_update_links(const struct pin_dir *d, const struct pin_dir *from, int uplink,
			  bool veth, int private, struct fail *f);

/*
 * Detach what does not go with its pin: all filters of the instance, and the qdiscs of its uplinks
 * that it has made.
 */
void datapath_detach_filters(const struct pin_dir *d);

/*
 * Attach the pinned programs of an uplink's ingress and egress and pin the links, that of the first
 * uplink's ingress as "link_uplink".
 */
int datapath_attach_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f);

/* The uplink's programs at TC are attached; and the one at XDP is. */
bool datapath_uplink_attached(const struct pin_dir *d, int ifindex, bool first);
bool datapath_uplink_xdp_attached(const struct pin_dir *d, int ifindex);

/*
 * Detach the programs at TC from a device that is an uplink no more, or another one; and attach
 * those of an uplink that are not attached. The pin of the first one's ingress stays in between,
 * for it tells that all is there.
 */
void datapath_leave_uplink(const struct pin_dir *d, int ifindex, bool first);
int datapath_mend_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f);

/*
 * tc_from_private to the near end of the private network namespace's link, and a guard behind it
 * that drops everything.
 */
int datapath_attach_private(const struct pin_dir *d, int ifindex, struct fail *f);
bool datapath_private_attached(const struct pin_dir *d, int ifindex);

/* Remove the pin if its program is no longer attached. 0: there is none. */
void datapath_forget_private(const struct pin_dir *d, int ifindex);

/*
 * The same for a host-side veth, before all other programs there, pinned by its ifindex; one that
 * is attached already is left as it is.
 */
int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f);

/* It was given such a program, which others may have detached since. */
bool datapath_ns_has_program(const struct pin_dir *d, int ifindex);

/*
 * Attach the guards of a host-side veth, which let nothing through where the programs are not
 * attached or the host forwards (bpf/nsxdp_tc.bpf.c), with a clsact qdisc where there is none.
 * Undone by datapath_unguard_ns(); made: with the qdisc, where nobody else uses it.
 */
int datapath_guard_ns(const struct pin_dir *d, int ifindex, struct fail *f);
void datapath_unguard_ns(int ifindex, bool made);

/* Both guards are there. */
bool datapath_ns_guarded(const struct pin_dir *d, int ifindex);

/*
 * The programs by the block that such links share (block.h), guards included; in place of
 * datapath_guard_ns() and datapath_attach_ns(). A link that has another clsact qdisc is refused
 * with -EEXIST. The first link must be down: its filters come after the binding. The other two:
 * whether a link is bound; and whether the block has its program and guards.
 */
int datapath_bind_ns(const struct pin_dir *d, int ifindex, struct fail *f);
bool datapath_ns_bound(int ifindex);
bool datapath_block_works(struct nl *nl, const struct pin_dir *d);

/* The program at TC alone, without the guards. Harmless where it is not attached. */
void datapath_detach_ns_tc(const struct pin_dir *d, int ifindex);

/*
 * The programs of a namespace's link are where they should be, but for those of the block, which
 * bound says; flags: NSX_NS_XDP and NSX_NS_NETKIT count.
 */
bool datapath_ns_attached(const struct pin_dir *d, int ifindex, __u32 flags, bool bound);
int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f);
void datapath_detach_ns_xdp(const struct pin_dir *d, int ifindex);

/* Also where the far end sends, of a pair of netkit devices with this near end. */
int datapath_attach_ns_netkit(const struct pin_dir *d, int ifindex, struct fail *f);

/* At both hooks. Harmless where nothing is attached. */
void datapath_detach_ns(const struct pin_dir *d, int ifindex);

#endif
