// SPDX-License-Identifier: GPL-2.0-only
/* Bringing an instance up, and taking it away without a trace. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "apply_up.h"
#include "datapath.h"
#include "feature.h"
#include "link.h"
#include "netns.h"
#include "offload.h"
#include "private.h"
#include "sockets.h"

/* The uplinks and the host's addresses, those of the uplinks first; without those of the pool, which are on namespaces' links. */
struct own_list {
	struct addr_info addr[NSX_OWN_MAX];
	__u32 count;	/* may be more than there is room for */
	struct link_info link[NSX_UPLINKS];	/* in the order of conf->dev */
	const struct up_conf *conf;
};

static void own_cb(const struct addr_info *addr, void *arg)
{
	struct own_list *own = arg;

	if (addr_v4(&addr->addr) >> 24 == 127)
		return;
	if (own->count < NSX_OWN_MAX)
		own->addr[own->count] = *addr;
	own->count++;
}

/* A link of a namespace that is there already, to be adopted: a veth with an address of the pool. */
static bool is_ns_link(const struct addr_info *addr, const struct up_conf *c)
{
	struct link_info link;
	struct nl nl = {};
	bool ret;

	if (addr->prefix_len < c->pool_len ||
	    !config_overlap(&addr->addr, addr->prefix_len, &c->pool, c->pool_len) || nl_open(&nl))
		return false;
	ret = link_get(&nl, NULL, addr->ifindex, &link) == 0 && strcmp(link.kind, "veth") == 0;
	nl_close(&nl);
	return ret;
}

static void own_other_cb(const struct addr_info *addr, void *arg)
{
	struct own_list *own = arg;

	for (int i = 0; i < own->conf->devs; i++)
		if (addr->ifindex == own->link[i].ifindex)
			return;
	if (!is_ns_link(addr, own->conf))
		own_cb(addr, arg);
}

/* One uplink with its addresses. */
static int read_uplink(struct nl *nl, const char *dev, struct link_info *link, struct own_list *own, struct fail *f)
{
	__u32 before = own->count;
	int err = link_get(nl, dev, 0, link);

	if (err)
		return err == -ENODEV ? fail(f, err, "there is no interface %s", dev) :
					fail_errno(f, err, "cannot look at %s", dev);
	if (link->type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK))
		return fail(f, -EINVAL, "%s is not an Ethernet interface", dev);
	err = addr_each(nl, link->ifindex, own_cb, own);
	if (err)
		return fail_errno(f, err, "cannot read the addresses of %s", dev);
	return own->count > before ? 0 : fail(f, -EADDRNOTAVAIL, "%s has no IPv4 address", dev);
}

static int read_host(const struct up_conf *c, struct own_list *own, struct fail *f)
{
	char addr[ADDR_STRLEN], pool[ADDR_STRLEN];
	struct nl nl = {};
	int err = nl_open(&nl);

	own->conf = c;
	if (err)
		return fail_errno(f, err, "cannot talk to the kernel about interfaces");
	for (int i = 0; i < c->devs; i++) {
		err = read_uplink(&nl, c->dev[i], &own->link[i], own, f);
		if (err)
			goto out;
	}
	if (!err)
		err = addr_each(&nl, 0, own_other_cb, own);
	if (err)
		fail_errno(f, err, "cannot read the host's addresses");
	if (!err && own->count > NSX_OWN_MAX)
		err = fail(f, -E2BIG, "the host has %u IPv4 addresses; nsxdp serves hosts with %d at most", own->count,
			   NSX_OWN_MAX);
	for (__u32 i = 0; i < own->count && !err; i++)
		if (config_overlap(&own->addr[i].addr, own->addr[i].prefix_len, &c->pool, c->pool_len))
			err = fail(f, -EINVAL, "the pool %s/%u overlaps the host's network %s/%u: choose another with --pool",
				   format_addr(&c->pool, pool), c->pool_len, format_addr(&own->addr[i].addr, addr),
				   own->addr[i].prefix_len);
out:
	nl_close(&nl);
	return err;
}

#define PORTS_LEAST 1024

/*
 * Ports for masquerading are those of --snat-ports, or all from NSX_PORT_MIN on, without those that the host gives to its
 * own sockets.
 */
