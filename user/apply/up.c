// SPDX-License-Identifier: GPL-2.0-only
/* Bringing an instance up, and taking it away without a trace. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "apply/confirm.h"
#include "apply/host.h"
#include "apply/ipv6.h"
#include "apply/up.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/link.h"
#include "kernel/meta.h"
#include "kernel/netns.h"
#include "kernel/ns_link.h"
#include "kernel/private.h"
#include "kernel/sockets.h"

#define PORTS_LEAST 1024

/*
 * Ports for masquerading are those of --snat-ports, or all from NSX_PORT_MIN on, without those that
 * the host gives to its own sockets.
 */
static int read_ports(struct nsx_conf *conf, const struct up_conf *c, struct fail *f)
{
	struct nsx_conf next = { .port_lo = c->snat_lo ? c->snat_lo : NSX_PORT_MIN,
				 .port_hi = c->snat_lo ? c->snat_hi : 65535 };
	char value[64];
	unsigned int lo, hi;
	int err = netns_sysctl_read("net/ipv4/ip_local_port_range", value, sizeof(value));

	if (err || sscanf(value, "%u %u", &lo, &hi) != 2)
		return fail_errno(f, err ? err : -EINVAL, "cannot read ip_local_port_range");
	next.host_lo = lo;
	next.host_hi = hi;
	if (c->snat_lo && !nsx_port_span(&next))
		return fail(
			f, -EINVAL,
			"--snat-ports %u-%u: ip_local_port_range %u-%u, which is for the host's own sockets, leaves none",
			c->snat_lo, c->snat_hi, lo, hi);
	if (!c->snat_lo && nsx_port_span(&next) < PORTS_LEAST)
		return fail(
			f, -ENOSPC,
			"ip_local_port_range %u-%u leaves fewer than %d ports for masquerading: narrow it, "
			"as with sysctl net.ipv4.ip_local_port_range=\"32768 60999\"",
			lo, hi, PORTS_LEAST);
	conf->host_lo = lo;
	conf->host_hi = hi;
	conf->port_lo = next.port_lo;
	conf->port_hi = next.port_hi;
	return 0;
}

/* The addresses of --snat must be the host's. */
static int check_snat(const struct up_conf *c, const struct local_list *local, struct fail *f)
{
	char addr[ADDR_STRLEN];

	for (__u32 i = 0; i < c->snat_count; i++) {
		bool here = false;

		if (!nsx_is_v4(&c->snat[i]) && c->ipv6 == NSX_IPV6_ROUTED)
			return fail(f, -EINVAL,
				    "--snat: over IPv6 namespaces keep their own addresses (--ipv6 routed)");

		for (__u32 n = 0; n < local->count && n < NSX_LOCAL_MAX && !here; n++)
			here = memcmp(&c->snat[i], &local->addr[n].addr, sizeof(c->snat[i])) == 0;
		if (!here)
			return fail(f, -EADDRNOTAVAIL, "--snat: %s is not an address of this host",
				    format_addr(&c->snat[i], addr));
	}
	return 0;
}

static void write_snat(struct nsx_conf *conf, const struct up_conf *c)
{
	memcpy(conf->snat, c->snat, sizeof(conf->snat));
	conf->snat_count = c->snat_count;
}

/* What was given stays given, but for what can be taken back. */
static __u32 given_now(const struct nsx_journal *journal, const struct up_conf *c)
{
	__u32 given = (journal->given & ~UP_GIVEN_NO_BIND_GUARD) | (c->given & ~(UP_GIVEN_REPLACE_DEV | UP_GIVEN_CONFIRM));

	if ((c->given & UP_GIVEN_FLOWS) && !c->flows)
		given &= ~UP_GIVEN_FLOWS;
	if ((c->given & UP_GIVEN_SNAT_PORTS) && !c->snat_lo)
		given &= ~UP_GIVEN_SNAT_PORTS;
	if ((c->given & UP_GIVEN_PUBLISH_AT) && !addr_is_set(&c->publish_at))
		given &= ~UP_GIVEN_PUBLISH_AT;
	return given;
}

/* What tells the version comes last: settings without that are no instance's yet. */
static int write_conf(struct instance *in, const struct up_conf *c, const struct local_list *local,
		      struct fail *f)
{
	const struct link_info *link = &local->link[0];
	struct nsx_journal *journal = in->journal;
	struct nsx_conf *conf = in->conf;
	unsigned long long cookie;
	struct timespec jiffy;
	__u32 marks[4];
	int err;

