/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports with several targets, or with conditions.
 *
 * A client is hashed into a table of targets (Maglev: a changed target moves only its share), so
 * that a service needs no state either, not even while its targets change: a segment then goes to
 * the target whose namespace has its connection, and a SYN to the new one. UDP has no connections
 * and follows the table at once.
 */
#ifndef NSXDP_SERVICE_H
#define NSXDP_SERVICE_H

#include "defs.h"
#include "device.h"
#include "connection.h"
#include "count.h"
#include "flow.h"
#include "limit.h"
#include "maps.h"
#include "local_addr.h"
#include "target.h"

static __always_inline __u32 client_hash(const struct nsx_conf *conf, const struct nsx_service *svc,
					 const struct nsx_addr *addr, __be16 port)
{
	__u64 h = conf->hash_seed;

	h = (h ^ addr->d[0] ^ addr->d[1]) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	if (!(svc->flags & NSX_S_AFFINITY))
		h ^= port;
	/* Twice: ports that follow each other must not follow each other in the table. */
	h *= 0xc2b2ae3d27d4eb4fULL;
	h = (h ^ h >> 29) * 0x9e3779b97f4a7c15ULL;
	return table_place(h >> 32);
}

__noinline int is_allowed(__u32 service, const struct nsx_addr *client)
{
	struct nsx_allow key = { .bits = 32 + 128 };

	if (!client)
		return false;
	key.set = NSX_NET_SET(service, family_of(client));
	__builtin_memcpy(key.addr, client, sizeof(key.addr));
	return bpf_map_lookup_elem(&nsx_allow, &key) != NULL;
}

static __always_inline const struct nsx_target *target_at(const struct nsx_service *svc,
							  __u32 place)
{
	return place < NSX_TARGETS ? &svc->target[place & (NSX_TARGETS - 1)]
				   : &svc->was[place & (NSX_TARGETS - 1)];
}

static __always_inline int target_has(CTX *ctx, const struct pkt *p, const struct nsx_service *svc,
				      __u32 place)
{
	const struct nsx_target *t = target_at(svc, place);

	return connection_ask(ctx, p, &t->addr,
			      bpf_htons(bpf_ntohs(t->port) + (bpf_ntohs(p->dport) - svc->first)),
			      t->ifindex);
}

/**
 * draining_target() - which target a TCP connection has while targets change
 * @index: of the service
 * @fresh, @old: places that the tables give now and gave before, or NSX_NO_TARGET
 *
 * The target that has it already, by what the sockets there say; the new one where none has.
 */
__noinline int draining_target(CTX *ctx, const struct pkt *p, __u32 index, __u32 fresh, __u32 old)
{
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);
	__u32 over = NSX_NO_TARGET;
	int has;

	if (!p || !svc)
		return NSX_NO_TARGET;
	if (old != NSX_NO_TARGET) {
		has = target_has(ctx, p, svc, old);
		if (has >= CONNECTION_OPENING)
			return old;
		over = has == CONNECTION_OVER ? old : over;
	}
	if (SYN_ALONE(p))
		return fresh;
	if (fresh != NSX_NO_TARGET && target_has(ctx, p, svc, fresh) >= CONNECTION_OPENING)
		return fresh;
	/* Those of a draining before this one. */
	for (__u32 i = 0; i < NSX_TARGETS; i++) {
		if (i >= svc->was_count)
			break;
		if (i + NSX_TARGETS != old &&
		    target_has(ctx, p, svc, i + NSX_TARGETS) >= CONNECTION_OPENING)
			return i + NSX_TARGETS;
	}
	return over != NSX_NO_TARGET ? over : fresh;
}

/**
 * service_admits() - may this packet reach a service at all?
 *
 * Return: NSX_CONTINUE; PASS_HOST where there is no such service; or the verdict that drops it.
 */
__noinline int service_admits(__u32 index, const struct pkt *p)
{
	struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);

	if (!p)
		return NSX_DROP_ERROR;
	if (!svc)
		return NSX_PASS_HOST;
	if ((svc->flags & NSX_S_ALLOW) && !p->icmp_error && !is_allowed(index, &p->saddr))
		return NSX_DROP_NOT_ALLOWED;
	if ((svc->flags & NSX_S_RATE) && !p->icmp_error && (p->proto != NSX_TCP || SYN_ALONE(p)) &&
	    !gcra_take(&svc->tat, svc->interval, svc->burst))
		return NSX_DROP_RATE;
	return NSX_CONTINUE;
}

/**
 * service_in() - choose the target of a packet to a published port
 * @s: the registry's slot of the port, with NSX_F_SERVICE
 * @x: filled
 *
 * Return: NSX_CONTINUE; PASS_HOST where the service takes nobody new; or the verdict that drops the
 * packet.
 */
__noinline int service_in(CTX *ctx, const struct pkt *p, const struct nsx_slot *s, struct xlat *x)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_service *svc;
	const struct nsx_target *t;
	__u32 index, place, hash, owners = 0;
	int v;

	if (!p || !s || !x)
		return NSX_DROP_ERROR;
	index = s->service;
	svc = bpf_map_lookup_elem(&nsx_services, &index);
	if (!svc)
		return NSX_PASS_HOST;
	v = service_admits(index, p);
	if (v != NSX_CONTINUE)
		return v;
	hash = client_hash(conf, svc, &p->src, p->sport);
	if (svc->flags & NSX_S_BY_ADDRESS)
		owners = address_owners(ctx, &p->daddr);
	place = svc->flags & NSX_S_BY_ADDRESS ? address_place(index, &p->daddr, owners, false)
					      : svc->table[hash];
	if ((svc->flags & NSX_S_DRAINING) && p->proto == NSX_TCP &&
	    (__s32)(svc->drain_deadline - now_tick()) > 0) {
		__u32 old = svc->flags & NSX_S_BY_ADDRESS
				    ? address_place(index, &p->daddr, owners, true)
				    : svc->was_table[hash];

		if (old != NSX_NO_TARGET)
			old = (old & (NSX_TARGETS - 1)) + NSX_TARGETS;
		place = draining_target(ctx, p, index, place, old);
	}
	if (place == NSX_NO_TARGET)
		return NSX_PASS_HOST;

	t = target_at(svc, place);
	x->addr = t->addr;
	x->port = bpf_htons(bpf_ntohs(t->port) + (bpf_ntohs(p->dport) - svc->first));
	x->ifindex = t->ifindex;
	mac_copy(x->mac, t->mac);
	x->side = SIDE_DST;
	x->to_ns = 1;
	x->verdict = NSX_PUBLISHED_IN;
	count_target(place < NSX_TARGETS ? index * NSX_TARGETS + place : 0, ctx_len(ctx));
	return NSX_CONTINUE;
}

#endif
