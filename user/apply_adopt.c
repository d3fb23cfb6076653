// SPDX-License-Identifier: GPL-2.0-only
/* Taking over a namespace that others made, with the veth that it has or a new one. */
#include <errno.h>
#include <string.h>

#include "apply_ns.h"
#include "netns.h"

/* Search of a namespace's veth whose far end is here. */
struct find_veth {
	struct nl *host;
	struct link_info inside;
	struct link_info outside;
	int count;
};

static void find_veth_cb(const struct link_info *link, void *arg)
{
	struct find_veth *find = arg;
	struct link_info outside;

	if (strcmp(link->kind, "veth") || link_get(find->host, NULL, link->peer, &outside))
		return;
	if (strcmp(outside.kind, "veth") || outside.peer != link->ifindex)
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

/* Describe the veth that a namespace has; returns 0 and leaves ns->ifindex 0 where it has none. */
static int veth_find(struct sides *s, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	struct find_veth find = { .host = &s->host };
	struct addr_info inside = {}, outside = {};
	int err = link_each(&s->ns, find_veth_cb, &find);

	if (err)
		return fail_errno(f, err, "cannot list its interfaces");
	if (!find.count)
		return 0;
	if (find.count > 1)
		return fail(f, -EINVAL, "it has %d veths that lead here: which one is meant is not clear", find.count);
	if (find.outside.master)
		return fail(f, -EINVAL, "its veth %s belongs to a bridge: take it out first", find.outside.name);
	if (c->has_addr)
		return fail(f, -EINVAL, "--addr: it has a veth already, whose address is kept");
	addr_each(&s->ns, find.inside.ifindex, first_addr_cb, &inside);
	addr_each(&s->host, find.outside.ifindex, first_addr_cb, &outside);
	if (!inside.prefix_len || !outside.prefix_len)
		return fail(f, -EINVAL, "its veth %s has no address on %s", find.outside.name,
			    inside.prefix_len ? "the host's side" : "its side");
	ns->ifindex = find.outside.ifindex;
	ns->addr = inside.addr;
	ns->prefix_len = inside.prefix_len;
	ns->gw = outside.addr;
	memcpy(ns->mac, find.inside.mac, sizeof(ns->mac));
	memcpy(ns->host_if, find.outside.name, sizeof(ns->host_if));
	memcpy(ns->ns_if, find.inside.name, sizeof(ns->ns_if));
	return 0;
}

int apply_ns_adopt(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct nsx_ns ns = {};
	struct ns_list list = {};
	int err = ns_existing(in, c, f);

	if (err)
		return err < 0 ? err : 0;
	if (!netns_exists(c->name))
		return fail(f, -ENOENT, "there is no such namespace (ip netns list shows them)");
	err = ns_sides_open(&s, c->name, f);
	if (!err)
		err = veth_find(&s, c, &ns, f);
	ns_sides_close(&s);
	if (err)
		return err;
	if (!ns.ifindex) {
		ns.flags = NSX_NS_MADE_VETH;
		err = ns_plan(in, c, &ns, f);
	} else {
		err = table_ns_list(in, &list);
		if (!err)
			err = ns_check_addr(in, &list, &ns, f);
		ns_list_free(&list);
		ns.id = in->conf->next_id++;
	}
	return err ? err : ns_commit(in, c, &ns, f);
}