static int read_ports(struct nsx_conf *conf, const struct up_conf *c, struct fail *f)
{
	struct nsx_conf next = { .port_lo = c->snat_lo ? c->snat_lo : NSX_PORT_MIN, .port_hi = c->snat_lo ? c->snat_hi : 65535 };
	char value[64];
	unsigned int lo, hi;
	int err = netns_sysctl_read("net/ipv4/ip_local_port_range", value, sizeof(value));

	if (err || sscanf(value, "%u %u", &lo, &hi) != 2)
		return fail_errno(f, err ? err : -EINVAL, "cannot read ip_local_port_range");
	next.host_lo = lo;
	next.host_hi = hi;
	if (c->snat_lo && !nsx_port_span(&next))
		return fail(f, -EINVAL, "--snat-ports %u-%u: ip_local_port_range %u-%u, which is for the host's own sockets, leaves none",
			    c->snat_lo, c->snat_hi, lo, hi);
	if (!c->snat_lo && nsx_port_span(&next) < PORTS_LEAST)
		return fail(f, -ENOSPC,
			    "ip_local_port_range %u-%u leaves fewer than %d ports for masquerading: narrow it, "
			    "as with sysctl net.ipv4.ip_local_port_range=\"32768 60999\"", lo, hi, PORTS_LEAST);
	conf->host_lo = lo;
	conf->host_hi = hi;
	conf->port_lo = next.port_lo;
	conf->port_hi = next.port_hi;
	return 0;
}

/* The addresses of --snat must be the host's. */
static int check_snat(const struct up_conf *c, const struct own_list *own, struct fail *f)
{
	char addr[ADDR_STRLEN];

	for (__u32 i = 0; i < c->snat_count; i++) {
		bool here = false;

		for (__u32 n = 0; n < own->count && n < NSX_OWN_MAX && !here; n++)
			here = memcmp(&c->snat[i], &own->addr[n].addr, sizeof(c->snat[i])) == 0;
		if (!here)
			return fail(f, -EADDRNOTAVAIL, "--snat: %s is not an address of this host", format_addr(&c->snat[i], addr));
	}
	return 0;
}

static void write_snat(struct nsx_conf *conf, const struct up_conf *c)
{
	memcpy(conf->snat, c->snat, sizeof(conf->snat));
	conf->snat_count = c->snat_count;
}

