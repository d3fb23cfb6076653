/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's own records say of a device, where no helper tells it. They are read under RCU,
 * as the kernel reads them, while anybody may change them.
 */
#ifndef NSXDP_DEVICE_H
#define NSXDP_DEVICE_H

#include "defs.h"
#include "scope.h"
#include "slot.h"

#ifndef NSXDP_AT_XDP
/* Of the kernel's types what is needed here, by their names without the suffix. */
struct hlist_node___link {
	struct hlist_node___link *next;
} __attribute__((preserve_access_index));

struct hlist_head___link {
	struct hlist_node___link *first;
} __attribute__((preserve_access_index));

struct net___link {
	struct hlist_head___link *dev_index_head;
} __attribute__((preserve_access_index));

struct in_ifaddr___link {
	struct in_ifaddr___link *ifa_next;
	__be32 ifa_local;
} __attribute__((preserve_access_index));

struct in_device___link {
	struct in_ifaddr___link *ifa_list;
} __attribute__((preserve_access_index));

struct net_device___link {
	unsigned int mtu;
	int ifindex;
	struct in_device___link *ip_ptr;
	const unsigned char *dev_addr;
	struct hlist_node___link index_hlist;
	struct {
		struct net___link *net;
	} nd_net;
} __attribute__((preserve_access_index));

struct sk_buff___link {
	struct net_device___link *dev;
} __attribute__((preserve_access_index));

struct list_head___link {
	struct list_head___link *next;
} __attribute__((preserve_access_index));

struct inet6_dev___link {
	struct list_head___link addr_list;
} __attribute__((preserve_access_index));

struct inet6_ifaddr___link {
	struct in6_addr addr;
	__u32 flags;
	struct list_head___link if_list;
} __attribute__((preserve_access_index));

struct net_device___v6 {
	struct inet6_dev___link *ip6_ptr;
} __attribute__((preserve_access_index));

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* A member of one of these, wherever its address is from: a load, or before Linux 6.2 a helper. */
#define READ(type, pointer, member)                                                              \
	({                                                                                       \
		type *object = (type *)(pointer);                                                \
		typeof(object->member) value;                                                    \
		if (bpf_rdonly_cast && !test_old_kernel)                                         \
			value = ((type *)bpf_rdonly_cast(object, bpf_core_type_id_kernel(type))) \
					->member;                                                \
		else                                                                             \
			value = BPF_CORE_READ(object, member);                                   \
		value;                                                                           \
	})

#define DEV_INDEX_HASH 256 /* NETDEV_HASHENTRIES */
#define DEV_INDEX_CHAIN 64 /* devices that share a hash at most */

/* The device with this index in the network namespace of the packet's device. */
static __always_inline struct net_device___link *dev_by_index(CTX *ctx, __u32 ifindex)
{
	void *skb = bpf_rdonly_cast && !test_old_kernel ? bpf_cast_to_kern_ctx(ctx) : ctx;
	struct net_device___link *dev = READ(struct sk_buff___link, skb, dev);
	struct net___link *net = READ(struct net_device___link, dev, nd_net.net);
	void *head = (void *)READ(struct net___link, net, dev_index_head) +
		     (ifindex % DEV_INDEX_HASH) * sizeof(void *);
	struct hlist_node___link *at = READ(struct hlist_head___link, head, first);

	for (int i = 0; i < DEV_INDEX_CHAIN && at; i++) {
		dev = (void *)at - bpf_core_field_offset(struct net_device___link, index_hlist);
		if ((__u32)READ(struct net_device___link, dev, ifindex) == ifindex)
			return dev;
		at = READ(struct hlist_node___link, &dev->index_hlist, next);
	}
	return NULL;
}

/* The MAC of the device that the packet came in by. Return: 0, or -1 where it cannot be read. */
static __always_inline int dev_mac(CTX *ctx, __u8 mac[ETH_ALEN])
{
	void *skb = bpf_rdonly_cast && !test_old_kernel ? bpf_cast_to_kern_ctx(ctx) : ctx;
	struct net_device___link *dev = READ(struct sk_buff___link, skb, dev);

	return bpf_probe_read_kernel(mac, ETH_ALEN, READ(struct net_device___link, dev, dev_addr));
}

#define DEV_ADDRESSES NSX_LOCAL_MAX /* that are looked at */

/* A walk over a device's IPv4 addresses. */
struct address_walk {
	struct in_ifaddr___link *at;
	__be32 addr;
	__u32 found;
};

static long next_address(__u64 unused, struct address_walk *w)
{
	if (!w->at)
		return 1;
	if (READ(struct in_ifaddr___link, w->at, ifa_local) == w->addr) {
		w->found = 1;
		return 1;
	}
	w->at = READ(struct in_ifaddr___link, w->at, ifa_next);
	return 0;
}

