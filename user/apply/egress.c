// SPDX-License-Identifier: GPL-2.0-only
/* Where namespaces may go: sets of networks, each of one namespace. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/ns.h"

/* The part of a network that is of a family; false where there is none. */
static bool key_of(const struct nsx_ns *ns, const struct nsx_network *network,
		   enum nsx_family family, struct nsx_egress_key *key)
{
	bool both = network_is_any(network);

	memset(key, 0, sizeof(*key));
	key->set = NSX_NET_SET(ns->egress_set, family);
	key->bits = 32 + (both && family == NSX_V4 ? 96 : network->len);
	if (!both || family == NSX_V4)
		memcpy(key->addr, &network->addr, sizeof(key->addr));
	return both || addr_family(&network->addr) == family;
}

/*
 * What holds for the rest: what was said of any, else nothing may be reached where something is
 * allowed by name.
 */
static struct nsx_network rest_of(const struct nsx_ns *ns)
{
	struct nsx_network rest = network_any();

	for (__u32 i = 0; i < ns->egress_count; i++) {
		if (network_is_any(&ns->egress[i]))
			return ns->egress[i];
		rest.deny |= !ns->egress[i].deny;
	}
	return rest;
}

static int write_one(struct instance *in, const struct nsx_ns *ns,
		     const struct nsx_network *network, __u64 flags)
{
	__u8 allowed = !network->deny;
	struct nsx_egress_key key;

	for (int family = 0; family < NSX_FAMILIES; family++)
		if (key_of(ns, network, family, &key) &&
		    bpf_map_update_elem(in->fd[TABLE_EGRESS], &key, &allowed, flags) &&
		    errno != EEXIST)
			return -errno;
	return 0;
}

int egress_write(struct instance *in, const struct nsx_ns *ns)
{
	struct nsx_network rest = rest_of(ns);
	int err = 0;

	if (!ns->egress_set)
		return 0;
	for (__u32 i = 0; i < ns->egress_count && !err; i++)
		if (!network_is_any(&ns->egress[i]))
			err = write_one(in, ns, &ns->egress[i], BPF_ANY);
	/* Of a family of which all is in the list it says nothing. */
	return err ? err : write_one(in, ns, &rest, BPF_NOEXIST);
}

static int delete_one(struct instance *in, const struct nsx_ns *ns,
		      const struct nsx_network *network)
{
	struct nsx_egress_key key;
	int err = 0;

	for (int family = 0; family < NSX_FAMILIES; family++)
		if (key_of(ns, network, family, &key) &&
		    bpf_map_delete_elem(in->fd[TABLE_EGRESS], &key) && errno != ENOENT)
			err = -errno;
	return err;
}

int egress_delete(struct instance *in, const struct nsx_ns *ns)
{
	struct nsx_network rest = rest_of(ns);
	int err = 0, more;

	for (__u32 i = 0; ns->egress_set && i <= ns->egress_count; i++) {
		more = delete_one(in, ns, i < ns->egress_count ? &ns->egress[i] : &rest);
		err = err ? err : more;
	}
	return err;
}

static int by_number(const void *a, const void *b)
{
	__u32 left = *(const __u32 *)a, right = *(const __u32 *)b;

	return left < right ? -1 : left > right;
}

/*
 * The sets that namespaces have, and those that packets of theirs are judged by, which may be what
 * was before a change; sorted. To be freed; NULL without memory.
 */
static __u32 *used_sets(struct instance *in, const struct ns_list *list)
{
	__u32 *used = calloc(list->count + 1, 2 * sizeof(*used));

	for (size_t i = 0; used && i < list->count; i++) {
		const struct nsx_ns *ns = &list->item[i].ns;
		struct nsx_veth veth;

		used[2 * i] = ns->egress_set;
		if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ns->ifindex, &veth) == 0)
			used[2 * i + 1] = veth.egress;
	}
	if (used)
		qsort(used, 2 * list->count, sizeof(*used), by_number);
	return used;
}

/* The networks of sets that nobody has; a walk may not delete what it stands on. */
static size_t find_unused(struct instance *in, const __u32 *used, size_t count,
			  struct nsx_egress_key *ret)
{
	struct nsx_egress_key key, last, *prev = NULL;
	size_t found = 0;

	while (found < NSX_ALLOW_MAX &&
	       bpf_map_get_next_key(in->fd[TABLE_EGRESS], prev, &key) == 0) {
		__u32 set = NSX_NET_NUMBER(key.set);

		if (!bsearch(&set, used, count, sizeof(*used), by_number))
			ret[found++] = key;
		last = key;
		prev = &last;
	}
	return found;
}

void egress_sweep(struct instance *in)
{
	struct nsx_egress_key *unused = calloc(NSX_ALLOW_MAX, sizeof(*unused));
	struct ns_list list = {};
	__u32 *used = NULL;
	size_t count = 0;

	/* What stays only takes room. */
	if (unused && table_ns_list(in, &list) == 0)
		used = used_sets(in, &list);
	if (used)
		count = find_unused(in, used, 2 * list.count, unused);
	for (size_t i = 0; i < count; i++)
		bpf_map_delete_elem(in->fd[TABLE_EGRESS], &unused[i]);
	ns_list_free(&list);
	free(used);
	free(unused);
}
