// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's own sockets. What a process of the host dials at one of its own addresses, or at
 * loopback, and at a published port, goes to the namespace at once: the socket's address is
 * rewritten when it connects or sends, so that packets cost nothing and loopback is never routed.
 * What the process dialled is what it is told (getpeername, recvmsg). And the host keeps to the
 * registry of ports: it does not get a published port, nor the remote of a masqueraded flow.
 *
 * The programs are attached to a whole hierarchy of control groups, so each looks first whether the
 * socket is of the instance's network namespace.
 */
#include "defs.h"
#include "maps.h"
#include "port.h"
#include "outside.h"
#include "scope.h"
#include "slot.h"
#include "target.h"

#define CTX struct bpf_sock_addr

#define ECONNREFUSED 111

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

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

enum way {
	CONNECT,
	SENDMSG,
	BACK,
};

static __always_inline bool is_published(__u32 row, __u32 port)
{
	const struct nsx_slot *s = port_slot(row, bpf_htons(port));

	return s && NSX_KIND(slot_state(s)) == NSX_MAP;
}

struct range {
	__u32 row;
	__u32 lo;
	__u32 free;	/* one of its ports is not published */
};

static long look_for_free(__u64 i, struct range *r)
{
	r->free = !is_published(r->row, r->lo + i);
	return r->free;
}

/* Before Linux 6.8 the range was not one number. */
struct inet_sock___pair {
	struct {
		__u16 lo;
		__u16 hi;
	} local_port_range;
} __attribute__((preserve_access_index));

/*
 * IP_LOCAL_PORT_RANGE of a socket, the upper end in the upper half, as the kernel keeps it; 0 where
 * there is none.
 */
static __always_inline __u32 port_range_of(CTX *ctx)
{
	const struct bpf_sock_addr_kern *kern;
	const struct inet_sock *sk;
	__u32 range = 0, offset;

	if (bpf_core_field_exists(struct inet_sock, local_port_range)) {
		if (bpf_cast_to_kern_ctx && bpf_rdonly_cast) {
			kern = bpf_cast_to_kern_ctx(ctx);
			sk = bpf_rdonly_cast(kern->sk, bpf_core_type_id_kernel(struct inet_sock));
			return sk->local_port_range;
		}
		offset = bpf_core_field_offset(struct inet_sock, local_port_range);
	} else if (bpf_core_field_exists(struct inet_sock___pair, local_port_range)) {
		offset = bpf_core_field_offset(struct inet_sock___pair, local_port_range);
	} else {
		return 0;
	}
	kern = (const struct bpf_sock_addr_kern *)ctx;
	sk = (const struct inet_sock *)BPF_CORE_READ(kern, sk);
	bpf_probe_read_kernel(&range, sizeof(range), (const void *)sk + offset);
	return range;
}

/*
 * A socket that has no port yet gets one from the kernel, by rules of its own: IP_LOCAL_PORT_RANGE
 * narrows them for a socket (kernel 6.3), as far as it lies in ip_local_port_range. It may not be
 * narrowed to ports that are published.
 */
static __always_inline bool may_bind(CTX *ctx, __u32 family)
{
	const struct nsx_conf *conf = &nsx_conf;
	int proto = proto_of(ctx->protocol);
	struct range r = { .row = NSX_ROW(proto & 1, family) };
	__u32 range, hi;

	if (proto < 0 || !is_ours(ctx, conf) || !(conf->flags & NSX_UP_BIND_GUARD) || !ctx->sk ||
	    ctx->sk->src_port)
		return true;
	range = port_range_of(ctx);
	r.lo = range & 0xffff;
	hi = range >> 16;
	if (!r.lo || r.lo > hi || r.lo < conf->host_lo || hi > conf->host_hi)
		return true;
	bpf_loop(hi - r.lo + 1, look_for_free, &r, 0);
	return r.free;
}

#define LOCAL_MOSTLY 16

/* A flow by a shared port of one of the host's addresses has this remote. */
__noinline int is_masqueraded_at(const struct outside *o, __u32 local)
{
	struct outside at;
	struct found f;

	if (!o)
		return false;
	at = *o;
	at.local = local;
	return outside_find(&at, &f) &&
	       nsx_flow_left(f.slot, &nsx_conf, &nsx_learned, now_tick()) >= 0;
}

