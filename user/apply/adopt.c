// SPDX-License-Identifier: GPL-2.0-only
/* Taking over a namespace that others made, with the link that it has or a new one. */
#include <errno.h>
#include <string.h>

#include "apply/ns.h"
#include "kernel/netns.h"

/* Search of a namespace's link whose far end is here. */
struct find_pair {
	struct nl *host;
	struct link_info inside;
	struct link_info outside;
	int count;
};

static void find_pair_cb(const struct link_info *link, void *arg)
{
	struct find_pair *find = arg;
	struct link_info outside;

	if (!link_is_pair(link) || link_get(find->host, NULL, link->peer, &outside))
		return;
	if (strcmp(outside.kind, link->kind) || outside.peer != link->ifindex)
		return;
	find->inside = *link;
	find->outside = outside;
	find->count++;
}

static void first_addr_cb(const struct addr_info *addr, void *arg)
{
	struct addr_info *first = arg;

	if (!first->prefix_len)
		*first = *addr;
}

/* A pair of netkit devices that others made must be as ours are. */
static int netkit_check(const struct link_info *outside, const struct ns_conf *c, struct fail *f)
{
	if (c->xdp)
		return fail(f, -EINVAL, "--datapath xdp: netkit devices have no XDP");
	if (!outside->primary)
		return fail(f, -EINVAL, "its link %s: the end here is not the primary one",
			    outside->name);
	if (outside->l3)
		return fail(f, -EINVAL, "its link %s has no MAC addresses (netkit in mode l3)",
			    outside->name);
	if (outside->marks)
		return fail(f, -EINVAL,
			    "its link %s keeps the far end's marks (netkit with peer scrub none)",
			    outside->name);
	return 0;
}

/* Describe the link that a namespace has; returns 0 and leaves ns->ifindex 0 where it has none. */
static int pair_find(struct sides *s, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	struct find_pair find = { .host = &s->host };
	struct addr_info inside = {}, outside = {};
	int err = link_each(&s->ns, find_pair_cb, &find);
	bool netkit;

	if (err)
		return fail_errno(f, err, "cannot list its interfaces");
	if (!find.count)
		return 0;
	netkit = strcmp(find.outside.kind, "netkit") == 0;
	if (find.count > 1)
		return fail(f, -EINVAL,
			    "it has %d links that lead here: it is not clear which one is meant",
			    find.count);
	if (find.outside.master)
		return fail(f, -EINVAL, "its link %s belongs to a bridge: take it out first",
			    find.outside.name);
	if ((c->given & NS_GIVEN_ADDR))
		return fail(f, -EINVAL, "--addr: it has a link already, whose address is kept");
	if ((c->given & NS_GIVEN_LINK) && c->netkit != netkit)
		return fail(f, -EINVAL, "--link: it has a %s already, which is kept",
			    find.outside.kind);
	err = netkit ? netkit_check(&find.outside, c, f) : 0;
	if (err)
		return err;
	addr_each(&s->ns, NSX_V4, find.inside.ifindex, first_addr_cb, &inside);
	addr_each(&s->host, NSX_V4, find.outside.ifindex, first_addr_cb, &outside);
	if (!inside.prefix_len || !outside.prefix_len)
		return fail(f, -EINVAL, "its link %s has no address on %s", find.outside.name,
			    inside.prefix_len ? "the host's side" : "its side");
	ns->ifindex = find.outside.ifindex;
	ns->addr = inside.addr;
	ns->prefix_len = inside.prefix_len;
	ns->gw = outside.addr;
	ns->flags = netkit ? NSX_NS_NETKIT : 0;
	memcpy(ns->mac, find.inside.mac, sizeof(ns->mac));
	memcpy(ns->host_if, find.outside.name, sizeof(ns->host_if));
	memcpy(ns->ns_if, find.inside.name, sizeof(ns->ns_if));
	return 0;
}

int ns_adopt(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct nsx_ns ns = {};
	struct ns_list list = {};
	int err;

	if (!netns_exists(c->name))
		return fail(f, -ENOENT, "there is no such namespace (ip netns list shows them)");
	err = ns_sides_open(&s, c->name, f);
	if (!err)
		err = pair_find(&s, c, &ns, f);
	ns_sides_close(&s);
	if (err)
		return err;
	if (!ns.ifindex) {
		ns.flags |= NSX_NS_MADE_VETH;
		err = ns_plan(in, c, &ns, f);
	} else {
		err = table_ns_list(in, &list);
		if (!err)
			err = ns_check_addr(in, &list, NULL, &ns, f);
		ns_list_free(&list);
		ns.id = in->journal->next_id++;
	}
	return err ? err : ns_commit(in, c, &ns, f);
}
