/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking back a change that was not confirmed in time. The command that makes it writes into
 * nsx_undo_log, before each step, what was before; what packets need of that (services, networks,
 * reverse entries) stays until the change is confirmed. So a walk over that log gives packets what
 * was before, without a process.
 *
 * It is walked from its end to its beginning, so that the oldest step has the last word: first what
 * was published is written again, then what was not is cleared where the change still has it. So a
 * port that was published before and after is at every moment one or the other.
 *
 * The sweeper does it at the deadline, a part of it each time that it runs; a command that is asked
 * to, all of it at once. Walks are harmless after each other and at the same time on two CPUs: a
 * slot that is what it was is left alone. The state changes hands by compare-and-exchange, so that a
 * change is either confirmed or taken back.
 *
 * The command may be in the middle of a step at the deadline: it reads the state between steps, so
 * what it writes meanwhile is one step, and the sweeper's second walk, UNDO_AGAIN seconds after
 * the first, takes that back too. Whoever is held up for even longer takes all back himself, or is
 * dead, and then the next command does.
 */
#ifndef NSXDP_UNDO_H
#define NSXDP_UNDO_H

#include "defs.h"
#include "maps.h"
#include "range.h"

#define UNDO_STEPS 64 /* at once, by the sweeper */
#define UNDO_PORTS 4096
#define UNDO_AGAIN 1 /* seconds */
#define UNDO_WALKS 2

/** struct undo - a walk: how far it has come, and how far it may go */
struct undo {
	__u32 step; /* that are done: each step is met twice, to write and to clear */
	__u32 port; /* ports of the next one that are done */
	__u32 ports; /* that may still be looked at */
	__u32 busy; /* somebody is writing a slot */
};

static __always_inline struct nsx_undo *undo_step(__u32 index)
{
	__u32 which = NSX_UNDO_STEPS;
	void *steps = bpf_map_lookup_elem(&nsx_undo_log, &which);

	return steps ? bpf_map_lookup_elem(steps, &index) : NULL;
}

/* The slot of the i-th port is what the first one's says. */
static __always_inline bool undo_is(const struct nsx_slot *s, const struct nsx_slot *first, __u32 i)
{
	return NSX_KIND(slot_read(s)) == NSX_MAP && addr_eq(&s->inside, &first->inside) &&
	       addr_eq(&s->remote, &first->remote) && s->ifindex == first->ifindex &&
	       s->inside_port == bpf_htons(bpf_ntohs(first->inside_port) + i) &&
	       !((s->flags ^ first->flags) & NSX_F_SERVICE);
}

static long undo_write(__u64 n, struct nsx_range *r)
{
	const struct nsx_slot *s = range_slot(r, r->at);

	if (!s || !undo_is(s, &r->map, r->at))
		return write(n, r);
	r->at++;
	return 0;
}

static long undo_clear(__u64 n, struct nsx_range *r)
{
	const struct nsx_slot *s = range_slot(r, r->at);

	if (s && undo_is(s, &r->map, r->at))
		return clear(n, r);
	r->at++;
	return 0;
}

/* Further targets of the service that was: see note_second(). */
static long undo_further(__u64 n, struct nsx_range *r)
{
	__u32 index = r->map.service;
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);
	const struct nsx_target *t;

	if (!svc || n + 1 >= svc->count || n + 1 >= NSX_TARGETS)
		return 1;
	t = &svc->target[n + 1];
	r->map.ifindex = t->ifindex;
	r->map.inside = t->addr;
	r->map.inside_port = t->port;
	r->result += bpf_loop(r->map.last - r->map.first + 1U, note_second, r, 0);
	return 0;
}

static __always_inline void undo_spend(struct undo *u, __u32 ports)
{
	u->ports -= ports < u->ports ? ports : u->ports;
}

/* The ports of a step, or so many of them as may be looked at. True once all are done. */
__noinline int undo_ports(__u32 index, struct undo *u, int clears)
{
	const struct nsx_undo *step = undo_step(index);
	struct nsx_range r = {};
	__u32 count, left;

	if (!step || !u || clears != !step->before.ifindex)
		return true;
	r.map = clears ? step->after : step->before;
	r.at = u->port;
	count = r.map.last - r.map.first + 1U;
	left = count > u->port ? count - u->port : 0;
	if (left > u->ports)
		left = u->ports;
	if (clears)
		bpf_loop(left, undo_clear, &r, 0);
	else
		bpf_loop(left, undo_write, &r, 0);
	undo_spend(u, r.at - u->port);
	u->port = r.at;
	u->busy = r.busy;
	if (r.at < count)
		return false;
	r.result = 0;
	if (!clears && (r.map.flags & NSX_F_SERVICE))
		bpf_loop(NSX_TARGETS - 1, undo_further, &r, 0);
	undo_spend(u, r.result);
	return true;
}

/* What namespaces may reach, and where from, holds for flows that have begun meanwhile too. */
static void undo_veth(const struct nsx_veth_change *was)
{
	__u32 ifindex = was->ifindex;
	struct nsx_veth *veth = bpf_map_lookup_elem(&nsx_veths, &ifindex);
	struct nsx_veth_change change = *was;

	if (!veth)
		return;
	change.flags |= veth->flags & NSX_V_ENDING;
	if (veth->egress != was->egress || !addr_eq(&veth->source[NSX_V4], &was->source[NSX_V4]) ||
	    !addr_eq(&veth->source[NSX_V6], &was->source[NSX_V6])) {
		change.flags |= NSX_V_ENDING;
		veth_change(&change);
		smp_wmb();
		*(volatile __u32 *)&nsx_conf.ending = NSX_ENDING_ASKED;
		return;
	}
	veth_change(&change);
}

