/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sweeper: one timer for the whole instance, which looks at a part of the tables every so often
 * and frees what is dead: entries, ports, and the ports of services whose draining is over. So the
 * counts are of what is alive, give or take a round, and nothing that is over is in anybody's way
 * for longer than that. It also takes back what was not confirmed in time: see undo.h.
 *
 * Without it only punctuality is lost: look-ups do not see what is dead, and who wants a place
 * takes that of a dead one.
 *
 * It runs in a softirq, on any CPU, against all others; it frees by the rule of slot.h, like
 * everybody.
 */
#ifndef NSXDP_SWEEP_H
#define NSXDP_SWEEP_H

#include "defs.h"
#include "reverse.h"
#include "port.h"
#include "outside.h"
#include "session.h"
#include "undo.h"

#define SWEEP_EVERY	20000000ULL	/* nanoseconds */
#define SWEEP_BUCKETS	320		/* at once: a table for a million flows takes 12 seconds */
#define SWEEP_PORTS	1024		/* the registry 8 seconds */
#define SWEEP_SERVICES	32		/* services 0.6 seconds */
#define SWEEP_ENDING	4		/* times as much while flows are ended */

struct sweeper {
	struct bpf_timer timer;
	__u32 bucket;	/* where it goes on: in which table the upper bit says */
	__u32 port;
	__u32 service;
	__u32 rounds;
	struct undo_timer undo;
	__u32 end_buckets;	/* NSX_ENDING_RUNS: that are still to be looked at */
	__u32 end_ports;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sweeper);
} nsx_sweeper SEC(".maps");

struct sweep {
	__u32 at;	/* where the walk begins */
	__u32 now;
	__u32 swept;
};

/* The port of an alias is not its endpoint's any more. */
static __always_inline bool alias_over(const struct nsx_slot *s)
{
	const struct nsx_slot *port = port_slot(nsx_slot_row(s), s->outside_port);
	__u32 kind = port ? NSX_KIND(slot_read(port)) : NSX_FREE;

	return kind != NSX_CLAIMED && (kind != NSX_FLOW || port->inside_port != s->inside_port ||
				       !addr_eq(&port->inside, &s->inside));
}

/* Renew the lease of a living flow's port. */
static __always_inline void sweep_lease(const struct nsx_slot *flow, __u32 state,
					const struct nsx_conf *conf, __u32 now)
{
	struct nsx_slot *port = port_slot(nsx_slot_row(flow), flow->outside_port);

	if (port && port_serves(port, slot_read(port), flow) && slot_same(flow, state))
		flow_keep_port(port, flow, conf, flow->seen, now);
}

/*
 * Its namespace's limits were taken back, as by "ns set": what is allowed still begins anew with its
 * next packet. A program that may sleep, as the one that starts the timer, cannot ask the table of
 * networks which flows those are.
 */
static __always_inline bool is_ending(const struct nsx_slot *s, __u32 kind)
{
	__u32 ifindex = s->ifindex;
	const struct nsx_veth *veth;

	if (nsx_conf.ending == NSX_ENDING_NONE ||
	    (kind != NSX_FLOW && !(kind == NSX_RETURN && nsx_from_inside(s))))
		return false;
	veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	return veth && (veth->flags & NSX_V_ENDING);
}

__noinline int sweep_way(__u32 where, __u32 way, __u32 now)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct found e = { .place = place_in(where, way) };
	__u32 kind;

	e.slot = session_at(e.place);
	if (!e.slot)
		return 0;
	e.state = slot_read(e.slot);
	kind = NSX_KIND(e.state);
	if (kind == NSX_FREE || kind == NSX_CLAIMED)
		return 0;
	if (is_ending(e.slot, kind))
		return session_free(&e);
	if (kind == NSX_ALIAS ? alias_over(e.slot) : nsx_flow_over(e.slot, conf, &nsx_learned, now))
		return session_free(&e);
	if (kind == NSX_FLOW)
		sweep_lease(e.slot, e.state, conf, now);
	return 0;
}

