// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making and removing namespaces.
 *
 * The intent is written into the table of names before anything is made, with flags that say what
 * will be made. A command that dies on the way leaves that entry behind, and the next one that
 * changes something removes the parts (apply_recover()).
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/confirm.h"
#include "apply/ipv6.h"
#include "apply/map.h"
#include "apply/ns.h"
#include "apply/resolv.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/netns.h"
#include "kernel/ns_link.h"
#include "kernel/secure.h"

#define NS_IF "eth0"
#define PORT_BLOCK 8192	/* ports of a namespace's ip_local_port_range */

/*
 * Each namespace binds its own sockets to a block of the ports for masquerading, of the larger part
 * where the host's own lie in between, so that ports are kept outside.
 */
static int ns_sysctls(struct instance *in, struct sides *s, __u32 id)
{
	const struct nsx_conf *conf = in->conf;
	bool hole = nsx_port_hole(conf) != 0,
	     above = hole && conf->port_hi - conf->host_hi > conf->host_lo - conf->port_lo;
	__u32 top = hole && !above ? conf->host_lo - 1 : conf->port_hi,
	      bottom = above ? conf->host_hi + 1 : conf->port_lo;
	__u32 span = top - bottom + 1, size = span < PORT_BLOCK ? span : PORT_BLOCK,
	      blocks = span / size;
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
	netns_return(s->self);
	return err;
}

/*
 * Where the link is down or gone, the host's own packets to the namespace must not leave by the
 * default route.
 */
static int ns_guard(struct sides *s, const struct nsx_ns *ns, struct fail *f)
{
	int err = route_guard_add(&s->host, &ns->addr, ns->prefix_len);

	if ((!err || err == -EEXIST) && addr_is_set(&ns->addr6))
		err = route_guard_add(&s->host, &ns->addr6, 128);

	return err && err != -EEXIST
		       ? fail_errno(f, err, "cannot add the unreachable route of its network")
		       : 0;
}

int ns_unguard(const struct instance *in, struct nl *nl, const struct nsx_ns *ns)
{
	int err = route_guard_del(nl, &ns->addr, ns->prefix_len), more = 0;

	if (addr_is_set(&ns->addr6)) {
		more = route_guard_del(nl, &ns->addr6, 128);
		ipv6_listen(in->conf, nl, ns, false);
	}
	return err && err != -ESRCH ? err : more;
}

int ns_make_link(struct instance *in, struct sides *s, const char *name, struct nsx_ns *ns,
		 struct fail *f)
{
	int err = 0;

	if (ns->flags & NSX_NS_MADE_VETH)
		err = veth_make(in, s, ns, f);
	if (!err && addr_is_set(&ns->addr6) && (err = ipv6_look_at_link(s, ns)) != 0)
		fail_errno(f, err, "cannot tell whether IPv6 is disabled on its link");
	if (!err && (ns->flags & NSX_NS_XDP))
		err = veth_set_xdp(s, ns, true, f);
	if (!err)
		err = veth_note_clsact(ns, f);
	if (!err)
		err = secure_link_note(&s->host, ns, f);
	if (!err && (err = table_ns_set(in, name, ns)) != 0)
		fail_errno(f, err, "cannot write the table of names");
	if (!err)
		err = secure_link(&s->host, ns, f);
	if (!err && ns->state == NSX_NS_MAKING)
		err = confirm_note_new_ns(in, ns, f);
	if (err > 0)
		err = 0;
	if (!err)
		err = veth_register(in, ns, f);
	if (!err)
		err = ns_guard(s, ns, f);
	if (!err && (ns->flags & NSX_NS_MADE_VETH)) {
		err = veth_configure(in, s, ns, f);
		if (!err && (err = link_up(&s->ns, 1)) != 0)
			fail_errno(f, err, "cannot set lo up inside");
	} else if (!err) {
		err = veth_add_ipv6(in, s, ns, f);
	}
	return err;
}

static struct resolv resolv_of(const struct instance *in, const struct nsx_ns *ns)
{
	return (struct resolv){ .dns = ns->dns,
				.count = ns->dns_count,
				.ipv6 = in->journal->way_out6 && addr_is_set(&ns->addr6) };
}

