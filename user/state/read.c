// SPDX-License-Identifier: GPL-2.0-only
/* Tables to model. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/services.h"
#include "state/read.h"

void read_up_conf(const struct instance *in, struct up_conf *c)
{
	const struct nsx_journal *journal = in->journal;
	const struct nsx_conf *conf = in->conf;

	config_default_up(c);
	c->given = journal->given;
	for (; c->devs < NSX_UPLINKS && conf->uplinks[c->devs]; c->devs++)
		memcpy(c->dev[c->devs], journal->uplink_names[c->devs], sizeof(c->dev[0]));
	c->pool = conf->pool[NSX_V4];
	c->pool6 = conf->pool[NSX_V6];
	c->pool6_len = conf->pool6_len;
	c->ipv6 = conf->ipv6;
	c->pool_len = conf->pool_len;
	c->mode = journal->mode_wanted;
	c->attach = conf->attach;
	/* Rounded: a tick is a fraction of a second. */
	for (int i = 0; i < NSX_TIMEOUTS; i++)
		c->timeout[i] =
			(((__u64)conf->timeout[i] << NSX_TICK_SHIFT) + conf->hz / 2) / conf->hz;
	if (c->given & UP_GIVEN_FLOWS)
		c->flows = conf->flows;
	c->snat_count = conf->snat_count;
	c->publish_at = conf->publish_at;
	memcpy(c->snat, conf->snat, sizeof(c->snat));
	if (c->given & UP_GIVEN_SNAT_PORTS) {
		c->snat_lo = conf->port_lo;
		c->snat_hi = conf->port_hi;
	}
}

void read_ns_conf(const char *name, const struct nsx_ns *ns, struct ns_conf *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->given = NS_GIVEN_ADDR;
	memcpy(ret->name, name, sizeof(ret->name));
	ret->adopted = !(ns->flags & NSX_NS_MADE_NETNS);
	/* The link that an adopted one brought has its addresses by itself. */
	if (!(ns->flags & NSX_NS_MADE_VETH))
		ret->given = 0;
	ret->addr = ns->addr;
	ret->prefix_len = ns->prefix_len;
	ret->xdp = ns->flags & NSX_NS_XDP;
	ret->netkit = ns->flags & NSX_NS_NETKIT;
	ret->filtering = ns->flags & (NSX_NS_ANY_REMOTE | NSX_NS_ANY_PORT);
	ret->link_local = ns->flags & NSX_NS_LINK_LOCAL;
	ret->mss = ns->mss;
	memcpy(ret->source, ns->source, sizeof(ret->source));
	ret->prefer_ipv6 = ns->flags & NSX_NS_PREFER_IPV6;
	ret->no_ipv6 = !addr_is_set(&ns->addr6);
	ret->max_flows = ns->max_flows;
	ret->egress_rate = ns->egress_rate;
	ret->dns_count = ns->dns_count;
	memcpy(ret->dns, ns->dns, sizeof(ret->dns));
	ret->egress_count = ns->egress_count;
	memcpy(ret->egress, ns->egress, sizeof(ret->egress));
}

static int add_ns(struct config *c, const char *name, const struct nsx_ns *ns, struct fail *f)
{
	struct ns_conf *ret = config_add_ns(c);

	if (!ret)
		return fail_errno(f, -ENOMEM, "cannot read the namespaces");
	read_ns_conf(name, ns, ret);
	return 0;
}

int read_ns(struct instance *in, const char *name, struct config *ret, struct fail *f)
{
	struct ns_list list = {};
	struct nsx_ns ns;
	int err;

	if (name) {
		err = table_ns_get(in, name, &ns);
		if (err && err != -ENOENT)
			return fail_errno(f, err, "cannot read the table of names");
		return err || ns.state != NSX_NS_READY ? 0 : add_ns(ret, name, &ns, f);
	}
	err = table_ns_list(in, &list);
	if (err)
		fail_errno(f, err, "cannot read the table of names");
	for (size_t i = 0; i < list.count && !err; i++)
		if (list.item[i].ns.state == NSX_NS_READY)
			err = add_ns(ret, list.item[i].name, &list.item[i].ns, f);
	ns_list_free(&list);
	return err;
}