	conf->pool[NSX_V4] = c->pool;
	memset(&conf->pool_mask[NSX_V4], 0xff, sizeof(conf->pool_mask[NSX_V4]));
	conf->pool_mask[NSX_V4].w[3] = htonl(mask_v4(c->pool_len));
	conf->pool_len = c->pool_len;
	in->learned->local_count = NSX_FAMILIES; /* the first places, empty yet */
	conf->mtu = link->mtu;
	memcpy(conf->uplink_mac, link->mac, sizeof(conf->uplink_mac));
	for (int i = 0; i < c->devs; i++) {
		conf->uplinks[i] = local->link[i].ifindex;
		memcpy(journal->uplink_names[i], local->link[i].name,
		       sizeof(journal->uplink_names[i]));
	}
	journal->next_id = 1;
	if (netns_cookie(&cookie))
		return fail_errno(f, -errno, "cannot identify this network namespace");
	conf->netns_cookie = cookie;
	if (getrandom(&conf->hash_seed, sizeof(conf->hash_seed), 0) < 0 ||
	    getrandom(marks, sizeof(marks), 0) < 0)
		return fail_errno(f, -errno, "cannot get random numbers");
	conf->defrag_mark = marks[0] | 1;	/* 0 is no mark */
	conf->passed_mark = marks[1] | 1;
	conf->mark_index = marks[2] & 0xffff;
	journal->link_group = (marks[3] & 0x7fffffff) | 1; /* ip(8) takes it as an int */
	/* The coarse clock advances with every jiffy. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy) || !jiffy.tv_nsec)
		return fail_errno(f, -errno, "cannot tell the length of a jiffy");
	journal->given = given_now(journal, c);
	err = ipv6_choose(c, conf, journal, f);
	if (err)
		return err;
	journal->mode_wanted = c->mode;
	conf->attach = c->attach;
	conf->hz = (1000000000 + jiffy.tv_nsec / 2) / jiffy.tv_nsec;
	for (int i = 0; i < NSX_TIMEOUTS; i++)
		conf->timeout[i] = nsx_ticks(conf, c->timeout[i]);
	err = check_snat(c, local, f);
	if (err)
		return err;
	write_snat(conf, c);
	conf->publish_at = c->publish_at;
	err = read_ports(conf, c, f);
	if (!err)
		err = meta_own(&in->meta, f);
	if (err)
		return err;
	err = meta_write(&in->dir, &in->meta);
	return err ? fail_errno(f, err, "cannot write which version runs") : 0;
}

/* Tell the datapath the host's addresses. Flows of one that is lost are dead by that. */
static int write_local(struct instance *in, const struct local_list *local, struct fail *f)
{
	__u32 now = now_tick(in);

	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++) {
		bool here = false;

		for (__u32 n = 0; n < local->count && !here; n++)
			here = memcmp(&in->learned->local[i].addr, &local->addr[n].addr,
				      sizeof(in->learned->local[i].addr)) == 0;
		if (!here)
			local_set_gone(in, i, now);
	}
	for (__u32 n = 0; n < local->count; n++) {
		int err = local_keep(in, &local->addr[n], now);

		if (err)
			return fail_errno(f, err, "cannot write the host's addresses");
	}
	return 0;
}

/*
 * Sockets that were bound before anybody watched are noted, at all ports that may become ones for
 * masquerading.
 */
static int note_sockets(struct instance *in, struct fail *f)
{
	struct socket_item *item = NULL;
	size_t count = 0;
	int err = sockets_list(&item, &count);

	for (size_t i = 0; !err && i < count; i++) {
		struct nsx_slot port = { .proto = NSX_ROW_PROTO(item[i].row),
					 .first = item[i].port,
					 .last = item[i].port };

		if (NSX_ROW_FAMILY(item[i].row) == NSX_V4)
			addr_set_v4(&port.inside, 0);
		if (item[i].port >= NSX_PORT_MIN)
			err = table_range(in, NSX_RANGE_BOUND, &port);
	}
	free(item);
	return err < 0 ? fail_errno(f, err, "cannot list the host's sockets") : 0;
}

