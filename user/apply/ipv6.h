/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv6 of an instance and its namespaces. Functions return 0 or a negative errno. */
#ifndef NSXDP_APPLY_IPV6_H
#define NSXDP_APPLY_IPV6_H

#include "apply/ns.h"

/* What is wanted, for a new instance: whether there is IPv6, and the network of the namespaces. */
int ipv6_choose(const struct up_conf *c, struct nsx_conf *conf, struct nsx_journal *journal,
		struct fail *f);

/* The IPv6 address of a namespace, by its IPv4 one; none where it gets none. */
void ipv6_set_addr(const struct nsx_conf *conf, struct nsx_ns *ns);

/* An address of the pools, of either family: a namespace's, or the host's towards them. */
bool ipv6_is_own(const struct nsx_conf *conf, const struct nsx_addr *addr);

/* fe80::1, the next hop of all namespaces. */
const struct nsx_addr *ipv6_gateway(void);

/*
 * Whether IPv6 is enabled at both ends of the new link, of which one may be a container's; else the
 * namespace has no IPv6 address. And whether the host's end has the gateway's address already.
 */
int ipv6_look_at_link(struct sides *s, struct nsx_ns *ns);

/*
 * Addresses, routes and neighbours at both ends of a link; inside: the far end's ifindex. What is
 * there stays.
 */
int ipv6_configure(const struct instance *in, struct sides *s, const struct nsx_ns *ns,
		   int inside);

/*
 * Have the uplinks take, or no longer take, the multicast solicitations for a namespace's own address.
 * Return: 0, or the first error of any.
 */
int ipv6_listen(const struct nsx_conf *conf, struct nl *nl, const struct nsx_ns *ns, bool on);

/*
 * The same addresses and routes go, from a link that stays. What is not there is none to tell of, nor
 * is what cannot be removed.
 */
void ipv6_release(const struct instance *in, struct sides *s, const struct nsx_ns *ns);

/*
 * Namespaces have a default route while the host has such an address: without one their programs are
 * to use IPv4 at once.
 */
void ipv6_follow(struct instance *in);

#endif
