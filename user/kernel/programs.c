// SPDX-License-Identifier: GPL-2.0-only
/* What the command has the kernel do: the programs of bpf/nsxdp_cmd.bpf.c. */
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "kernel/tables.h"
#include "parse.h"

/* Run a pinned program; ret gets what it returns. */
static int run(struct instance *in, const char *name, void *args, __u32 size, __u32 *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = size);
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(&in->dir, name, path)), err;

	if (prog < 0)
		return -errno;
	err = bpf_prog_test_run_opts(prog, &opts) ? -errno : 0;
	close(prog);
	*ret = opts.retval;
	return err;
}

__u32 now_tick(struct instance *in)
{
	__u32 now;

	return run(in, "nsx_clock", NULL, 0, &now) ? 0 : now;
}

unsigned int confirm_left(struct instance *in)
{
	__s32 left = in->conf->confirm_until - now_tick(in);

	if (in->conf->confirm != NSX_CONFIRM_MAKING && in->conf->confirm != NSX_CONFIRM_WAITING)
		return 0;
	return left <= 0 ? 0 : ((__u32)left << NSX_TICK_SHIFT) / in->conf->hz + 1;
}

int table_sweep_start(struct instance *in)
{
	__u32 ret;
	int err = run(in, "nsx_sweep_start", NULL, 0, &ret);

	return err ? err : (int)ret == -EBUSY ? 0 : (int)ret;
}

int table_sweep(struct instance *in)
{
	__u32 ret;

	return run(in, "nsx_sweep", NULL, 0, &ret);
}

#define BUSY_TRIES 2000		/* milliseconds that a slot's writer may be interrupted for */

int table_range(struct instance *in, enum nsx_range_op op, const struct nsx_slot *map)
{
	struct nsx_range args = { .op = op };
	__u32 ignored;
	int err;

	if (map)
		args.map = *map;
	for (int tries = 0; tries < BUSY_TRIES; tries++) {
		err = run(in, "nsx_range", &args, sizeof(args), &ignored);
		if (err || !args.busy)
			return err ? err : (int)args.result;
		usleep(1000);
	}
	return -EBUSY;
}

int table_move(struct instance *in)
{
	struct nsx_move args = {};
	__u32 ignored;
	int err, lost = 0;

	for (int tries = 0; tries < BUSY_TRIES; tries++) {
		err = run(in, "nsx_move", &args, sizeof(args), &ignored);
		lost += args.lost;
		if (err || !args.busy)
			return err ? err : lost;
		usleep(1000);
	}
	return -EBUSY;
}

/* There may be flows, or other entries of the session table. */
static bool may_have_flows(struct instance *in)
{
	struct nsx_usage usage;

	return table_usage(in, &usage) || usage.places || usage.flows[NSX_TCP] ||
	       usage.flows[NSX_UDP] || usage.flows[NSX_ICMP];
}

static int flush(struct instance *in, struct nsx_flush *args)
{
	__u32 ignored;
	int err, ended = 0;

	/* The walk over all tables takes milliseconds. */
	if (!may_have_flows(in))
		return 0;
	for (int tries = 0; tries < BUSY_TRIES; tries++) {
		err = run(in, "nsx_flush", args, sizeof(*args), &ignored);
		ended += args->ended;
		if (err || !args->busy)
			return err ? err : ended;
		usleep(1000);
	}
	return -EBUSY;
}

int table_undo(struct instance *in)
{
	__u32 ret;

	for (int tries = 0; tries < BUSY_TRIES; tries++) {
		int err = run(in, "nsx_undo", NULL, 0, &ret);

		if (err || ret != EAGAIN)
			return err ? err : -(int)ret;
		usleep(1000);
	}
	return -EBUSY;
}

int table_veth_change(struct instance *in, const struct nsx_veth_change *change)
{
	struct nsx_veth_change args = *change;
	__u32 ret;
	int err = run(in, "nsx_veth_change", &args, sizeof(args), &ret);

	return err ? err : (int)ret;
}

#define KIND(kind) (1U << (kind))

int table_flush(struct instance *in, const struct nsx_addr *inside)
{
	struct nsx_flush args = {
		.by = inside ? NSX_FLUSH_NAMESPACE : NSX_FLUSH_ALL,
		.kinds = KIND(NSX_FLOW) | KIND(NSX_ALIAS) | KIND(NSX_RETURN),
	};

	if (inside)
		args.inside = *inside;
	return flush(in, &args);
}

int table_flush_ns(struct instance *in, const struct nsx_ns *ns)
{
	int ended = table_flush(in, &ns->addr), more;

	if (ended < 0 || !addr_is_set(&ns->addr6))
		return ended;
	more = table_flush(in, &ns->addr6);
	return more < 0 ? more : ended + more;
}

static int flush_endpoints(struct instance *in, __u32 kinds, const struct nsx_addr *inside,
			   __u8 row, __u16 first, unsigned int count)
{
	struct nsx_flush args = {
		.by = NSX_FLUSH_ENDPOINT,
		.kinds = kinds,
		.inside = *inside,
		.proto = NSX_ROW_PROTO(row),	/* the address tells the family */
		.first = first,
		.last = first + count - 1,
	};

	return flush(in, &args);
}

int table_flush_mappings(struct instance *in, const struct nsx_addr *inside, __u8 row,
			 __u16 first, unsigned int count)
{
	return flush_endpoints(in, KIND(NSX_FLOW) | KIND(NSX_ALIAS), inside, row, first, count);
}

int table_flush_returns(struct instance *in, const struct nsx_addr *inside, __u8 row, __u16 first,
			unsigned int count)
{
	return flush_endpoints(in, KIND(NSX_RETURN), inside, row, first, count);
}