/* It has no link and no address, as far as packets are concerned. */
static void undo_new_ns(const struct nsx_undo *step)
{
	struct nsx_addr addr = step->veth.source[NSX_V4], addr6 = step->veth.source[NSX_V6];
	__u32 ifindex = step->veth.ifindex;

	bpf_map_delete_elem(&nsx_veths, &ifindex);
	bpf_map_delete_elem(&nsx_inside, &addr);
	bpf_map_delete_elem(&nsx_inside, &addr6);
}

static long undo_next(__u64 unused, struct undo *u)
{
	const struct nsx_conf *conf = &nsx_conf;
	__u32 count = conf->undo_count, index;
	const struct nsx_undo *step;
	int clears = u->step >= count;

	if (u->step >= 2 * count || u->busy || !u->ports)
		return 1;
	index = count - 1 - (clears ? u->step - count : u->step);
	step = undo_step(index);
	if (!step)
		return 1;
	if (step->kind == NSX_UNDO_PORTS && !undo_ports(index, u, clears))
		return 1;
	if (step->kind == NSX_UNDO_VETH && !clears)
		undo_veth(&step->veth);
	if (step->kind == NSX_UNDO_NEW_NS && !clears)
		undo_new_ns(step);
	u->port = 0;
	u->step++;
	return 0;
}

/* What programs read of the settings. An instance that was not there before is passive. */
__noinline int undo_settings(void)
{
	struct nsx_conf *conf = &nsx_conf;
	__u32 zero = 0;
	const struct nsx_settings *was = bpf_map_lookup_elem(&nsx_settings, &zero);

	if (conf->confirm_new) {
		conf->passive = 1;
		return 0;
	}
	if (!was)
		return 0;
	conf->port_lo = was->port_lo;
	conf->port_hi = was->port_hi;
	conf->host_lo = was->host_lo;
	conf->host_hi = was->host_hi;
	conf->publish_at = was->publish_at;
	__builtin_memcpy(conf->timeout, was->timeout, sizeof(conf->timeout));
	__builtin_memcpy(conf->snat, was->snat, sizeof(conf->snat));
	smp_wmb();
	*(volatile __u32 *)&conf->snat_count = was->snat_count;
	/* Namespaces may have limits again; commands count them anew. */
	conf->limits++;
	conf->clamps++;
	return 0;
}

/* Whoever wins the state begins; whether the change is being taken back from now on. */
static __always_inline bool undo_begin(struct nsx_conf *conf, __u32 state)
{
	return state == NSX_CONFIRM_UNDOING ||
	       ((state == NSX_CONFIRM_MAKING || state == NSX_CONFIRM_WAITING) &&
		__sync_val_compare_and_swap(&conf->confirm, state, NSX_CONFIRM_UNDOING) == state);
}

/* Go on with a walk. True once it is done. */
static __always_inline bool undo_walk(struct undo *u, __u32 steps, __u32 ports)
{
	const struct nsx_conf *conf = &nsx_conf;

	if (!u->step && !u->port)
		undo_settings();
	u->busy = 0;
	u->ports = ports;
	if (conf->confirm_new)
		return true;
	bpf_loop(steps, undo_next, u, 0);
	return u->step >= 2 * conf->undo_count;
}

/** struct undo_timer - the sweeper's walks */
struct undo_timer {
	struct undo walk;
	__u32 change; /* nsx_conf.confirm_number that they are of */
	__u32 walks; /* that are done */
	__u32 next; /* when the next one begins, ticks */
};

static __always_inline void undo_in_time(struct undo_timer *t)
{
	struct nsx_conf *conf = &nsx_conf;
	__u32 state = READ_ONCE(conf->confirm), now = now_tick();
	struct undo walk;
	bool done;

	if ((state == NSX_CONFIRM_MAKING || state == NSX_CONFIRM_WAITING) &&
	    (__s32)(READ_ONCE(conf->confirm_until) - now) > 0)
		return;
	if (!undo_begin(conf, state))
		return;
	if (t->change != conf->confirm_number)
		*t = (struct undo_timer){ .change = conf->confirm_number, .next = now };
	if ((__s32)(t->next - now) > 0)
		return;
	walk = t->walk;
	done = undo_walk(&walk, UNDO_STEPS, UNDO_PORTS);
	t->walk = walk;
	if (!done)
		return;
	t->walk = (struct undo){};
	t->next = now + nsx_ticks(conf, UNDO_AGAIN);
	if (++t->walks >= UNDO_WALKS)
		__sync_val_compare_and_swap(&conf->confirm, NSX_CONFIRM_UNDOING,
					    NSX_CONFIRM_UNDONE);
}

/*
 * Take all back at once, whether that was done before or not. Returns 0; EAGAIN (11) where a slot
 * was being written, or the state changed: ask again; ENOENT (2) where nothing is to be taken back.
 */
SEC("syscall")
int nsx_undo(void *unused)
{
	struct nsx_conf *conf = &nsx_conf;
	__u32 state = READ_ONCE(conf->confirm);
	struct undo u = {};

	if (state == NSX_CONFIRM_NONE || state == NSX_CONFIRM_KEEPING)
		return 2;
	if (state != NSX_CONFIRM_UNDONE && !undo_begin(conf, state))
		return 11;
	return undo_walk(&u, 2 * conf->undo_count, NSX_ROWS * NSX_PORTS * 64U) ? 0 : 11;
}

#endif
