// SPDX-License-Identifier: GPL-2.0-only
/* The link of a namespace: made, set up, made known to the datapath, and released. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/confirm.h"
#include "apply/ipv6.h"
#include "apply/ns.h"
#include "kernel/clsact.h"
#include "kernel/datapath.h"
#include "kernel/netns.h"
#include "kernel/ns_link.h"
#include "kernel/offload.h"
#include "kernel/secure.h"

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
		return fail_errno(f, s->fd < 0 ? s->fd : s->self, "cannot open namespace '%s'",
				  name);
	err = nl_open(&s->host);
	if (!err)
		err = netns_enter(s->fd);
	if (!err) {
		err = nl_open(&s->ns);
		netns_return(s->self);
	}
	return err ? fail_errno(f, err, "cannot talk to the kernel about '%s'", name) : 0;
}

int veth_set_xdp(struct sides *s, const struct nsx_ns *ns, bool on, struct fail *f)
{
	int err = netns_enter(s->fd);

	if (!err)
		err = offload_set_xdp(ns->ns_if, on);
	netns_return(s->self);
	return err ? fail_errno(f, err, "cannot set the offloads of %s inside", ns->ns_if) : 0;
}

int veth_release(struct instance *in, const char *name, const struct nsx_ns *ns)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct fail ignored;
	struct nl nl = {};
	int err, gone;

	/* Without the program, and with the guard still: what comes now comes to nothing. */
	gone = veth_unregister(in, ns);
	table_flush_ns(in, ns);
	if (((ns->flags & NSX_NS_XDP) || addr_is_set(&ns->addr6)) &&
	    ns_sides_open(&s, name, &ignored) == 0) {
		if (ns->flags & NSX_NS_XDP)
			veth_set_xdp(&s, ns, false, &ignored);
		ipv6_release(in, &s, ns);
		ns_sides_close(&s);
	}
	err = nl_open(&nl);
	if (!err)
		err = secure_link_undo(&nl, ns);
	if (!err && (ns->flags & NSX_NS_MADE_VETH))
		err = link_set_group(&nl, ns->ifindex, 0); /* nobody's to delete with others */
	nl_close(&nl);
	datapath_unguard_ns(ns->ifindex, ns->flags & NSX_NS_MADE_CLSACT);
	return gone ? gone : err;
}

/* The ring of references that bpf/quota.h counts its entries by. */
static int quota_make(struct instance *in, const struct nsx_ns *ns)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int ring, err = 0;

	if (!ns->max_flows)
		return 0;
	ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_ring", sizeof(__u32), sizeof(__u64),
			      ns->max_flows, &opts);
	if (ring < 0)
		return -errno;
	if (bpf_map_update_elem(in->fd[TABLE_QUOTAS], &ns->ifindex, &ring, BPF_ANY))
		err = -errno;
	close(ring);
	return err;
}

/*
 * A link keeps what serves it for as long as it is there: to put one in the place of the other
 * would leave it without guards for a moment. One that has another clsact qdisc is served alone
 * (-EEXIST below).
 */
static bool is_by_block(const struct instance *in, const struct nsx_ns *ns)
{
	return datapath_ns_bound(ns->ifindex) ||
	       (nsx_by_block(in->conf, ns->flags) &&
		!datapath_ns_has_program(&in->dir, ns->ifindex));
}

/* By a program of its own, and guards behind it. */
static int attach_alone(struct instance *in, const struct nsx_ns *ns, struct fail *f)
{
	int err = datapath_guard_ns(&in->dir, ns->ifindex, f);

	return err ? err : datapath_attach_ns(&in->dir, ns->ifindex, f);
}

/* XDP on a veth has each frame in one page. */
#define XDP_MTU_HINT "; with --datapath xdp the MTU is 3498 at most"