int ns_write_resolv(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f)
{
	struct resolv r = resolv_of(in, ns);
	bool made_dir = false;
	int err = resolv_write(name, &r, &made_dir);

	if (err == -EEXIST)
		ns->flags &= ~NSX_NS_MADE_RESOLV;

	if (made_dir)
		in->conf->flags |= NSX_UP_MADE_ETC_NETNS;
	return err ? fail_errno(f, err, "cannot write its resolv.conf") : 0;
}

int ns_write_gai(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f)
{
	bool made_dir = false;
	int err = ns->flags & NSX_NS_PREFER_IPV6 ? gai_write(name, &made_dir) : gai_remove(name);

	if (made_dir)
		in->conf->flags |= NSX_UP_MADE_ETC_NETNS;
	return err ? fail_errno(f, err, "cannot write its gai.conf") : 0;
}

int ns_check_gai(const char *name, const struct nsx_ns *ns, struct fail *f)
{
	if (!(ns->flags & NSX_NS_PREFER_IPV6) || gai_is_free(name))
		return 0;
	return fail(f, -EEXIST,
		    "--prefer-ipv6: /etc/netns/%s/gai.conf is there already, and stays as it is", name);
}

/* Everything after the intent was written. */
static int ns_make(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	int err;

	if (ns->flags & NSX_NS_MADE_NETNS) {
		err = netns_create(name);
		/* Somebody was faster: it is not ours to remove. */
		if (err == -EEXIST) {
			ns->flags &= ~NSX_NS_MADE_NETNS;
			table_ns_set(in, name, ns);
		}
		if (err)
			return fail_errno(f, err, "cannot make the namespace");
	}
	err = ns_sides_open(&s, name, f);
	if (!err) {
		ns->netns = netns_id(s.fd);
		table_ns_set(in, name, ns);
		err = ns->netns ? ns_make_link(in, &s, name, ns, f)
				: fail(f, -EIO, "cannot tell the namespace from others");
	}
	if (!err && (ns->flags & NSX_NS_MADE_NETNS) && (err = ns_sysctls(in, &s, ns->id)) != 0)
		fail_errno(f, err, "cannot set sysctls inside");
	if (!err && (ns->flags & NSX_NS_MADE_RESOLV))
		err = ns_write_resolv(in, name, ns, f);
	if (!err && (ns->flags & NSX_NS_PREFER_IPV6))
		err = ns_write_gai(in, name, ns, f);
	if (!err) {
		ns->state = NSX_NS_READY;
		err = table_ns_set(in, name, ns);
		if (err)
			fail_errno(f, err, "cannot write the table of names");
	}
	ns_sides_close(&s);
	return err;
}

