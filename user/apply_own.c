// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's addresses, as the datapath knows them: it learns those that came since "up" from packets (bpf/own.h), a
 * command from the kernel. Both follow the same rules, for a packet may teach the same address in this moment.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "apply_up.h"

#define LONG_AGO 0x80000000U	/* ticks */

/* Packets from an address leave by its uplink; from those of other devices by the first. */
static void own_describe(struct instance *in, struct nsx_own *own, const struct addr_info *info)
{
	own->dev = in->conf->uplinks[0];
	own->on_uplink = 0;
	for (int i = 0; i < NSX_UPLINKS; i++)
		if (in->conf->uplinks[i] == (__u32)info->ifindex) {
			own->dev = info->ifindex;
			own->on_uplink = 1;
		}
	own->len = info->prefix_len < 31 ? info->prefix_len : 0;
}

static bool own_turn(struct nsx_own *own, __u32 from, __u32 to)
{
	return __atomic_compare_exchange_n(&own->state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void own_lose(struct instance *in, __u32 index, __u32 now)
{
	struct nsx_own *own = &in->conf->own[index];

	own->lost = now;
	own_turn(own, NSX_OWN_HERE, NSX_OWN_LOST);
}

/* As own_place() in bpf/own.h; *fresh: nobody had the place before. */
static __u32 own_place(struct instance *in, __u32 now, bool on_uplink, bool *fresh)
{
	struct nsx_conf *conf = in->conf;
	__u32 i;

	*fresh = false;
	for (i = 0; i < NSX_OWN_MAX && i < conf->own_count; i++) {
		struct nsx_own *own = &conf->own[i];

		if ((i || on_uplink) && own->state == NSX_OWN_LOST && now - own->lost > nsx_ticks(conf, NSX_OWN_LOST_SECONDS) &&
		    own_turn(own, NSX_OWN_LOST, NSX_OWN_WRITING)) {
			bpf_map_delete_elem(in->fd[TABLE_OWN], &own->addr);
			return i;
		}
	}
	*fresh = true;
	i = __atomic_fetch_add(&conf->own_count, 1, __ATOMIC_SEQ_CST);
	if (i >= NSX_OWN_MAX)
		__atomic_fetch_sub(&conf->own_count, 1, __ATOMIC_SEQ_CST);
	return i;
}

static int own_append(struct instance *in, const struct addr_info *info, __u32 now)
{
	struct nsx_own *own, like;
	bool fresh;
	__u32 n;

	own_describe(in, &like, info);
	n = own_place(in, now, like.on_uplink, &fresh);
	own = &in->conf->own[n];

	if (n >= NSX_OWN_MAX)
		return -E2BIG;
	own->addr = info->addr;
	own_describe(in, own, info);
	own->since = fresh ? now - LONG_AGO : now;
	own->lost = now;
	if (bpf_map_update_elem(in->fd[TABLE_OWN], &info->addr, &n, BPF_NOEXIST) == 0) {
		__atomic_store_n(&own->state, NSX_OWN_HERE, __ATOMIC_SEQ_CST);
		return 0;
	}
	own->addr.w[3] = 0;
	__atomic_store_n(&own->state, NSX_OWN_LOST, __ATOMIC_SEQ_CST);
	return errno == EEXIST ? 0 : -errno;
}

int own_keep(struct instance *in, const struct addr_info *info, __u32 now)
{
	for (__u32 i = 0; i < NSX_OWN_MAX && i < in->conf->own_count; i++) {
		struct nsx_own *own = &in->conf->own[i];

		if (memcmp(&own->addr, &info->addr, sizeof(info->addr)) || own->state == NSX_OWN_WRITING)
			continue;
		own_describe(in, own, info);
		own_turn(own, NSX_OWN_LOST, NSX_OWN_HERE);
		return 0;
	}
	return own_append(in, info, now);
}

struct learn {
	struct instance *in;
	__u32 now;
};

static void learn_cb(const struct addr_info *info, void *arg)
{
	struct learn *l = arg;

	if (addr_v4(&info->addr) >> 24 != 127 &&
	    !config_overlap(&info->addr, 32, &l->in->conf->pool, l->in->conf->pool_len))
		own_keep(l->in, info, l->now);
}

void apply_own_learn(struct instance *in)
{
	struct learn l = { in, now_tick(in) };
	struct nl nl = {};

	if (nl_open(&nl) == 0)
		addr_each(&nl, 0, learn_cb, &l);
	nl_close(&nl);
}
