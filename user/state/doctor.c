// SPDX-License-Identifier: GPL-2.0-only
/* What is broken or may surprise, and what to do about it. */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/firewall.h"
#include "kernel/link.h"
#include "kernel/netns.h"
#include "kernel/orphans.h"
#include "kernel/private.h"
#include "kernel/secure.h"
#include "state/state.h"

#define FULL_PERCENT 90

static void add(json_t *rows, const char *severity, const char *object, const char *advice,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(json_t *rows, const char *severity, const char *object, const char *advice,
		const char *format, ...)
{
	struct fail finding;
	va_list ap;

	va_start(ap, format);
	vfail(&finding, format, ap);
	va_end(ap);
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "severity", severity,
					      "object", object, "finding", finding.text, "advice",
					      advice));
}

static void look_at_machine(json_t *rows)
{
	struct fail ignored;
	char value[64], chain[128];
	int orphans = orphans_find(false, &ignored);

	if (orphans > 0)
		add(rows, "warning", "machine", "nsxdp down --orphans",
		    "instances whose network namespace is gone: %d; they slow every connect(2)",
		    orphans);
	if (pin_mount_is_private())
		add(rows, "warning", "machine", "nsenter --net instead of ip netns exec",
		    "this mount namespace is not the system's: instances made here end with it");
	if (netns_sysctl_read("net/core/bpf_jit_enable", value, sizeof(value)) == 0 &&
	    atoi(value) == 0)
		add(rows, "warning", "machine", "sysctl net.core.bpf_jit_enable=1",
		    "BPF programs are interpreted, which is several times slower");
	if (firewall_drops(chain, sizeof(chain)) > 0)
		add(rows, "note", "firewall", "map add --allow says who may reach a port",
		    "%s has policy drop, but traffic to published ports bypasses it", chain);
	for (int i = 0; i < FEATURES; i++)
		if (features_missing() >> i & 1)
			add(rows, "note", "kernel", feature_info(i)->instead, "lacks %s (Linux %s)",
			    feature_info(i)->name, feature_info(i)->since);
}

static void default_cb(const struct route_info *route, void *arg)
{
	bool *found = arg;

	*found |= route->prefix_len == (nsx_is_v4(&route->dst) ? 96 : 0);
}

/* It has a default route in a family, or that cannot be told. */
static bool has_default(enum nsx_family family)
{
	struct nl nl = {};
	bool found = false;
	int err = nl_open(&nl);

	if (!err)
		err = route_each(&nl, family, default_cb, &found);
	nl_close(&nl);
	return err || found;
}

/* Routes go with a link that was set down inside. */
static void look_inside(json_t *rows, const struct health *h, const struct ns_item *item)
{
	int self = netns_open_self(), fd = netns_open(item->name);
	bool v4 = true, v6 = true;

	if (self >= 0 && fd >= 0 && netns_enter(fd) == 0) {
		/* That of an adopted link is others' to set. */
		v4 = !(item->ns.flags & NSX_NS_MADE_VETH) || has_default(NSX_V4);
		v6 = !addr_is_set(&item->ns.addr6) || !h->in->journal->way_out6 ||
		     has_default(NSX_V6);
		netns_return(self);
	}
	if (fd >= 0)
		close(fd);
	if (self >= 0)
		close(self);
	if (!v4 || !v6)
		add(rows, "broken", item->name, "nsxdp up", "it has no %s default route inside",
		    v4 ? "IPv6" : "IPv4");
}

static void look_at_ns(json_t *rows, const struct health *h)
{
	struct ns_list list = {};
	struct nl nl = {};

	if (nl_open(&nl))
		add(rows, "broken", "instance", "nsxdp doctor again", "links cannot be looked up");

	if (table_ns_list(h->in, &list))
		add(rows, "broken", "instance", "nsxdp doctor again",
		    "the table of names cannot be read");
	for (size_t i = 0; i < list.count; i++) {
		const char *state = health_ns(h, list.item[i].name, &list.item[i].ns);

		if (strcmp(state, "gone") == 0 && (list.item[i].ns.flags & NSX_NS_MADE_VETH) &&
		    netns_is(list.item[i].name, list.item[i].ns.netns))
			add(rows, "broken", list.item[i].name, "nsxdp up",
			    "its link %s was deleted", list.item[i].ns.host_if);
		else if (strcmp(state, "gone") == 0)
			add(rows, "broken", list.item[i].name,
			    "nsxdp apply to make it again, or nsxdp ns del",
			    "the namespace or its link %s was deleted",
			    list.item[i].ns.host_if);
		else if (strcmp(state, "detached") == 0)
			add(rows, "broken", list.item[i].name, "nsxdp up",
			    "the program of its link %s was detached", list.item[i].ns.host_if);
		else if (strcmp(state, "unfinished") == 0)
			add(rows, "broken", list.item[i].name, "nsxdp up",
			    "a command died while it made or removed the namespace");
		else if (nl.socket && secure_link_check(&nl, &list.item[i].ns) > 0)
			add(rows, "broken", list.item[i].name, "nsxdp up",
			    "sysctls of its link %s were changed", list.item[i].ns.host_if);
		else
			look_inside(rows, h, &list.item[i]);
	}
	nl_close(&nl);
	ns_list_free(&list);
}

