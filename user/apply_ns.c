// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making and removing namespaces.
 *
 * The intent is written into the table of names before anything is made, with flags that say what
 * will be made. A command that dies on the way leaves that entry behind, and the next one for the same
 * name removes the parts before it starts afresh.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply_map.h"
#include "apply_ns.h"
#include "datapath.h"
#include "netns.h"
#include "resolv.h"
#include "secure.h"

#define NS_IF "eth0"
#define PORT_BLOCK 8192	/* ports of a namespace's ip_local_port_range */

/*
 * Each namespace binds its own sockets to a block of the ports for masquerading, of the larger part where the host's own
 * lie in between, so that ports are kept outside.
 */
static int ns_sysctls(struct instance *in, struct sides *s, __u32 id)
{
	const struct nsx_conf *conf = in->conf;
	bool hole = nsx_port_hole(conf) != 0, above = hole && conf->port_hi - conf->host_hi > conf->host_lo - conf->port_lo;
	__u32 top = hole && !above ? conf->host_lo - 1 : conf->port_hi, bottom = above ? conf->host_hi + 1 : conf->port_lo;
	__u32 span = top - bottom + 1, size = span < PORT_BLOCK ? span : PORT_BLOCK, blocks = span / size;
	__u32 hi = top - id % blocks * size;
	char range[32];
	int err = netns_enter(s->fd);

	if (err)
		return err;
	snprintf(range, sizeof(range), "%u %u", hi - size + 1, hi);
	err = netns_sysctl_write("net/ipv4/ip_local_port_range", range);
	/* A narrower range of ports must be used again sooner: safe with timestamps (RFC 6191). */
	if (!err)
		err = netns_sysctl_write("net/ipv4/tcp_tw_reuse", "1");
	if (netns_enter(s->self) && !err)
		err = -EIO;
	return err;
}

/* Where the link is down or gone, the host's own packets to the namespace must not leave by the default route. */
static int ns_guard(struct sides *s, const struct nsx_ns *ns, struct fail *f)
{
	int err = route_guard_add(&s->host, &ns->addr, ns->prefix_len);

	return err && err != -EEXIST ? fail_errno(f, err, "cannot add the unreachable route of its network") : 0;
}

/* Everything after the intent was written. */
static int ns_make(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	bool made_dir = false;
	int err;

	if (ns->flags & NSX_NS_MADE_NETNS) {
		err = netns_create(c->name);
		if (err)
			return fail_errno(f, err, "cannot make the namespace");
	}
	err = ns_sides_open(&s, c->name, f);
	if (!err && (ns->flags & NSX_NS_MADE_VETH))
		err = veth_make(in, &s, ns, f);
	if (!err && (ns->flags & NSX_NS_XDP))
		err = veth_set_xdp(&s, ns, true, f);
	if (!err)
		err = secure_link_note(ns, f);
	if (!err && (err = table_ns_set(in, c->name, ns)) != 0)
		fail_errno(f, err, "cannot write the table of names");
	if (!err)
		err = secure_link(ns, f);
	if (!err)
		err = veth_register(in, ns, f);
	if (!err)
		err = ns_guard(&s, ns, f);
	if (!err && (ns->flags & NSX_NS_MADE_VETH)) {
		err = veth_configure(&s, ns, f);
		if (!err && (err = link_up(&s.ns, 1)) != 0)
			fail_errno(f, err, "cannot set lo up inside");
	}
	if (!err && (ns->flags & NSX_NS_MADE_NETNS) && (err = ns_sysctls(in, &s, ns->id)) != 0)
		fail_errno(f, err, "cannot set sysctls inside");
	if (!err && (ns->flags & NSX_NS_MADE_RESOLV)) {
		err = resolv_write(c->name, c->dns, c->dns_count, &made_dir);
		if (err)
			fail_errno(f, err, "cannot write its resolv.conf");
		if (made_dir)
			in->conf->flags |= NSX_UP_MADE_ETC_NETNS;
	}
	if (!err) {
		ns->state = NSX_NS_READY;
		err = table_ns_set(in, c->name, ns);
		if (err)
			fail_errno(f, err, "cannot write the table of names");
	}
	ns_sides_close(&s);
	return err;
}

/* A free block of the pool, as a bitmap over its /30 networks. */
static int alloc_block(struct instance *in, const struct ns_list *list, struct nsx_ns *ns, struct fail *f)
{
	__u32 base = addr_v4(&in->conf->pool), blocks = 1U << (30 - in->conf->pool_len);
	__u8 *used = calloc(blocks, 1);
	__u32 i;

	if (!used)
		return fail_errno(f, -ENOMEM, "cannot find a free address");
	for (size_t n = 0; n < list->count; n++) {
		const struct nsx_ns *other = &list->item[n].ns;
		__u32 mask = mask_v4(other->prefix_len);
		__u32 first = ((addr_v4(&other->addr) & mask) - base) >> 2;
		__u32 last = ((addr_v4(&other->addr) | ~mask) - base) >> 2;

		for (i = first; i <= last && i < blocks; i++)
			used[i] = 1;
	}
	for (i = 0; i < blocks && used[i]; i++)
		;
	free(used);
	if (i == blocks)
		return fail(f, -ENOSPC, "the pool has no free block left");
	addr_set_v4(&ns->addr, base + 4 * i + 2);
	ns->prefix_len = 30;
	return 0;
}