static long sweep_bucket(__u64 i, struct sweep *w)
{
	__u32 where = w->at + i;
	const struct nsx_bucket *b = bucket_at(where);

	for (int way = 0; b && way < NSX_WAYS; way++)
		if (b->tag[way])
			w->swept += sweep_way(where, way, w->now);
	return !b;
}

__noinline int sweep_slot(__u32 index, __u32 now)
{
	struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &index);
	const struct nsx_conf *conf = &nsx_conf;
	__u32 state, kind, claim;

	if (!s)
		return 0;
	state = slot_read(s);
	kind = NSX_KIND(state);
	if (kind != NSX_FLOW && kind != NSX_SHARED && kind != NSX_HOST)
		return 0;
	if (is_ending(s, kind)) {
		claim = slot_claim(s, state);
		if (!claim)
			return 0;
		port_end(s, kind);
		slot_publish(s, claim, NSX_FREE);
		return 1;
	}
	if (kind == NSX_FLOW ? !nsx_flow_over(s, conf, &nsx_learned, now) ||
				       nsx_further_left(s, now) >= 0
			     : !port_free(s, kind, conf, now))
		return 0;
	claim = port_claim(s, state, now);
	if (!claim)
		return 0;
	slot_publish(s, claim, NSX_FREE);
	return kind == NSX_FLOW;
}

static long sweep_port(__u64 i, struct sweep *w)
{
	w->swept += sweep_slot((w->at + i) % (NSX_ROWS * NSX_PORTS), w->now);
	return 0;
}

/* The ports of a service that takes nobody new, and whose draining is over. */
struct drained {
	__u32 service;
	__u16 first;
	__u8 row;
	__u8 pad;
};

/*
 * The reverse entries of its i-th port; those that answer for others too are left to the command.
 */
__noinline int del_reverse_drained(__u32 service, __u32 i, __u32 port)
{
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &service);

	for (__u32 n = 0; svc && n < NSX_TARGETS && n < svc->was_count; n++) {
		const struct nsx_target *t = &svc->was[n];
		struct nsx_reverse *reverse = reverse_at(
			reverse_seek(t->ifindex, bpf_htons(bpf_ntohs(t->port) + i), svc->row));

		if (reverse && !(reverse->flags & NSX_B_STATEFUL) &&
		    reverse->outside_port == bpf_htons(port))
			*(volatile __u32 *)&reverse->ifindex = NSX_REVERSE_GONE;
	}
	return 0;
}

static long free_drained(__u64 i, struct drained *d)
{
	struct nsx_slot *s = port_slot(d->row, bpf_htons(d->first + i));
	__u32 state = s ? slot_read(s) : NSX_FREE, claim;

	if (!s || NSX_KIND(state) != NSX_MAP || !(s->flags & NSX_F_SERVICE) ||
	    s->service != d->service)
		return 0;
	claim = slot_claim(s, state);
	if (!claim)
		return 0;
	s->flags = 0;
	slot_publish(s, claim, NSX_FREE);
	del_reverse_drained(d->service, i, d->first + i);
	return 0;
}

static long sweep_service(__u64 i, struct sweep *w)
{
	__u32 index = (w->at + i) % NSX_SERVICES;
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);
	struct drained d = { .service = index };

	if (!svc || !(svc->flags & NSX_S_DRAINING) || svc->count ||
	    (__s32)(svc->drain_deadline - w->now) > 0)
		return 0;
	d.first = svc->first;
	d.row = svc->row;
	bpf_loop(svc->last - svc->first + 1U, free_drained, &d, 0);
	return 0;
}

static __always_inline void sweep_done(const struct sweep *w)
{
	struct nsx_usage *u = usage_here();

	if (u && w->swept)
		__sync_fetch_and_add(&u->swept, w->swept);
	usage_measure(w->now);
}

