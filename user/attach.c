// SPDX-License-Identifier: GPL-2.0-only
/* Attaching the BPF programs to devices. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <unistd.h>

#include "datapath.h"

/* enum bpf_attach_type of kernel 6.6; libbpf 1.1 does not name it. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

/* Before all other programs of the hook: BPF_F_BEFORE of kernel 6.6, without a relative. */
#define ATTACH_FIRST (1U << 3)

/* The guards among the filters of a clsact qdisc. */
#define GUARD_PRIORITY 1
#define GUARD_HANDLE 0x6e73

/* Where and how a program is attached. */
struct hook {
	const char *prog;
	const char *link;
	int ifindex;
	enum bpf_attach_type type;
	__u32 flags;	/* XDP_FLAGS_*, or ATTACH_FIRST */
};

static int attach(const struct pin_dir *d, const struct hook *h, struct fail *f)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = h->flags);
	char path[PIN_PATH_MAX];
	int prog, link, err = 0;

	prog = bpf_obj_get(pin_path(d, h->prog, path));
	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	link = bpf_link_create(prog, h->ifindex, h->type, &opts);
	if (link < 0)
		err = fail_errno(f, -errno, "cannot attach %s%s", h->prog,
				 h->type == BPF_XDP ? "" : " (tcx needs kernel 6.6)");
	else if (bpf_obj_pin(link, pin_path(d, h->link, path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	if (link >= 0)
		close(link);
	close(prog);
	return err;
}

int datapath_attach_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f)
{
	struct hook in = { "tc_from_uplink", "link_uplink", ifindex, ATTACH_TCX_INGRESS, 0 };
	struct hook out = { "tc_to_uplink", NULL, ifindex, ATTACH_TCX_EGRESS, 0 };
	char in_name[32], out_name[32];
	int err;

	snprintf(out_name, sizeof(out_name), "link_egress_%d", ifindex);
	out.link = out_name;
	if (!first) {
		snprintf(in_name, sizeof(in_name), "link_uplink_%d", ifindex);
		in.link = in_name;
	}
	/* The pin of the first uplink's ingress comes last: it tells that all is there. */
	err = attach(d, &out, f);
	return err ? err : attach(d, &in, f);
}

int datapath_attach_uplink_xdp(const struct pin_dir *d, int ifindex, bool generic, bool veth, struct fail *f)
{
	const struct hook h = { veth && !generic ? "xdp_from_uplink_veth" : "xdp_from_uplink", "xdp_uplink", ifindex, BPF_XDP,
				generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE };

	return attach(d, &h, f);
}

static const char *ns_link_name(const char *hook, int ifindex, char buf[32])
{
	snprintf(buf, 32, "%s_%d", hook, ifindex);
	return buf;
}

/* The pinned link is attached to the device still; both kinds of link say it in the same place. */
static bool is_attached(const struct pin_dir *d, const char *link, int ifindex)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, link, path));
	bool ret = fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex == (__u32)ifindex;

	if (fd >= 0)
		close(fd);
	return ret;
}

static int attach_ns(const struct pin_dir *d, struct hook h, const char *hook_name, struct fail *f)
{
	char name[32], path[PIN_PATH_MAX];

	h.link = ns_link_name(hook_name, h.ifindex, name);
	if (is_attached(d, h.link, h.ifindex))
		return 0;
	unlink(pin_path(d, h.link, path));
	return attach(d, &h, f);
}

int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_ns", NULL, ifindex, ATTACH_TCX_INGRESS, ATTACH_FIRST };

	return attach_ns(d, h, "link", f);
}

bool datapath_ns_attached(const struct pin_dir *d, int ifindex, bool xdp)
{
	char name[32];

	return is_attached(d, ns_link_name("link", ifindex, name), ifindex) &&
	       (!xdp || is_attached(d, ns_link_name("xdp", ifindex, name), ifindex));
}

static int guard(const struct pin_dir *d, const char *name, int ifindex, enum bpf_tc_attach_point point, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = GUARD_HANDLE, .priority = GUARD_PRIORITY, .flags = BPF_TC_F_REPLACE);
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(d, name, path)), err;

	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	opts.prog_fd = prog;
	err = bpf_tc_attach(&hook, &opts);
	close(prog);
	return err ? fail_errno(f, err, "cannot attach %s", name) : 0;
}

int datapath_attach_private(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_private", NULL, ifindex, ATTACH_TCX_INGRESS, ATTACH_FIRST };

	LIBBPF_OPTS(bpf_tc_hook, qdisc, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&qdisc);
	if (err && err != -EEXIST)
		return fail_errno(f, err, "cannot guard the link to the private network namespace");
	err = guard(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS, f);
	return err ? err : attach_ns(d, h, "link", f);
}

int datapath_guard_ns(const struct pin_dir *d, int ifindex, bool *made, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	*made = err == 0;
	if (err && err != -EEXIST)
		return fail_errno(f, err, "cannot make a clsact qdisc for the guards");
	err = guard(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS, f);
	return err ? err : guard(d, "tc_guard_to_ns", ifindex, BPF_TC_EGRESS, f);
}

void datapath_unguard_ns(int ifindex, bool made)
{
	static const enum bpf_tc_attach_point points[] = { BPF_TC_INGRESS, BPF_TC_EGRESS };

	datapath_hush_libbpf();
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = points[i]);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = GUARD_HANDLE, .priority = GUARD_PRIORITY);

		bpf_tc_detach(&hook, &opts);
	}
	if (made) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

		bpf_tc_hook_destroy(&hook);
	}
}

int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f)
{
	return attach_ns(d, (struct hook){ "xdp_from_ns_veth", NULL, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE }, "xdp", f);
}

void datapath_detach_ns(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	unlink(pin_path(d, ns_link_name("xdp", ifindex, name), path));
	unlink(pin_path(d, ns_link_name("link", ifindex, name), path));
}
