// SPDX-License-Identifier: GPL-2.0-only
/* The uplinks: XDP on the first, and what was detached since. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "apply/ipv6.h"
#include "apply/up.h"
#include "kernel/datapath.h"
#include "kernel/offload.h"

static void set_mode(struct instance *in, enum nsx_mode mode, const char *reason)
{
	in->conf->mode = mode;
	snprintf(in->journal->mode_reason, sizeof(in->journal->mode_reason), "%.127s", reason);
}

/* Not by its name, which the journal may have for the device that replaces it. */
void uplink_restore_rxvlan(struct instance *in)
{
	char name[IF_NAMESIZE];

	if ((in->conf->flags & NSX_UP_SET_RXVLAN) && if_indextoname(in->conf->uplinks[0], name))
		offload_rxvlan(name, true);
	in->conf->flags &= ~NSX_UP_SET_RXVLAN;
}

/*
 * Attach the program at XDP, which must see VLAN tags: a NIC is told to leave them in frames, of a
 * veth the driver is asked, and of other virtual devices nobody knows.
 */
static int attach_xdp(struct instance *in, const struct link_info *link, bool generic,
		      struct fail *f)
{
	bool veth = strcmp(link->kind, "veth") == 0;
	int err, was;

	if (link->kind[0] && !veth)
		return fail(f, -EOPNOTSUPP, "XDP may not see the VLAN tags of a %s", link->kind);
	was = veth ? 0 : offload_rxvlan(link->name, false);
	if (was < 0)
		return fail_errno(
			f, was,
			"cannot have %s leave VLAN tags in frames (ethtool -K %s rxvlan off)",
			link->name, link->name);
	if (was)
		in->conf->flags |= NSX_UP_SET_RXVLAN;
	err = datapath_attach_uplink_xdp(&in->dir, link->ifindex, generic, veth, f);
	if (!err)
		return 0;
	if (err == -EOPNOTSUPP || err == -EINVAL || err == -ERANGE)
		fail_hint(f, link->mtu > 3498 ? "; an MTU of 3498 or less may help"
					      : "; does the driver have native XDP?");
	uplink_restore_rxvlan(in);
	return err;
}

void uplink_choose_mode(struct instance *in, const struct up_conf *c, const struct link_info *link)
{
	bool generic = c->mode == NSX_MODE_XDP_GENERIC;
	char reason[sizeof(in->journal->mode_reason)];
	struct fail f;

	if (c->mode == NSX_MODE_TC) {
		set_mode(in, NSX_MODE_TC, "as asked for");
		return;
	}
	if (c->mode == NSX_MODE_AUTO && link->kind[0]) {
		snprintf(reason, sizeof(reason),
			 "%s is a virtual device (%s), where XDP makes bulk traffic slower",
			 link->name, link->kind);
		set_mode(in, NSX_MODE_TC, reason);
		return;
	}
	if (datapath_load_xdp(&in->dir, &f) == 0 && attach_xdp(in, link, generic, &f) == 0) {
		set_mode(in, generic ? NSX_MODE_XDP_GENERIC : NSX_MODE_XDP,
			 c->mode == NSX_MODE_AUTO ? "the driver has native XDP" : "as asked for");
		return;
	}
	/* The driver refuses: TC does all the work. */
	set_mode(in, NSX_MODE_TC, f.text);
}

/*
 * Frames of namespaces come to TC too; what XDP would redirect, an uplink without XDP may not take.
 */
static void leave_xdp(struct instance *in)
{
	struct ns_list list = {};

	table_ns_list(in, &list);
	for (size_t i = 0; i < list.count; i++)
		datapath_detach_ns_xdp(&in->dir, list.item[i].ns.ifindex);
	ns_list_free(&list);
}

/* XDP on the first uplink again. */
static void mend_xdp(struct instance *in, const struct link_info *link)
{
	bool generic = in->conf->mode == NSX_MODE_XDP_GENERIC;
	struct fail f;

	datapath_detach_uplink_xdp(&in->dir);
	if (attach_xdp(in, link, generic, &f) == 0)
		return;
	set_mode(in, NSX_MODE_TC, f.text);
	leave_xdp(in);
	note("up: mode tc: %s", in->journal->mode_reason);
}

static int uplink_mend(struct instance *in, const struct link_info *link, int i, struct fail *f)
{
	struct nsx_conf *conf = in->conf;
	int was = conf->uplinks[i], err;
	bool xdp = i == 0 && conf->mode != NSX_MODE_TC &&
		   !datapath_uplink_xdp_attached(&in->dir, link->ifindex);

	if (was == link->ifindex && !xdp && datapath_uplink_attached(&in->dir, was, i == 0))
		return 0;
	note("up: %s %s", link->name,
	     was == link->ifindex ? "had lost its programs" : "is another device now");
	err = datapath_mend_uplink(&in->dir, link->ifindex, i == 0, f);
	if (err)
		return err;
	conf->uplinks[i] = link->ifindex;
	if (xdp)
		mend_xdp(in, link);
	return 0;
}

/* An uplink listens to solicitations for all namespaces, or no longer. */
static void listen_for_all(struct instance *in, __u32 ifindex, bool on)
{
	struct nsx_conf uplink = { .ipv6 = in->conf->ipv6, .uplinks = { ifindex } };
	struct ns_list list = {};
	struct nl nl = {};

	if (nl_open(&nl) == 0 && table_ns_list(in, &list) == 0)
		for (size_t i = 0; i < list.count; i++)
			if (addr_is_set(&list.item[i].ns.addr6))
				ipv6_listen(&uplink, &nl, &list.item[i].ns, on);
	ns_list_free(&list);
	nl_close(&nl);
}

int uplinks_mend(struct instance *in, const struct link_info *link, int count, struct fail *f)
{
	bool changed[NSX_UPLINKS] = {};
	int err = 0;

	/* First of all, for an uplink may have the device, or the index, of another one now. */
	for (int i = 0; i < count; i++) {
		changed[i] = in->conf->uplinks[i] != (__u32)link[i].ifindex;
		if (!changed[i])
			continue;
		listen_for_all(in, in->conf->uplinks[i], false);
		datapath_leave_uplink(&in->dir, in->conf->uplinks[i], i == 0);
		if (i == 0) {
			datapath_detach_uplink_xdp(&in->dir);
			uplink_restore_rxvlan(in);
		}
	}
	for (int i = 0; i < count && !err; i++) {
		err = uplink_mend(in, &link[i], i, f);
		if (!err && changed[i])
			listen_for_all(in, link[i].ifindex, true);
	}
	return err;
}