static int write_conf(struct instance *in, const struct up_conf *c, const struct own_list *own, struct fail *f)
{
	const struct link_info *link = &own->link[0];
	struct nsx_conf *conf = in->conf;
	unsigned long long cookie;
	struct timespec jiffy;
	int err;

	conf->pool = c->pool;
	memset(&conf->pool_mask, 0xff, sizeof(conf->pool_mask));
	conf->pool_mask.w[3] = htonl(mask_v4(c->pool_len));
	conf->pool_len = c->pool_len;
	conf->mtu = link->mtu;
	memcpy(conf->uplink_mac, link->mac, sizeof(conf->uplink_mac));
	for (int i = 0; i < c->devs; i++) {
		conf->uplinks[i] = own->link[i].ifindex;
		memcpy(conf->uplink_names[i], own->link[i].name, sizeof(conf->uplink_names[i]));
	}
	conf->next_id = 1;
	if (netns_cookie(&cookie))
		return fail_errno(f, -errno, "cannot identify this network namespace");
	conf->netns_cookie = cookie;
	if (getrandom(&conf->hash_seed, sizeof(conf->hash_seed), 0) < 0)
		return fail_errno(f, -errno, "cannot get random numbers");
	/* The coarse clock advances with every jiffy. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy) || !jiffy.tv_nsec)
		return fail_errno(f, -errno, "cannot tell the length of a jiffy");
	conf->layout = NSX_LAYOUT;
	conf->hz = (1000000000 + jiffy.tv_nsec / 2) / jiffy.tv_nsec;
	for (int i = 0; i < NSX_TIMEOUTS; i++)
		conf->timeout[i] = nsx_ticks(conf, c->timeout[i]);
	err = check_snat(c, own, f);
	if (err)
		return err;
	write_snat(conf, c);
	return read_ports(conf, c, f);
}

/* Tell the datapath the host's addresses. Flows of one that is lost are dead by that. */
static int write_own(struct instance *in, const struct own_list *own, struct fail *f)
{
	__u32 now = now_tick(in);

	for (__u32 i = 0; i < NSX_OWN_MAX && i < in->conf->own_count; i++) {
		bool here = false;

		for (__u32 n = 0; n < own->count && !here; n++)
			here = memcmp(&in->conf->own[i].addr, &own->addr[n].addr, sizeof(in->conf->own[i].addr)) == 0;
		if (!here)
			own_lose(in, i, now);
	}
	for (__u32 n = 0; n < own->count; n++) {
		int err = own_keep(in, &own->addr[n], now);

		if (err)
			return fail_errno(f, err, "cannot write the host's addresses");
	}
	return 0;
}

/* Sockets that were bound before anybody watched are noted, at all ports that may become ones for masquerading. */
static int note_sockets(struct instance *in, struct fail *f)
{
	struct socket_item *item = NULL;
	size_t count = 0;
	int err = sockets_list(&item, &count);

	for (size_t i = 0; !err && i < count; i++) {
		struct nsx_slot port = { .proto = item[i].proto, .first = item[i].port, .last = item[i].port };

		if (item[i].port >= NSX_PORT_MIN)
			err = table_range(in, NSX_RANGE_BOUND, &port);
	}
	free(item);
	return err < 0 ? fail_errno(f, err, "cannot list the host's sockets") : 0;
}

static void set_mode(struct nsx_conf *conf, enum nsx_mode mode, const char *reason)
{
	conf->mode = mode;
	snprintf(conf->mode_reason, sizeof(conf->mode_reason), "%s", reason);
}

static void restore_rxvlan(struct nsx_conf *conf)
{
	if (conf->flags & NSX_UP_SET_RXVLAN)
		offload_rxvlan(conf->uplink_names[0], true);
	conf->flags &= ~NSX_UP_SET_RXVLAN;
}

/*
 * Load and attach the programs at XDP, which must see VLAN tags: a NIC is told to leave them in frames, of a veth the
 * driver is asked, and of other virtual devices nobody knows.
 */
static int attach_xdp(const struct pin_dir *d, const struct link_info *link, bool generic, struct nsx_conf *conf,
		      struct fail *f)
{
	bool veth = strcmp(link->kind, "veth") == 0;
	int err, was;

	if (link->kind[0] && !veth)
		return fail(f, -EOPNOTSUPP, "XDP may not see the VLAN tags of a %s", link->kind);
	was = veth ? 0 : offload_rxvlan(link->name, false);
	if (was < 0)
		return fail_errno(f, was, "cannot have %s leave VLAN tags in frames (ethtool -K %s rxvlan off)", link->name,
				  link->name);
	if (was)
		conf->flags |= NSX_UP_SET_RXVLAN;
	err = datapath_load_xdp(d, f);
	if (!err)
		err = datapath_attach_uplink_xdp(d, link->ifindex, generic, veth, f);
	if (err)
		restore_rxvlan(conf);
	return err;
}

/*
 * The fast path on the uplink, where it is wanted and possible. TC does all the work without it, so a
 * driver that refuses is no failure, but the user learns what to change.
 */
static void choose_mode(const struct pin_dir *d, const struct up_conf *c, const struct link_info *link,
			struct nsx_conf *conf)
{
	bool generic = c->mode == NSX_MODE_XDP_GENERIC;
	char reason[sizeof(conf->mode_reason)];
	struct fail f;

	if (c->mode == NSX_MODE_TC) {
		set_mode(conf, NSX_MODE_TC, "as asked for");
		return;
	}
	if (c->mode == NSX_MODE_AUTO && link->kind[0]) {
		snprintf(reason, sizeof(reason), "%s is a virtual device (%s), where XDP makes bulk traffic slower",
			 link->name, link->kind);
		set_mode(conf, NSX_MODE_TC, reason);
		return;
	}
	if (attach_xdp(d, link, generic, conf, &f) == 0) {
		set_mode(conf, generic ? NSX_MODE_XDP_GENERIC : NSX_MODE_XDP,
			 c->mode == NSX_MODE_AUTO ? "the driver has native XDP" : "as asked for");
		return;
	}
	snprintf(reason, sizeof(reason), "%.80s%s", f.text,
		 link->mtu > 3498 ? "; an MTU of 3498 or less may help" : "; does the driver have native XDP?");
	set_mode(conf, NSX_MODE_TC, reason);
}

/* What others have set or detached since, at the links of namespaces. Those that are gone are ns list's to say. */
static int mend_links(struct instance *in, struct fail *f)
{
	struct ns_list list = {};
	char name[IF_NAMESIZE];
	int err = table_ns_list(in, &list);

	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	for (size_t i = 0; i < list.count && !err; i++)
		if (list.item[i].ns.state == NSX_NS_READY && if_indextoname(list.item[i].ns.ifindex, name))
			err = veth_mend(in, list.item[i].name, &list.item[i].ns, f);
	ns_list_free(&list);
	return err;
}

/* Say in one line what this kernel lacks, and keep it for "status". */
static void note_features(struct nsx_conf *conf)
{
	char names[256] = "";

	conf->missing = features_missing();
	for (int i = 0; i < FEATURES; i++)
		if (conf->missing >> i & 1)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "",
				 feature_info(i)->name);
	if (*names)
		note("up: this kernel lacks %s: \"nsxdp features\" says what holds instead", names);
}

