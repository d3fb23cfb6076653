// SPDX-License-Identifier: GPL-2.0-only
/* What others have deleted or detached. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/block.h"
#include "kernel/datapath.h"
#include "kernel/netns.h"
#include "kernel/ns_link.h"
#include "kernel/private.h"
#include "state/health.h"

struct ids {
	int *id;
	size_t count;
	bool failed;
};

struct links {
	struct link_info *link;
	size_t count;
	bool failed;
};

static void add_link(const struct link_info *link, void *arg)
{
	struct links *links = arg;

	if ((links->count & (links->count - 1)) == 0) {
		size_t room = links->count ? 2 * links->count : 1;
		struct link_info *more = realloc(links->link, room * sizeof(*more));

		if (!more) {
			links->failed = true;
			return;
		}
		links->link = more;
	}
	links->link[links->count++] = *link;
}

static int compare_links(const void *a, const void *b)
{
	int x = ((const struct link_info *)a)->ifindex, y = ((const struct link_info *)b)->ifindex;

	return (x > y) - (x < y);
}

static const struct link_info *find_link(const struct health *h, int ifindex)
{
	struct link_info key = { .ifindex = ifindex };

	return h->links_count ? bsearch(&key, h->links, h->links_count, sizeof(key), compare_links)
			      : NULL;
}

static void add_id(struct ids *ids, int id)
{
	if ((ids->count & (ids->count - 1)) == 0) {
		int *more = realloc(ids->id, (ids->count ? 2 * ids->count : 1) * sizeof(*more));

		if (!more) {
			ids->failed = true;
			return;
		}
		ids->id = more;
	}
	ids->id[ids->count++] = id;
}

static void add_bound(int ifindex, void *arg)
{
	add_id(arg, ifindex);
}

static int compare_ids(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool has_id(const int *ids, size_t count, int id)
{
	return count && bsearch(&id, ids, count, sizeof(id), compare_ids);
}

int health_read(struct instance *in, struct health *ret)
{
	struct links links = {};
	struct ids bound = {};
	struct nl nl = {};
	int err = nl_open(&nl);

	memset(ret, 0, sizeof(*ret));
	ret->in = in;
	if (!err)
		err = link_each(&nl, add_link, &links);
	if (!err)
		err = block_each(&nl, add_bound, &bound);
	ret->block = bound.count && datapath_block_works(&nl, &in->dir);
	nl_close(&nl);
	if (links.count)
		qsort(links.link, links.count, sizeof(*links.link), compare_links);
	if (bound.count)
		qsort(bound.id, bound.count, sizeof(*bound.id), compare_ids);
	ret->links = links.link;
	ret->links_count = links.count;
	ret->bound = bound.id;
	ret->bound_count = bound.count;
	return err ? err : links.failed || bound.failed ? -ENOMEM : 0;
}

void health_free(struct health *h)
{
	free(h->links);
	free(h->bound);
	memset(h, 0, sizeof(*h));
}

const char *health_ns(const struct health *h, const char *name, const struct nsx_ns *ns)
{
	bool bound = h->block && has_id(h->bound, h->bound_count, ns->ifindex);
	const struct link_info *link = find_link(h, ns->ifindex);
	__u32 hooks = ns->flags;

	if (ns->state != NSX_NS_READY)
		return "unfinished";
	if (!link || !ns_link_is(h->in, ns, link) || !netns_is(name, ns->netns))
		return "gone";
	if (h->in->conf->mode == NSX_MODE_TC)
		hooks &= ~NSX_NS_XDP;
	return datapath_ns_attached(&h->in->dir, ns->ifindex, hooks, bound) ? "ready" : "detached";
}

const char *health_uplink(const struct health *h, int uplink)
{
	const struct instance *in = h->in;
	int ifindex = in->conf->uplinks[uplink];

	if (!find_link(h, ifindex))
		return "gone";
	if (uplink == 0 && in->conf->mode != NSX_MODE_TC &&
	    !datapath_uplink_xdp_attached(&in->dir, ifindex))
		return "detached";
	return datapath_uplink_attached(&in->dir, ifindex, uplink == 0) ? "attached" : "detached";
}

static bool all_good(const struct health *h)
{
	struct ns_list list = {};
	struct pin_dir next;
	bool good = true;

	for (int i = 0; i < NSX_UPLINKS && h->in->conf->uplinks[i] && good; i++)
		good = strcmp(health_uplink(h, i), "attached") == 0;
	good = good && h->in->meta.programs == datapath_build() &&
	       pin_next_open(&h->in->dir, &next) == -ENOENT;
	good = good && private_works(h->in->conf) &&
	       private_reassembles(&h->in->dir, h->in->conf) && table_ns_list(h->in, &list) == 0;
	for (size_t i = 0; i < list.count && good; i++)
		good = strcmp(health_ns(h, list.item[i].name, &list.item[i].ns), "ready") == 0;
	ns_list_free(&list);
	return good;
}

bool health_is_good(struct instance *in)
{
	struct health h;
	bool good = health_read(in, &h) == 0 && all_good(&h);

	health_free(&h);
	return good;
}

static void usable_cb(const struct addr_info *addr, void *arg)
{
	bool *usable = arg;

	/* From a deprecated one running flows go on, and published ports answer. */
	*usable |= !addr->duplicate && !addr->secondary;
}

int health_way_out6(const struct nsx_conf *conf)
{
	struct nl nl = {};
	bool usable = false;
	int err;

	/* Their own addresses are all that packets of namespaces need. */
	if (conf->ipv6 != NSX_IPV6_NAT)
		return conf->ipv6 == NSX_IPV6_ROUTED;
	err = nl_open(&nl);
	for (int i = 0; i < NSX_UPLINKS && conf->uplinks[i] && !usable && !err; i++)
		err = addr_each(&nl, NSX_V6, conf->uplinks[i], usable_cb, &usable);
	nl_close(&nl);
	return err ? err : usable;
}
