// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MTUs that the host's routes say, for the datapath: the kernel does not tell a program those
 * without a lock.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "apply/up.h"

struct routes {
	struct instance *in;
	bool said;	/* a route says an MTU */
	int err;
};

static void look_cb(const struct route_info *route, void *arg)
{
	struct routes *r = arg;

	r->said = r->said || route->mtu;
}

/* Those that say none are written too: they may be more specific. */
static void write_cb(const struct route_info *route, void *arg)
{
	struct nsx_prefix key = { .bits = route->prefix_len };
	struct routes *r = arg;

	memcpy(key.addr, &route->dst, sizeof(key.addr));
	if (bpf_map_update_elem(r->in->fd[TABLE_ROUTES], &key, &route->mtu, BPF_ANY))
		r->err = -errno;
}

static void forget_all(struct instance *in)
{
	struct nsx_prefix key;

	while (bpf_map_get_next_key(in->fd[TABLE_ROUTES], NULL, &key) == 0)
		if (bpf_map_delete_elem(in->fd[TABLE_ROUTES], &key))
			return;
}

static int each_route(struct nl *nl, route_cb cb, struct routes *r)
{
	int err = route_each(nl, NSX_V4, cb, r);

	return err ? err : route_each(nl, NSX_V6, cb, r);
}

int up_write_routes(struct instance *in, struct fail *f)
{
	struct routes r = { .in = in };
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		err = each_route(&nl, look_cb, &r);
	if (!err) {
		forget_all(in);
		if (r.said)
			err = each_route(&nl, write_cb, &r);
	}
	nl_close(&nl);
	if (err)
		return fail_errno(f, err, "cannot read the host's routes");
	if (r.err)
		note("up: not all of the host's routes fit: packets too large for the others are not answered");
	return 0;
}