/* A flow by a shared port has the socket's port and remote. */
static __always_inline bool is_masqueraded(CTX *ctx, __u8 proto, const struct nsx_addr *remote,
					   __be16 remote_port)
{
	struct outside o = { .remote = *remote, .remote_port = remote_port, .proto = proto };
	__u32 family = family_of(remote);
	struct nsx_addr addr;

	o.port = bpf_htons(ctx->sk->src_port);
	bound_to(ctx, family, &addr);
	if (family == NSX_V6 ? !is_unspecified(&addr) : addr.w[3] != 0) {
		int local = local_index(&addr);

		return is_masqueraded_at(&o, local < 0 ? family : local);
	}
	/* Its address is chosen after this: by any of those that flows mostly leave from. */
	for (__u32 local = 0; local < LOCAL_MOSTLY && local < nsx_learned.local_count; local++)
		if (is_masqueraded_at(&o, local))
			return true;
	return false;
}

/*
 * A socket that is bound sends to a remote. It may not from a port that is published, which it can
 * only have by an automatic bind, nor to the remote that the port's slot has for a masqueraded
 * flow: the answers would not be its.
 */
__noinline int may_send(CTX *ctx, const struct nsx_addr *addr, __u32 port, enum way way)
{
	const struct nsx_conf *conf = &nsx_conf;
	int proto = proto_of(ctx->protocol);
	struct nsx_addr bound;
	struct nsx_slot *s;
	__u32 kind, family, row;

	if (!addr)
		return true;
	family = family_of(addr);
	row = NSX_ROW(proto & 1, family);
	if (proto < 0 || !is_ours(ctx, conf) || !ctx->sk || !ctx->sk->src_port)
		return true;
	if (is_here(addr)) {
		/* What a bound socket of UDP could not dial is told, as a connected one is. */
		if (way != SENDMSG || !is_bound_to_loopback(ctx, family) ||
		    !is_published(row, bpf_ntohs(port)))
			return true;
		bpf_set_retval(-ECONNREFUSED);
		return false;
	}
	s = port_slot(row, bpf_htons(ctx->sk->src_port));
	if (!s)
		return true;
	kind = NSX_KIND(slot_state(s));
	bound_to(ctx, family, &bound);
	if (kind == NSX_MAP)
		return !(conf->flags & NSX_UP_BIND_GUARD) || !is_published_at(s, &bound);
	if ((kind != NSX_FLOW && kind != NSX_SHARED) ||
	    nsx_port_left(s, conf, &nsx_learned, now_tick()) < 0)
		return true;
	host_takes(s, proto);
	if (kind == NSX_SHARED)
		return !is_masqueraded(ctx, proto, addr, port);
	return s->remote_port != (__be16)port || !addr_eq(&s->remote, addr);
}

/* Returns 1 to go on, with the address and the port to go on with; 0: refused. */
static __always_inline int on_call(CTX *ctx, enum way way, struct nsx_addr *addr, __u32 *port,
				   bool *changed)
{
	*changed = way == BACK ? undial(ctx, addr, port) : dial(ctx, addr, port);
	return *changed || way == BACK ||
	       (may_bind(ctx, family_of(addr)) && may_send(ctx, addr, *port, way));
}

static __always_inline int on_v4(CTX *ctx, enum way way)
{
	__u32 port = ctx->user_port;
	struct nsx_addr addr;
	bool changed;
	int ret;

	addr_from_v4(&addr, ctx->user_ip4);
	ret = on_call(ctx, way, &addr, &port, &changed);
	if (changed) {
		ctx->user_ip4 = addr.w[3];
		ctx->user_port = port;
	}
	return ret;
}

