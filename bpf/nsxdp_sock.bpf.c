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
#include "scope.h"
#include "slot.h"

#define CTX struct bpf_sock_addr

#define ECONNREFUSED 111

#include "dial.h"
#include "socket_port.h"

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

/* IPV6_V6ONLY of a socket */
static __always_inline bool is_v6only(struct bpf_sock *sk)
{
	const struct sock_common___v6 *common;

	if (!bpf_core_field_exists(struct sock_common___v6, skc_ipv6only))
		return false;
	if (!bpf_cast_to_kern_ctx || !bpf_rdonly_cast) {
		common = (const struct sock_common___v6 *)sk;
		return BPF_CORE_READ_BITFIELD_PROBED(common, skc_ipv6only);
	}
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
