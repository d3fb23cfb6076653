// SPDX-License-Identifier: GPL-2.0-only
/* What commands do to the model. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/edit.h"

/* Both are of addresses of the host, and of the same ports. */
static bool may_stand_together(const struct map_conf *a, const struct map_conf *b)
{
	return a->port == b->port && a->last == b->last && a->has_at && b->has_at &&
	       memcmp(&a->at, &b->at, sizeof(a->at));
}

/* "port is taken by ns1:8080", and which port, where several are wanted or held as one */
static int fail_taken(const struct map_conf *wanted, const struct map_conf *holder, struct fail *f)
{
	__u16 port = holder->port > wanted->port ? holder->port : wanted->port;
	char which[32] = "port", range[ADDR_STRLEN + 16] = "", name[ADDR_STRLEN];

	if (wanted->port != wanted->last)
		snprintf(which, sizeof(which), "port %u", port);
	if (holder->port != holder->last)
		snprintf(range, sizeof(range), ", published as %s",
			 config_port_name(holder->row, holder->port, holder->last, name));
	if (!holder->targets)
		return fail(f, -EEXIST,
			    "%s is drained of its connections still%s%s (nsxdp map del ends them)",
			    which, range, config_over(wanted->row));
	return fail(f, -EEXIST, "%s is taken by %s:%u%s%s", which, holder->target[0].ns,
		    holder->target[0].port + (port - holder->port), range,
		    config_over(wanted->row));
}

static int append_map(struct config *c, const struct map_conf *wanted, struct fail *f)
{
	struct map_conf *map = config_add_map(c);

	if (!map)
		return fail_errno(f, -ENOMEM, "cannot note it");
	*map = *wanted;
	return 0;
}

int edit_map_check(const struct config *c, const struct map_conf *wanted, struct fail *f)
{
	for (size_t i = 0; i < c->map_count; i++) {
		const struct map_conf *map = &c->map[i];

		if (!config_ports_overlap(map, wanted) || may_stand_together(map, wanted))
			continue;
		return config_same_map(map, wanted) ? 1 : fail_taken(wanted, map, f);
	}
	return 0;
}

int edit_map_add(struct config *c, const struct map_conf *wanted, struct fail *f)
{
	int err = edit_map_check(c, wanted, f);

	return err ? err : append_map(c, wanted, f);
}

struct map_conf *edit_map_find(struct config *c, const struct map_conf *wanted, struct fail *f)
{
	struct map_conf *found = NULL;
	char name[ADDR_STRLEN];
	int overlaps = 0;

	f->text[0] = '\0';
	for (size_t i = 0; i < c->map_count; i++) {
		struct map_conf *map = &c->map[i];

		if (!config_ports_overlap(map, wanted))
			continue;
		overlaps++;
		if (map->port != wanted->port || map->last != wanted->last) {
			fail(f, -EINVAL, "what is published is %s, as one",
			     config_port_name(map->row, map->port, map->last, name));
			return NULL;
		}
		if ((wanted->given & MAP_GIVEN_ANY_AT) ? !map->has_at
						       : !wanted->has_at ||
								 config_same_ports(map, wanted))
			found = map;
	}
	if (!wanted->has_at && overlaps > 1) {
		fail(f, -EINVAL, "several addresses have it: say at which, as ADDRESS:PORT or DEV:PORT");
		return NULL;
	}
	if (!found && overlaps == 1)
		fail(f, -EINVAL, "it is not published at that address alone");
	return found;
}

int edit_map_set(struct config *c, const struct map_conf *wanted, struct fail *f)
{
	struct map_conf *map = edit_map_find(c, wanted, f), changed;
	int err;

	if (!map)
		return f->text[0]
			       ? -EINVAL
			       : fail(f, -ENOENT, "it is not published (nsxdp map add publishes)");
	changed = *map;
	config_set_map(&changed, wanted);
	if (!changed.targets)
		return fail(f, -EINVAL, "it is being drained, and has no targets: give some");
	if (changed.burst && !changed.rate)
		return fail(f, -EINVAL, "--burst %u: there is no --rate", changed.burst);
	err = config_check_map(&changed, f);
	if (!err)
		*map = changed;
	return err;
}

static void remove_map(struct config *c, size_t i)
{
	memmove(&c->map[i], &c->map[i + 1], (c->map_count - i - 1) * sizeof(*c->map));
	c->map_count--;
}

int edit_map_del(struct config *c, const struct map_conf *wanted, struct fail *f)
{
	struct map_conf *map = edit_map_find(c, wanted, f);

	if (!map)
		return f->text[0] ? -EINVAL : 1;
	remove_map(c, map - c->map);
	return 0;
}

