/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host-side link of a namespace. The index of a deleted link may be another device's later, so
 * an index alone does not tell.
 */
#ifndef NSXDP_NS_LINK_H
#define NSXDP_NS_LINK_H

#include "kernel/link.h"
#include "kernel/tables.h"

/*
 * The link is that of a namespace that is ready: of its kind, with the far end in the same network
 * namespace as when it was registered. Its name and group may have changed.
 */
bool ns_link_is(const struct instance *in, const struct nsx_ns *ns, const struct link_info *link);

/* It is there, and leads where it led. False only if that is certain. */
bool ns_link_exists(const struct instance *in, const struct nsx_ns *ns);

#endif
