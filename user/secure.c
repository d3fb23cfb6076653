// SPDX-License-Identifier: GPL-2.0-only
/* The sysctls that keep the host's stack out of what namespaces send. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "secure.h"

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
