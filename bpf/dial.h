/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket of the host that dials a published port, for nsxdp_sock.bpf.c. */
#ifndef NSXDP_DIAL_H
#define NSXDP_DIAL_H

#include "defs.h"
#include "maps.h"
#include "scope.h"
#include "slot.h"
#include "target.h"

/* What a socket dialled, by where its packets go. */
struct dialled_key {
	struct nsx_addr addr;
	__u64 cookie;		/* of the socket */
	__be16 port;
	__u16 proto;		/* enum nsx_proto */
	__u32 pad;
};

struct dialled {
	struct nsx_addr addr;
	__be16 port;
	__u16 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct dialled_key);
	__type(value, struct dialled);
} nsx_dialled SEC(".maps");

/* An address of a context, word by word, or LLVM copies from a pointer into the middle of it. */
#define CONTEXT_ADDR(to, from, member) ({				\
	(to)->w[0] = READ_ONCE((from)->member[0]);			\
	(to)->w[1] = READ_ONCE((from)->member[1]);			\
	(to)->w[2] = READ_ONCE((from)->member[2]);			\
	(to)->w[3] = READ_ONCE((from)->member[3]);			\
})

static __always_inline int proto_of(__u32 ip_proto)
{
	if (ip_proto == IPPROTO_TCP_)
		return NSX_TCP;
	return ip_proto == IPPROTO_UDP_ ? NSX_UDP : -1;
}

static __always_inline bool is_ours(CTX *ctx, const struct nsx_conf *conf)
{
	return conf && !is_passive() && bpf_get_netns_cookie(ctx) == conf->netns_cookie;
}

/* 127.0.0.0/8, or ::1. */
static __always_inline bool is_loopback(const struct nsx_addr *a)
{
	if (nsx_is_v4(a))
		return (bpf_ntohl(a->w[3]) >> 24) == 127;
	return !a->d[0] && !a->w[2] && a->w[3] == bpf_htonl(1);
}

/* Loopback, or an address of the host's. */
static __always_inline bool is_here(const struct nsx_addr *a)
{
	return is_loopback(a) || is_local(a);
}

#define LOOPBACK_IFINDEX 1

/*
 * The devices that have an address of the host's, as packets and commands have found it; they cannot
 * be looked at here.
 */
__noinline int owners_of(const struct nsx_addr *addr)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 owners = 0;
	int index;

	if (!addr)
		return 0;

	/* Without branches, as in address_owners(): 0 less 1 has the upper bits set. */
	for (int i = 0; i < NSX_DEVICES; i++)
		owners |= ((__u64)(conf->devices[i] ^ LOOPBACK_IFINDEX) - 1) >> 63 << i;
	if (is_loopback(addr))
		return owners;
	index = local_index(addr);
	return index < 0 ? 0 : nsx_learned.local[index & (NSX_LOCAL_MAX - 1)].owners;
}

/* As map_answers() in portmap.h. */
static __always_inline bool answers_at(__be32 at, const struct nsx_addr *asked)
{
	return !at || at_is(at, asked) ||
	       (nsx_at_device(at) && nsx_at_owners(at, owners_of(asked)));
}

/* The port is published at this address; every one includes it. */
static __always_inline bool is_published_at(const struct nsx_slot *s, const struct nsx_addr *addr)
{
	__u32 index = s->service;
	const struct nsx_service *svc;

	if (!addr->w[3] && (nsx_is_v4(addr) || is_unspecified(addr)))
		return true;
	if (s->at || !(s->flags & NSX_F_SERVICE))
		return answers_at(s->at, addr);
	svc = bpf_map_lookup_elem(&nsx_services, &index);
	return !svc || !(svc->flags & NSX_S_BY_ADDRESS) ||
	       address_place(index, addr, owners_of(addr), false) < NSX_TARGETS;
}

/*
 * One of a service's targets, by the socket's cookie or the address; false where it takes nobody
 * new.
 */
static __always_inline bool dial_target(const struct nsx_slot *s, const struct nsx_addr *addr,
					__be16 dialled, struct dialled_key *k)
{
	__u32 index = s->service, place = table_place(k->cookie * 0x9e3779b97f4a7c15ULL >> 32);
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);

	if (!svc)
		return false;
	place = svc->flags & NSX_S_BY_ADDRESS
			? address_place(index, addr, owners_of(addr), false)
			: svc->table[place];
	if (place >= NSX_TARGETS)
		return false;
	k->addr = svc->target[place].addr;
	k->port = bpf_htons(bpf_ntohs(svc->target[place].port) + bpf_ntohs(dialled) - svc->first);
	return true;
}

/* The address that a socket is bound to: zero, in the form of its family, where it is none. */
static __always_inline void bound_to(CTX *ctx, __u32 family, struct nsx_addr *ret)
{
	const struct bpf_sock *sk = ctx->sk;

	ret->d[0] = 0;
	ret->d[1] = 0;
	if (family == NSX_V4)
		addr_from_v4(ret, sk ? sk->src_ip4 : 0);
	else if (sk)
		CONTEXT_ADDR(ret, sk, src_ip6);
}

static __always_inline bool is_bound_to_loopback(CTX *ctx, __u32 family)
{
	struct nsx_addr addr;

	bound_to(ctx, family, &addr);
	return is_loopback(&addr);
}

/* Where a published port that is dialled at addr leads; false where it is none. */
static __always_inline bool dial(CTX *ctx, struct nsx_addr *addr, __u32 *port)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 family = family_of(addr), state;
	int proto = proto_of(ctx->protocol);
	struct dialled was = { .addr = *addr, .port = *port };
	struct dialled_key k = {};
	const struct nsx_slot *s;

	if (proto < 0 || !is_ours(ctx, conf))
		return false;
	s = is_here(addr) ? port_slot(NSX_ROW(proto & 1, family), *port) : NULL;
	state = s ? slot_state(s) : NSX_FREE;
	if (NSX_KIND(state) != NSX_MAP || !answers_at(s->at, addr))
		return false;
	/*
	 * The kernel lets nothing leave the host with a source address of loopback: there is no way
	 * for such a socket.
	 */
	if (is_bound_to_loopback(ctx, family))
		return false;
	k.cookie = bpf_get_socket_cookie(ctx);
	k.addr = s->inside;
	k.port = s->inside_port;
	k.proto = proto;
	if ((s->flags & NSX_F_SERVICE) && !dial_target(s, addr, *port, &k))
		return false;
	if (!slot_same(s, state) || bpf_map_update_elem(&nsx_dialled, &k, &was, BPF_ANY) < 0)
		return false;
	*addr = k.addr;
	*port = k.port;
	return true;
}

/* The way back: what the process dialled, by who answers. */
static __always_inline bool undial(CTX *ctx, struct nsx_addr *addr, __u32 *port)
{
	int proto = proto_of(ctx->protocol);
	struct dialled_key k = {};
	const struct dialled *was;

	if (proto < 0 || !is_ours(ctx, &nsx_conf))
		return false;
	k.cookie = bpf_get_socket_cookie(ctx);
	k.addr = *addr;
	k.port = *port;
	k.proto = proto;
	was = bpf_map_lookup_elem(&nsx_dialled, &k);
	if (!was)
		return false;
	*addr = was->addr;
	*port = was->port;
	return true;
}

#endif