int ns_check_addr(struct instance *in, const struct ns_list *list, const struct nsx_ns *ns, struct fail *f)
{
	char addr[ADDR_STRLEN], pool[ADDR_STRLEN];

	format_addr(&ns->addr, addr);
	if (ns->prefix_len < in->conf->pool_len ||
	    !config_overlap(&ns->addr, ns->prefix_len, &in->conf->pool, in->conf->pool_len))
		return fail(f, -EINVAL, "%s/%u is not in the pool %s/%u (nsxdp up --pool)", addr, ns->prefix_len,
			    format_addr(&in->conf->pool, pool), in->conf->pool_len);
	for (size_t i = 0; i < list->count; i++) {
		const struct nsx_ns *other = &list->item[i].ns;

		if (config_overlap(&ns->addr, ns->prefix_len, &other->addr, other->prefix_len))
			return fail(f, -EEXIST, "%s/%u overlaps the network of namespace %s", addr, ns->prefix_len,
				    list->item[i].name);
	}
	return 0;
}

int ns_plan(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	struct ns_list list = {};
	__u32 v4;
	int err = table_ns_list(in, &list);

	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	if (c->has_addr) {
		ns->addr = c->addr;
		ns->prefix_len = c->prefix_len;
		err = ns_check_addr(in, &list, ns, f);
	} else {
		err = alloc_block(in, &list, ns, f);
	}
	ns_list_free(&list);
	if (err)
		return err;
	config_gateway(&ns->addr, ns->prefix_len, &ns->gw);
	v4 = addr_v4(&ns->addr);
	memcpy(ns->mac, (__u8[6]){ 0x02, 0x78, v4 >> 24, v4 >> 16, v4 >> 8, v4 }, 6);
	ns->id = in->conf->next_id++;
	if (strlen(c->name) <= 11)
		snprintf(ns->host_if, sizeof(ns->host_if), "nsx-%s", c->name);
	else
		snprintf(ns->host_if, sizeof(ns->host_if), "nsx.%u", ns->id);
	strcpy(ns->ns_if, NS_IF);
	return 0;
}

int ns_commit(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	int err;

	if ((ns->flags & NSX_NS_MADE_VETH) && if_nametoindex(ns->host_if))
		return fail(f, -EEXIST, "an interface %s exists already", ns->host_if);
	if (c->xdp && in->conf->mode == NSX_MODE_TC)
		return fail(f, -ENOTSUP, "--datapath xdp needs XDP on the uplink (nsxdp up --mode xdp); it is tc: %s",
			    in->conf->mode_reason);
	if (c->xdp)
		ns->flags |= NSX_NS_XDP;
	ns->flags |= c->filtering | (c->link_local ? NSX_NS_LINK_LOCAL : 0);
	ns->mss = c->mss;
	ns->max_flows = c->max_flows;
	ns->egress_rate = c->egress_rate;
	if (!resolv_exists(c->name))
		ns->flags |= NSX_NS_MADE_RESOLV;
	ns->state = NSX_NS_MAKING;
	err = table_ns_set(in, c->name, ns);
	if (err)
		return fail_errno(f, err, "cannot write the table of names");
	err = ns_make(in, c, ns, f);
	if (err)
		apply_ns_remove(in, c->name, ns, false);
	return err;
}

/* The namespace that the table tells of is really there. */
static bool ns_is_whole(const char *name, const struct nsx_ns *ns)
{
	char ifname[IF_NAMESIZE];

	return netns_exists(name) && if_indextoname(ns->ifindex, ifname);
}