/*
 * What others have set or detached since, at the links of namespaces; links that they deleted are
 * made again. Namespaces that are gone are ns list's to say.
 */
static int mend_link(struct instance *in, const struct ns_item *item, struct fail *f)
{
	if (item->ns.state != NSX_NS_READY || !netns_is(item->name, item->ns.netns))
		return 0;
	if (ns_link_exists(in, &item->ns))
		return veth_mend(in, item->name, &item->ns, f);
	/* What is noted of one that could not be made again is not to be lost. */
	if (!(item->ns.flags & NSX_NS_MADE_VETH) || in->journal->changing[0])
		return 0;
	note("%s: somebody deleted its link %s: it is made again", item->name, item->ns.host_if);
	return ns_relink(in, item->name, f);
}

static int mend_links(struct instance *in, const struct ns_list *list, struct fail *f)
{
	int err = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct fail more;
		int failed = mend_link(in, &list->item[i], err ? &more : f);

		err = err ? err : failed;
	}
	return err;
}

/* Say in one line what this kernel lacks, and keep it for "status". */
static void note_features(struct nsx_journal *journal)
{
	char names[256] = "";

	journal->missing = features_missing();
	for (int i = 0; i < FEATURES; i++)
		if (journal->missing >> i & 1)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
				 *names ? ", " : "", feature_info(i)->name);
	if (*names)
		note("up: this kernel lacks %s: \"nsxdp features\" says what holds instead", names);
}

/* What an uplink is called from now on. */
static const char *wanted_name(const struct nsx_journal *journal, const struct up_conf *c, int i)
{
	const char *name = journal->uplink_names[i];

	return (c->given & UP_GIVEN_REPLACE_DEV) && strcmp(name, c->replaced) == 0 ? c->replacement
										   : name;
}

/* What is wanted, with what runs where that is not given again. */
static void add_running(struct up_conf *c, const struct nsx_conf *conf,
			const struct nsx_journal *journal)
{
	c->pool = conf->pool[NSX_V4];
	c->pool_len = conf->pool_len;
	c->ipv6 = conf->ipv6;
	c->pool6 = conf->pool[NSX_V6];
	c->pool6_len = conf->pool6_len;
	if (!(c->given & UP_GIVEN_SNAT_PORTS) && (journal->given & UP_GIVEN_SNAT_PORTS)) {
		c->snat_lo = conf->port_lo;
		c->snat_hi = conf->port_hi;
	}
}

static int check_running(const struct nsx_conf *conf, const struct nsx_journal *journal,
			 const struct up_conf *c, struct fail *f)
{
	char pool[ADDR_STRLEN];

	for (int i = 0; i < NSX_UPLINKS; i++)
		if (strcmp(wanted_name(journal, c, i), i < c->devs ? c->dev[i] : ""))
			return fail(f, -EEXIST, "already up on %s%s: nsxdp down first",
				    journal->uplink_names[0], conf->uplinks[1] ? " and others" : "");
	if ((c->given & UP_GIVEN_POOL) && (memcmp(&conf->pool[NSX_V4], &c->pool, sizeof(c->pool)) ||
					   conf->pool_len != c->pool_len))
		return fail(f, -EEXIST, "already up with pool %s/%u: nsxdp down first",
			    format_addr(&conf->pool[NSX_V4], pool), conf->pool_len);
	if ((c->given & UP_GIVEN_IPV6) && c->ipv6 != conf->ipv6)
		return fail(f, -EEXIST, "already up with --ipv6 %s: nsxdp down first",
			    config_ipv6_name(conf->ipv6));
	if ((c->given & UP_GIVEN_POOL6) && conf->ipv6 != NSX_IPV6_OFF &&
	    (memcmp(&conf->pool[NSX_V6], &c->pool6, sizeof(c->pool6)) ||
	     conf->pool6_len != c->pool6_len))
		return fail(f, -EEXIST, "already up with pool %s: nsxdp down first",
			    format_prefix(&conf->pool[NSX_V6], conf->pool6_len, pool));
	if ((c->given & UP_GIVEN_MODE) && c->mode != NSX_MODE_AUTO && c->mode != conf->mode)
		return fail(f, -EEXIST, "already up with mode %s (%s): nsxdp down first",
			    config_mode_name(conf->mode), journal->mode_reason);
	return 0;
}

