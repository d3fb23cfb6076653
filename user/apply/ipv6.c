// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPv6 of an instance: whether it has any, the network that namespaces have their addresses from, and
 * whether there is a way out for them.
 *
 * A namespace's address has the 32 bits of its IPv4 address at its end, so it is just as unique and
 * as stable. The host's address towards all namespaces ends in ::1, which no IPv4 address of a host is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "apply/ipv6.h"
#include "kernel/netns.h"
#include "state/health.h"

/* 1, or 0 where a device has no IPv6, or the kernel none at all; another error is not an answer. */
static int is_enabled(const char *dev)
{
	char path[96], value[8] = "";
	int err;

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", dev);
	err = netns_sysctl_read(path, value, sizeof(value));
	if (err == -ENOENT)
		return 0;
	return err ? err : value[0] == '0';
}

/* fd00::/8 and 40 random bits (RFC 4193, 3.2). */
static int random_pool(struct nsx_addr *ret)
{
	__u8 *bytes = (__u8 *)ret;

	memset(ret, 0, sizeof(*ret));
	bytes[0] = 0xfd;
	return getrandom(bytes + 1, 5, 0) == 5 ? 0 : -EIO;
}

int ipv6_choose(const struct up_conf *c, struct nsx_conf *conf, struct nsx_journal *journal,
		struct fail *f)
{
	int err = is_enabled("default");

	if (err < 0)
		return fail_errno(f, err, "cannot tell whether IPv6 is disabled");
	conf->ipv6 = c->ipv6;
	if (!err) {
		if ((c->given & UP_GIVEN_IPV6) && c->ipv6 != NSX_IPV6_OFF)
			return fail(f, -EAFNOSUPPORT,
				    "--ipv6: IPv6 is not there, or disabled (sysctl net.ipv6.conf.default.disable_ipv6)");
		if (c->given & UP_GIVEN_POOL6)
			note("up: --pool6 is not used: IPv6 is not there, or disabled (sysctl net.ipv6.conf.default.disable_ipv6)");
		conf->ipv6 = NSX_IPV6_OFF;
	}
	/* Without IPv6 the pool is ::/128: no address that anybody has. */
	memset(&conf->pool_mask[NSX_V6], 0xff, sizeof(conf->pool_mask[NSX_V6]));
	if (conf->ipv6 == NSX_IPV6_OFF)
		return 0;
	if (c->given & UP_GIVEN_POOL6) {
		conf->pool[NSX_V6] = c->pool6;
		conf->pool6_len = c->pool6_len;
	} else {
		err = random_pool(&conf->pool[NSX_V6]);
		if (err)
			return fail_errno(f, err, "cannot get random numbers");
		conf->pool6_len = 48;
		journal->given |= UP_GIVEN_POOL6;
	}
	addr_mask(&conf->pool_mask[NSX_V6], conf->pool6_len);
	conf->gw6 = conf->pool[NSX_V6];
	conf->gw6.w[3] |= htonl(1);
	return 0;
}

void ipv6_set_addr(const struct nsx_conf *conf, struct nsx_ns *ns)
{
	memset(&ns->addr6, 0, sizeof(ns->addr6));
	if (conf->ipv6 == NSX_IPV6_OFF)
		return;
	ns->addr6 = conf->pool[NSX_V6];
	ns->addr6.w[3] |= ns->addr.w[3];
}

bool ipv6_is_own(const struct nsx_conf *conf, const struct nsx_addr *addr)
{
	enum nsx_family family = addr_family(addr);

	return nets_overlap(addr, 128, &conf->pool[family],
			    family == NSX_V4 ? 96 + conf->pool_len : conf->pool6_len) &&
	       (family == NSX_V4 || conf->ipv6 != NSX_IPV6_OFF);
}

const struct nsx_addr *ipv6_gateway(void)
{
	static struct nsx_addr gateway;

	gateway.w[0] = htonl(0xfe800000);
	gateway.w[3] = htonl(1);
	return &gateway;
}

/* It is there already, or not there, as wanted. */
static void keep_error(int *err, int more)
{
	if (more && more != -EEXIST && more != -ESRCH && !*err)
		*err = more;
}

int ipv6_look_at_link(struct sides *s, struct nsx_ns *ns)
{
	int host = is_enabled(ns->host_if), inside;
	int err = host < 0 ? host : netns_enter(s->fd);
	struct link_info link;

	if (err)
		return err;
	inside = is_enabled(ns->ns_if);
	netns_return(s->self);
	if (inside < 0)
		return inside;
	if (!inside || !host) {
		memset(&ns->addr6, 0, sizeof(ns->addr6));
		return 0;
	}
	err = link_get(&s->ns, ns->ns_if, 0, &link);
	if (err)
		return err;
	if (addr_exists(&s->ns, link.ifindex, ipv6_gateway())) {
		note("%s has the gateway's address fe80::1 itself, inside: the namespace has IPv4 alone",
		     ns->ns_if);
		memset(&ns->addr6, 0, sizeof(ns->addr6));
		return 0;
	}
	if (addr_exists(&s->host, ns->ifindex, ipv6_gateway()))
		ns->flags |= NSX_NS_HAD_GATEWAY6;
	if (addr_exists(&s->ns, link.ifindex, &ns->addr6))
		ns->flags |= NSX_NS_HAD_ADDR6;
	return 0;
}

