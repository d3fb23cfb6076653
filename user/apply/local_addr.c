// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's addresses, as the datapath knows them: it learns those that came since "up" from
 * packets (bpf/local_addr.h), a command from the kernel. Both follow the same rules, for a packet
 * may teach the same address in this moment.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "apply/ipv6.h"
#include "apply/up.h"

#define LONG_AGO 0x80000000U	/* ticks */

/* Packets from an address leave by its uplink; from those of other devices by the first. */
static void local_describe(struct instance *in, struct nsx_local_addr *local,
			   const struct addr_info *info)
{
	bool v4 = nsx_is_v4(&info->addr);

	local->dev = in->conf->uplinks[0];
	local->on_uplink = 0;
	for (int i = 0; i < NSX_UPLINKS; i++)
		if (in->conf->uplinks[i] == (__u32)info->ifindex) {
			local->dev = info->ifindex;
			/* No flow leaves from one that is temporary or deprecated. */
			local->on_uplink = v4 || (!info->secondary && !info->deprecated && !info->duplicate);
		}
	local->len = v4 && info->prefix_len < 31 ? info->prefix_len : 0;
	for (int i = 0; i < NSX_DEVICES; i++)
		if (in->conf->devices[i] == (__u32)info->ifindex)
			local->owners |= 1U << i;
	local->owners_until = 0;
}

static bool local_turn(struct nsx_local_addr *local, __u32 from, __u32 to)
{
	return __atomic_compare_exchange_n(&local->state, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

void local_set_gone(struct instance *in, __u32 index, __u32 now)
{
	struct nsx_local_addr *local = &in->learned->local[index];

	if (local->state != NSX_LOCAL_PRESENT)
		return;
	local->gone_at = now;
	local_turn(local, NSX_LOCAL_PRESENT, NSX_LOCAL_GONE);
}

/* As local_place() in bpf/local_addr.h; *fresh: nobody had the place before. */
static __u32 local_place(struct instance *in, __u32 now, enum nsx_family family, bool on_uplink,
			 bool *fresh)
{
	__u32 first = on_uplink ? family : NSX_LOCAL_MAX, i;
	struct nsx_conf *conf = in->conf;

	*fresh = first < NSX_LOCAL_MAX &&
		 local_turn(&in->learned->local[first], NSX_LOCAL_UNUSED, NSX_LOCAL_WRITING);
	if (*fresh)
		return first;
	__atomic_store_n(&in->learned->further[family], 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++) {
		struct nsx_local_addr *local = &in->learned->local[i];

		if ((i >= NSX_FAMILIES || i == first) && local->state == NSX_LOCAL_GONE &&
		    now - local->gone_at > nsx_ticks(conf, NSX_LOCAL_GONE_SECONDS) &&
		    local_turn(local, NSX_LOCAL_GONE, NSX_LOCAL_WRITING)) {
			bpf_map_delete_elem(in->fd[TABLE_LOCAL], &local->addr);
			return i;
		}
	}
	*fresh = true;
	i = __atomic_fetch_add(&in->learned->local_count, 1, __ATOMIC_SEQ_CST);
	if (i >= NSX_LOCAL_MAX)
		__atomic_fetch_sub(&in->learned->local_count, 1, __ATOMIC_SEQ_CST);
	return i;
}

static int local_append(struct instance *in, const struct addr_info *info, __u32 now)
{
	struct nsx_local_addr *local, like;
	bool fresh;
	__u32 n;

	memset(&like, 0, sizeof(like));
	local_describe(in, &like, info);
	n = local_place(in, now, addr_family(&info->addr), like.on_uplink, &fresh);
	local = &in->learned->local[n];

	if (n >= NSX_LOCAL_MAX)
		return -E2BIG;
	local->addr = info->addr;
	local->owners = 0;
	local_describe(in, local, info);
	local->since = fresh ? now - LONG_AGO : now;
	local->gone_at = now;
	if (bpf_map_update_elem(in->fd[TABLE_LOCAL], &info->addr, &n, BPF_NOEXIST) == 0) {
		__atomic_store_n(&local->state, NSX_LOCAL_PRESENT, __ATOMIC_SEQ_CST);
		return 0;
	}
	memset(&local->addr, 0, sizeof(local->addr));
	__atomic_store_n(&local->state, NSX_LOCAL_GONE, __ATOMIC_SEQ_CST);
	return errno == EEXIST ? 0 : -errno;
}

int local_keep(struct instance *in, const struct addr_info *info, __u32 now)
{
	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++) {
		struct nsx_local_addr *local = &in->learned->local[i];

		if (memcmp(&local->addr, &info->addr, sizeof(info->addr)) ||
		    local->state == NSX_LOCAL_WRITING)
			continue;
		local_describe(in, local, info);
		local_turn(local, NSX_LOCAL_GONE, NSX_LOCAL_PRESENT);
		return 0;
	}
	return local_append(in, info, now);
}

int local_each(struct nl *nl, addr_cb cb, void *arg)
{
	int err = addr_each(nl, NSX_V4, 0, cb, arg);

	return err ? err : addr_each(nl, NSX_V6, 0, cb, arg);
}

struct learn {
	struct instance *in;
	__u32 now;
};

static void learn_cb(const struct addr_info *info, void *arg)
{
	struct learn *l = arg;

	if (!addr_is_loopback(&info->addr) && !ipv6_is_own(l->in->conf, &info->addr))
		local_keep(l->in, info, l->now);
}

bool local_is_present(struct instance *in, const struct nsx_addr *addr)
{
	apply_local_addr_learn(in);
	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++)
		if (memcmp(&in->learned->local[i].addr, addr, sizeof(*addr)) == 0)
			return in->learned->local[i].state == NSX_LOCAL_PRESENT;
	return false;
}

void apply_local_addr_learn(struct instance *in)
{
	struct learn l = { in, now_tick(in) };
	struct nl nl = {};

	/* Packets have them looked up again; the host's own processes go by what is found now. */
	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++) {
		in->learned->local[i].owners_until = 0;
		in->learned->local[i].owners = 0;
	}

	if (nl_open(&nl) == 0)
		local_each(&nl, learn_cb, &l);
	nl_close(&nl);
}