static int veth_attach(struct instance *in, const struct nsx_ns *ns, struct fail *f)
{
	int err = -EEXIST;

	if (is_by_block(in, ns))
		err = datapath_bind_ns(&in->dir, ns->ifindex, f);
	if (err == -EEXIST)
		err = attach_alone(in, ns, f);
	if (!err && (ns->flags & NSX_NS_XDP) && in->conf->mode != NSX_MODE_TC) {
		err = datapath_attach_ns_xdp(&in->dir, ns->ifindex, f);
		if (err == -ERANGE)
			fail_hint(f, XDP_MTU_HINT);
	}
	if (!err && (ns->flags & NSX_NS_NETKIT))
		err = datapath_attach_ns_netkit(&in->dir, ns->ifindex, f);
	return err;
}

static __u16 veth_flags(const struct nsx_ns *ns)
{
	return (ns->flags & NSX_NS_XDP ? NSX_V_XDP : 0) |
	       (ns->flags & NSX_NS_ANY_REMOTE ? NSX_V_ANY_REMOTE : 0) |
	       (ns->flags & NSX_NS_ANY_PORT ? NSX_V_ANY_PORT : 0) |
	       (ns->flags & NSX_NS_LINK_LOCAL ? NSX_V_LINK_LOCAL : 0) |
	       (ns->flags & NSX_NS_NETKIT ? NSX_V_NETKIT : 0) |
	       (addr_is_set(&ns->source[NSX_V4]) ? NSX_V_SOURCE(NSX_V4) : 0) |
	       (addr_is_set(&ns->source[NSX_V6]) ? NSX_V_SOURCE(NSX_V6) : 0);
}

/* 1024 bytes are 8192 bits. */
static __u64 egress_cost(const struct nsx_ns *ns)
{
	return ns->egress_rate ? 8192000000000ULL / ns->egress_rate : 0;
}

int veth_note_clsact(struct nsx_ns *ns, struct fail *f)
{
	int there = (ns->flags & NSX_NS_MADE_VETH) ? 0 : clsact_look(ns->ifindex, f);

	if (!there)
		ns->flags |= NSX_NS_MADE_CLSACT;
	return there < 0 ? there : 0;
}

int veth_register(struct instance *in, struct nsx_ns *ns, struct fail *f)
{
	struct nsx_veth veth = {
		.addr = { ns->addr, ns->addr6 },
		.gw = ns->gw,
		.id = ns->id,
		.flags = veth_flags(ns),
		.mss = ns->mss,
		.max_flows = ns->max_flows,
		.egress = ns->egress_set,
		.source = { ns->source[NSX_V4], ns->source[NSX_V6] },
		.egress_cost = egress_cost(ns),
	};
	struct link_info link = { .peer_nsid = -1 };
	struct nl nl = {};
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
	err = egress_write(in, ns);
	if (err)
		return fail_errno(f, err, "cannot write where it may go");
	if (bpf_map_update_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth, BPF_ANY))
		return fail_errno(f, -errno, "cannot register %s", ns->host_if);
	in->conf->clamps += ns->mss != 0;
	in->conf->limits += ns_is_limited(ns);
	if (bpf_map_update_elem(in->fd[TABLE_INSIDE], &ns->addr, &ns->ifindex, BPF_ANY) ||
	    (addr_is_set(&ns->addr6) &&
	     bpf_map_update_elem(in->fd[TABLE_INSIDE], &ns->addr6, &ns->ifindex, BPF_ANY)))
		return fail_errno(f, -errno, "cannot register its address");
	return veth_attach(in, ns, f);
}

static struct nsx_veth_change change_to(const struct nsx_ns *ns)
{
	return (struct nsx_veth_change){
		.ifindex = ns->ifindex,
		.flags = veth_flags(ns),
		.mss = ns->mss,
		.max_flows = ns->max_flows,
		.egress = ns->egress_set,
		.source = { ns->source[NSX_V4], ns->source[NSX_V6] },
		.egress_cost = egress_cost(ns),
	};
}

/* Where the change may be taken back, what was goes on being there: egress sets, room for flows. */
int veth_change(struct instance *in, const struct nsx_ns *old, const struct nsx_ns *ns,
		struct fail *f)
{
	struct nsx_veth_change was = change_to(old), change = change_to(ns);
	bool grows = ns->max_flows > old->max_flows;
	int err = 0, noted;

