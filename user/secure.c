// SPDX-License-Identifier: GPL-2.0-only
/* The sysctls that keep the host's stack out of what namespaces send. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "netns.h"
#include "secure.h"

#define FIB_DEV "nsx.fib"
#define FIB_DEV_PEER "nsx.fib.peer"
#define FIB_DEV_FORWARDING "net/ipv4/conf/" FIB_DEV "/forwarding"

/* Two bits of nsx_ns.sysctls keep the value before of each, in this order. */
static const struct setting {
	const char *family;
	const char *name;
	const char *value;
	bool made_only;	/* for links that nsxdp made; others keep theirs */
} settings[] = {
	{ "ipv4", "forwarding", "0", false },
	{ "ipv4", "rp_filter", "1", false },
	{ "ipv4", "accept_redirects", "0", false },
	{ "ipv4", "accept_source_route", "0", false },
	{ "ipv4", "ignore_routes_with_linkdown", "1", true },	/* the datapath sees from it that a link is down */
	{ "ipv6", "forwarding", "0", false },
	{ "ipv6", "accept_ra", "0", false },
	{ "ipv6", "accept_redirects", "0", false },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void setting_path(const struct nsx_ns *ns, const struct setting *s, char path[96])
{
	snprintf(path, 96, "net/%s/conf/%s/%s", s->family, ns->host_if, s->name);
}

/* A kernel without IPv6 has no such settings. */
static int setting_error(const struct setting *s, int err)
{
	return err == -ENOENT && strcmp(s->family, "ipv6") == 0 ? 0 : err;
}

int secure_link(const struct nsx_ns *ns, struct fail *f)
{
	char path[96];

	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		int err;

		if (s->made_only && !(ns->flags & NSX_NS_MADE_VETH))
			continue;
		setting_path(ns, s, path);
		err = setting_error(s, netns_sysctl_write(path, s->value));
		if (err)
			return fail_errno(f, err, "cannot set %s", path);
	}
	return 0;
}

int secure_link_note(struct nsx_ns *ns, struct fail *f)
{
	char path[96], value[8] = "";

	ns->sysctls = 0;
	for (size_t i = 0; i < SETTINGS; i++) {
		int err;

		setting_path(ns, &settings[i], path);
		err = setting_error(&settings[i], netns_sysctl_read(path, value, sizeof(value)));
		if (err)
			return fail_errno(f, err, "cannot read %s", path);
		ns->sysctls |= (atoi(value) & 3) << 2 * i;
	}
	ns->flags |= NSX_NS_SECURED;
	return 0;
}

void secure_link_undo(const struct nsx_ns *ns)
{
	char path[96], value[8];

	if (!(ns->flags & NSX_NS_SECURED))
		return;
	for (size_t i = 0; i < SETTINGS; i++) {
		setting_path(ns, &settings[i], path);
		snprintf(value, sizeof(value), "%u", ns->sysctls >> 2 * i & 3);
		netns_sysctl_write(path, value);
	}
}

int secure_fib_dev_forward(void)
{
	return netns_sysctl_write(FIB_DEV_FORWARDING, "1");
}

bool secure_fib_dev_works(__u32 ifindex)
{
	char value[8] = "";

	return if_nametoindex(FIB_DEV) == ifindex && netns_sysctl_read(FIB_DEV_FORWARDING, value, sizeof(value)) == 0 &&
	       value[0] == '1';
}

int secure_fib_dev_make(__u32 *ifindex, struct fail *f)
{
	const struct veth_spec spec = { .host_if = FIB_DEV, .ns_if = FIB_DEV_PEER, .ns_fd = -1 };
	struct link_info link;
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err) {
		err = link_veth_add(&nl, &spec);
		if (err == -EEXIST)
			err = 0;
	}
	if (!err)
		err = link_get(&nl, FIB_DEV, 0, &link);
	nl_close(&nl);
	if (!err)
		err = secure_fib_dev_forward();
	if (err)
		return fail_errno(f, err, "cannot make %s, the device that routes are asked from", FIB_DEV);
	*ifindex = link.ifindex;
	return 0;
}

void secure_fib_dev_remove(void)
{
	struct link_info link;
	struct nl nl = {};

	if (nl_open(&nl) == 0 && link_get(&nl, FIB_DEV, 0, &link) == 0)
		link_del(&nl, link.ifindex);
	nl_close(&nl);
}
