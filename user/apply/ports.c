// SPDX-License-Identifier: GPL-2.0-only
/* A change of what is published, from the model to the datapath. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "apply/confirm.h"
#include "apply/map.h"
#include "apply/up.h"
#include "kernel/link.h"
#include "kernel/sockets.h"
#include "state/read.h"

#define DRAIN_SECONDS 300	/* unless --drain says otherwise */

/* At loopback a port is for the host alone. */
static bool is_local(struct instance *in, const struct nsx_addr *addr)
{
	if (addr_is_loopback(addr))
		return true;
	return local_is_present(in, addr);
}

/** struct holder - a socket of the host's that has a port at one of a device's addresses */
struct holder {
	const struct map_conf *c;
	char *text;
	size_t size;
	int port;	/* as sockets_holder() says */
};

static void holder_cb(const struct addr_info *addr, void *arg)
{
	struct holder *h = arg;

	if (!h->port)
		h->port = sockets_holder(h->c->row, h->c->port, h->c->last, &addr->addr, h->text,
					 h->size);
}

static int holder_at_device(const struct map_conf *c, char *text, size_t size)
{
	enum nsx_family family = NSX_ROW_FAMILY(c->row);
	struct holder h = { c, text, size, 0 };
	int ifindex = if_nametoindex(c->at.dev), err;
	struct nsx_addr nobody = {};
	struct nl nl = {};

	/* 0.0.0.1 and 100::1, which no socket is bound to (RFC 1122, 3.2.1.3; RFC 6666). */
	if (family == NSX_V4)
		addr_set_v4(&nobody, 1);
	else
		parse_addr("100::1", &nobody);
	/*
	 * One that has it at every address has it at those that the device gets; and lo has more than
	 * are listed.
	 */
	h.port = sockets_holder(c->row, c->port, c->last, strcmp(c->at.dev, "lo") ? &nobody : NULL,
				text, size);
	err = ifindex && !h.port ? nl_open(&nl) : 0;

	if (!err && ifindex && !h.port)
		err = addr_each(&nl, family, ifindex, holder_cb, &h);
	nl_close(&nl);
	return err ? err : h.port;
}

int map_check_host(const struct map_conf *c, struct fail *f)
{
	char holder[128], which[32] = "port";
	int port;

	if (*c->owner)
		return 0;
	port = c->at.dev[0] ? holder_at_device(c, holder, sizeof(holder))
			    : sockets_holder(c->row, c->port, c->last,
					     c->has_at ? &c->at.addr : NULL, holder,
					     sizeof(holder));

	if (port < 0)
		return fail_errno(f, port, "cannot ask the kernel for the host's sockets");
	if (c->port != c->last)
		snprintf(which, sizeof(which), "port %d", port);
	return port > 0 ? fail(f, -EADDRINUSE, "%s is taken by the host itself%s: %s", which,
			       config_over(c->row), holder)
			: 0;
}

/* Only TCP tells where a connection begins. */
static __u32 drain_ticks(struct instance *in, const struct map_conf *before,
			 const struct map_conf *after)
{
	const struct map_conf *c = after ? after : before;
	unsigned int seconds = c->given & MAP_GIVEN_DRAIN ? c->drain : after ? DRAIN_SECONDS : 0;

	return NSX_ROW_PROTO(c->row) == NSX_TCP ? nsx_ticks(in->conf, seconds) : 0;
}

/* Targets at other addresses stay. */
static void keep_others(struct instance *in, struct publication *p, const struct publication *old,
			const struct map_conf *c)
{
	struct nsx_service *svc = &p->svc;
	__be32 at;

	if (find_at(in, c, &at))
		return;
	for (__u32 i = 0; i < old->svc.count && svc->count < NSX_TARGETS; i++)
		if (old->svc.target[i].weight && old->svc.target[i].at != at)
			svc->target[svc->count++] = old->svc.target[i];
}

static bool one_for_each_address(const struct nsx_service *svc)
{
	for (__u32 i = 0; i < svc->count; i++)
		for (__u32 n = 0; n < i; n++)
			if (svc->target[n].at == svc->target[i].at)
				return false;
	return true;
}

