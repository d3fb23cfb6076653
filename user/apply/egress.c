// SPDX-License-Identifier: GPL-2.0-only
/* Where namespaces may go: sets of networks, each of one namespace. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/ns.h"

static struct nsx_egress_key key_of(const struct nsx_ns *ns, const struct nsx_network *network)
{
	struct nsx_egress_key key = { .bits = 32 + 96 + network->len, .set = ns->egress_set };

	memcpy(key.addr, &network->addr, sizeof(key.addr));
	return key;
}

/* What holds for the rest: nothing may be reached where something is allowed by name. */
static struct nsx_network rest_of(const struct nsx_ns *ns)
{
	struct nsx_network rest = {};

	addr_set_v4(&rest.addr, 0);
	for (__u32 i = 0; i < ns->egress_count; i++)
		rest.deny |= !ns->egress[i].deny;
	return rest;
}

static int write_one(struct instance *in, const struct nsx_ns *ns,
		     const struct nsx_network *network, __u64 flags)
{
	struct nsx_egress_key key = key_of(ns, network);
	__u8 allowed = !network->deny;

	return bpf_map_update_elem(in->fd[TABLE_EGRESS], &key, &allowed, flags) ? -errno : 0;
}

int egress_write(struct instance *in, const struct nsx_ns *ns)
{
	struct nsx_network rest = rest_of(ns);
	int err = 0;

	if (!ns->egress_set)
		return 0;
	for (__u32 i = 0; i < ns->egress_count && !err; i++)
		err = write_one(in, ns, &ns->egress[i], BPF_ANY);
	if (!err)
		err = write_one(in, ns, &rest, BPF_NOEXIST);
	return err == -EEXIST ? 0 : err;
}

int egress_delete(struct instance *in, const struct nsx_ns *ns)
{
	struct nsx_network rest = rest_of(ns);
	int err = 0;

	for (__u32 i = 0; ns->egress_set && i <= ns->egress_count; i++) {
		struct nsx_egress_key key =
			key_of(ns, i < ns->egress_count ? &ns->egress[i] : &rest);

		if (bpf_map_delete_elem(in->fd[TABLE_EGRESS], &key) && errno != ENOENT)
			err = -errno;
	}
	return err;
}

static bool is_used(const struct ns_list *list, __u32 set)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->item[i].ns.egress_set == set)
			return true;
	return false;
}

void egress_sweep(struct instance *in)
{
	struct nsx_egress_key key, *prev = NULL;
	struct ns_list list = {};

	if (table_ns_list(in, &list))
		return;
	while (bpf_map_get_next_key(in->fd[TABLE_EGRESS], prev, &key) == 0) {
		static struct nsx_egress_key last;

		/* Begin again: the key that is gone leads nowhere. */
		if (!is_used(&list, key.set) &&
		    bpf_map_delete_elem(in->fd[TABLE_EGRESS], &key) == 0) {
			prev = NULL;
			continue;
		}
		last = key;
		prev = &last;
	}
	ns_list_free(&list);
}