/* What is there and is not as was given; what was not given may be anything. */
static int check_existing(const struct ns_conf *old, const struct ns_conf *wanted, struct fail *f)
{
	unsigned int given = wanted->given;
	char addr[ADDR_STRLEN];

	if ((given & NS_GIVEN_ADDR) && (memcmp(&wanted->addr, &old->addr, sizeof(old->addr)) ||
					wanted->prefix_len != old->prefix_len))
		return fail(f, -EEXIST, "exists with address %s/%u", format_addr(&old->addr, addr),
			    old->prefix_len);
	if ((given & NS_GIVEN_DATAPATH) && wanted->xdp != old->xdp)
		return fail(f, -EEXIST, "exists with datapath %s", old->xdp ? "xdp" : "tc");
	if ((given & NS_GIVEN_LINK) && wanted->netkit != old->netkit)
		return fail(f, -EEXIST, "exists with link %s", old->netkit ? "netkit" : "veth");
	if ((given & NS_GIVEN_FILTERING) && wanted->filtering != old->filtering)
		return fail(f, -EEXIST, "exists with filtering %s",
			    config_filtering_name(old->filtering));
	if ((given & NS_GIVEN_LINK_LOCAL) && wanted->link_local != old->link_local)
		return fail(f, -EEXIST, "exists %s --link-local",
			    old->link_local ? "with" : "without");
	if ((given & NS_GIVEN_MAX_FLOWS) && wanted->max_flows != old->max_flows)
		return fail(f, -EEXIST, "exists with another --max-flows");
	if ((given & NS_GIVEN_EGRESS_RATE) && wanted->egress_rate != old->egress_rate)
		return fail(f, -EEXIST, "exists with another --egress-rate");
	if ((given & NS_GIVEN_SOURCE) &&
	    memcmp(wanted->source, old->source, sizeof(wanted->source)))
		return fail(f, -EEXIST, "exists with another --source");
	if ((given & NS_GIVEN_EGRESS) && (wanted->egress_count != old->egress_count ||
					  memcmp(wanted->egress, old->egress, sizeof(old->egress))))
		return fail(f, -EEXIST, "exists with other --egress-allow or --egress-deny");
	if ((given & NS_GIVEN_PREFER_IPV6) && wanted->prefer_ipv6 != old->prefer_ipv6)
		return fail(f, -EEXIST, "exists %s --prefer-ipv6",
			    old->prefer_ipv6 ? "with" : "without");
	if ((given & NS_GIVEN_MSS) && wanted->mss != old->mss)
		return fail(f, -EEXIST,
			    old->mss ? "exists with another --clamp-mss"
				     : "exists without --clamp-mss");
	if ((given & NS_GIVEN_DNS) &&
	    (wanted->dns_count != old->dns_count ||
	     memcmp(wanted->dns, old->dns, wanted->dns_count * sizeof(wanted->dns[0]))))
		return fail(f, -EEXIST, "exists with other name servers");
	return 0;
}

int edit_ns_add(struct config *c, const struct ns_conf *wanted, struct fail *f)
{
	struct ns_conf *ns = config_ns(c, wanted->name);

	if (ns) {
		int err = check_existing(ns, wanted, f);

		if (err)
			fail_hint(f, " (nsxdp ns set changes it)");
		return err ? err : 1;
	}
	ns = config_add_ns(c);
	if (!ns)
		return fail_errno(f, -ENOMEM, "cannot note it");
	*ns = *wanted;
	config_sort(c);
	return 0;
}

int edit_ns_set(struct config *c, const struct ns_conf *wanted, struct fail *f)
{
	struct ns_conf *ns = config_ns(c, wanted->name), changed;
	int err;

	if (!ns)
		return fail(f, -ENOENT, "there is no such namespace (nsxdp ns list shows them)");
	changed = *ns;
	config_set_ns(&changed, wanted);
	err = config_check_ns(&changed, f);
	if (!err)
		*ns = changed;
	return err;
}

static int targets_in(const struct map_conf *map, const char *name)
{
	int count = 0;

	for (int i = 0; i < map->targets; i++)
		count += strcmp(map->target[i].ns, name) == 0;
	return count;
}

/* "6000/tcp, 6001/tcp" of the ports published to a namespace; returns how many there are. */
static int list_ports(const struct config *c, const char *name, char *buf, size_t size)
{
	char port[ADDR_STRLEN];
	size_t used = 0;
	int count = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c->map_count; i++) {
		const struct map_conf *map = &c->map[i];

		/* Once for both families. */
		if (NSX_ROW_FAMILY(map->row) == NSX_V6 && config_twin(c, map))
			continue;
		if (targets_in(map, name) && count++ < 8)
			used += snprintf(buf + used, size - used, "%s%s", count > 1 ? ", " : "",
					 config_port_name(map->row, map->port, map->last, port));
	}
	if (count > 8)
		snprintf(buf + used, size - used, " and %d more", count - 8);
	return count;
}

static void forget_targets(struct map_conf *map, const char *name)
{
	int kept = 0;

	for (int i = 0; i < map->targets; i++)
		if (strcmp(map->target[i].ns, name))
			map->target[kept++] = map->target[i];
	map->targets = kept;
	config_normal_map(map);
}

int edit_ns_del(struct config *c, const char *name, bool force, struct fail *f)
{
	struct ns_conf *ns = config_ns(c, name);
	char ports[256];
	size_t i = 0;

	if (!ns)
		return fail(f, -ENOENT, "there is no such namespace (nsxdp ns list shows them)");
	if (!force && list_ports(c, name, ports, sizeof(ports)))
		return fail(f, -EBUSY, "ports are published to it: %s (--force removes them too)",
			    ports);
	for (size_t n = 0; n < c->map_count; n++) {
		bool had = targets_in(&c->map[n], name);

		forget_targets(&c->map[n], name);
		if (had && !c->map[n].targets)
			continue;
		if (i != n)
			c->map[i] = c->map[n];
		i++;
	}
	c->map_count = i;
	i = ns - c->ns;
	memmove(&c->ns[i], &c->ns[i + 1], (c->ns_count - i - 1) * sizeof(*c->ns));
	c->ns_count--;
	return 0;
}
