/* SPDX-License-Identifier: GPL-2.0-only */
/* Which port a socket of the host may have or send from, for nsxdp_sock.bpf.c. */
#ifndef NSXDP_SOCKET_PORT_H
#define NSXDP_SOCKET_PORT_H

#include "defs.h"
#include "maps.h"
#include "dial.h"
#include "outside.h"
#include "port.h"
#include "slot.h"

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

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

#endif