/* A device has an IPv4 address: 1, else 0; none has the index 0. */
__noinline int device_has(CTX *ctx, __u32 ifindex, __be32 addr)
{
	struct net_device___link *dev = ifindex ? dev_by_index(ctx, ifindex) : NULL;
	struct in_device___link *ip = dev ? READ(struct net_device___link, dev, ip_ptr) : NULL;
	struct address_walk w = { .addr = addr };

	if (!ip)
		return false;
	w.at = READ(struct in_device___link, ip, ifa_list);
	bpf_loop(DEV_ADDRESSES, next_address, &w, 0);
	return w.found;
}

static __always_inline bool has_ipv6_types(void)
{
	return bpf_core_type_exists(struct inet6_ifaddr___link) &&
	       bpf_core_field_exists(struct net_device___v6, ip6_ptr);
}

/* A walk over a device's IPv6 addresses: the next one's place in the list, and the list's head. */
struct addr6_list {
	void *at;
	void *end;
};

/* Begin with a device; false where it has no IPv6, or the kernel's records are not known. */
static __always_inline bool addr6_begin(CTX *ctx, __u32 ifindex, struct addr6_list *w)
{
	struct net_device___link *dev = has_ipv6_types() ? dev_by_index(ctx, ifindex) : NULL;
	struct inet6_dev___link *ip6 = dev ? READ(struct net_device___v6, dev, ip6_ptr) : NULL;

	if (!ip6)
		return false;
	w->end = (void *)ip6 + bpf_core_field_offset(struct inet6_dev___link, addr_list);
	w->at = READ(struct list_head___link, w->end, next);
	return true;
}

static __always_inline struct inet6_ifaddr___link *addr6_next(struct addr6_list *w)
{
	void *at = w->at;

	if (!at || at == w->end)
		return NULL;
	w->at = READ(struct list_head___link, at, next);
	return at - bpf_core_field_offset(struct inet6_ifaddr___link, if_list);
}

struct address6_walk {
	struct addr6_list list;
	struct nsx_addr addr;
	__u32 found;
};

static long next_address6(__u64 unused, struct address6_walk *w)
{
	struct inet6_ifaddr___link *ifa = addr6_next(&w->list);
	struct in6_addr v6;
	struct nsx_addr addr;

	if (!ifa)
		return 1;
	v6 = READ(struct inet6_ifaddr___link, ifa, addr);
	addr_from_v6(&addr, &v6);
	w->found = addr_eq(&addr, &w->addr);
	return w->found;
}

/* The same of an IPv6 address. */
__noinline int device_has6(CTX *ctx, __u32 ifindex, const struct nsx_addr *addr)
{
	struct address6_walk w = {};

	if (!addr || !ifindex || !addr6_begin(ctx, ifindex, &w.list))
		return false;
	w.addr = *addr;
	bpf_loop(DEV_ADDRESSES, next_address6, &w, 0);
	return w.found;
}

static __always_inline int device_has_any(CTX *ctx, __u32 ifindex, const struct nsx_addr *addr)
{
	return nsx_is_v4(addr) ? device_has(ctx, ifindex, addr->w[3])
			       : device_has6(ctx, ifindex, addr);
}
#endif

/* Its place in the list of the host's addresses; NULL where it has none. */
static __always_inline struct nsx_local_addr *local_at(const struct nsx_addr *addr)
{
	int index = local_index(addr);

	/* The mask is for the verifier of kernels before 6.3, which forgets bounds. */
	return index < 0 ? NULL : &nsx_learned.local[index & (NSX_LOCAL_MAX - 1)];
}

#ifdef NSXDP_AT_XDP
/* As below, as far as it is known; a packet to an address that has to be looked at goes to TC. */
static __always_inline __u32 address_owners(CTX *ctx, const struct nsx_addr *addr)
{
	const struct nsx_local_addr *local = local_at(addr);

	return local && is_fresh(local->owners_until, now_tick(), 1) ? local->owners : 0;
}
#else
/**
 * address_owners() - which of the devices that ports are published at have an address of the host
 *
 * The kernel's lists are looked at twice a second for each address. Any CPU may do so against any
 * other: both write what they find.
 *
 * Return: a bit for each place in nsx_conf.devices.
 */
__noinline int address_owners(CTX *ctx, const struct nsx_addr *addr)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_local_addr *local;
	__u32 now = now_tick(), owners = 0;

	local = addr ? local_at(addr) : NULL;
	if (!local)
		return 0;
	if (is_fresh(local->owners_until, now, 1))
		return local->owners;
	/* Without branches: the verifier would follow every set of devices. */
	for (int i = 0; i < NSX_DEVICES; i++)
		owners |= (__u32)device_has_any(ctx, conf->devices[i], addr) << i;
	local->owners = owners;
	local->owners_until = now + nsx_ticks(conf, 1) / 2 + 1;
	return owners;
}
#endif

#endif
