// SPDX-License-Identifier: GPL-2.0-only
/* The link of a namespace: made, set up, made known to the datapath, and released. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply_ns.h"
#include "datapath.h"
#include "netns.h"
#include "offload.h"
#include "secure.h"

static const __u8 host_mac[6] = NSX_HOST_MAC;

void ns_sides_close(struct sides *s)
{
	nl_close(&s->host);
	nl_close(&s->ns);
	if (s->self >= 0)
		close(s->self);
	if (s->fd >= 0)
		close(s->fd);
}

int ns_sides_open(struct sides *s, const char *name, struct fail *f)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->self = netns_open_self();
	s->fd = netns_open(name);
	if (s->self < 0 || s->fd < 0)
		return fail_errno(f, s->fd < 0 ? s->fd : s->self, "cannot open namespace '%s'", name);
	err = nl_open(&s->host);
	if (!err)
		err = netns_enter(s->fd);
	if (!err) {
		err = nl_open(&s->ns);
		if (netns_enter(s->self) && !err)
			err = -EIO;
	}
	return err ? fail_errno(f, err, "cannot talk to the kernel about '%s'", name) : 0;
}

int veth_set_xdp(struct sides *s, const struct nsx_ns *ns, bool on, struct fail *f)
{
	int err = netns_enter(s->fd);

	if (!err)
		err = offload_set_xdp(ns->ns_if, on);
	if (netns_enter(s->self) && !err)
		err = -EIO;
	return err ? fail_errno(f, err, "cannot set the offloads of %s inside", ns->ns_if) : 0;
}

void veth_release(struct instance *in, const char *name, const struct nsx_ns *ns)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct fail ignored;

	/* Without the program, and with the guard still: what comes now comes to nothing. */
	veth_unregister(in, ns);
	table_flush(in, &ns->addr);
	secure_link_undo(ns);
	if ((ns->flags & NSX_NS_XDP) && ns_sides_open(&s, name, &ignored) == 0) {
		veth_set_xdp(&s, ns, false, &ignored);
		ns_sides_close(&s);
	}
	datapath_unguard_ns(ns->ifindex, ns->flags & NSX_NS_MADE_CLSACT);
}

/* The ring of references that bpf/quota.h counts its entries by. */
static int quota_make(struct instance *in, const struct nsx_ns *ns)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int ring, err = 0;

	if (!ns->max_flows)
		return 0;
	ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_ring", sizeof(__u32), sizeof(__u64), ns->max_flows, &opts);
	if (ring < 0)
		return -errno;
	if (bpf_map_update_elem(in->fd[TABLE_QUOTAS], &ns->ifindex, &ring, BPF_ANY))
		err = -errno;
	close(ring);
	return err;
}

int veth_register(struct instance *in, struct nsx_ns *ns, struct fail *f)
{
	struct nsx_veth veth = {
		.addr = ns->addr,
		.gw = ns->gw,
		.id = ns->id,
		.flags = (ns->flags & NSX_NS_XDP ? NSX_V_XDP : 0) |
			 (ns->flags & NSX_NS_ANY_REMOTE ? NSX_V_ANY_REMOTE : 0) |
			 (ns->flags & NSX_NS_ANY_PORT ? NSX_V_ANY_PORT : 0) |
			 (ns->flags & NSX_NS_LINK_LOCAL ? NSX_V_LINK_LOCAL : 0),
		.mss = ns->mss,
		.max_flows = ns->max_flows,
		/* 1024 bytes are 8192 bits. */
		.egress_cost = ns->egress_rate ? 8192000000000ULL / ns->egress_rate : 0,
	};
	struct link_info link = { .peer_nsid = -1 };
	struct nl nl = {};
	bool made;
	int err = nl_open(&nl);

	if (!err)
		err = link_get(&nl, NULL, ns->ifindex, &link);
	nl_close(&nl);
	if (err)
		return fail_errno(f, err, "cannot look at %s", ns->host_if);
	veth.nsid = link.peer_nsid;
	memcpy(veth.mac, ns->mac, sizeof(veth.mac));
	err = quota_make(in, ns);
	if (err)
		return fail_errno(f, err, "cannot make room to count its flows");
	if (bpf_map_update_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth, BPF_ANY))
		return fail_errno(f, -errno, "cannot register %s", ns->host_if);
	if (bpf_map_update_elem(in->fd[TABLE_INSIDE], &ns->addr, &ns->ifindex, BPF_ANY))
		return fail_errno(f, -errno, "cannot register its address");
	in->conf->clamps += ns->mss != 0;
	in->conf->limits += ns->max_flows || ns->egress_rate;
	err = datapath_guard_ns(&in->dir, ns->ifindex, &made, f);
	ns->flags |= made ? NSX_NS_MADE_CLSACT : 0;
	if (!err)
		err = datapath_attach_ns(&in->dir, ns->ifindex, f);
	if (!err && (ns->flags & NSX_NS_XDP))
		err = datapath_attach_ns_xdp(&in->dir, ns->ifindex, f);
	return err;
}

/*
 * Fragments of the namespace may wait for others still, which the next one that gets its address would complete. They wait
 * for NSX_FRAG_TIME seconds, a tick more at most, and none comes now.
 */
