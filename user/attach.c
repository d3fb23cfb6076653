// SPDX-License-Identifier: GPL-2.0-only
/* Attaching the BPF programs to devices. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath.h"
#include "feature.h"
#include "link.h"

/* enum bpf_attach_type of kernel 6.6; libbpf 1.1 does not name it. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

/* Before all other programs of the hook: BPF_F_BEFORE of kernel 6.6, without a relative. */
#define ATTACH_FIRST (1U << 3)

/* Our filters at a clsact qdisc: the guards, and before them, where the kernel has no tcx (before 6.6), the programs. */
#define PROG_PRIORITY 1
#define GUARD_PRIORITY 2
#define FILTER_HANDLE 0x6e73

/* Where and how a program is attached. */
struct hook {
	const char *prog;
	const char *link;
	int ifindex;
	enum bpf_attach_type type;
	__u32 flags;	/* XDP_FLAGS_*, or ATTACH_FIRST */
};

static enum bpf_tc_attach_point filter_point(enum bpf_attach_type type)
{
	return type == ATTACH_TCX_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* A filter holds its program by itself. The pin says that it is there, and which program it should have. */
static int attach_filter(const struct hook *h, int prog, const char *path, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = h->ifindex, .attach_point = filter_point(h->type));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = PROG_PRIORITY, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = prog);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_attach(&hook, &opts);
	if (err)
		return fail_errno(f, err, "cannot attach %s", h->prog);
	if (bpf_obj_pin(prog, path) == 0)
		return 0;
	err = fail_errno(f, -errno, "cannot pin %s", path);
	opts.flags = opts.prog_fd = opts.prog_id = 0;
	bpf_tc_detach(&hook, &opts);
	return err;
}

static int attach_link(const struct hook *h, int prog, const char *path, struct fail *f)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = h->flags);
	int link = bpf_link_create(prog, h->ifindex, h->type, &opts), err = 0;

	if (link < 0)
		return fail_errno(f, -errno, "cannot attach %s", h->prog);
	if (bpf_obj_pin(link, path))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	close(link);
	return err;
}

static int attach(const struct pin_dir *d, const struct hook *h, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog, err;

	prog = bpf_obj_get(pin_path(d, h->prog, path));
	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	pin_path(d, h->link, path);
	err = h->type == BPF_XDP || feature_has(FEATURE_TCX) ? attach_link(h, prog, path, f) : attach_filter(h, prog, path, f);
	close(prog);
	return err;
}

/* A clsact qdisc for an uplink's filters. A pin says that it was not there before. */
static int qdisc_make(const struct pin_dir *d, int ifindex, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char path[PIN_PATH_MAX], name[32];
	int err, prog;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		return 0;
	if (err)
		return fail_errno(f, err, "cannot make a clsact qdisc");
	snprintf(name, sizeof(name), "qdisc_%d", ifindex);
	prog = bpf_obj_get(pin_path(d, "tc_to_uplink", path));
	if (prog < 0 || bpf_obj_pin(prog, pin_path(d, name, path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	if (prog >= 0)
		close(prog);
	if (err)
		bpf_tc_hook_destroy(&hook);
	return err;
}

static void detach_filter(int ifindex, enum bpf_tc_attach_point point, __u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);

	datapath_hush_libbpf();
	bpf_tc_detach(&hook, &opts);
}

/* The device that a pin is named by, after what all of its kind begin with; 0 where it is none of them. */
static int pin_ifindex(const char *name, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(name, kind, len) == 0 && name[len] >= '1' && name[len] <= '9' ? atoi(name + len) : 0;
}

void datapath_detach_filters(const struct pin_dir *d)
{
	DIR *dir = feature_has(FEATURE_TCX) ? NULL : opendir(d->path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int ifindex = pin_ifindex(entry->d_name, "link_egress_");

		if (ifindex)
			detach_filter(ifindex, BPF_TC_EGRESS, PROG_PRIORITY);
		if (!ifindex)
			ifindex = pin_ifindex(entry->d_name, "link_");
		if (ifindex)
			detach_filter(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
	}
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = pin_ifindex(entry->d_name, "qdisc_"),
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

		if (hook.ifindex && !filters_are_left(hook.ifindex))
			bpf_tc_hook_destroy(&hook);
	}
	closedir(dir);
}

int datapath_attach_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f)
{
	struct hook in = { "tc_from_uplink", "link_uplink", ifindex, ATTACH_TCX_INGRESS, 0 };
	struct hook out = { "tc_to_uplink", NULL, ifindex, ATTACH_TCX_EGRESS, 0 };
	char in_name[32], out_name[32];
	int err = feature_has(FEATURE_TCX) ? 0 : qdisc_make(d, ifindex, f);

	if (err)
		return err;
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

/* The pinned program is that of our filter. */
static bool is_filter(int prog, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = PROG_PRIORITY);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	datapath_hush_libbpf();
	return bpf_obj_get_info_by_fd(prog, &info, &size) == 0 && bpf_tc_query(&hook, &opts) == 0 && opts.prog_id == info.id;
}

/* The pinned link is attached to the device still; both kinds of link say it in the same place. */
static bool is_link(int link, int ifindex)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(link, &info, &size) == 0 && info.xdp.ifindex == (__u32)ifindex;
}

static bool is_attached(const struct pin_dir *d, const char *link, int ifindex, enum bpf_attach_type type)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, link, path));
	bool ret;

	if (fd < 0)
		return false;
	ret = type == BPF_XDP || feature_has(FEATURE_TCX) ? is_link(fd, ifindex) : is_filter(fd, ifindex);
	close(fd);
	return ret;
}

static int attach_ns(const struct pin_dir *d, struct hook h, const char *hook_name, struct fail *f)
{
	char name[32], path[PIN_PATH_MAX];

	h.link = ns_link_name(hook_name, h.ifindex, name);
	if (is_attached(d, h.link, h.ifindex, h.type))
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

	return is_attached(d, ns_link_name("link", ifindex, name), ifindex, ATTACH_TCX_INGRESS) &&
	       (!xdp || is_attached(d, ns_link_name("xdp", ifindex, name), ifindex, BPF_XDP));
}

static int guard(const struct pin_dir *d, const char *name, int ifindex, enum bpf_tc_attach_point point, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = GUARD_PRIORITY, .flags = BPF_TC_F_REPLACE);
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
	detach_filter(ifindex, BPF_TC_INGRESS, GUARD_PRIORITY);
	detach_filter(ifindex, BPF_TC_EGRESS, GUARD_PRIORITY);
	if (made && !filters_are_left(ifindex)) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

		bpf_tc_hook_destroy(&hook);
	}
}

int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const char *prog = feature_has(FEATURE_XDP_SKB) ? "xdp_from_ns_veth" : "xdp_from_ns";	/* see offload.h */

	return attach_ns(d, (struct hook){ prog, NULL, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE }, "xdp", f);
}

/* A link goes with its last reference, but some time after that: it is detached before. */
static void end_link(const char *path)
{
	int link = bpf_obj_get(path);

	if (link >= 0) {
		bpf_link_detach(link);
		close(link);
	}
	unlink(path);
}

void datapath_detach_ns(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	end_link(pin_path(d, ns_link_name("xdp", ifindex, name), path));
	end_link(pin_path(d, ns_link_name("link", ifindex, name), path));
	if (!feature_has(FEATURE_TCX))
		detach_filter(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
}