static void look_at_ports(json_t *rows, const struct instance *in)
{
	const struct nsx_conf *conf = in->conf;
	unsigned int lo, hi;
	char value[64];

	if (netns_sysctl_read("net/ipv4/ip_local_port_range", value, sizeof(value)) == 0 &&
	    sscanf(value, "%u %u", &lo, &hi) == 2 && (lo != conf->host_lo || hi != conf->host_hi))
		add(rows, "broken", "instance", "nsxdp up",
		    "ip_local_port_range is %u-%u now: ports of the host's sockets may masquerade",
		    lo, hi);
	if (in->learned->occupancy >= FULL_PERCENT)
		add(rows, "warning", "instance", "nsxdp up --flows NUMBER",
		    "%u percent of the session table is in use", in->learned->occupancy);
}

static void look_at_devices(json_t *rows, const struct nsx_journal *journal)
{
	for (int i = 0; i < NSX_DEVICES; i++)
		if (journal->device_names[i][0] && !if_nametoindex(journal->device_names[i]))
			add(rows, "warning", journal->device_names[i],
			    "once it is back, run any command that changes something",
			    "ports are published at the addresses of this interface, which is gone");
}

static void look_at_private(json_t *rows, struct instance *in)
{
	const struct nsx_conf *conf = in->conf;

	if (!private_works(conf))
		add(rows, "broken", "instance", "nsxdp up",
		    "routes cannot be looked up: nsx.fib was deleted, or its forwarding changed");
	if (!conf->defrag) {
		add(rows, "note", "instance", "none",
		    "the kernel cannot reassemble: fragments of namespaces are lost");
		return;
	}
	if (conf->ipv6 != NSX_IPV6_OFF && !(conf->defrag & (1 << NSX_V6)))
		add(rows, "note", "instance", "none",
		    "the kernel cannot reassemble IPv6: fragments out of order are lost");
	if (!private_reassembles(&in->dir, conf))
		add(rows, "broken", "instance", "nsxdp up",
		    "fragments of namespaces are lost and nothing is cut: nsx.fib was set down, or its programs were "
		    "detached");
}

static void look_at_uplinks(json_t *rows, const struct health *h)
{
	const struct nsx_conf *conf = h->in->conf;

	for (int i = 0; i < NSX_UPLINKS && conf->uplinks[i]; i++) {
		const char *state = health_uplink(h, i);

		if (strcmp(state, "gone") == 0)
			add(rows, "broken", h->in->journal->uplink_names[i],
			    "nsxdp up --replace-dev OLD=NEW, or nsxdp up once it is back",
			    "the device of this uplink is gone");
		else if (strcmp(state, "attached"))
			add(rows, "broken", h->in->journal->uplink_names[i], "nsxdp up",
			    "the program of this uplink was detached");
	}
}

static void look_at_instance(json_t *rows, struct instance *in)
{
	struct pin_dir next;
	struct health h;

	/* What a running command has done by half is not broken. */
	if (pin_is_busy(&in->dir)) {
		add(rows, "note", "instance", "nsxdp doctor, once it is done",
		    "a command is changing it: it was not looked at");
		return;
	}
	if (health_read(in, &h)) {
		add(rows, "broken", "instance", "nsxdp doctor again", "the links cannot be listed");
		health_free(&h);
		return;
	}
	look_at_uplinks(rows, &h);
	look_at_private(rows, in);
	if (health_way_out6(in->conf) == !in->journal->way_out6)
		add(rows, "warning", "instance", "nsxdp up, or any command that changes something",
		    in->journal->way_out6
			    ? "no uplink has a global IPv6 address any more: namespaces have a route that "
			      "leads nowhere"
			    : "an uplink has a global IPv6 address now: namespaces have no route yet, "
			      "and their ports do not answer over IPv6");
	if (*in->journal->local_reason)
		add(rows, "warning", "instance", "nsxdp up",
		    "the host itself does not reach its published ports: %s",
		    in->journal->local_reason);
	if (in->meta.programs != datapath_build())
		add(rows, "warning", "instance", "nsxdp up",
		    "the programs of another build run");
	if (pin_next_open(&in->dir, &next) == 0)
		add(rows, "broken", "instance", "nsxdp up", "an upgrade was interrupted");
	if (in->journal->intent.kind || in->journal->going || in->journal->changing[0] ||
	    in->journal->twins.changing)
		add(rows, "broken", "instance", "nsxdp up", "a command died before it was done");
	look_at_ns(rows, &h);
	look_at_ports(rows, in);
	look_at_devices(rows, in->journal);
	if (confirm_left(in))
		add(rows, "note", "instance", "nsxdp confirm, or nsxdp undo",
		    "a change is waiting to be confirmed (%u seconds left)", confirm_left(in));
	health_free(&h);
}

json_t *state_findings(struct instance *in, int err, const struct fail *f)
{
	json_t *rows = json_array();

	look_at_machine(rows);
	if (!err)
		look_at_instance(rows, in);
	else if (err == -ENOENT)
		add(rows, "note", "instance", "nsxdp up --dev DEV",
		    "not up in this network namespace");
	else
		add(rows, "broken", "instance", "none", "%s", f->text);
	return rows;
}