/* An IPv6 socket may speak IPv4 too, by v4-mapped addresses, which are the form of IPv4 here. */
static __always_inline int on_v6(CTX *ctx, enum way way)
{
	__u32 port = ctx->user_port;
	struct nsx_addr addr;
	bool changed;
	int ret;

	CONTEXT_ADDR(&addr, ctx, user_ip6);
	/* To the unspecified address is to loopback. */
	if (is_unspecified(&addr) && way != BACK)
		addr.w[3] = bpf_htonl(1);
	ret = on_call(ctx, way, &addr, &port, &changed);
	if (changed) {
		*(volatile __u32 *)&ctx->user_ip6[0] = addr.w[0];
		*(volatile __u32 *)&ctx->user_ip6[1] = addr.w[1];
		*(volatile __u32 *)&ctx->user_ip6[2] = addr.w[2];
		*(volatile __u32 *)&ctx->user_ip6[3] = addr.w[3];
		ctx->user_port = port;
	}
	return ret;
}

SEC("cgroup/connect4")
int sock_connect4(CTX *ctx)
{
	return on_v4(ctx, CONNECT);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(CTX *ctx)
{
	return on_v4(ctx, SENDMSG);
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(CTX *ctx)
{
	return on_v4(ctx, BACK);
}

SEC("cgroup/getpeername4")
int sock_getpeername4(CTX *ctx)
{
	return on_v4(ctx, BACK);
}

SEC("cgroup/connect6")
int sock_connect6(CTX *ctx)
{
	return on_v6(ctx, CONNECT);
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(CTX *ctx)
{
	return on_v6(ctx, SENDMSG);
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(CTX *ctx)
{
	return on_v6(ctx, BACK);
}

SEC("cgroup/getpeername6")
int sock_getpeername6(CTX *ctx)
{
	return on_v6(ctx, BACK);
}

/* A container engine holds the ports that it publishes with sockets of its own. */
static __always_inline bool is_owned(const struct nsx_slot *s)
{
	__u32 index = s->service;
	const struct nsx_service *svc;

	if (!(s->flags & NSX_F_SERVICE))
		return false;
	svc = bpf_map_lookup_elem(&nsx_services, &index);
	return svc && (svc->flags & NSX_S_OWNED);
}

/*
 * bind(): refused (EPERM) on a published port, but at an address of the pool, where nothing is
 * published, or where the port has an owner.
 */
static __always_inline int bind_check(struct bpf_sock *sk, const struct nsx_addr *addr)
{
	const struct nsx_conf *conf = &nsx_conf;
	int proto = proto_of(sk->protocol);
	struct nsx_slot *s;

	if (proto < 0 || is_passive() || bpf_get_netns_cookie(sk) != conf->netns_cookie)
		return 1;
	if (in_pool(conf, addr))
		return 1;
	s = port_slot(NSX_ROW(proto & 1, family_of(addr)), bpf_htons(sk->src_port));
	if (!s)
		return 1;
	if (NSX_KIND(slot_state(s)) == NSX_MAP && is_published_at(s, addr))
		return is_owned(s);
	host_takes(s, proto);
	return 1;
}

SEC("cgroup/post_bind4")
int sock_post_bind4(struct bpf_sock *sk)
{
	struct nsx_addr addr;

	addr_from_v4(&addr, sk->src_ip4);
	return bind_check(sk, &addr);
}

/* Of the kernel's types what is needed here. */
struct sock_common___v6 {
	unsigned char skc_ipv6only : 1;
} __attribute__((preserve_access_index));

/* IPV6_V6ONLY of a socket; not seen before Linux 6.2. */
static __always_inline bool is_v6only(struct bpf_sock *sk)
{
	const struct sock_common___v6 *common;

	if (!bpf_cast_to_kern_ctx || !bpf_rdonly_cast ||
	    !bpf_core_field_exists(struct sock_common___v6, skc_ipv6only))
		return false;
	common = bpf_rdonly_cast(bpf_cast_to_kern_ctx(sk),
				 bpf_core_type_id_kernel(struct sock_common___v6));
	return BPF_CORE_READ_BITFIELD(common, skc_ipv6only);
}

SEC("cgroup/post_bind6")
int sock_post_bind6(struct bpf_sock *sk)
{
	struct nsx_addr addr;

	CONTEXT_ADDR(&addr, sk, src_ip6);
	if (!bind_check(sk, &addr))
		return 0;
	/* It takes IPv4 too, unless it says otherwise. */
	if (!is_unspecified(&addr) || is_v6only(sk))
		return 1;
	addr_from_v4(&addr, 0);
	return bind_check(sk, &addr);
}

char LICENSE[] SEC("license") = "GPL";