/* Is what runs what is wanted? Then it is brought up to date: with the host's addresses, and given timeouts. */
static int refresh(struct pin_dir *d, const struct up_conf *c, struct fail *f)
{
	struct own_list own = {};
	const struct link_info *link = &own.link[0];
	struct up_conf running = *c;
	char pool[ADDR_STRLEN];
	struct instance in;
	int err = instance_open_dir(&in, d, f);

	for (int i = 0; !err && i < NSX_UPLINKS; i++)
		if (strcmp(in.conf->uplink_names[i], i < c->devs ? c->dev[i] : ""))
			err = fail(f, -EEXIST, "already up on %s%s: nsxdp down first", in.conf->uplink_names[0],
				   in.conf->uplinks[1] ? " and others" : "");
	if (err)
		;
	else if (!err && c->has_pool &&
		 (memcmp(&in.conf->pool, &c->pool, sizeof(c->pool)) || in.conf->pool_len != c->pool_len))
		err = fail(f, -EEXIST, "already up with pool %s/%u: nsxdp down first",
			   format_addr(&in.conf->pool, pool), in.conf->pool_len);
	else if (!err && c->has_mode && c->mode != NSX_MODE_AUTO && c->mode != in.conf->mode)
		err = fail(f, -EEXIST, "already up with mode %s (%s): nsxdp down first", config_mode_name(in.conf->mode),
			   in.conf->mode_reason);
	if (!err) {
		running.pool = in.conf->pool;
		running.pool_len = in.conf->pool_len;
		if (!c->snat_lo && (in.conf->port_lo != NSX_PORT_MIN || in.conf->port_hi != 65535)) {
			running.snat_lo = in.conf->port_lo;
			running.snat_hi = in.conf->port_hi;
		}
		err = read_host(&running, &own, f);
	}
	/* Before anything is written that would have to be taken back. */
	if (!err)
		err = check_snat(c, &own, f);
	if (!err)
		err = private_make(&in.dir, in.conf, f);
	if (!err)
		note_features(in.conf);
	if (!err)
		err = write_own(&in, &own, f);
	if (!err)
		err = up_write_routes(&in, f);
	if (!err)
		err = flows_resize(&in, c->flows, f);
	if (!err)
		err = read_ports(in.conf, &running, f);
	if (!err && c->has_snat)
		write_snat(in.conf, c);
	if (!err)
		flows_sweep(&in);
	if (!err)
		err = note_sockets(&in, f);
	if (!err) {
		err = table_range(&in, NSX_RANGE_HOST, NULL);
		if (err)
			fail_errno(f, err, "cannot compare published ports with ip_local_port_range");
	}
	if (!err)
		err = mend_links(&in, f);
	if (!err) {
		memcpy(in.conf->uplink_mac, link->mac, sizeof(link->mac));
		if (in.conf->mtu != link->mtu && (err = veth_follow_mtu(&in, in.conf->mtu, link->mtu)) != 0)
			fail_errno(f, err, "cannot set the MTU of all namespaces' links to %u", link->mtu);
		in.conf->mtu = link->mtu;
	}
	if (!err && c->no_bind_guard) {
		datapath_detach_guard(&in.dir);
		in.conf->flags &= ~NSX_UP_BIND_GUARD;
	}
	/* New timeouts hold from now on, for running flows too. */
	for (int i = 0; !err && c->has_timeout && i < NSX_TIMEOUTS; i++)
		in.conf->timeout[i] = nsx_ticks(in.conf, c->timeout[i]);
	instance_close(&in);
	return err;
}