	/* The look is not spared from before there is something to see until after. */
	in->conf->clamps += ns->mss != 0;
	in->conf->limits += ns_is_limited(ns);
	noted = confirm_note_veth(in, &was, f);
	if (noted < 0)
		return noted;
	/* There is room for as many references as may be counted. */
	if (grows)
		err = quota_make(in, ns);
	if (!err)
		err = egress_write(in, ns);
	if (!err)
		err = table_veth_change(in, &change);
	if (!err && !noted && old->egress_set != ns->egress_set)
		err = egress_delete(in, old);
	/* What goes on as the old ones let it. */
	if (!err && ((ns->egress_set && old->egress_set != ns->egress_set) ||
		     memcmp(old->source, ns->source, sizeof(ns->source)))) {
		int ended = table_flush_ns(in, ns);

		err = ended < 0 ? ended : 0;
	}
	if (!err && !noted && ns->max_flows && !grows && ns->max_flows != old->max_flows)
		err = quota_make(in, ns);
	if (!err && !noted && !ns->max_flows)
		bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &ns->ifindex);
	ns_recount(in);
	if (err)
		return fail_errno(f, err, "cannot change what the datapath knows of %s",
				  ns->host_if);
	if ((old->flags & NSX_NS_XDP) && !(ns->flags & NSX_NS_XDP))
		datapath_detach_ns_xdp(&in->dir, ns->ifindex);
	return veth_attach(in, ns, f);
}

/*
 * Fragments of the namespace may wait for others still, which the next one that gets its address
 * would complete. They wait for NSX_FRAG_TIME seconds, a tick more at most, and none comes now.
 */
static void await_fragments(struct instance *in, const struct nsx_ns *ns)
{
	__u32 last = nsx_ticks(in->conf, NSX_FRAG_TIME) + 1;
	struct nsx_veth veth;

	for (__u32 waited = 0; in->conf->defrag && waited < 3000; waited += 20) {
		if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth) ||
		    !veth.frag_last || now_tick(in) - veth.frag_last > last)
			return;
		usleep(20000);
	}
}

int veth_unregister(struct instance *in, const struct nsx_ns *ns)
{
	int err = 0;

	datapath_detach_ns(&in->dir, ns->ifindex);
	await_fragments(in, ns);
	if (bpf_map_delete_elem(in->fd[TABLE_INSIDE], &ns->addr) && errno != ENOENT)
		err = -errno;
	if (bpf_map_delete_elem(in->fd[TABLE_INSIDE], &ns->addr6) && errno != ENOENT)
		err = -errno;
	if (bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &ns->ifindex) && errno != ENOENT)
		err = -errno;
	if (!err)
		err = egress_delete(in, ns);
	if (err)
		return err;
	/* By this entry the others are found after a command that died: it goes last. */
	if (bpf_map_delete_elem(in->fd[TABLE_VETHS], &ns->ifindex) == 0) {
		in->conf->clamps -= ns->mss != 0;
		in->conf->limits -= ns_is_limited(ns);
	} else if (errno != ENOENT) {
		err = -errno;
	}
	return err;
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
		.netkit = ns->flags & NSX_NS_NETKIT,
		.group = in->journal->link_group,
	};
	int err = link_get(&s->host, NULL, in->conf->uplinks[0], &uplink);

	if (err)
		return fail_errno(f, err, "the uplink %s is gone", in->journal->uplink_names[0]);
	spec.mtu = ns->mtu = uplink.mtu;
	err = link_veth_add(&s->host, &spec);
	if (!err)
		err = link_get(&s->host, ns->host_if, 0, &link);
	if (err)
		return fail_errno(f, err, "cannot make %s %s", spec.netkit ? "netkit" : "veth",
				  ns->host_if);
	ns->ifindex = link.ifindex;
	return 0;
}

/*
 * Both ends know each other from the start. Neighbours that the kernel learns count towards a limit
 * of all its network namespaces together (gc_thresh3, 1,024): with more of them, new connections
 * would fail. Permanent ones do not.
 */
int veth_configure(struct instance *in, struct sides *s, const struct nsx_ns *ns, struct fail *f)
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
	if (!err || err == -EEXIST)
		err = ipv6_configure(in, s, ns, inside.ifindex);
	if (err)
		return fail_errno(f, err, "cannot configure %s inside", ns->ns_if);
	return 0;
}

