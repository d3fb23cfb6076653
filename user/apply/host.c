// SPDX-License-Identifier: GPL-2.0-only
/* The host's uplinks and addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "apply/host.h"
#include "apply/up.h"

static void local_cb(const struct addr_info *addr, void *arg)
{
	struct local_list *local = arg;

	if (addr_is_loopback(&addr->addr))
		return;
	if (local->count < NSX_LOCAL_MAX)
		local->addr[local->count] = *addr;
	local->count++;
}

/*
 * A link of a namespace that is there already, to be adopted: an end of a pair with an address of
 * the pool.
 */
static bool is_ns_link(const struct addr_info *addr, const struct up_conf *c)
{
	struct link_info link;
	struct nl nl = {};
	bool ret;

	if (!nsx_is_v4(&addr->addr) || addr->prefix_len < c->pool_len ||
	    !config_overlap(&addr->addr, addr->prefix_len, &c->pool, c->pool_len) || nl_open(&nl))
		return false;
	ret = link_get(&nl, NULL, addr->ifindex, &link) == 0 && link_is_pair(&link);
	nl_close(&nl);
	return ret;
}

/* The host's own address on links of namespaces. */
static bool is_gateway6(const struct addr_info *addr, const struct up_conf *c)
{
	struct nsx_addr gw6 = c->pool6;

	gw6.w[3] |= htonl(1);
	return c->pool6_len && addr->prefix_len == 128 && memcmp(&addr->addr, &gw6, sizeof(gw6)) == 0;
}

static void local_other_cb(const struct addr_info *addr, void *arg)
{
	struct local_list *local = arg;

	for (int i = 0; i < local->conf->devs; i++)
		if (addr->ifindex == local->link[i].ifindex)
			return;
	if (is_gateway6(addr, local->conf))
		return;
	if (!is_ns_link(addr, local->conf))
		local_cb(addr, arg);
}

static void count_cb(const struct addr_info *info, void *arg)
{
	(void)info;
	++*(__u32 *)arg;
}

/* One uplink and its IPv4 addresses; one without any must have a global IPv6 address. */
static int read_uplink(struct nl *nl, const char *dev, struct link_info *link,
		       struct local_list *local, struct fail *f)
{
	__u32 before = local->count, others = 0;
	int err = link_get(nl, dev, 0, link);

	if (err)
		return err == -ENODEV ? fail(f, err, "there is no interface %s", dev) :
					fail_errno(f, err, "cannot look at %s", dev);
	if (link->type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK))
		return fail(f, -EINVAL, "%s is not an Ethernet interface", dev);
	err = addr_each(nl, NSX_V4, link->ifindex, local_cb, local);
	if (err)
		return fail_errno(f, err, "cannot read the addresses of %s", dev);
	if (local->count > before)
		return 0;
	if (local->conf->ipv6 != NSX_IPV6_OFF)
		err = addr_each(nl, NSX_V6, link->ifindex, count_cb, &others);
	if (err)
		return fail_errno(f, err, "cannot read the addresses of %s", dev);
	return others ? 0 : fail(f, -EADDRNOTAVAIL, "%s has no address", dev);
}

/* Neighbours on an uplink may ask for the addresses of namespaces: then it is part of its network. */
static bool is_on_link(const struct up_conf *c, const struct local_list *local,
		       const struct addr_info *info)
{
	bool uplink = false;

	for (int i = 0; i < c->devs; i++)
		uplink |= info->ifindex == local->link[i].ifindex;
	return c->ipv6 == NSX_IPV6_ROUTED && uplink && !nsx_is_v4(&info->addr) &&
	       info->prefix_len < c->pool6_len &&
	       !nets_overlap(&info->addr, 128, &c->pool6, c->pool6_len);
}

/* The pools overlap no network of the host. */
static int check_pools(const struct up_conf *c, const struct local_list *local, struct fail *f)
{
	char addr[ADDR_STRLEN], pool[ADDR_STRLEN];

	for (__u32 i = 0; i < local->count; i++) {
		const struct addr_info *info = &local->addr[i];
		bool v4 = nsx_is_v4(&info->addr);
		const struct nsx_addr *net = v4 ? &c->pool : &c->pool6;
		__u8 len = v4 ? c->pool_len + 96 : c->pool6_len,
		     bits = info->prefix_len + (v4 ? 96 : 0);

		if (!len || !nets_overlap(&info->addr, bits, net, len) ||
		    is_on_link(c, local, info))
			continue;
		return fail(f, -EINVAL,
			    "the pool %s overlaps the host's network %s: choose another with --pool%s",
			    format_prefix(net, len, pool), format_prefix(&info->addr, bits, addr),
			    v4 ? "" : "6");
	}
	return 0;
}

/* How many addresses there is room for: a family's first place is for an uplink's address only. */
static __u32 room(const struct local_list *local)
{
	bool has[NSX_FAMILIES] = {};

	for (__u32 i = 0; i < local->count && i < NSX_LOCAL_MAX; i++)
		for (int d = 0; d < local->conf->devs; d++)
			if (local->addr[i].ifindex == local->link[d].ifindex)
				has[addr_family(&local->addr[i].addr)] = true;
	return NSX_LOCAL_MAX - !has[NSX_V4] - !has[NSX_V6];
}

int host_read(const struct up_conf *c, struct local_list *local, struct fail *f)
{
	struct nl nl = {};
	int err = nl_open(&nl);

	local->conf = c;
	if (err)
		return fail_errno(f, err, "cannot talk to the kernel about interfaces");
	for (int i = 0; i < c->devs; i++) {
		err = read_uplink(&nl, c->dev[i], &local->link[i], local, f);
		if (err)
			goto out;
	}
	for (int i = 0; !err && i < c->devs; i++)
		err = addr_each(&nl, NSX_V6, local->link[i].ifindex, local_cb, local);
	if (!err)
		err = local_each(&nl, local_other_cb, local);
	if (err)
		fail_errno(f, err, "cannot read the host's addresses");
	if (!err && local->count > room(local))
		err = fail(f, -E2BIG,
			   "the host has %u addresses; nsxdp serves hosts with %u at most",
			   local->count, room(local));
	if (!err)
		err = check_pools(c, local, f);
out:
	nl_close(&nl);
	return err;
}
