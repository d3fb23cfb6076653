// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing a namespace that runs. Its processes stay; where it gets another address, or a link of
 * another kind, the link is made anew, and what is published to it follows.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "apply/confirm.h"
#include "apply/ipv6.h"
#include "apply/map.h"
#include "apply/ns.h"
#include "apply/resolv.h"
#include "kernel/netns.h"

static bool same_link(const struct nsx_ns *a, const struct nsx_ns *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->prefix_len == b->prefix_len &&
	       (a->flags & NSX_NS_NETKIT) == (b->flags & NSX_NS_NETKIT);
}

static bool same_dns(const struct nsx_ns *a, const struct nsx_ns *b)
{
	return a->dns_count == b->dns_count &&
	       memcmp(a->dns, b->dns, a->dns_count * sizeof(a->dns[0])) == 0;
}

#define UNLINK_TRIES 3

/* The link goes, with what the datapath knows of it; harmless where it is gone. */
static void unlink_ns(struct instance *in, struct sides *s, const struct nsx_ns *ns)
{
	struct link_info link;
	int err = -EAGAIN;

	link_down(&s->host, ns->ifindex);
	table_flush_ns(in, ns);
	for (int tries = 0; tries < UNLINK_TRIES && err && err != -ESRCH; tries++)
		err = ns_unguard(in, &s->host, ns);
	link_del(&s->host, ns->ifindex);
	/* One that was made, but not to its end. */
	if (link_get(&s->host, ns->host_if, 0, &link) == 0 && link.group == in->journal->link_group)
		link_del(&s->host, link.ifindex);
	for (int tries = 0; tries < UNLINK_TRIES && veth_unregister(in, ns); tries++)
		;
}

static int relink(struct instance *in, const char *name, const struct nsx_ns *old,
		  struct nsx_ns *ns, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	int err = ns_sides_open(&s, name, f);

	if (!err) {
		unlink_ns(in, &s, old);
		err = ns_make_link(in, &s, name, ns, f);
	}
	ns_sides_close(&s);
	return err ? err : apply_map_retarget(in, ns, f);
}

/* XDP on the host's end, or none. */
static int set_xdp(const char *name, const struct nsx_ns *ns, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	int err = ns_sides_open(&s, name, f);

	if (!err)
		err = veth_set_xdp(&s, ns, (ns->flags & NSX_NS_XDP) != 0, f);
	ns_sides_close(&s);
	return err;
}

static int write_resolv(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f)
{
	if (!(ns->flags & NSX_NS_MADE_RESOLV))
		return 0;
	resolv_remove(name);
	return ns_write_resolv(in, name, ns, f);
}

/* Make all of it as ns says; old is what it is now, as far as that is known. */
static int change(struct instance *in, const char *name, const struct nsx_ns *old, struct nsx_ns *ns,
		struct fail *f)
{
	bool xdp = (old->flags ^ ns->flags) & NSX_NS_XDP, comes = xdp && (ns->flags & NSX_NS_XDP);
	int err = 0;

	if (!same_link(old, ns)) {
		err = relink(in, name, old, ns, f);
	} else {
		/* A veth with XDP at one end takes no segmentation offload at the other. */
		if (comes)
			err = set_xdp(name, ns, f);
		if (!err)
			err = veth_change(in, old, ns, f);
		if (!err && xdp && !comes)
			err = set_xdp(name, ns, f);
		if (!err && xdp)
			err = apply_map_retarget(in, ns, f);
	}
	if (!err && !same_dns(old, ns))
		err = write_resolv(in, name, ns, f);
	if (!err && ((old->flags ^ ns->flags) & NSX_NS_PREFER_IPV6))
		err = ns_write_gai(in, name, ns, f);
	return err ? err : table_ns_set(in, name, ns);
}

static int check(struct instance *in, const char *name, const struct nsx_ns *old,
		 const struct nsx_ns *ns, struct fail *f)
{
	struct ns_list list = {};
	int err;

	if (!same_dns(old, ns) && !(old->flags & NSX_NS_MADE_RESOLV))
		return fail(f, -EEXIST,
			    "--dns: /etc/netns/%s/resolv.conf is there already, and stays as it is",
			    name);
	if (!(old->flags & NSX_NS_PREFER_IPV6) && (err = ns_check_gai(name, ns, f)) != 0)
		return err;
	if (confirm_is_noting() &&
	    (!same_link(old, ns) || ((old->flags ^ ns->flags) & NSX_NS_XDP)))
		return fail(f, -ENOTSUP,
			    "a new address, link type or datapath cannot be taken back: change it "
			    "without --confirm");
	if (same_link(old, ns))
		return 0;
	if (!(old->flags & NSX_NS_MADE_VETH))
		return fail(f, -EINVAL, "its link %s is not nsxdp's: it keeps its address and kind",
			    old->host_if);
	err = table_ns_list(in, &list);
	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	err = ns_check_addr(in, &list, name, ns, f);
	ns_list_free(&list);
	return err;
}

/* The name's first character comes last: it tells that there is one. */
static void begin(struct instance *in, const char *name, const struct nsx_ns *from)
{
	struct nsx_journal *journal = in->journal;

	journal->changing_from = *from;
	strcpy(journal->changing + 1, name + 1);
	__atomic_store_n(&journal->changing[0], name[0], __ATOMIC_SEQ_CST);
}

