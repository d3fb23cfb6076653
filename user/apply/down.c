// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking an instance away without a trace. Whatever ends in the middle can be done again: a part
 * that is gone already is no error, and the pins, which tell of the parts, go last.
 */
#include <errno.h>
#include <unistd.h>

#include "apply/ns.h"
#include "apply/resolv.h"
#include "apply/up.h"
#include "kernel/datapath.h"
#include "kernel/netns.h"
#include "kernel/orphans.h"
#include "kernel/private.h"

/* Its link is gone already, and the tables are about to be. */
static int remove_one(const struct instance *in, struct nl *nl, const struct ns_item *item)
{
	const struct nsx_ns *ns = &item->ns;
	int route = ns_unguard(in, nl, ns), netns = 0, files = 0;

	if (ns->flags & NSX_NS_MADE_NETNS)
		netns = netns_remove_ours(item->name, ns->netns);
	if (ns->flags & NSX_NS_PREFER_IPV6)
		files = gai_remove(item->name);
	if (!files && (ns->flags & NSX_NS_MADE_RESOLV))
		files = resolv_remove(item->name);
	if (route && route != -ESRCH)
		return route;
	return netns ? netns : files;
}

static int remove_made(struct instance *in, const struct ns_list *list)
{
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		/* Group 0 is that of all links that nobody has put into another. */
		err = in->journal->link_group ? link_del_group(&nl, in->journal->link_group) : -EINVAL;
	if (err == -ENODEV)
		err = 0;
	for (size_t i = 0; i < list->count && !err; i++)
		if (list->item[i].ns.flags & NSX_NS_MADE_VETH)
			err = remove_one(in, &nl, &list->item[i]);
	nl_close(&nl);
	return err;
}

#define REMOVE_TRIES 3

int down_remove_all_ns(struct instance *in, bool keep_ns)
{
	struct ns_list list = {};
	int err = table_ns_list(in, &list);

	for (size_t i = 0; i < list.count && !err; i++)
		if (keep_ns || !(list.item[i].ns.flags & NSX_NS_MADE_VETH))
			err = ns_remove(in, list.item[i].name, &list.item[i].ns, keep_ns);
	if (!err && !keep_ns)
		err = remove_made(in, &list);
	for (int tries = 1; err && !keep_ns && list.count && tries < REMOVE_TRIES; tries++)
		err = remove_made(in, &list);
	ns_list_free(&list);
	return err;
}

/*
 * Everything that the tables tell of. From here on there is no instance: a command that comes after
 * one that died here is told so, and "up" and "down" clear the rest.
 */
static int remove_parts(struct instance *in, bool keep_ns)
{
	int err;

	in->journal->going = keep_ns ? NSX_GOING_RELEASED : NSX_GOING_ALL;
	err = down_remove_all_ns(in, keep_ns);
	uplink_restore_rxvlan(in);
	return err;
}

int apply_down(bool keep_ns, struct fail *f)
{
	struct pin_dir d, copy;
	char path[PIN_PATH_MAX];
	struct instance in;
	struct fail ignored;
	__u32 flags = 0;
	int err = pin_dir_open(&d, PIN_LOCK, f);

	if (err == -ENOENT) {
		note("down: not up in this network namespace");
		return 0;
	}
	if (err)
		return err;
	copy = d;
	copy.fd = -1;
	err = instance_open_dir(&in, &copy, f);
	/*
	 * Where an earlier up or down died, there may be pins only; else nothing is destroyed on
	 * doubt.
	 */
	if (err && pin_is_up(&d) != 0) {
		instance_close(&in);
		pin_dir_close(&d);
		return err;
	}
	if (err || !in.meta.state) {
		err = 0;
	} else {
		flags = in.conf->flags;
		apply_recover(&in, &ignored);
		err = remove_parts(&in, keep_ns);
	}
	instance_close(&in);
	if (err) {
		pin_dir_close(&d);
		return fail_errno(f, err, "cannot remove all namespaces; down again tries again");
	}
	private_settle(&d);
	private_remove();
	unlink(pin_path(&d, "link_uplink", path));
	err = up_remove_pins(&d, flags & NSX_UP_MADE_BPFFS, f);
	if (!err && !keep_ns && (flags & NSX_UP_MADE_ETC_NETNS))
		rmdir(NETNS_ETC_DIR);
	if (!err && !keep_ns && (flags & NSX_UP_MADE_RUN_NETNS))
		netns_unprepare();
	pin_dir_close(&d);
	return err;
}

int apply_down_orphans(struct fail *f)
{
	int found = orphans_find(true, f);

	return found < 0 ? found : 0;
}