/* What the ports are to be: what is wanted, and what is at other addresses. */
static int plan(struct instance *in, const struct publication *old, const struct map_conf *after,
		const struct map_conf *ports, struct publication *ret, struct fail *f)
{
	struct publication others = {};
	int err = publication_make(in, ports, after != NULL, ret, f);

	if (!err && old)
		keep_others(in, &others, old, ports);
	if (err || !others.svc.count)
		return err;
	if (after && (ret->svc.flags | old->svc.flags) & NSX_S_CONDITIONS)
		return fail(
			f, -EINVAL,
			"a port that several addresses have takes one target at each, without conditions");
	if (others.svc.count + ret->svc.count > NSX_TARGETS)
		return fail(f, -ENOSPC, "a port can be published at no more than %d addresses and interfaces", NSX_TARGETS);
	memcpy(&ret->svc.target[ret->svc.count], others.svc.target,
	       others.svc.count * sizeof(others.svc.target[0]));
	ret->svc.count += others.svc.count;
	if (after && !one_for_each_address(&ret->svc))
		return fail(
			f, -EINVAL,
			"a port that several addresses have takes one target at each, without conditions");
	service_spread(ret->svc.table, ret->svc.target, ret->svc.count);
	return 0;
}

/* The publication that the wish is about; NULL where there is none. */
static int find(struct instance *in, const struct map_conf *c, struct publication *old, bool *found,
		struct fail *f)
{
	const struct nsx_slot *s = published_at(in, c->row, c->port, c->last);

	*found = s != NULL;
	if (!s)
		return errno ? fail_errno(f, -errno, "cannot read the port registry") : 0;
	if (s->first != c->port || s->last != c->last)
		return fail(f, -EBUSY, "other ports were published meanwhile");
	return publication_read(in, s, old, f);
}

/* It is the host's. */
static int check_at(struct instance *in, const struct map_conf *c, struct fail *f)
{
	char addr[ADDR_STRLEN], name[IF_NAMESIZE];

	/* What was before a change is brought back whether the device and the address are there or not. */
	if (in->conf->confirm == NSX_CONFIRM_UNDONE)
		return 0;
	if (c->at.dev[0] && !if_indextoname(if_nametoindex(c->at.dev), name))
		return fail(f, -ENODEV, "there is no interface %s", c->at.dev);
	if (c->at.dev[0] && strcmp(name, c->at.dev))
		return fail(f, -EINVAL, "%s is another name of the interface %s: use that", c->at.dev,
			    name);
	if (c->has_at && !c->at.dev[0] && !is_local(in, &c->at.addr))
		return fail(f, -EADDRNOTAVAIL, "%s is no address of the host",
			    format_addr(&c->at.addr, addr));
	return 0;
}

/* Where nobody said at which address, the default's family is the only one. */
static int check_family(struct instance *in, const struct map_conf *c, struct fail *f)
{
	const struct nsx_addr *at = &in->conf->publish_at;
	char addr[ADDR_STRLEN];

	if (in->conf->confirm == NSX_CONFIRM_UNDONE || c->has_at || !addr_is_set(at) ||
	    (c->given & (MAP_GIVEN_ANY_AT | MAP_GIVEN_EITHER)) ||
	    addr_family(at) == NSX_ROW_FAMILY(c->row))
		return 0;
	return fail(f, -EINVAL, "ports are published at %s (nsxdp up --publish-at): give the address, %s:%u for every one",
		    format_addr(at, addr), NSX_ROW_FAMILY(c->row) == NSX_V6 ? "[::]" : "0.0.0.0",
		    c->port);
}

int map_check_new(struct instance *in, const struct map_conf *before, const struct map_conf *after,
		  struct fail *f)
{
	int err = check_at(in, after, f);

	if (!err && !before)
		err = check_family(in, after, f);
	return err || before ? err : map_check_host(after, f);
}

bool map_is_beyond(struct instance *in, const struct map_conf *c)
{
	struct nsx_ns ns;

	if (!c || !config_may_lack_ipv6(c))
		return false;
	for (int i = 0; i < c->targets; i++)
		if (table_ns_get(in, c->target[i].ns, &ns) == 0 && !addr_is_set(&ns.addr6))
			return true;
	return false;
}

int apply_map(struct instance *in, const struct map_conf *before, const struct map_conf *after,
	      struct fail *f)
{
	const struct map_conf *ports = after ? after : before;
	struct publication *old = calloc(2, sizeof(*old)), *new = old + 1;
	bool found;
	__u32 drain;
	int err;

