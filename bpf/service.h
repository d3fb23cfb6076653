/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Published ports with several targets, or with conditions.
 *
 * A client is hashed into a table of targets (Maglev: a changed target moves only its share), so that a service
 * needs no state either. Only while its targets change, and only for connections that the change would move, is it
 * remembered who goes where (PIN sessions): a SYN goes to the new target and is noted, any other segment of an unknown
 * connection must have begun before and goes to the old one. UDP has no beginning and follows the table at once.
 */
#ifndef NSXDP_SERVICE_H
#define NSXDP_SERVICE_H

#include "defs.h"
#include "flow.h"
#include "limit.h"
#include "maps.h"
#include "own.h"
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

__noinline int is_allowed(__u32 service, __be32 client)
{
	struct nsx_allow key = { .bits = 32 + 128, .service = service, .addr = { 0, 0, NSX_V4_PREFIX, client } };

	return bpf_map_lookup_elem(&nsx_allow, &key) != NULL;
}

/* The place of a pinned connection's target: below NSX_TARGETS in .target, from there on in .was. */
static __always_inline __u32 pinned_place(const struct nsx_service *svc, const struct nsx_slot *pin)
{
	for (__u32 i = 0; i < NSX_TARGETS; i++) {
		if (i < svc->count && svc->target[i].id == pin->id && svc->target[i].port == pin->outside_port)
			return i;
		if (i < svc->was_count && svc->was[i].id == pin->id && svc->was[i].port == pin->outside_port)
			return NSX_TARGETS + i;
	}
	return NSX_NO_TARGET;
}

static __always_inline const struct nsx_target *target_at(const struct nsx_service *svc, __u32 place)
{
	return place < NSX_TARGETS ? &svc->target[place & (NSX_TARGETS - 1)] : &svc->was[place & (NSX_TARGETS - 1)];
}

static __always_inline bool same_target(const struct nsx_target *a, const struct nsx_target *b)
{
	return a->id == b->id && a->port == b->port;
}

/**
 * pinned_target() - which of two targets a TCP connection has that a change would move
 * @fresh, @old: places, or NSX_NO_TARGET
 */
static __noinline __u32 pinned_target(const struct pkt *p, const struct nsx_service *svc, __u32 fresh, __u32 old)
{
	struct nsx_session_key k = {};
	__u32 now = now_tick(), place;
	struct nsx_slot *pin;

	if (!p || !svc)
		return NSX_NO_TARGET;
	k.inside = p->dst;
	k.remote = p->src;
	k.inside_port = p->dport;
	k.remote_port = p->sport;
	k.proto = p->proto;
	k.kind = NSX_PIN;
	pin = session_find(&k);
	if (pin && (__s32)(now - pin->seen) <= (__s32)conf_get()->timeout[NSX_TO_TCP_ESTABLISHED] && !SYN_ALONE(p)) {
		place = pinned_place(svc, pin);
		if (place != NSX_NO_TARGET) {
			if (!p->icmp_error && pin->seen != now)
				pin->seen = now;
			if (!p->icmp_error && !(pin->tcp & NSX_T_ASSURED))
				pin->tcp |= NSX_T_IN | NSX_T_ASSURED;
			return place;
		}
	}
	place = SYN_ALONE(p) ? fresh : old;
	if (place == NSX_NO_TARGET || p->icmp_error)
		return place;
	if (!pin)
		pin = session_claim(&k, now);
	else if (!slot_claim(pin, READ_ONCE(pin->state)))
		pin = NULL;
	if (!pin)
		return place;	/* without memory the rule alone decides */
	pin->id = target_at(svc, place)->id;
	pin->outside_port = target_at(svc, place)->port;
	pin->own = 0;
	pin->seen = now;
	pin->tcp = NSX_T_SYN;
	slot_publish(pin, NSX_PIN);
	return place;
}

/**
 * service_in() - choose the target of a packet to a published port
 * @s: the registry's slot of the port, with NSX_F_SERVICE
 * @x: filled
 *
 * Return: NSX_CONTINUE; PASS_HOST where the service takes nobody new; or the verdict that drops the packet.
 */
__noinline int service_in(const struct pkt *p, const struct nsx_slot *s, __u32 bytes, struct xlat *x)
{
	const struct nsx_conf *conf = conf_get();
	struct nsx_service *svc;
	const struct nsx_target *t;
	__u32 index, place, hash;
	struct nsx_count *c;

	if (!p || !s || !x || !conf)
		return NSX_DROP_ERROR;
	index = s->service;
	svc = bpf_map_lookup_elem(&nsx_services, &index);
	if (!svc)
		return NSX_PASS_HOST;
	if ((svc->flags & NSX_S_ALLOW) && !p->icmp_error && !is_allowed(index, p->saddr))
		return NSX_DROP_NOT_ALLOWED;
	if ((svc->flags & NSX_S_RATE) && !p->icmp_error && (p->proto != NSX_TCP || SYN_ALONE(p)) &&
	    !gcra_take(&svc->tat, svc->interval, svc->burst))
		return NSX_DROP_RATE;

	hash = client_hash(conf, svc, &p->src, p->sport);
	place = svc->flags & NSX_S_BY_ADDRESS ? address_place(index, p->daddr, false) : svc->table[hash];
	if ((svc->flags & NSX_S_DRAINING) && p->proto == NSX_TCP && (__s32)(svc->until - now_tick()) > 0) {
		__u32 old = svc->flags & NSX_S_BY_ADDRESS ? address_place(index, p->daddr, true) : svc->was_table[hash];

		if (old != NSX_NO_TARGET)
			old = (old & (NSX_TARGETS - 1)) + NSX_TARGETS;
		if (place == NSX_NO_TARGET || old == NSX_NO_TARGET ||
		    !same_target(target_at(svc, place), target_at(svc, old)))
			place = pinned_target(p, svc, place, old);
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
	index = index * NSX_TARGETS + (place & (NSX_TARGETS - 1));
	c = place < NSX_TARGETS ? bpf_map_lookup_elem(&nsx_target_counts, &index) : NULL;
	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	return NSX_CONTINUE;
}

#endif