/* Count the part that is about to be swept; a namespace that is added meanwhile begins anew. */
static __always_inline void sweep_ending(struct sweeper *s, __u32 buckets, __u32 ports)
{
	struct nsx_conf *conf = &nsx_conf;

	if (conf->ending == NSX_ENDING_ASKED) {
		*(volatile __u32 *)&conf->ending = NSX_ENDING_RUNS;
		/* While entries move the tables take turns. */
		s->end_buckets = 2 * (conf->buckets[0] > conf->buckets[1] ? conf->buckets[0]
									  : conf->buckets[1]);
		s->end_ports = NSX_ROWS * NSX_PORTS;
	} else if (!s->end_buckets && !s->end_ports) {
		__sync_val_compare_and_swap(&conf->ending, NSX_ENDING_RUNS, NSX_ENDING_NONE);
	}
	s->end_buckets -= buckets < s->end_buckets ? buckets : s->end_buckets;
	s->end_ports -= ports < s->end_ports ? ports : s->end_ports;
}

static int sweep_some(void *map, __u32 *key, struct sweeper *s)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct sweep w = { .now = now_tick() };
	__u32 tables, table, left, count = SWEEP_BUCKETS, ports = SWEEP_PORTS;

	if (is_frozen(conf))
		goto again;
	undo_in_time(&s->undo);
	if (conf->ending != NSX_ENDING_NONE) {
		count *= SWEEP_ENDING;
		ports *= SWEEP_ENDING;
	}
	tables = READ_ONCE(conf->tables);
	/*
	 * While entries move, or where the command that had them move has died, in both tables by
	 * turns.
	 */
	table = (tables ^ (tables & NSX_TABLES_MOVING ? s->rounds : 0)) & NSX_TABLES_CURRENT;
	if (s->bucket >= conf->buckets[table]) {
		s->bucket = 0;
		s->rounds++;
	}
	left = s->bucket < conf->buckets[table] ? conf->buckets[table] - s->bucket : 0;
	if (count > left)
		count = left;
	if (conf->ending != NSX_ENDING_NONE)
		sweep_ending(s, count, ports);
	w.at = s->bucket | (table ? NSX_PLACE_TABLE : 0);
	bpf_loop(count, sweep_bucket, &w, 0);
	s->bucket += count;
	w.at = s->port;
	bpf_loop(ports, sweep_port, &w, 0);
	s->port = (s->port + ports) % (NSX_ROWS * NSX_PORTS);
	w.at = s->service;
	bpf_loop(SWEEP_SERVICES, sweep_service, &w, 0);
	s->service = (s->service + SWEEP_SERVICES) % NSX_SERVICES;
	sweep_done(&w);
again:
	bpf_timer_start(&s->timer, SWEEP_EVERY, 0);
	return 0;
}

#define CLOCK_MONOTONIC 1

/* Start the timer, where it does not run. It goes on by itself until the map goes. */
SEC("syscall")
int nsx_sweep_start(void *unused)
{
	__u32 zero = 0;
	struct sweeper *s = bpf_map_lookup_elem(&nsx_sweeper, &zero);
	int err;

	if (!s)
		return -1;
	err = bpf_timer_init(&s->timer, &nsx_sweeper, CLOCK_MONOTONIC);
	/* One that runs gets this callback in the place of an older program's. */
	if (err && err != -16 /* EBUSY */)
		return err;
	err = bpf_timer_set_callback(&s->timer, sweep_some);
	return err ? err : bpf_timer_start(&s->timer, SWEEP_EVERY, 0);
}

/* Sweep everything at once. */
SEC("syscall")
int nsx_sweep(void *unused)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct sweep w = { .now = now_tick() };

	for (__u32 table = 0; table < 2; table++) {
		w.at = table ? NSX_PLACE_TABLE : 0;
		bpf_loop(conf->buckets[table], sweep_bucket, &w, 0);
	}
	w.at = 0;
	bpf_loop(NSX_ROWS * NSX_PORTS, sweep_port, &w, 0);
	w.at = 0;
	bpf_loop(NSX_SERVICES, sweep_service, &w, 0);
	sweep_done(&w);
	return 0;
}

#endif