static void await_fragments(struct instance *in, const struct nsx_ns *ns)
{
	__u32 last = nsx_ticks(in->conf, NSX_FRAG_TIME) + 1;
	struct nsx_veth veth;

	for (__u32 waited = 0; in->conf->defrag && waited < 3000; waited += 20) {
		if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth) || !veth.frag_last ||
		    now_tick(in) - veth.frag_last > last)
			return;
		usleep(20000);
	}
}

void veth_unregister(struct instance *in, const struct nsx_ns *ns)
{
	datapath_detach_ns(&in->dir, ns->ifindex);
	await_fragments(in, ns);
	if (bpf_map_delete_elem(in->fd[TABLE_VETHS], &ns->ifindex) == 0) {
		in->conf->clamps -= ns->mss != 0;
		in->conf->limits -= ns->max_flows || ns->egress_rate;
	}
	bpf_map_delete_elem(in->fd[TABLE_INSIDE], &ns->addr);
	bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &ns->ifindex);
}

int veth_make(struct instance *in, struct sides *s, struct nsx_ns *ns, struct fail *f)
{
	struct link_info uplink, link;
	struct veth_spec spec = {
		.host_if = ns->host_if,
		.ns_if = ns->ns_if,
		.host_mac = host_mac,
		.ns_mac = ns->mac,
		.ns_fd = s->fd,
	};
	int err = link_get(&s->host, NULL, in->conf->uplinks[0], &uplink);

	if (err)
		return fail_errno(f, err, "the uplink %s is gone", in->conf->uplink_names[0]);
	spec.mtu = uplink.mtu;
	err = link_veth_add(&s->host, &spec);
	if (!err)
		err = link_get(&s->host, ns->host_if, 0, &link);
	if (err)
		return fail_errno(f, err, "cannot make veth %s", ns->host_if);
	ns->ifindex = link.ifindex;
	return 0;
}

/*
 * Both ends know each other from the start. Neighbours that the kernel learns count towards a limit of all its network
 * namespaces together (gc_thresh3, 1,024): with more of them, new connections would fail. Permanent ones do not.
 */
int veth_configure(struct sides *s, const struct nsx_ns *ns, struct fail *f)
{
	struct link_info inside;
	int err;

	err = addr_add(&s->host, ns->ifindex, &ns->gw, ns->prefix_len);
	if (!err)
		err = link_up(&s->host, ns->ifindex);
	if (!err)
		err = neigh_set(&s->host, ns->ifindex, &ns->addr, ns->mac);
	if (err)
		return fail_errno(f, err, "cannot configure %s", ns->host_if);
	err = link_get(&s->ns, ns->ns_if, 0, &inside);
	if (!err)
		err = addr_add(&s->ns, inside.ifindex, &ns->addr, ns->prefix_len);
	if (!err)
		err = link_up(&s->ns, inside.ifindex);
	if (!err)
		err = neigh_set(&s->ns, inside.ifindex, &ns->gw, host_mac);
	if (!err)
		err = route_add_default(&s->ns, inside.ifindex, &ns->gw);
	if (err && err != -EEXIST)
		return fail_errno(f, err, "cannot configure %s inside", ns->ns_if);
	return 0;
}

/* A link that was set down has forgotten its neighbours. Those of a namespace that is out of reach learn. */
static void mend_neighbours(const char *name, const struct nsx_ns *ns)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct link_info inside;
	struct fail ignored;

	if ((ns->flags & NSX_NS_MADE_VETH) && ns_sides_open(&s, name, &ignored) == 0) {
		neigh_set(&s.host, ns->ifindex, &ns->addr, ns->mac);
		if (link_get(&s.ns, ns->ns_if, 0, &inside) == 0)
			neigh_set(&s.ns, inside.ifindex, &ns->gw, host_mac);
	}
	ns_sides_close(&s);
}

int veth_mend(struct instance *in, const char *name, const struct nsx_ns *ns, struct fail *f)
{
	bool made;
	int err = secure_link(ns, f);

	mend_neighbours(name, ns);
	if (!err)
		err = datapath_guard_ns(&in->dir, ns->ifindex, &made, f);
	if (!err)
		err = datapath_attach_ns(&in->dir, ns->ifindex, f);
	if (!err && (ns->flags & NSX_NS_XDP))
		err = datapath_attach_ns_xdp(&in->dir, ns->ifindex, f);
	return err;
}

int veth_follow_mtu(struct instance *in, unsigned int from, unsigned int to)
{
	struct ns_list list = {};
	int err = table_ns_list(in, &list), first = 0;

	for (size_t i = 0; !err && i < list.count; i++) {
		const struct ns_item *item = &list.item[i];
		struct sides s = { .self = -1, .fd = -1 };
		struct link_info host, inside;
		struct fail ignored;
		int set;

		if (!(item->ns.flags & NSX_NS_MADE_VETH) || ns_sides_open(&s, item->name, &ignored)) {
			ns_sides_close(&s);
			continue;
		}
		set = link_get(&s.host, NULL, item->ns.ifindex, &host);
		if (!set && host.mtu == from) {
			set = link_set_mtu(&s.host, host.ifindex, to);
			if (!set)
				set = link_get(&s.ns, item->ns.ns_if, 0, &inside);
			if (!set)
				set = link_set_mtu(&s.ns, inside.ifindex, to);
		}
		if (set && !first)
			first = set;
		ns_sides_close(&s);
	}
	ns_list_free(&list);
	return err ? err : first;
}
