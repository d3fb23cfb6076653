// SPDX-License-Identifier: GPL-2.0-only
/* See ns_link.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "kernel/ns_link.h"

bool ns_link_is(const struct instance *in, const struct nsx_ns *ns, const struct link_info *link)
{
	struct nsx_veth veth;

	if (link->ifindex != (int)ns->ifindex ||
	    strcmp(link->kind, ns->flags & NSX_NS_NETKIT ? "netkit" : "veth"))
		return false;
	if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth))
		return errno != ENOENT;
	return veth.nsid == link->peer_nsid;
}

bool ns_link_exists(const struct instance *in, const struct nsx_ns *ns)
{
	struct link_info link;
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		err = link_get(&nl, NULL, ns->ifindex, &link);
	nl_close(&nl);
	return err ? err != -ENODEV : ns_link_is(in, ns, &link);
}
