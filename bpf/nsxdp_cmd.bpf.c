// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the command has the kernel do: changes of many slots at once. So slots are won by one rule,
 * that of slot.h, whoever changes them; and ten thousand of them cost a command no page fault.
 */
#include "defs.h"
#include "reverse.h"
#include "maps.h"
#include "move.h"
#include "port.h"
#include "outside.h"
#include "range.h"
#include "session.h"
#include "slot.h"
#include "sweep.h"

/* The datapath's clock. */
SEC("syscall")
int nsx_clock(void *unused)
{
	return now_tick();
}

SEC("syscall")
int nsx_veth_change(struct nsx_veth_change *args)
{
	struct nsx_veth_change change = *args;

	return veth_change(&change);
}

static bool is_doomed(const struct nsx_slot *s, __u32 kind, const struct nsx_flush *f)
{
	__u32 port;

	if (!(f->kinds >> kind & 1))
		return false;
	switch (f->by) {
	case NSX_FLUSH_ALL:
		return true;
	case NSX_FLUSH_NAMESPACE:
		/* The client of a hairpin goes with its namespace. */
		return addr_eq(&s->inside, &f->inside) ||
		       (kind == NSX_RETURN && addr_eq(&s->remote, &f->inside));
	default:
		port = NSX_PORT_NUMBER(kind == NSX_RETURN ? s->outside_port : s->inside_port);
		return s->proto == f->proto && addr_eq(&s->inside, &f->inside) &&
		       port >= f->first && port <= f->last;
	}
}

static long flush_port(__u64 i, struct nsx_flush *f)
{
	__u32 index = i, state, kind, claim;
	struct nsx_slot *s = bpf_map_lookup_elem(&nsx_ports, &index);

	if (!s)
		return 1;
	state = slot_state(s);
	kind = NSX_KIND(state);
	/* A shared port is nobody's: it goes with all flows. */
	if (kind == NSX_SHARED ? f->by != NSX_FLUSH_ALL : !is_doomed(s, kind, f)) {
		f->busy += kind == NSX_CLAIMED;
		return 0;
	}
	claim = slot_claim(s, state);
	if (!claim) {
		f->busy++;
		return 0;
	}
	port_end(s, kind);
	slot_publish(s, claim, NSX_FREE);
	f->ended += kind != NSX_SHARED;
	return 0;
}

/* The entry in one way of a bucket. */
__noinline int flush_way(__u32 where, __u32 way, struct nsx_flush *f)
{
	struct found e = { .place = place_in(where, way) };

	e.slot = session_at(e.place);
	if (!e.slot || !f)
		return 0;
	e.state = slot_state(e.slot);
	if (NSX_KIND(e.state) == NSX_CLAIMED) {
		f->busy++;
	} else if (is_doomed(e.slot, NSX_KIND(e.state), f)) {
		if (session_free(&e))
			f->ended += NSX_KIND(e.state) != NSX_ALIAS;
		else
			f->busy++;
	}
	return 0;
}

static long flush_bucket(__u64 i, struct nsx_flush *f)
{
	__u32 where = i | f->table;
	const struct nsx_bucket *b = bucket_at(where);

	for (int way = 0; b && way < NSX_WAYS; way++)
		if (b->tag[way])
			flush_way(where, way, f);
	return !b;
}

/*
 * End flows and sessions, and count them. Entries that were being written, or changed hands, are
 * counted as busy: come again for them.
 */
SEC("syscall")
int nsx_flush(struct nsx_flush *args)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct nsx_flush f = *args;

	f.ended = 0;
	f.busy = 0;
	for (__u32 table = 0; table < 2; table++) {
		f.table = table ? NSX_PLACE_TABLE : 0;
		bpf_loop(conf->buckets[table], flush_bucket, &f, 0);
	}
	if (f.kinds & ~(1U << NSX_RETURN))
		bpf_loop(NSX_ROWS * NSX_PORTS, flush_port, &f, 0);
	args->ended = f.ended;
	args->busy = f.busy;
	return 0;
}

SEC("syscall")
int nsx_range(struct nsx_range *args)
{
	struct nsx_range r = *args;
	__u32 count = r.map.last - r.map.first + 1U;

	r.busy = 0;
	switch (r.op) {
	case NSX_RANGE_TAKEN:
		bpf_loop(count, taken, &r, 0);
		break;
	case NSX_RANGE_ADD_REVERSE:
		bpf_loop(count, add_reverse, &r, 0);
		break;
	case NSX_RANGE_WRITE:
		bpf_loop(count - r.at, write, &r, 0);
		break;
	case NSX_RANGE_SECOND:
		bpf_loop(count, note_second, &r, 0);
		break;
	case NSX_RANGE_ALONE:
		bpf_loop(count, note_alone, &r, 0);
		break;
	case NSX_RANGE_CLEAR:
		bpf_loop(count - r.at, clear, &r, 0);
		break;
	case NSX_RANGE_HOST:
		bpf_loop(NSX_ROWS * NSX_PORTS, note_host_range, &r, 0);
		break;
	case NSX_RANGE_BOUND:
		bpf_loop(count, note_bound, &r, 0);
		break;
	case NSX_RANGE_DEL_REVERSE:
		bpf_loop(count, del_reverse, &r, 0);
		break;
	}
	args->at = r.at;
	args->busy = r.busy;
	args->result = r.result;
	return 0;
}

/*
 * Move the entries of the session table that is not current into the one that is. Returns in args
 * how many moved, and how many found no room.
 */
SEC("syscall")
int nsx_move(struct nsx_move *args)
{
	const struct nsx_conf *conf = &nsx_conf;
	struct move m = {};
	__u32 from;

	from = (conf->tables & NSX_TABLES_CURRENT) ^ 1;
	m.where = from ? NSX_PLACE_TABLE : 0;
	bpf_loop(conf->buckets[from], move_bucket, &m, 0);
	args->moved = m.moved;
	args->lost = m.lost;
	args->busy = m.busy;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