	if (!old)
		return fail_errno(f, -ENOMEM, "cannot plan the change");
	if (map_is_beyond(in, after))
		after = NULL;
	if (!before && !after) {
		free(old);
		return 0;
	}
	err = find(in, ports, old, &found, f);
	if (!err && after)
		err = check_at(in, after, f);
	if (!err && after)
		err = place_take(in, after, f);
	if (!err && !found && after)
		err = check_family(in, after, f);
	if (!err && !found && after)
		err = map_check_host(after, f);
	if (!err && (found || after))
		err = plan(in, found ? old : NULL, after, ports, new, f);
	if (!err && (found || after)) {
		drain = drain_ticks(in, before, after);
		new->must_drain = drain && (ports->given & MAP_GIVEN_DRAIN);
		publication_drain(in, found ? old : NULL, new, drain);
		err = publish(in, found ? old : NULL,
			      new->svc.count || new->svc.was_count ? new : NULL, f);
	}
	free(old);
	return err;
}

/*
 * Leave a namespace's targets out of a service, with their reverse entries; false where nobody
 * would be left.
 */
static bool forget_ns(struct instance *in, struct nsx_slot *s, __u32 ns_id)
{
	struct nsx_service before;
	bool others;

	/* A simple map leads there or not, and goes as a whole. */
	if (!(s->flags & NSX_F_SERVICE))
		return s->id != ns_id;
	map_service(in, s, &before);
	others = service_forget_ns(in, s, ns_id);
	before.row = nsx_slot_row(s);
	before.first = s->first;
	before.last = s->last;
	for (__u32 n = 0; n < before.count + before.was_count; n++) {
		const struct nsx_target *t = n < before.count ? &before.target[n]
							      : &before.was[n - before.count];

		if (t->id == ns_id)
			map_leave(in, &before, t, 1);
	}
	return others;
}

/* The same on a copy, which leaves the service as it was. */
static int publish_without(struct instance *in, const struct nsx_slot *s, __u32 ns_id, struct fail *f)
{
	struct publication *old = calloc(2, sizeof(*old)), *new = old + 1;
	bool goes = false;
	int err;

	if (!old)
		return fail_errno(f, -ENOMEM, "cannot plan the change");
	err = publication_read(in, s, old, f);
	*new = *old;
	new->index = 0;
	new->svc.count = new->svc.was_count = 0;
	new->svc.flags &= ~(NSX_S_DRAINING | NSX_S_BY_ADDRESS);
	for (__u32 i = 0; i < old->svc.count; i++)
		if (old->svc.target[i].id == ns_id)
			goes = true;
		else if (old->svc.target[i].weight)
			new->svc.target[new->svc.count++] = old->svc.target[i];
	service_spread(new->svc.table, new->svc.target, new->svc.count);
	if (!err && goes)
		err = publish(in, old, new->svc.count ? new : NULL, f);
	free(old);
	return err;
}

static int forget_cb(struct instance *in, struct nsx_slot *s, void *arg)
{
	const __u32 *ns_id = arg;
	struct publication old;
	struct fail f;
	int err;

	if (confirm_is_noting())
		return publish_without(in, s, *ns_id, &f);
	if (forget_ns(in, s, *ns_id))
		return 0;
	err = publication_read(in, s, &old, &f);
	return err ? err : publish(in, &old, NULL, &f);
}

int apply_map_forget_ns(struct instance *in, __u32 ns_id)
{
	return published_each(in, forget_cb, &ns_id);
}

struct retarget {
	const struct nsx_ns *ns;
	struct fail *f;
};

static bool retarget_list(struct nsx_target *list, __u32 count, const struct nsx_ns *ns,
			  enum nsx_family family)
{
	bool any = false;

	for (__u32 i = 0; i < count; i++)
		if (list[i].weight && list[i].id == ns->id) {
			target_fill(&list[i], ns, family);
			any = true;
		}
	return any;
}

static int retarget_cb(struct instance *in, struct nsx_slot *s, void *arg)
{
	const struct retarget *r = arg;
	struct publication *old = calloc(2, sizeof(*old)), *new = old + 1;
	enum nsx_family family = NSX_ROW_FAMILY(nsx_slot_row(s));
	int err;

	if (!old)
		return fail_errno(r->f, -ENOMEM, "cannot plan the change");
	err = publication_read(in, s, old, r->f);
	*new = *old;
	if (!err && retarget_list(new->svc.target, new->svc.count, r->ns, family) |
			    retarget_list(new->svc.was, new->svc.was_count, r->ns, family)) {
		new->index = 0;
		service_spread(new->svc.table, new->svc.target, new->svc.count);
		err = publish(in, old, new, r->f);
	}
	free(old);
	return err;
}

int apply_map_retarget(struct instance *in, const struct nsx_ns *ns, struct fail *f)
{
	struct retarget r = { ns, f };

	return published_each(in, retarget_cb, &r);
}
