// SPDX-License-Identifier: GPL-2.0-only
/* Guards of namespaces' links, and the block that has guards and programs for all of them. */
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "kernel/block.h"
#include "kernel/clsact.h"
#include "kernel/datapath.h"

int datapath_guard_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	int err = clsact_make(ifindex, f);

	if (!err)
		err = clsact_set_pinned(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS,
					GUARD_PRIORITY, f);
	return err ? err
		   : clsact_set_pinned(d, "tc_guard_to_ns", ifindex, BPF_TC_EGRESS, GUARD_PRIORITY, f);
}

static bool has_guard(const struct pin_dir *d, int ifindex, enum bpf_tc_attach_point point,
		      const char *name)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(d, name, path));
	bool ret = prog >= 0 && clsact_has(ifindex, point, GUARD_PRIORITY, prog);

	if (prog >= 0)
		close(prog);
	return ret;
}

bool datapath_ns_guarded(const struct pin_dir *d, int ifindex)
{
	return has_guard(d, ifindex, BPF_TC_INGRESS, "tc_guard_from_ns") &&
	       has_guard(d, ifindex, BPF_TC_EGRESS, "tc_guard_to_ns");
}

/* The filter with this priority on a block has a program; prog: that, or a negative errno. */
static bool block_has(struct nl *nl, __u32 block, __u16 priority, int prog)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return prog >= 0 && bpf_obj_get_info_by_fd(prog, &info, &size) == 0 &&
	       block_filter_prog(nl, block, priority) == info.id;
}

static bool block_has_pinned(struct nl *nl, const struct pin_dir *d, __u32 block, __u16 priority,
			     const char *name)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(d, name, path));
	bool ret = block_has(nl, block, priority, prog);

	if (prog >= 0)
		close(prog);
	return ret;
}

bool datapath_block_works(struct nl *nl, const struct pin_dir *d)
{
	return block_has_pinned(nl, d, BLOCK_INGRESS, PROG_PRIORITY, "tc_from_ns") &&
	       block_has_pinned(nl, d, BLOCK_INGRESS, GUARD_PRIORITY, "tc_guard_from_ns") &&
	       block_has_pinned(nl, d, BLOCK_EGRESS, GUARD_PRIORITY, "tc_guard_to_ns");
}

static int block_program(struct nl *nl, const struct pin_dir *d, __u32 block, __u16 priority,
			 const char *name, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(d, name, path)), err = 0;

	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	if (!block_has(nl, block, priority, prog))
		err = block_filter_set(nl, block, priority, prog, name);
	close(prog);
	return err ? fail_errno(f, err, "cannot attach %s to the links' block", name) : 0;
}

int datapath_bind_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		err = block_bind(&nl, ifindex);
	if (err == -EEXIST && block_is_bound(&nl, ifindex))
		err = 0;
	if (err)
		fail_errno(f, err, "cannot bind the link to the block");
	if (!err)
		err = block_program(&nl, d, BLOCK_INGRESS, GUARD_PRIORITY, "tc_guard_from_ns", f);
	if (!err)
		err = block_program(&nl, d, BLOCK_EGRESS, GUARD_PRIORITY, "tc_guard_to_ns", f);
	if (!err)
		err = block_program(&nl, d, BLOCK_INGRESS, PROG_PRIORITY, "tc_from_ns", f);
	nl_close(&nl);
	return err;
}

bool datapath_ns_bound(int ifindex)
{
	struct nl nl = {};
	bool ret = nl_open(&nl) == 0 && block_is_bound(&nl, ifindex);

	nl_close(&nl);
	return ret;
}

void datapath_unguard_ns(int ifindex, bool made)
{
	if (datapath_ns_bound(ifindex)) {
		clsact_remove(ifindex);
		return;
	}
	clsact_unset(ifindex, BPF_TC_INGRESS, GUARD_PRIORITY);
	clsact_unset(ifindex, BPF_TC_EGRESS, GUARD_PRIORITY);
	if (made && !clsact_is_used(ifindex))
		clsact_remove(ifindex);
}
