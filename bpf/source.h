/* SPDX-License-Identifier: GPL-2.0-only */
/* May a packet have the source that it has? */
#ifndef NSXDP_SOURCE_H
#define NSXDP_SOURCE_H

#include "defs.h"
#include "parse.h"
#include "scope.h"

/**
 * source_check() - may a packet from outside, to an address of the host's, have this source?
 *
 * What goes to a namespace does not pass the host's own checks (RFC 1812, 5.3.8), so they are made
 * here.
 * Return: NSX_CONTINUE, or the verdict that drops it.
 */
static __always_inline int source_check(const struct nsx_conf *conf, const struct pkt *p)
{
	__u8 first = bpf_ntohl(p->saddr) >> 24;
	struct nsx_addr src;	/* not p->src, which an ICMP error does not describe */

	/* Martians and groups in one comparison less: this is the hot path. */
	if (first == 0 || first == 127 || first >= 224)
		return NSX_DROP_MARTIAN;
	if (p->saddr == p->daddr)
		return NSX_DROP_LAND;
	if (nsx_learned.local_count > 1) {	/* the one address is the destination */
		addr_from_v4(&src, p->saddr);
		if (is_local(&src))
			return NSX_DROP_LOCAL_SOURCE;
	}
	return (p->saddr & conf->pool_mask.w[3]) == conf->pool.w[3] ? NSX_DROP_SPOOFED
								    : NSX_CONTINUE;
}

/* The source address or MAC is not that of the namespace behind this veth. */
static __always_inline bool is_spoofed(const struct pkt *p, const struct nsx_veth *veth)
{
	return p->saddr != veth->addr.w[3] || !mac_eq(p->mac, veth->mac);
}

#endif
