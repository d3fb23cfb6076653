/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links, addresses and routes in terms of what nsxdp needs. Functions return 0 or a negative errno.
 */
#ifndef NSXDP_LINK_H
#define NSXDP_LINK_H

#include <stdbool.h>
#include "kernel/netlink.h"
#include "nsxdp.h"

/** struct link_info - what the kernel says of a link */
struct link_info {
	int ifindex;
	unsigned int mtu;
	unsigned int flags;	/* IFF_* */
	unsigned short type;	/* ARPHRD_* */
	int peer;		/* veth: ifindex of the far end, in its own namespace; else 0 */
	/* Id of the namespace that the far end is in, as this one knows it; -1: this one itself */
	int peer_nsid;
	__u32 group;		/* as in ip link show group */
	int master;		/* bridge or bond that it belongs to; else 0 */
	__u8 mac[6];
	char name[16];
	char kind[16];		/* "veth", ...; empty for a physical device */
	bool l3;		/* netkit: no MAC addresses */
	bool primary;		/* netkit: the end that programs are attached by */
	bool marks;		/* netkit: the far end's marks survive */
};

/** struct addr_info - an address of the host; link-local ones of IPv6 are none here */
struct addr_info {
	int ifindex;
	struct nsx_addr addr;
	__u8 prefix_len;	/* as the family counts */
	bool secondary;		/* IPv6: temporary */
	bool deprecated;	/* IPv6: nothing new leaves from it (RFC 4862, 5.5.4) */
	bool duplicate;		/* IPv6: found to be somebody else's */
};

/**
 * struct veth_spec - a pair of veth or netkit devices to be made
 *
 * MACs are set explicitly, so that nothing changes them later; NULL leaves them to the kernel, as
 * an MTU of 0 does.
 */
struct veth_spec {
	const char *host_if;
	const char *ns_if;
	const __u8 *host_mac;
	const __u8 *ns_mac;
	unsigned int mtu;
	int ns_fd;		/* where ns_if goes; -1: it stays here */
	bool netkit;		/* with Ethernet headers, as veth has them */
	__u32 group;		/* of host_if, as in ip link group; 0: none */
};

/** struct route_info - a route of the main table */
struct route_info {
	int ifindex;		/* 0 where it has several next hops */
	struct nsx_addr dst;
	__u8 prefix_len;	/* as of parse_net() */
	unsigned int mtu;	/* 0: none said */
};

typedef void (*route_cb)(const struct route_info *route, void *arg);
typedef void (*link_cb)(const struct link_info *link, void *arg);
typedef void (*addr_cb)(const struct addr_info *addr, void *arg);

/* By name, or by ifindex where name is NULL. -ENODEV where there is none. */
int link_get(struct nl *nl, const char *name, int ifindex, struct link_info *ret);
int link_each(struct nl *nl, link_cb cb, void *arg);

/* The link is an end of a pair of veth or netkit devices. */
bool link_is_pair(const struct link_info *link);
int link_veth_add(struct nl *nl, const struct veth_spec *spec);
int link_set_mtu(struct nl *nl, int ifindex, unsigned int mtu);
int link_del(struct nl *nl, int ifindex);

/*
 * Delete all links of a group at once, which takes hardly longer than one; -ENODEV where there is
 * none.
 */
int link_del_group(struct nl *nl, __u32 group);
int link_set_group(struct nl *nl, int ifindex, __u32 group);
int link_up(struct nl *nl, int ifindex);
int link_down(struct nl *nl, int ifindex);

/*
 * Of one link, or of all where ifindex is 0, in the kernel's order: a link's primary address first.
 * IPv6 addresses of a kernel without IPv6: none.
 */
int addr_each(struct nl *nl, enum nsx_family family, int ifindex, addr_cb cb, void *arg);

/*
 * Whether a device takes frames to a group's MAC, whatever sockets have joined. Return: 0, also where
 * it does already; -ENOENT where it does not any more.
 */
int link_listen(const char *ifname, const __u8 mac[6], bool on);

/* An IPv6 address is used at once, and its network is no route. -EEXIST where there is one. */
int addr_add(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len);

/* The same of an IPv6 address that is only used where a route says so: it is deprecated. */
int addr_add_deprecated(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len);

bool addr_exists(struct nl *nl, int ifindex, const struct nsx_addr *addr);

int addr_del(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len);

int route_each(struct nl *nl, enum nsx_family family, route_cb cb, void *arg);

/* -EEXIST where there is a default route already. */
int route_add_default(struct nl *nl, int ifindex, const struct nsx_addr *via);

/* The IPv6 default route by a link, or none. -EEXIST, or -ESRCH, where it is so already. */
int route_set_default6(struct nl *nl, int ifindex, const struct nsx_addr *via, bool on);

/* A route to an IPv6 address on a link. -EEXIST where there is one. */
int route_set_host6(struct nl *nl, int ifindex, const struct nsx_addr *addr,
		    const struct nsx_addr *src, bool on);

/*
 * A neighbour that is never asked for (NUD_PERMANENT); what was known of the address is replaced.
 */
int neigh_set(struct nl *nl, int ifindex, const struct nsx_addr *addr, const __u8 mac[6]);

/*
 * A route in a network namespace that has no address: in the table "local", for there is no other
 * until one has. Packets larger than mtu are cut, whatever is found out of their path; 0: what the
 * device takes.
 */
int route_add_private(struct nl *nl, int ifindex, const struct nsx_addr *via,
		      const struct nsx_addr *dst, __u8 prefix_len, __u32 mtu);

/*
 * The route of last resort of a network, behind all others to it: packets end there that would else
 * follow the default route outside, while the network's link is down or gone. -EEXIST where there
 * is one.
 */
int route_guard_add(struct nl *nl, const struct nsx_addr *addr, __u8 prefix_len);
int route_guard_del(struct nl *nl, const struct nsx_addr *addr, __u8 prefix_len);

#endif