static int bring_up(struct pin_dir *d, const struct up_conf *c, const struct own_list *own, bool mounted, struct fail *f)
{
	struct pin_dir tables = *d;
	struct instance in;
	bool made_run = false;
	int err = datapath_load(d, f);

	if (!err)
		err = datapath_load_cmd(d, f);
	if (err)
		return err;
	tables.fd = -1;
	err = instance_open_dir(&in, &tables, f);
	if (!err)
		err = write_conf(&in, c, own, f);
	if (!err)
		err = flows_make(&in, c->flows ? c->flows : flows_default(), f);
	if (!err)
		err = private_make(&in.dir, in.conf, f);
	if (!err)
		note_features(in.conf);
	if (!err)
		err = write_own(&in, own, f);
	if (!err)
		err = up_write_routes(&in, f);
	if (!err) {
		err = netns_prepare(&made_run);
		if (err)
			fail_errno(f, err, "cannot prepare " NETNS_RUN_DIR);
	}
	if (!err) {
		err = note_sockets(&in, f);
		flows_sweep(&in);
		in.conf->flags = (made_run ? NSX_UP_MADE_RUN_NETNS : 0) | (mounted ? NSX_UP_MADE_BPFFS : 0);
		up_attach_local(d, in.conf, !c->no_bind_guard);
		choose_mode(d, c, &own->link[0], in.conf);
		if (in.conf->mode != c->mode)
			note("up: mode %s: %s", config_mode_name(in.conf->mode), in.conf->mode_reason);
		/* The first comes last: its pin tells that all is there. */
		for (int i = c->devs; !err && i--;)
			err = datapath_attach_uplink(d, own->link[i].ifindex, i == 0, f);
	}
	if (err) {
		private_remove();
		if (in.conf)
			restore_rxvlan(in.conf);
	}
	if (err && made_run)
		netns_unprepare();
	instance_close(&in);
	return err;
}

/* All programs are detached with that. */
static int remove_pins(struct pin_dir *d, bool unmount, struct fail *f)
{
	datapath_detach_filters(d);
	return pin_dir_remove(d, unmount, f);
}

int apply_up(const struct up_conf *c, struct fail *f)
{
	struct own_list own = {};
	char path[PIN_PATH_MAX];
	struct pin_dir d = { .fd = -1 };
	struct fail ignored;
	bool mounted;
	int err;

	err = pin_mount(&mounted, f);
	if (err)
		return err;
	err = pin_dir_create(&d, f);
	if (err)
		return err;
	if (access(pin_path(&d, "link_uplink", path), F_OK) == 0) {
		err = refresh(&d, c, f);
		pin_dir_close(&d);
		return err;
	}
	err = read_host(c, &own, f);
	if (!err) {
		/* Remains of an "up" that was killed. */
		private_remove();
		remove_pins(&d, false, &ignored);
		pin_dir_close(&d);
		err = pin_dir_create(&d, f);
	}
	if (!err)
		err = bring_up(&d, c, &own, mounted, f);
	if (err)
		remove_pins(&d, mounted, &ignored);
	else if (mounted)
		note("up: mounted the BPF file system at /sys/fs/bpf%s", pin_mount_is_private() ?
		     "; but this mount namespace is not the system's (ip netns exec makes such): the datapath ends "
		     "with it. Enter network namespaces with nsenter --net instead" : "");
	pin_dir_close(&d);
	return err;
}

static void remove_all_ns(struct instance *in, bool keep_ns)
{
	struct ns_list list = {};

	table_ns_list(in, &list);
	for (size_t i = 0; i < list.count; i++)
		apply_ns_remove(in, list.item[i].name, &list.item[i].ns, keep_ns);
	ns_list_free(&list);
}

int apply_down(bool keep_ns, struct fail *f)
{
	struct pin_dir d, copy;
	char path[PIN_PATH_MAX];
	struct instance in;
	__u32 flags = 0;
	int err = pin_dir_open(&d, true, f);

	if (err == -ENOENT) {
		note("down: not up in this network namespace");
		return 0;
	}
	if (err)
		return err;
	copy = d;
	copy.fd = -1;
	err = instance_open_dir(&in, &copy, f);
	/* Where an earlier up or down died, there are pins only; else nothing is destroyed on doubt. */
	if (err && access(pin_path(&d, "link_uplink", path), F_OK) == 0) {
		instance_close(&in);
		pin_dir_close(&d);
		return err;
	}
	if (!err) {
		flags = in.conf->flags;
		remove_all_ns(&in, keep_ns);
		restore_rxvlan(in.conf);
	}
	instance_close(&in);
	private_remove();
	err = remove_pins(&d, flags & NSX_UP_MADE_BPFFS, f);
	if (!err && !keep_ns && (flags & NSX_UP_MADE_ETC_NETNS))
		rmdir(NETNS_ETC_DIR);
	if (!err && !keep_ns && (flags & NSX_UP_MADE_RUN_NETNS))
		netns_unprepare();
	pin_dir_close(&d);
	return err;
}
