/* SPDX-License-Identifier: GPL-2.0-only */
/* What "up" finds on the host: its uplinks and addresses. */
#ifndef NSXDP_APPLY_HOST_H
#define NSXDP_APPLY_HOST_H

#include "config/config.h"
#include "kernel/link.h"
#include "nsxdp.h"

/*
 * The uplinks and the host's addresses, those of the uplinks first; without those of the pool,
 * which are on namespaces' links.
 */
struct local_list {
	struct addr_info addr[NSX_LOCAL_MAX];
	__u32 count;	/* may be more than there is room for */
	struct link_info link[NSX_UPLINKS];	/* in the order of conf->dev */
	const struct up_conf *conf;
};

/*
 * Read them into *local, which is zeroed. Returns 0 or a negative errno with the reason: an uplink is
 * not there or has no address, a pool overlaps a network of the host's, or there are too many
 * addresses.
 */
int host_read(const struct up_conf *c, struct local_list *local, struct fail *f);

#endif