int up_check_running(const struct nsx_conf *conf, const struct nsx_journal *journal,
		     const struct up_conf *c, struct fail *f)
{
	struct local_list local = {};
	struct nsx_conf ports = {};
	struct up_conf wanted = *c;
	int err = check_running(conf, journal, c, f);

	add_running(&wanted, conf, journal);
	if (!err)
		err = host_read(&wanted, &local, f);
	if (!err)
		err = check_snat(&wanted, &local, f);
	return err ? err : read_ports(&ports, &wanted, f);
}

/* The host's addresses and routes, and what follows from them. */
static int refresh_host(struct instance *in, const struct up_conf *running,
			const struct local_list *local, struct fail *f)
{
	int err = private_make(&in->dir, in->conf, f);

	if (!err) {
		note_features(in->journal);
		err = uplinks_mend(in, local->link, running->devs, f);
	}
	if (!err)
		err = write_local(in, local, f);
	return err ? err : up_write_routes(in, f);
}

/* The ports that are masqueraded by, the size of the table, and the sockets of the host. */
static int refresh_ports(struct instance *in, const struct up_conf *running,
			 const struct up_conf *c, struct fail *f)
{
	int err = read_ports(in->conf, running, f);

	if (!err)
		err = flows_resize(
			in, c->given & UP_GIVEN_FLOWS && !c->flows ? flows_default() : c->flows, f);
	if (err)
		return err;
	if (c->given & UP_GIVEN_SNAT)
		write_snat(in->conf, c);
	if (c->given & UP_GIVEN_PUBLISH_AT)
		in->conf->publish_at = c->publish_at;
	flows_sweep(in);
	err = note_sockets(in, f);
	if (err)
		return err;
	err = table_range(in, NSX_RANGE_HOST, NULL);
	if (err)
		fail_errno(f, err, "cannot compare published ports with ip_local_port_range");
	return err;
}

/* The links of namespaces follow the uplink. Does all that it can; the first error is kept. */
static int refresh_links(struct instance *in, const struct link_info *link, const struct up_conf *c,
			 struct fail *f)
{
	struct ns_list list = {};
	int err = table_ns_list(in, &list);

	if (err)
		return fail_errno(f, err, "cannot read the table of names");
	ipv6_follow(in);
	err = mend_links(in, &list, f);
	if ((c->given & UP_GIVEN_ATTACH) && in->conf->attach != c->attach) {
		in->conf->attach = c->attach;
		if (list.count)
			note("up: --attach %s holds for links made from now on; existing ones stay as they are",
			     c->attach == NSX_ATTACH_BLOCK ? "block" : "tcx");
	}
	memcpy(in->conf->uplink_mac, link->mac, sizeof(link->mac));
	for (size_t i = 0; i < list.count; i++)
		veth_follow_mtu(in, list.item[i].name, link->mtu);
	in->conf->mtu = link->mtu;
	ns_list_free(&list);
	return err;
}

static void refresh_guard(struct instance *in, const struct up_conf *c)
{
	if (c->given & UP_GIVEN_NO_BIND_GUARD) {
		datapath_detach_guard(&in->dir);
		in->conf->flags &= ~NSX_UP_BIND_GUARD;
	} else if (!(in->conf->flags & NSX_UP_BIND_GUARD)) {
		datapath_detach_sock(&in->dir);
		up_attach_local(in, true);
	}
}

static void refresh_given(struct instance *in, const struct up_conf *c)
{
	in->journal->given = given_now(in->journal, c);
	if (c->given & UP_GIVEN_MODE)
		in->journal->mode_wanted = c->mode;
	/* New timeouts hold from now on, for running flows too. */
	for (int i = 0; (c->given & UP_GIVEN_TIMEOUT) && i < NSX_TIMEOUTS; i++)
		in->conf->timeout[i] = nsx_ticks(in->conf, c->timeout[i]);
}

/*
 * Is what runs what is wanted? Then it is brought up to date: with the host's addresses, and given
 * timeouts.
 */
