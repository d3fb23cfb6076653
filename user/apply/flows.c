// SPDX-License-Identifier: GPL-2.0-only
/*
 * The session table and its outside index: made, and replaced by others of another size while
 * packets go on.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "apply/up.h"

#define BYTES_FOR_FLOW 16384	/* of the machine's memory, as nf_conntrack counts */
#define DEFAULT_LEAST (1U << 18)
#define DEFAULT_MOST (1U << 22)

__u32 flows_default(void)
{
	struct sysinfo info;
	__u32 flows = DEFAULT_LEAST;

	if (sysinfo(&info))
		return flows;
	while (flows < DEFAULT_MOST &&
	       (__u64)info.totalram * info.mem_unit / BYTES_FOR_FLOW >= 2ULL * flows)
		flows *= 2;
	return flows;
}

static int make_inner(struct instance *in, enum table table, __u32 which, const char *name,
		      __u32 size, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), size, entries, &opts);
	int err = fd < 0 ? -errno : 0;

	if (!err && bpf_map_update_elem(in->fd[table], &which, &fd, BPF_ANY))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int make_tables(struct instance *in, __u32 which, __u32 flows)
{
	__u32 buckets = NSX_BUCKETS_FOR(flows), lines = NSX_LINES_FOR(flows);
	int err = make_inner(in, TABLE_SESSIONS, which, "nsx_buckets", sizeof(struct nsx_bucket),
			     buckets, BPF_F_MMAPABLE);

	if (!err)
		err = make_inner(in, TABLE_OUTSIDE, which, "nsx_lines", sizeof(struct nsx_line),
				 lines, 0);
	if (err)
		return err;
	in->conf->buckets[which] = buckets;
	in->conf->lines[which] = lines;
	in->conf->room[which] = flows;
	return 0;
}

static void drop_tables(struct instance *in, __u32 which)
{
	in->conf->buckets[which] = 0;
	in->conf->lines[which] = 0;
	bpf_map_delete_elem(in->fd[TABLE_SESSIONS], &which);
	bpf_map_delete_elem(in->fd[TABLE_OUTSIDE], &which);
}

#define SWEEPS_PER_SECOND 16000	/* buckets: see bpf/sweep.h */
#define LEASE_SECONDS 10

/* The table that is current from now on. A lease is longer than some rounds of the sweeper. */
static void use_table(struct instance *in, __u32 which, bool swept)
{
	__u32 seconds = LEASE_SECONDS + 2 * (in->conf->buckets[which] / SWEEPS_PER_SECOND);

	in->conf->flows = in->conf->room[which];
	in->conf->lease = swept ? nsx_ticks(in->conf, seconds) : 0;
}

void flows_sweep(struct instance *in)
{
	bool swept = table_sweep_start(in) == 0;

	use_table(in, in->conf->tables & NSX_TABLES_CURRENT, swept);
	if (!swept)
		note("up: this kernel does not let the sweeper run: what is over goes when its place is wanted");
}

int flows_make(struct instance *in, __u32 flows, struct fail *f)
{
	int err = make_tables(in, 0, flows);

	if (err)
		return fail_errno(f, err, "no memory for %u flows (--flows)", flows);
	use_table(in, 0, false);
	return 0;
}

/*
 * Wait until every program that runs now has ended: an update of a table of tables returns after
 * that.
 */
static void wait_for_programs(struct instance *in, __u32 which)
{
	int fd = table_inner(in, TABLE_OUTSIDE, which);

	if (fd < 0)
		return;
	bpf_map_update_elem(in->fd[TABLE_OUTSIDE], &which, &fd, BPF_ANY);
	close(fd);
}

void flows_wait(struct instance *in)
{
	wait_for_programs(in, in->conf->tables & NSX_TABLES_CURRENT);
}

/*
 * Move everything into the current table and drop the other one. Whoever was at it before may have
 * died.
 */
static int finish_move(struct instance *in, struct fail *f)
{
	__u32 now = in->conf->tables & NSX_TABLES_CURRENT;
	int lost;

	wait_for_programs(in, now);
	lost = table_move(in);
	if (lost < 0)
		return fail_errno(f, lost, "cannot move the flows into the new table");
	__atomic_store_n(&in->conf->tables, now, __ATOMIC_SEQ_CST);
	use_table(in, now, in->conf->lease != 0);
	wait_for_programs(in, now);
	drop_tables(in, !now);
	if (lost)
		note("up: %d flows found no room in the new table", lost);
	return 0;
}

int flows_resize(struct instance *in, __u32 flows, struct fail *f)
{
	struct nsx_usage usage;
	__u32 next;
	int err = 0;

	/* What a command left that died. */
	if (in->conf->tables & NSX_TABLES_MOVING)
		err = finish_move(in, f);
	else if (in->conf->buckets[!(in->conf->tables & NSX_TABLES_CURRENT)])
		drop_tables(in, !(in->conf->tables & NSX_TABLES_CURRENT));
	if (!flows || flows == in->conf->flows || err)
		return err;
	/* What is over is not in use. */
	err = table_sweep(in);
	if (!err)
		err = table_usage(in, &usage);
	if (err)
		return fail_errno(f, err, "cannot count the flows");
	if (usage.places > flows)
		return fail(f, -EBUSY, "--flows %u: %lld are in use", flows,
			    (long long)usage.places);
	next = !(in->conf->tables & NSX_TABLES_CURRENT);
	err = make_tables(in, next, flows);
	if (err) {
		drop_tables(in, next);
		return fail_errno(f, err, "no memory for %u flows (--flows)", flows);
	}
	__atomic_store_n(&in->conf->tables, next | NSX_TABLES_MOVING, __ATOMIC_SEQ_CST);
	return finish_move(in, f);
}