static void add_allow(const struct nsx_allow *key, void *arg)
{
	struct map_conf *c = arg;

	if (c->allows == MAP_ALLOWS)
		return;
	memcpy(&c->allow[c->allows].addr, key->addr, sizeof(key->addr));
	c->allow[c->allows++].len = key->bits - 32;
}

/* One of a namespace that is gone is none. */
static int add_target(struct instance *in, struct map_conf *c, const struct nsx_target *t)
{
	struct map_target *target = &c->target[c->targets];
	int err = t->weight ? table_ns_name(in, t->id, target->ns) : -ENOENT;

	if (err)
		return err == -ENOENT ? 0 : err;
	target->port = ntohs(t->port);
	target->weight = t->weight;
	c->targets++;
	return 0;
}

void read_at(const struct instance *in, __be32 at, struct map_conf *c)
{
	const struct nsx_addr *v6 = table_at6(in, at);
	const char *dev = table_device(in, at);

	memset(&c->at, 0, sizeof(c->at));
	c->has_at = at != 0;
	if (dev)
		memcpy(c->at.dev, dev, sizeof(c->at.dev));
	else if (v6)
		c->at.addr = *v6;
	else if (at)
		addr_set_v4(&c->at.addr, ntohl(at));
}

int find_at(const struct instance *in, const struct map_conf *c, __be32 *ret)
{
	*ret = c->has_at ? c->at.addr.w[3] : 0;
	if (!c->has_at || (!c->at.dev[0] && nsx_is_v4(&c->at.addr)))
		return 0;
	for (__u32 i = 0; i < NSX_AT6_MAX && !c->at.dev[0]; i++)
		if (memcmp(&in->conf->at6[i], &c->at.addr, sizeof(c->at.addr)) == 0) {
			*ret = htonl(NSX_DEVICES + i + 1);
			return 0;
		}
	if (!c->at.dev[0])
		return -ENOENT;
	for (__u32 i = 0; i < NSX_DEVICES; i++)
		if (strcmp(in->journal->device_names[i], c->at.dev) == 0) {
			*ret = htonl(i + 1);
			return 0;
		}
	return -ENOENT;
}

static struct map_conf *new_map(const struct instance *in, struct config *config,
				const struct nsx_slot *s, __be32 at)
{
	struct map_conf *c = config_add_map(config);

	if (!c)
		return NULL;
	c->row = nsx_slot_row(s);
	c->port = s->first;
	c->last = s->last;
	read_at(in, at, c);
	return c;
}

static int add_simple(struct instance *in, struct config *config, const struct nsx_slot *s)
{
	const struct nsx_target t = { .id = s->id, .port = s->inside_port, .weight = 1 };
	struct map_conf *c = new_map(in, config, s, s->at);

	if (!c)
		return -ENOMEM;
	return add_target(in, c, &t);
}

/* One for each address. */
static int add_by_address(struct instance *in, struct config *config, const struct nsx_slot *s,
			  const struct nsx_service *svc)
{
	int err = 0;

	for (__u32 i = 0; i < svc->count && !err; i++) {
		struct map_conf *c;

		if (!svc->target[i].weight)
			continue;
		c = new_map(in, config, s, svc->target[i].at);
		if (!c)
			return -ENOMEM;
		err = add_target(in, c, &svc->target[i]);
	}
	return err;
}

