// SPDX-License-Identifier: GPL-2.0-only
/* The host's addresses that came since "up": the datapath learns them from packets (bpf/own.h), a command from the kernel. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "apply.h"
#include "link.h"

static bool is_uplink(const struct nsx_conf *conf, int ifindex)
{
	for (int i = 0; i < NSX_UPLINKS; i++)
		if (conf->uplinks[i] == (__u32)ifindex)
			return true;
	return false;
}

/* By the rules of own_add() in bpf/own.h, for a packet may teach the datapath the same address in this moment. */
static void own_append(struct instance *in, const struct addr_info *info)
{
	struct nsx_conf *conf = in->conf;
	__u32 n = __atomic_fetch_add(&conf->own_count, 1, __ATOMIC_SEQ_CST);

	if (n >= NSX_OWN_MAX) {
		__atomic_fetch_sub(&conf->own_count, 1, __ATOMIC_SEQ_CST);
		return;
	}
	conf->own[n] = info->addr;
	conf->own_dev[n] = is_uplink(conf, info->ifindex) ? (__u32)info->ifindex : conf->uplinks[0];
	conf->own_len[n] = info->prefix_len < 31 ? info->prefix_len : 0;
	if (bpf_map_update_elem(in->fd[TABLE_OWN], &info->addr, &n, BPF_NOEXIST))
		__atomic_fetch_or(&conf->lost, 1ULL << n, __ATOMIC_SEQ_CST);
}

static void own_cb(const struct addr_info *info, void *arg)
{
	struct instance *in = arg;

	if (addr_v4(&info->addr) >> 24 == 127 ||
	    config_overlap(&info->addr, 32, &in->conf->pool, in->conf->pool_len))
		return;
	for (__u32 i = 0; i < in->conf->own_count; i++)
		if (memcmp(&in->conf->own[i], &info->addr, sizeof(info->addr)) == 0) {
			__atomic_fetch_and(&in->conf->lost, ~(1ULL << i), __ATOMIC_SEQ_CST);
			return;
		}
	own_append(in, info);
}

void apply_own_learn(struct instance *in)
{
	struct nl nl = {};

	if (nl_open(&nl) == 0)
		addr_each(&nl, 0, own_cb, in);
	nl_close(&nl);
}