int ns_existing(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	char addr[ADDR_STRLEN];
	struct nsx_ns old;
	__u32 filtering;
	bool xdp;

	if (table_ns_get(in, c->name, &old))
		return 0;
	if (old.state != NSX_NS_READY || !ns_is_whole(c->name, &old)) {
		if (old.state == NSX_NS_READY)
			note("%s: somebody deleted this namespace: its published ports are removed", c->name);
		apply_ns_remove(in, c->name, &old, false);
		return 0;
	}
	if (c->has_addr && (memcmp(&c->addr, &old.addr, sizeof(old.addr)) || c->prefix_len != old.prefix_len))
		return fail(f, -EEXIST, "exists with address %s/%u", format_addr(&old.addr, addr), old.prefix_len);
	xdp = old.flags & NSX_NS_XDP;
	if (c->has_datapath && c->xdp != xdp)
		return fail(f, -EEXIST, "exists with datapath %s", xdp ? "xdp" : "tc");
	filtering = old.flags & (NSX_NS_ANY_REMOTE | NSX_NS_ANY_PORT);
	if ((c->has_filtering || c->filtering) && c->filtering != filtering)
		return fail(f, -EEXIST, "exists with filtering %s", config_filtering_name(filtering));
	if (c->link_local && !(old.flags & NSX_NS_LINK_LOCAL))
		return fail(f, -EEXIST, "exists without --link-local");
	if (c->max_flows && c->max_flows != old.max_flows)
		return fail(f, -EEXIST, "exists with another --max-flows");
	if (c->egress_rate && c->egress_rate != old.egress_rate)
		return fail(f, -EEXIST, "exists with another --egress-rate");
	if (c->mss && c->mss != old.mss)
		return fail(f, -EEXIST, old.mss ? "exists with another --clamp-mss" : "exists without --clamp-mss");
	return 1;
}

int apply_ns_add(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct nsx_ns ns = { .flags = NSX_NS_MADE_NETNS | NSX_NS_MADE_VETH };
	int err = ns_existing(in, c, f);

	if (err)
		return err < 0 ? err : 0;
	if (netns_exists(c->name))
		return fail(f, -EEXIST, "a namespace of this name exists: nsxdp ns adopt %s takes it over", c->name);
	err = ns_plan(in, c, &ns, f);
	if (err)
		return err;
	return ns_commit(in, c, &ns, f);
}

/* The ifindex of the link that nsxdp made, or 0; a command that died knew none yet. */
static int link_made(struct nl *nl, const struct nsx_ns *ns)
{
	struct link_info link;

	if (link_get(nl, ns->host_if, 0, &link) || strcmp(link.kind, "veth") ||
	    (ns->ifindex && link.ifindex != (int)ns->ifindex))
		return 0;
	return link.ifindex;
}

void apply_ns_remove(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns, bool keep)
{
	bool stays = keep || !(ns->flags & NSX_NS_MADE_VETH);
	struct nsx_ns going = *ns;
	struct nl nl = {};
	int made = 0;

	going.state = NSX_NS_MAKING;	/* a later command finishes the job if this one dies */
	table_ns_set(in, name, &going);
	if (nl_open(&nl) == 0 && !stays)
		made = link_made(&nl, ns);
	/* First of all, so that no packet comes while there is less and less to judge it by. */
	if (made)
		link_down(&nl, made);
	apply_map_del_ns(in, ns->id);
	table_flush(in, &ns->addr);
	if (stays && ns->ifindex)
		veth_release(in, name, ns);
	if (nl.socket)
		route_guard_del(&nl, &ns->addr, ns->prefix_len);
	if (made) {
		going.ifindex = made;
		link_del(&nl, made);
	}
	nl_close(&nl);
	if (!stays && going.ifindex)
		veth_unregister(in, &going);
	if (!keep && (ns->flags & NSX_NS_MADE_NETNS))
		netns_delete(name);
	if (!keep && (ns->flags & NSX_NS_MADE_RESOLV))
		resolv_remove(name);
	table_ns_del(in, name);
}

/* "6000/tcp, 6001/tcp" of the ports published to a namespace; returns how many there are. */
static int ns_ports(struct instance *in, __u32 id, char *buf, size_t size)
{
	char port[ADDR_STRLEN];
	const struct nsx_slot *ports = table_ports(in);
	size_t used = 0;
	int count = 0;

	buf[0] = '\0';
	for (__u32 i = 0; ports && i < TABLE_PORTS_COUNT; i++) {
		const struct nsx_slot *s = &ports[i];

		if (NSX_KIND(s->state) != NSX_MAP || s->first != (i & 0xffff) ||
		    !(s->flags & NSX_F_SERVICE ? service_has_ns(in, s->service, id) : s->id == id))
			continue;
		if (count++ < 8)
			used += snprintf(buf + used, size - used, "%s%s", count > 1 ? ", " : "",
					 config_port_name(s->proto, s->first, s->last, port));
	}
	if (count > 8)
		snprintf(buf + used, size - used, " and %d more", count - 8);
	return count;
}

int apply_ns_del(struct instance *in, const char name[NSX_NAME_LEN], bool force, struct fail *f)
{
	char ports[256];
	struct nsx_ns ns;

	if (table_ns_get(in, name, &ns)) {
		if (netns_exists(name))
			return fail(f, -EPERM, "this namespace is not nsxdp's: ip netns del %s removes it", name);
		note("ns del %s: there is no such namespace", name);
		return 0;
	}
	if (ns.state == NSX_NS_READY && !force && ns_ports(in, ns.id, ports, sizeof(ports)))
		return fail(f, -EBUSY, "ports are published to it: %s (--force removes them too)", ports);
	apply_ns_remove(in, name, &ns, false);
	return 0;
}
