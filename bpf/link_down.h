/* SPDX-License-Identifier: GPL-2.0-only */
/* Links of namespaces that have no carrier. */
#ifndef NSXDP_LINK_DOWN_H
#define NSXDP_LINK_DOWN_H

#include "defs.h"
#include "maps.h"
#include "local_addr.h"
#include "parse.h"
#include "route.h"

/**
 * link_down() - the link of a namespace has no carrier
 * @ifindex: the host's end
 *
 * The host's ends of links are set so that the kernel leaves out their routes when they are down;
 * asked twice a second for each, and by the IPv4 address, which every namespace has.
 */
__noinline int link_down(CTX *ctx, __u32 ifindex)
{
	const struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct nsx_conf *conf = &nsx_conf;
	struct bpf_fib_lookup fib = {};
	struct fib_cache *a;
	struct nsx_addr addr;
	__u32 slot;
	int err;

	if (!veth)
		return false;
	addr = veth->addr[NSX_V4];
	slot = local_slot(&addr);
	a = bpf_map_lookup_elem(&nsx_fib_cache, &slot);
	if (!a)
		return false;
	if (!fib_cache_is_fresh(a, &addr)) {
		fib_to(&fib, &addr);
		fib.ifindex = conf->asker;
		err = fib_route(ctx, &fib, FIB_MAIN);
		fib_cache_note(a, conf, &addr,
			       err < 0 || err == BPF_FIB_LKUP_RET_FWD_DISABLED ||
				       (err == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == ifindex));
	}
	return !a->index;
}

/*
 * To a namespace whose link is down, by a packet that may be the first: better told than left to
 * wait.
 */
static __always_inline bool is_to_the_dead(CTX *ctx, const struct pkt *p, const struct xlat *x)
{
	return !p->icmp_error && (p->proto == NSX_UDP || SYN_ALONE(p)) &&
	       link_down(ctx, x->ifindex);
}

#endif