static int set(const char *dev, const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", dev, name);
	return netns_sysctl_write(path, value);
}

/* The far end listens to no router; addresses outlast a link that goes down, as those of IPv4 do. */
static int set_sysctls(struct sides *s, const struct nsx_ns *ns)
{
	int err = set(ns->host_if, "keep_addr_on_down", "1");

	if (!err)
		err = netns_enter(s->fd);
	if (err)
		return err;
	err = set(ns->ns_if, "accept_ra", "0");
	if (!err)
		err = set(ns->ns_if, "keep_addr_on_down", "1");
	netns_return(s->self);
	return err;
}

int ipv6_listen(const struct nsx_conf *conf, struct nl *nl, const struct nsx_ns *ns, bool on)
{
	const __u8 *addr = (const __u8 *)&ns->addr6;
	/* That of the solicited-node address (RFC 4291, 2.7.1; RFC 2464, 7) */
	const __u8 mac[6] = { 0x33, 0x33, 0xff, addr[13], addr[14], addr[15] };
	struct link_info link;
	int err = 0;

	for (int i = 0; i < NSX_UPLINKS && conf->ipv6 == NSX_IPV6_ROUTED; i++)
		if (conf->uplinks[i] && link_get(nl, NULL, conf->uplinks[i], &link) == 0)
			keep_error(&err, link_listen(link.name, mac, on));
	return err;
}

int ipv6_configure(const struct instance *in, struct sides *s, const struct nsx_ns *ns,
		   int inside)
{
	const struct nsx_addr *gateway = ipv6_gateway(), *gw6 = &in->conf->gw6;
	bool made = ns->flags & NSX_NS_MADE_VETH;
	const __u8 host_mac[6] = NSX_HOST_MAC;
	int err = 0;

	if (!addr_is_set(&ns->addr6))
		return 0;
	if (made)
		keep_error(&err, set_sysctls(s, ns));
	/* Errors are ignored: a device without a multicast filter needs no entry. */
	ipv6_listen(in->conf, &s->host, ns, true);
	keep_error(&err, addr_add(&s->host, ns->ifindex, gateway, 64));
	/* For packets to the namespace only: the host's own to elsewhere never leave from it. */
	keep_error(&err, addr_add_deprecated(&s->host, ns->ifindex, gw6, 128));
	keep_error(&err, route_set_host6(&s->host, ns->ifindex, &ns->addr6, gw6, true));
	keep_error(&err, addr_add(&s->ns, inside, &ns->addr6, 128));
	keep_error(&err, route_set_host6(&s->ns, inside, gw6, NULL, true));
	keep_error(&err, route_set_default6(&s->ns, inside, gateway, in->journal->way_out6));
	/* The ends of an adopted link, whose MAC addresses are others' to change, ask each other. */
	if (made) {
		keep_error(&err, neigh_set(&s->host, ns->ifindex, &ns->addr6, ns->mac));
		keep_error(&err, neigh_set(&s->ns, inside, gw6, host_mac));
		keep_error(&err, neigh_set(&s->ns, inside, gateway, host_mac));
	}
	return err;
}

void ipv6_release(const struct instance *in, struct sides *s, const struct nsx_ns *ns)
{
	const struct nsx_addr *gateway = ipv6_gateway(), *gw6 = &in->conf->gw6;
	struct link_info inside;

	if (!addr_is_set(&ns->addr6))
		return;
	route_set_host6(&s->host, ns->ifindex, &ns->addr6, NULL, false);
	addr_del(&s->host, ns->ifindex, gw6, 128);
	if (!(ns->flags & NSX_NS_HAD_GATEWAY6))
		addr_del(&s->host, ns->ifindex, gateway, 64);
	if (link_get(&s->ns, ns->ns_if, 0, &inside))
		return;
	route_set_default6(&s->ns, inside.ifindex, gateway, false);
	route_set_host6(&s->ns, inside.ifindex, gw6, NULL, false);
	if (!(ns->flags & NSX_NS_HAD_ADDR6))
		addr_del(&s->ns, inside.ifindex, &ns->addr6, 128);
}

/* What a tenant did inside is no reason to stop everything else: "up" mends it. */
static void set_way_out(const struct ns_item *item, bool on)
{
	struct sides s = { .self = -1, .fd = -1 };
	struct link_info inside;
	struct fail ignored;

	if (addr_is_set(&item->ns.addr6) && ns_sides_open(&s, item->name, &ignored) == 0 &&
	    link_get(&s.ns, item->ns.ns_if, 0, &inside) == 0)
		route_set_default6(&s.ns, inside.ifindex, ipv6_gateway(), on);
	ns_sides_close(&s);
}

void ipv6_follow(struct instance *in)
{
	int on = health_way_out6(in->conf);
	struct ns_list list = {};

	if (on < 0 || in->journal->way_out6 == on || table_ns_list(in, &list))
		return;
	for (size_t i = 0; i < list.count; i++)
		set_way_out(&list.item[i], on);
	/* Last, so that after a kill in between the next command begins again. */
	in->journal->way_out6 = on;
	ns_list_free(&list);
}