int veth_add_ipv6(const struct instance *in, struct sides *s, const struct nsx_ns *ns,
		  struct fail *f)
{
	struct link_info inside;
	int err;

	if (!addr_is_set(&ns->addr6))
		return 0;
	err = link_get(&s->ns, ns->ns_if, 0, &inside);
	if (!err)
		err = ipv6_configure(in, s, ns, inside.ifindex);
	/* An end that is down gets no routes before "up" mends it. */
	return err && err != -ENETDOWN
		       ? fail_errno(f, err, "cannot configure IPv6 of its link %s", ns->host_if)
		       : 0;
}

/*
 * A link that was set down has forgotten its neighbours and routes. Those of a namespace that is out
 * of reach learn.
 */
static void mend_inside(struct instance *in, const char *name, const struct nsx_ns *ns)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct link_info inside;
	struct fail ignored;

	if (ns_sides_open(&s, name, &ignored)) {
		ns_sides_close(&s);
		return;
	}
	if (ns->flags & NSX_NS_MADE_VETH) {
		neigh_set(&s.host, ns->ifindex, &ns->addr, ns->mac);
		if (link_get(&s.ns, ns->ns_if, 0, &inside) == 0) {
			neigh_set(&s.ns, inside.ifindex, &ns->gw, host_mac);
			route_add_default(&s.ns, inside.ifindex, &ns->gw);
			ipv6_configure(in, &s, ns, inside.ifindex);
		}
	} else {
		veth_add_ipv6(in, &s, ns, &ignored);
	}
	if (ns->flags & NSX_NS_XDP)
		veth_set_xdp(&s, ns, true, &ignored);
	ns_sides_close(&s);
}

int veth_mend(struct instance *in, const char *name, const struct nsx_ns *ns, struct fail *f)
{
	struct nsx_ns now = *ns;
	struct nl nl = {};
	int err = nl_open(&nl);

	if (err)
		return fail_errno(f, err, "cannot talk to the kernel about %s", ns->host_if);
	err = secure_link(&nl, ns, f);
	nl_close(&nl);
	mend_inside(in, name, ns);
	if (!err)
		err = veth_note_clsact(&now, f);
	if (!err && now.flags != ns->flags && (err = table_ns_set(in, name, &now)) != 0)
		fail_errno(f, err, "cannot write the table of names");
	return err ? err : veth_attach(in, ns, f);
}

/* Both ends, if they have the MTU that nsxdp gave them; others' stay as they are. */
static int follow_mtu(struct instance *in, struct sides *s, const char *name, struct nsx_ns *ns,
		      unsigned int mtu)
{
	unsigned int given = ns->mtu ? ns->mtu : in->conf->mtu;
	struct link_info host;
	int err = link_get(&s->host, NULL, ns->ifindex, &host);

	if (err || !ns_link_is(in, ns, &host) || (host.mtu != given && host.mtu != mtu))
		return 0;
	if (host.mtu != mtu) {
		err = link_set_mtu(&s->ns, host.peer, mtu);
		/* The host's end last: it says that the other has it too. */
		if (!err)
			err = link_set_mtu(&s->host, ns->ifindex, mtu);
	}
	if (err || ns->mtu == mtu)
		return err;
	ns->mtu = mtu;
	return table_ns_set(in, name, ns);
}

void veth_follow_mtu(struct instance *in, const char *name, unsigned int mtu)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct fail ignored;
	struct nsx_ns ns;
	int err;

	/* A link may have been made again since the table was read. */
	if (table_ns_get(in, name, &ns) || !(ns.flags & NSX_NS_MADE_VETH) || ns.mtu == mtu ||
	    !netns_is(name, ns.netns))
		return;
	err = ns_sides_open(&s, name, &ignored);
	if (!err && (err = follow_mtu(in, &s, name, &ns, mtu)) != 0)
		note("up: %s: the MTU of its link cannot be %u, as the uplink's is: %s%s", name, mtu,
		     strerror(-err),
		     (ns.flags & NSX_NS_XDP) && err == -EINVAL && mtu > 3498 ? XDP_MTU_HINT : "");
	ns_sides_close(&s);
}