static int refresh(struct pin_dir *d, const struct up_conf *c, struct fail *f)
{
	struct local_list local = {};
	struct up_conf running = *c;
	struct instance in;
	int err = up_upgrade(d, c, f);

	if (err)
		return err;
	err = instance_open_dir(&in, d, f);
	if (!err)
		__atomic_store_n(&in.conf->frozen_until, 0, __ATOMIC_SEQ_CST); /* of an upgrade */
	if (!err && !c->confirm)
		err = confirm_check(&in, f);
	if (!err)
		err = apply_recover(&in, f);
	if (!err)
		err = check_running(in.conf, in.journal, c, f);
	if (!err) {
		add_running(&running, in.conf, in.journal);
		err = host_read(&running, &local, f);
	}
	/* Before anything is written that would have to be taken back. */
	if (!err)
		err = check_snat(&running, &local, f);
	for (int i = 0; !err && i < c->devs; i++)
		memcpy(in.journal->uplink_names[i], c->dev[i], sizeof(c->dev[i]));
	if (!err)
		err = refresh_host(&in, &running, &local, f);
	if (!err)
		err = refresh_ports(&in, &running, c, f);
	if (!err) {
		/* One link that cannot be mended is no reason to leave the rest undone. */
		err = refresh_links(&in, &local.link[0], c, f);
		refresh_guard(&in, c);
		refresh_given(&in, c);
	}
	instance_close(&in);
	return err;
}

static int bring_up(struct pin_dir *d, const struct up_conf *c, const struct local_list *local,
		    bool mounted, struct fail *f)
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
		err = write_conf(&in, c, local, f);
	if (!err)
		err = flows_make(&in, c->flows ? c->flows : flows_default(), f);
	if (!err)
		err = private_make(&in.dir, in.conf, f);
	if (!err)
		note_features(in.journal);
	if (!err)
		err = write_local(&in, local, f);
	if (!err)
		ipv6_follow(&in);
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
		in.conf->flags = (made_run ? NSX_UP_MADE_RUN_NETNS : 0) |
				 (mounted ? NSX_UP_MADE_BPFFS : 0);
		up_attach_local(&in, !(c->given & UP_GIVEN_NO_BIND_GUARD));
		uplink_choose_mode(&in, c, &local->link[0]);
		if (in.conf->mode != c->mode)
			note("up: mode %s: %s", config_mode_name(in.conf->mode),
			     in.journal->mode_reason);
		/* The first comes last: its pin tells that all is there. */
		if (c->confirm)
			err = confirm_begin(&in, c->confirm, NULL, f);
		for (int i = c->devs; !err && i--;)
			err = datapath_attach_uplink(d, local->link[i].ifindex, i == 0, f);
	}
	if (err) {
		private_remove();
		if (in.conf)
			uplink_restore_rxvlan(&in);
	}
	if (err && made_run)
		netns_unprepare();
	instance_close(&in);
	return err;
}

/* All programs are detached with that. */
int up_remove_pins(struct pin_dir *d, bool unmount, struct fail *f)
{
	datapath_detach_filters(d);
	return pin_dir_remove(d, unmount, f);
}

int apply_up(const struct up_conf *c, struct fail *f)
{
	struct local_list local = {};
	struct pin_dir d = { .fd = -1 };
	enum feature missing;
	struct fail ignored;
	bool mounted;
	int err, up;

	missing = feature_needed();
	if (missing != FEATURES)
		return fail(f, -ENOTSUP, "this kernel has no %s (Linux %s), which nsxdp needs",
			    feature_info(missing)->name, feature_info(missing)->since);
	err = pin_mount(&mounted, f);
	if (err)
		return err;
	err = pin_dir_create(&d, f);
	if (err)
		return err;
	up = pin_is_up(&d);
	if (up) {
		err = up < 0 ? fail_errno(f, up, "cannot look into %s", d.path) : refresh(&d, c, f);
		pin_dir_close(&d);
		return err;
	}
	/* Remains of an "up" that was killed. */
	private_settle(&d);
	err = host_read(c, &local, f);
	if (!err) {
		private_remove();
		datapath_detach_filters(&d);
		err = pin_dir_clear(&d, f);
	}
	if (!err)
		err = bring_up(&d, c, &local, mounted, f);
	if (err)
		up_remove_pins(&d, mounted, &ignored);
	else if (mounted)
		note("up: mounted the BPF file system at /sys/fs/bpf%s",
		     pin_mount_is_private()
			     ? "; but this mount namespace is not the system's (ip netns exec makes such): the datapath ends "
			       "with it. Enter network namespaces with nsenter --net instead"
			     : "");
	pin_dir_close(&d);
	return err;
}