/* A free block of the pool, as a bitmap over its /30 networks. */
static int alloc_block(struct instance *in, const struct ns_list *list, struct nsx_ns *ns,
		       struct fail *f)
{
	__u32 base = addr_v4(&in->conf->pool[NSX_V4]), blocks = 1U << (30 - in->conf->pool_len);
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

int ns_check_addr(struct instance *in, const struct ns_list *list, const char *name,
		  const struct nsx_ns *ns, struct fail *f)
{
	char addr[ADDR_STRLEN], pool[ADDR_STRLEN];

	format_addr(&ns->addr, addr);
	if (ns->prefix_len < in->conf->pool_len ||
	    !config_overlap(&ns->addr, ns->prefix_len, &in->conf->pool[NSX_V4], in->conf->pool_len))
		return fail(f, -EINVAL, "%s/%u is not in the pool %s/%u (nsxdp up --pool)", addr,
			    ns->prefix_len, format_addr(&in->conf->pool[NSX_V4], pool),
			    in->conf->pool_len);
	for (size_t i = 0; i < list->count; i++) {
		const struct nsx_ns *other = &list->item[i].ns;

		if (name && strcmp(list->item[i].name, name) == 0)
			continue;
		if (config_overlap(&ns->addr, ns->prefix_len, &other->addr, other->prefix_len))
			return fail(f, -EEXIST, "%s/%u overlaps the network of namespace %s", addr,
				    ns->prefix_len, list->item[i].name);
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
	if (c->given & NS_GIVEN_ADDR) {
		ns->addr = c->addr;
		ns->prefix_len = c->prefix_len;
		err = ns_check_addr(in, &list, NULL, ns, f);
	} else {
		err = alloc_block(in, &list, ns, f);
	}
	ns_list_free(&list);
	if (err)
		return err;
	config_gateway(&ns->addr, ns->prefix_len, &ns->gw);
	v4 = addr_v4(&ns->addr);
	memcpy(ns->mac, (__u8[6]){ 0x02, 0x78, v4 >> 24, v4 >> 16, v4 >> 8, v4 }, 6);
	ns->id = in->journal->next_id++;
	if (strlen(c->name) <= 11)
		snprintf(ns->host_if, sizeof(ns->host_if), "nsx-%s", c->name);
	else
		snprintf(ns->host_if, sizeof(ns->host_if), "nsx.%u", ns->id);
	strcpy(ns->ns_if, NS_IF);
	return 0;
}

int ns_describe(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	char addr[ADDR_STRLEN];

	if (c->xdp && in->conf->mode == NSX_MODE_TC)
		return fail(
			f, -ENOTSUP,
			"--datapath xdp needs XDP on the uplink (nsxdp up --mode xdp); it is tc: %s",
			in->journal->mode_reason);
	if (c->netkit && !feature_has(FEATURE_NETKIT))
		return fail(
			f, -ENOTSUP,
			"--link netkit: this kernel has no netkit devices (CONFIG_NETKIT, Linux 6.7)");
	if (addr_is_set(&c->source[NSX_V6]) && in->conf->ipv6 == NSX_IPV6_ROUTED)
		return fail(f, -EINVAL,
			    "--source: over IPv6 namespaces keep their own addresses (--ipv6 routed)");
	for (int i = 0; i < NSX_FAMILIES; i++)
		if (addr_is_set(&c->source[i]) &&
		    memcmp(&c->source[i], &ns->source[i], sizeof(c->source[i])) &&
		    !local_is_present(in, &c->source[i]))
			return fail(f, -EADDRNOTAVAIL,
				    "--source: %s is not an address of this host",
				    format_addr(&c->source[i], addr));
	ns->flags &= ~(NSX_NS_XDP | NSX_NS_ANY_REMOTE | NSX_NS_ANY_PORT | NSX_NS_LINK_LOCAL);
	ns->flags |= c->filtering | (c->xdp ? NSX_NS_XDP : 0) |
		     (c->link_local ? NSX_NS_LINK_LOCAL : 0);
	if (ns->flags & NSX_NS_MADE_VETH)
		ns->flags = (ns->flags & ~NSX_NS_NETKIT) | (c->netkit ? NSX_NS_NETKIT : 0);
	ns->mss = c->mss;
	memcpy(ns->source, c->source, sizeof(ns->source));
	ns->flags = (ns->flags & ~NSX_NS_PREFER_IPV6) | (c->prefer_ipv6 ? NSX_NS_PREFER_IPV6 : 0);
	ns->max_flows = c->max_flows;
	ns->egress_rate = c->egress_rate;
	ns->dns_count = c->dns_count;
	memcpy(ns->dns, c->dns, sizeof(ns->dns));
	if (ns->egress_count != c->egress_count ||
	    memcmp(ns->egress, c->egress, sizeof(ns->egress))) {
		ns->egress_count = c->egress_count;
		memcpy(ns->egress, c->egress, sizeof(ns->egress));
		ns->egress_set = c->egress_count ? in->journal->next_id++ : 0;
	}
	return 0;
}

int ns_commit(struct instance *in, const struct ns_conf *c, struct nsx_ns *ns, struct fail *f)
{
	struct resolv r;
	int err = ns_describe(in, c, ns, f);

	if (err)
		return err;
	if ((ns->flags & NSX_NS_MADE_VETH) && if_nametoindex(ns->host_if))
		return fail(f, -EEXIST, "an interface %s exists already", ns->host_if);
	err = ns_check_gai(c->name, ns, f);
	if (err)
		return err;
	ipv6_set_addr(in->conf, ns);
	r = resolv_of(in, ns);
	if (resolv_is_free(c->name, &r))
		ns->flags |= NSX_NS_MADE_RESOLV;
	else if (c->dns_count)
		return fail(f, -EEXIST,
			    "--dns: /etc/netns/%s/resolv.conf is there already, and stays as it is",
			    c->name);
	ns->state = NSX_NS_MAKING;
	ns_begin(in);
	err = table_ns_set(in, c->name, ns);
	if (err)
		fail_errno(f, err, "cannot write the table of names");
	if (!err)
		err = ns_make(in, c->name, ns, f);
	if (err)
		ns_remove(in, c->name, ns, false);
	ns_end(in);
	return err;
}

bool ns_is_whole(const struct instance *in, const char *name, const struct nsx_ns *ns)
{
	return netns_is(name, ns->netns) && ns_link_exists(in, ns);
}

int apply_ns_clear(struct instance *in, const char *name, struct fail *f)
{
	struct nsx_ns old;
	int err = table_ns_get(in, name, &old);

	if (err && err != -ENOENT)
		return fail_errno(f, err, "cannot read the table of names");
	if (err || (old.state == NSX_NS_READY && ns_is_whole(in, name, &old)))
		return 0;
	if (old.state == NSX_NS_READY && netns_is(name, old.netns) && (old.flags & NSX_NS_MADE_VETH)) {
		note("%s: somebody deleted its link %s: it is made again", name, old.host_if);
		return ns_relink(in, name, f);
	}
	if (old.state == NSX_NS_READY)
		note("%s: somebody deleted this namespace: its published ports are removed", name);
	err = ns_remove(in, name, &old, false);
	return err ? fail_errno(f, err, "cannot remove what is left of it") : 0;
}

int ns_check_new(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct nsx_ns ns = { .flags = NSX_NS_MADE_VETH };
	int err;

	if (c->adopted && !netns_exists(c->name))
		return fail(f, -ENOENT, "there is no such namespace (ip netns list shows them)");
	if (!c->adopted && netns_exists(c->name))
		return fail(f, -EEXIST, "a namespace of this name exists: nsxdp ns adopt %s takes it over",
			    c->name);
	err = ns_describe(in, c, &ns, f);
	return err ? err : ns_check_gai(c->name, &ns, f);
}

int ns_add(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct nsx_ns ns = { .flags = NSX_NS_MADE_NETNS | NSX_NS_MADE_VETH };
	int err = ns_check_new(in, c, f);

	if (!err)
		err = ns_plan(in, c, &ns, f);
	return err ? err : ns_commit(in, c, &ns, f);
}

/* The ifindex of the link that nsxdp made, or 0; a command that died knew none yet. */
static int link_made(struct instance *in, struct nl *nl, const struct nsx_ns *ns)
{
	struct link_info link;

	if (link_get(nl, ns->host_if, 0, &link) || link.group != in->journal->link_group ||
	    strcmp(link.kind, ns->flags & NSX_NS_NETKIT ? "netkit" : "veth") ||
	    (ns->ifindex && link.ifindex != (int)ns->ifindex))
		return 0;
	return link.ifindex;
}

/* The first error is kept; that something is gone already is none. */
static void keep_error(int *err, int more)
{
	if (more < 0 && more != -ENOENT && more != -ENODEV && more != -ESRCH && !*err)
		*err = more;
}

/* All that there is of the link; made: its ifindex, where nsxdp made it and it is there. */
static int remove_link(struct instance *in, const char *name, const struct nsx_ns *ns, bool stays,
		       int made, struct nl *nl)
{
	struct nsx_ns going = *ns;
	int err = 0;

	if (stays && ns->ifindex)
		keep_error(&err, (ns->flags & NSX_NS_LINK_GONE) ? veth_unregister(in, ns)
								: veth_release(in, name, ns));
	if (nl->socket)
		keep_error(&err, ns_unguard(in, nl, ns));
	if (made) {
		going.ifindex = made;
		keep_error(&err, link_del(nl, made));
	}
	if (!stays && going.ifindex)
		keep_error(&err, veth_unregister(in, &going));
	return err;
}

static int remove_parts(struct instance *in, const char *name, const struct nsx_ns *ns, bool keep)
{
	bool stays = keep || !(ns->flags & NSX_NS_MADE_VETH);
	struct nl nl = {};
	int made = 0, err = nl_open(&nl);

	if (!err && !stays)
		made = link_made(in, &nl, ns);
	/* First of all, so that no packet comes while there is less and less to judge it by. */
	if (made)
		link_down(&nl, made);
	keep_error(&err, apply_map_forget_ns(in, ns->id));
	keep_error(&err, table_flush_ns(in, ns));
	keep_error(&err, remove_link(in, name, ns, stays, made, &nl));
	nl_close(&nl);
	if (!keep && (ns->flags & NSX_NS_MADE_NETNS))
		keep_error(&err, netns_remove_ours(name, ns->netns));
	if (!keep && (ns->flags & NSX_NS_PREFER_IPV6))
		keep_error(&err, gai_remove(name));
	if (!keep && (ns->flags & NSX_NS_MADE_RESOLV))
		keep_error(&err, resolv_remove(name));
	return err;
}

#define REMOVE_TRIES 3

int ns_remove(struct instance *in, const char *name, const struct nsx_ns *ns, bool keep)
{
	struct nsx_ns going = *ns;
	int err = 0;

	ns_begin(in);
	/* Asked once: later passes find less and less of it. */
	if (ns->state == NSX_NS_READY && !ns_is_whole(in, name, ns) &&
	    !datapath_ns_guarded(&in->dir, ns->ifindex))
		going.flags |= NSX_NS_LINK_GONE;
	going.state = NSX_NS_GOING;	/* a later command finishes the job if this one dies */
	table_ns_set(in, name, &going);
	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		err = remove_parts(in, name, &going, keep);
		if (!err)
			break;
	}
	/* Where a part is left, the entry that tells of it is too. */
	for (int tries = 0; !err && tries < REMOVE_TRIES; tries++)
		if (table_ns_del(in, name) == 0)
			break;
	if (!err)
		ns_end(in);
	return err;
}

void ns_begin(struct instance *in)
{
	if (in->journal->going == NSX_GOING_NONE)
		in->journal->going = NSX_GOING_SOME;
}

void ns_end(struct instance *in)
{
	if (in->journal->going == NSX_GOING_SOME)
		in->journal->going = NSX_GOING_NONE;
}

int apply_ns_mark(struct instance *in, const char *name, bool going)
{
	struct nsx_ns ns;
	int err = table_ns_get(in, name, &ns);

	if (err)
		return err;
	ns_begin(in);
	if (!going && ns.state != NSX_NS_MAKING)
		return 0;
	ns.state = going ? NSX_NS_MAKING : NSX_NS_READY;
	err = table_ns_set(in, name, &ns);
	if (!going)
		ns_end(in);
	return err;
}

bool ns_is_limited(const struct nsx_ns *ns)
{
	return ns->max_flows || ns->egress_rate || ns->egress_set;
}

void ns_recount(struct instance *in)
{
	__u32 clamps = 0, limits = 0;
	struct ns_list list = {};
	int err = -ENOMEM;

	for (int tries = 0; err && tries < REMOVE_TRIES; tries++)
		err = table_ns_list(in, &list);
	/* Too many only cost the look. */
	if (err)
		return;
	for (size_t i = 0; i < list.count; i++) {
		const struct nsx_ns *ns = &list.item[i].ns;

		clamps += ns->mss != 0;
		limits += ns_is_limited(ns);
	}
	ns_list_free(&list);
	in->conf->clamps = clamps;
	in->conf->limits = limits;
}

/* It goes once the change is confirmed. Until then nothing is published to it. */
static int ns_leave(struct instance *in, const char *name, const struct nsx_ns *ns, struct fail *f)
{
	int noted = confirm_note_del_ns(in, name, f);

	if (noted < 0)
		return noted;
	if (!noted)
		return ns_remove(in, name, ns, false);
	return apply_map_forget_ns(in, ns->id)
		       ? fail(f, -EIO, "cannot remove what is published to it")
		       : 0;
}

int apply_ns(struct instance *in, const struct ns_conf *before, const struct ns_conf *after,
	     struct fail *f)
{
	const char *name = after ? after->name : before->name;
	struct nsx_ns ns;
	int err;

	if (before && after)
		return ns_set(in, after, f);
	if (after)
		return after->adopted ? ns_adopt(in, after, f) : ns_add(in, after, f);
	err = table_ns_get(in, name, &ns);
	if (!err && confirm_is_noting())
		return ns_leave(in, name, &ns, f);
	if (!err)
		err = ns_remove(in, name, &ns, false);
	return err && err != -ENOENT
		       ? fail_errno(f, err, "cannot remove all of it; the next command tries again")
		       : 0;
}