int ns_set(struct instance *in, const struct ns_conf *c, struct fail *f)
{
	struct nsx_ns old, ns;
	struct fail ignored;
	int err = table_ns_get(in, c->name, &old);

	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	if (!ns_is_whole(in, c->name, &old))
		return fail(f, -ENODEV, "somebody has deleted it, or its link %s", old.host_if);
	ns = old;
	if (c->given & NS_GIVEN_ADDR) {
		ns.addr = c->addr;
		ns.prefix_len = c->prefix_len;
		config_gateway(&ns.addr, ns.prefix_len, &ns.gw);
		/* Its link is made anew, with IPv6 or without. */
		if (!same_link(&old, &ns))
			ipv6_set_addr(in->conf, &ns);
	}
	err = ns_describe(in, c, &ns, f);
	if (!err)
		err = check(in, c->name, &old, &ns, f);
	if (!err)
		err = veth_note_clsact(&ns, f);
	if (err)
		return err;
	begin(in, c->name, &old);
	err = table_ns_set(in, c->name, &ns);
	if (err) {
		fail_errno(f, err, "cannot write the table of names");
	} else {
		err = change(in, c->name, &old, &ns, f);
		/*
		 * Where it cannot be taken back, the next command makes it what the table says;
		 * what was noted is taken back with the whole change.
		 */
		if (err && !confirm_is_noting() &&
		    (table_ns_set(in, c->name, &old) || change(in, c->name, &ns, &old, &ignored)))
			return err;
	}
	in->journal->changing[0] = '\0';
	return err;
}

/* Links that the datapath knows as this namespace's, whatever they were. */
static int forget_links(struct instance *in, const struct nsx_ns *ns)
{
	__u32 ifindex, next, *prev = NULL;
	struct nsx_veth veth;
	int err;

	while (bpf_map_get_next_key(in->fd[TABLE_VETHS], prev, &next) == 0) {
		struct nsx_ns old = { .ifindex = next };
		bool is_its = bpf_map_lookup_elem(in->fd[TABLE_VETHS], &next, &veth) == 0 &&
			      veth.id == ns->id;

		ifindex = next;
		prev = &ifindex;
		if (!is_its)
			continue;
		old.addr = veth.addr[NSX_V4];
		old.addr6 = veth.addr[NSX_V6];
		err = veth_unregister(in, &old);
		if (err)
			return err;
		reverse_purge(in, old.ifindex);
		prev = NULL;
	}
	return errno == ENOENT ? 0 : -errno;
}

/* Whatever the command left of the link, a new one takes its place. */
static int make_link_again(struct instance *in, const char *name, struct nsx_ns *ns, struct fail *f)
{
	struct sides s = { .self = -1, .fd = -1 };
	const struct nsx_ns *was = &in->journal->changing_from;
	struct link_info link;
	int err = ns_sides_open(&s, name, f);

	if (!err && link_get(&s.host, ns->host_if, 0, &link) == 0 && link.group == in->journal->link_group) {
		link_del(&s.host, link.ifindex);
		bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &link.ifindex);
	}
	if (!err) {
		bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &was->ifindex);
		ns_unguard(in, &s.host, was);
		err = forget_links(in, ns);
		if (err)
			fail_errno(f, err, "cannot remove what is left of its old link");
	}
	if (!err) {
		table_flush_ns(in, ns);
		err = ns_make_link(in, &s, name, ns, f);
	}
	ns_sides_close(&s);
	return err ? err : apply_map_retarget(in, ns, f);
}

int ns_relink(struct instance *in, const char *name, struct fail *f)
{
	struct nsx_ns ns;
	int err = table_ns_get(in, name, &ns);

	if (confirm_is_noting())
		return fail(f, -EBUSY, "the link of %s has just been deleted by somebody else", name);
	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	begin(in, name, &ns);
	err = make_link_again(in, name, &ns, f);
	if (!err && (err = table_ns_set(in, name, &ns)) != 0)
		fail_errno(f, err, "cannot write the table of names");
	ns_recount(in);
	if (!err)
		in->journal->changing[0] = '\0';
	return err;
}

int ns_set_recover(struct instance *in, const char *name, struct fail *f)
{
	struct nsx_ns ns, from = in->journal->changing_from;
	int err = 0;

	if (table_ns_get(in, name, &ns) == 0 && netns_is(name, ns.netns)) {
		/* A link with another index was begun, and is not known to be whole. */
		bool stays = !(ns.flags & NSX_NS_MADE_VETH) ||
			     (same_link(&from, &ns) && from.ifindex == ns.ifindex &&
			      ns_is_whole(in, name, &ns));

		if (stays)
			err = veth_note_clsact(&ns, f);
		if (!err)
			err = stays ? change(in, name, &from, &ns, f)
				    : make_link_again(in, name, &ns, f);
		if (!err)
			err = write_resolv(in, name, &ns, f);
		if (!err && ((from.flags ^ ns.flags) & NSX_NS_PREFER_IPV6))
			err = ns_write_gai(in, name, &ns, f);
		if (!err)
			err = table_ns_set(in, name, &ns);
	}
	if (!err)
		in->journal->changing[0] = '\0';
	return err;
}