static int add_service(struct instance *in, struct config *config, const struct nsx_slot *s,
		       const struct nsx_service *svc)
{
	struct map_conf *c = new_map(in, config, s, s->at);
	int err = 0;

	if (!c)
		return -ENOMEM;
	for (__u32 i = 0; i < svc->count && !err; i++)
		err = add_target(in, c, &svc->target[i]);
	if (err)
		return err;
	c->affinity = svc->flags & NSX_S_AFFINITY;
	if (svc->flags & NSX_S_OWNED)
		memcpy(c->owner, svc->owner, sizeof(c->owner));
	if ((svc->flags & NSX_S_RATE) && svc->interval) {
		c->rate = svc->rate;
		c->burst = svc->burst / svc->interval;
	}
	return svc->flags & NSX_S_ALLOW && service_allows(in, s->service, add_allow, c) < 0 ? -EIO
											    : 0;
}

int read_map(struct instance *in, const struct nsx_slot *s, struct config *ret)
{
	struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service) : NULL;

	if (!(s->flags & NSX_F_SERVICE))
		return add_simple(in, ret, s);
	if (!svc)
		return -ENOMEM;
	return svc->flags & NSX_S_BY_ADDRESS ? add_by_address(in, ret, s, svc)
					     : add_service(in, ret, s, svc);
}

int read_each_port(struct instance *in, __u8 row, __u16 first, __u16 last, published_cb cb,
		   void *arg)
{
	__u32 port = first;
	int err = 0;

	while (port <= last && !err) {
		struct nsx_slot range = { .proto = NSX_ROW_PROTO(row), .first = port, .last = last };
		struct nsx_slot *s;
		int found;

		if (NSX_ROW_FAMILY(row) == NSX_V4)
			addr_set_v4(&range.inside, 0);
		found = table_range(in, NSX_RANGE_TAKEN, &range);
		s = found > 0 ? table_port(in, row, found) : NULL;

		if (found < 0 || (found && !s))
			return found < 0 ? found : -errno;
		if (!found)
			break;
		port = s->last + 1;
		/* The others say the same, but for the port inside */
		s = table_port(in, row, s->first);
		err = s ? cb(in, s, arg) : -errno;
	}
	return err;
}

static int add_map(struct instance *in, struct nsx_slot *s, void *arg)
{
	return read_map(in, s, arg);
}

int read_ports(struct instance *in, __u8 row, __u16 first, __u16 last, struct config *ret,
	       struct fail *f)
{
	int err = read_each_port(in, row, first, last, add_map, ret);

	config_sort(ret);
	return err ? fail_errno(f, err, "cannot read what is published") : 0;
}

struct ports_of {
	struct config *config;
	__u32 ns_id;
};

static int add_map_of(struct instance *in, struct nsx_slot *s, void *arg)
{
	const struct ports_of *of = arg;
	bool leads = s->flags & NSX_F_SERVICE ? service_has_ns(in, s->service, of->ns_id)
					      : s->id == of->ns_id;

	return leads ? read_map(in, s, of->config) : 0;
}

int read_ports_of(struct instance *in, __u32 ns_id, struct config *ret, struct fail *f)
{
	struct ports_of of = { ret, ns_id };
	int err = published_each(in, add_map_of, &of);

	config_sort(ret);
	return err ? fail_errno(f, err, "cannot read what is published") : 0;
}

/* What only drains is nobody's wish any more. */
static int add_wanted_map(struct instance *in, struct nsx_slot *s, void *arg)
{
	const struct nsx_service *svc = s->flags & NSX_F_SERVICE ? table_service(in, s->service)
								 : NULL;

	return svc && !svc->count ? 0 : read_map(in, s, arg);
}

int read_config(struct instance *in, struct config *ret, struct fail *f)
{
	int err = read_ns(in, NULL, ret, f);

	if (!err && (err = published_each(in, add_wanted_map, ret)) != 0)
		fail_errno(f, err, "cannot read what is published");
	ret->has_up = true;
	read_up_conf(in, &ret->up);
	for (size_t i = 0; i < ret->map_count; i++)
		config_say_at(&ret->map[i], &ret->up);
	config_sort(ret);
	return err;
}
