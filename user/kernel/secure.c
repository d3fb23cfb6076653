// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sysctls that keep the host's stack out of what namespaces send. All are read, and those of
 * IPv4 written, with one message of rtnetlink: a path under /proc/sys takes ten times as long.
 */
#include <errno.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/netns.h"
#include "kernel/secure.h"

/* Two bits of nsx_ns.sysctls keep the value before of each, in this order. */
static const struct setting {
	__u16 family;
	__u16 index;	/* in the kernel's array of a device's settings; IPv4 counts from 1 */
	const char *name;
	__u32 value;
	bool made_only;	/* for links that nsxdp made; others keep theirs */
} settings[] = {
	{ AF_INET, IPV4_DEVCONF_FORWARDING, "forwarding", 0, false },
	{ AF_INET, IPV4_DEVCONF_RP_FILTER, "rp_filter", 1, false },
	{ AF_INET, IPV4_DEVCONF_ACCEPT_REDIRECTS, "accept_redirects", 0, false },
	{ AF_INET, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, "accept_source_route", 0, false },
	/* The datapath sees from it that a link is down */
	{ AF_INET, IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN, "ignore_routes_with_linkdown", 1, true },
	{ AF_INET6, DEVCONF_FORWARDING, "forwarding", 0, false },
	{ AF_INET6, DEVCONF_ACCEPT_RA, "accept_ra", 0, false },
	{ AF_INET6, DEVCONF_ACCEPT_REDIRECTS, "accept_redirects", 0, false },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static int write_ipv4(struct nl *nl, const struct nsx_ns *ns, const __u32 value[SETTINGS],
		      bool all)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nlattr *families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);

	ifi->ifi_index = ns->ifindex;
	for (size_t i = 0; i < SETTINGS; i++)
		if (settings[i].family == AF_INET && (all || !settings[i].made_only))
			mnl_attr_put_u32(nlh, settings[i].index, value[i]);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, families);
	return nl_do(nl, nlh, NULL, NULL);
}

/* By the name that the link has now. A kernel without IPv6 has no such settings. */
static int write_ipv6(const struct nsx_ns *ns, const __u32 value[SETTINGS])
{
	char path[96], text[12], name[IF_NAMESIZE];
	int err = 0;

	if (!if_indextoname(ns->ifindex, name))
		return -errno;
	for (size_t i = 0; i < SETTINGS && !err; i++) {
		if (settings[i].family != AF_INET6)
			continue;
		/*
		 * To set it would delete the default route that the host has from router
		 * advertisements, whatever device it is: it stays 0.
		 */
		if (settings[i].index == DEVCONF_FORWARDING && value[i])
			continue;
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", name, settings[i].name);
		snprintf(text, sizeof(text), "%u", value[i]);
		err = netns_sysctl_write(path, text);
	}
	return err == -ENOENT ? 0 : err;
}

int secure_link(struct nl *nl, const struct nsx_ns *ns, struct fail *f)
{
	__u32 value[SETTINGS];
	int err;

	for (size_t i = 0; i < SETTINGS; i++)
		value[i] = settings[i].value;
	err = write_ipv4(nl, ns, value, ns->flags & NSX_NS_MADE_VETH);
	if (!err)
		err = write_ipv6(ns, value);
	return err ? fail_errno(f, err, "cannot set the sysctls of %s", ns->host_if) : 0;
}

/* The array of a family's settings, from what the kernel says of a link. */
static void note_family(const struct nlattr *family, struct nsx_ns *ns)
{
	bool v4 = mnl_attr_get_type(family) == AF_INET;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, family) {
		__u16 count = mnl_attr_get_payload_len(attr) / sizeof(__u32);
		const __u32 *value = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) != (v4 ? IFLA_INET_CONF : IFLA_INET6_CONF))
			continue;
		for (size_t i = 0; i < SETTINGS; i++)
			if (settings[i].family == mnl_attr_get_type(family) &&
			    settings[i].index - v4 < count)
				ns->sysctls |= (value[settings[i].index - v4] & 3) << 2 * i;
	}
}

static int settings_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *family;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_AF_SPEC)
			continue;
		mnl_attr_for_each_nested(family, attr)
			note_family(family, arg);
	}
	return MNL_CB_OK;
}

int secure_link_note(struct nl *nl, struct nsx_ns *ns, struct fail *f)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	int err;

	ifi->ifi_index = ns->ifindex;
	ns->sysctls = 0;
	err = nl_do(nl, nlh, settings_cb, ns);
	if (err)
		return fail_errno(f, err, "cannot read the sysctls of %s", ns->host_if);
	ns->flags |= NSX_NS_SECURED;
	return 0;
}

int secure_link_check(struct nl *nl, const struct nsx_ns *ns)
{
	struct nsx_ns now = *ns;
	struct fail ignored;
	int err = secure_link_note(nl, &now, &ignored);

	for (size_t i = 0; i < SETTINGS && !err; i++) {
		if (settings[i].made_only && !(ns->flags & NSX_NS_MADE_VETH))
			continue;
		if ((now.sysctls >> 2 * i & 3) != settings[i].value)
			return 1;
	}
	return err;
}

int secure_link_undo(struct nl *nl, const struct nsx_ns *ns)
{
	__u32 value[SETTINGS];
	int err;

	if (!(ns->flags & NSX_NS_SECURED))
		return 0;
	for (size_t i = 0; i < SETTINGS; i++)
		value[i] = ns->sysctls >> 2 * i & 3;
	err = write_ipv4(nl, ns, value, ns->flags & NSX_NS_MADE_VETH);
	return err ? err : write_ipv6(ns, value);
}
