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

#include "kernel/block.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/link.h"

/* enum bpf_attach_type of kernel 6.6; libbpf 1.1 does not name them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
/*
 * The same of kernel 6.7: where the far end of a pair of netkit devices sends. The device is the
 * near end.
 */
#define ATTACH_NETKIT_PEER 55

/* Before all other programs of the hook: BPF_F_BEFORE of kernel 6.6, without a relative. */
#define ATTACH_FIRST (1U << 3)

/*
 * Our filters at a clsact qdisc: the guards, and before them, where the kernel has no tcx (before
 * 6.6), the programs.
 */
#define PROG_PRIORITY 1
#define GUARD_PRIORITY 2

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

static int set_filter(const struct hook *h, int prog, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = h->ifindex,
		    .attach_point = filter_point(h->type));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = PROG_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_attach(&hook, &opts);
	return err ? fail_errno(f, err, "cannot attach %s", h->prog) : 0;
}

/*
 * A filter holds its program by itself. The pin says that it is there, and which program it should
 * have.
 */
static int attach_filter(const struct hook *h, int prog, const char *path, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = h->ifindex,
		    .attach_point = filter_point(h->type));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = PROG_PRIORITY);
	int err = set_filter(h, prog, f);

	if (err || bpf_obj_pin(prog, path) == 0)
		return err;
	err = fail_errno(f, -errno, "cannot pin %s", path);
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
	err = h->type == BPF_XDP || feature_has(FEATURE_TCX) ? attach_link(h, prog, path, f)
							     : attach_filter(h, prog, path, f);
	close(prog);
	return err;
}

static const char *link_name(const char *hook, int ifindex, char buf[32])
{
	snprintf(buf, 32, "%s_%d", hook, ifindex);
	return buf;
}

/* A clsact qdisc for an uplink's filters. A pin says that it was not there before. */
static int qdisc_make(const struct pin_dir *d, int ifindex, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char path[PIN_PATH_MAX], name[32];
	int err, prog;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		return 0;
	if (err)
		return fail_errno(f, err, "cannot make a clsact qdisc");
	prog = bpf_obj_get(pin_path(d, "tc_to_uplink", path));
	if (prog < 0 || bpf_obj_pin(prog, pin_path(d, link_name("qdisc", ifindex, name), path)))
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

/*
 * The device that a pin is named by, after what all of its kind begin with; 0 where it is none of
 * them.
 */
static int pin_ifindex(const char *name, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(name, kind, len) == 0 && name[len] >= '1' && name[len] <= '9'
		       ? atoi(name + len)
		       : 0;
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

/* The pin of an uplink's ingress. */
static const char *uplink_name(int ifindex, bool first, char buf[32])
{
	return first ? "link_uplink" : link_name("link_uplink", ifindex, buf);
}

int datapath_attach_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f)
{
	struct hook in = { "tc_from_uplink", NULL, ifindex, ATTACH_TCX_INGRESS, 0 };
	struct hook out = { "tc_to_uplink", NULL, ifindex, ATTACH_TCX_EGRESS, 0 };
	char in_name[32], out_name[32];
	int err = feature_has(FEATURE_TCX) ? 0 : qdisc_make(d, ifindex, f);

	if (err)
		return err;
	in.link = uplink_name(ifindex, first, in_name);
	out.link = link_name("link_egress", ifindex, out_name);
	/* The pin of the first uplink's ingress comes last: it tells that all is there. */
	err = attach(d, &out, f);
	return err ? err : attach(d, &in, f);
}

int datapath_attach_uplink_xdp(const struct pin_dir *d, int ifindex, bool generic, bool veth,
			       struct fail *f)
{
	const struct hook h = { veth && !generic ? "xdp_from_uplink_veth" : "xdp_from_uplink",
				"xdp_uplink", ifindex, BPF_XDP,
				generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE };

	return attach(d, &h, f);
}

/* The pinned program is that of our filter. */
static bool is_filter(int prog, int ifindex, enum bpf_attach_type type)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = filter_point(type));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = PROG_PRIORITY);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	datapath_hush_libbpf();
	return bpf_obj_get_info_by_fd(prog, &info, &size) == 0 && bpf_tc_query(&hook, &opts) == 0 &&
	       opts.prog_id == info.id;
}

/*
 * The pinned link is attached to the device still. The information on every kind of link begins
 * with the device's index. That of a netkit peer is the far end's, in the other network namespace;
 * 0 once it is detached.
 */
static bool is_link(int link, int ifindex, enum bpf_attach_type type)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size))
		return false;
	return type == ATTACH_NETKIT_PEER ? info.xdp.ifindex != 0
					  : info.xdp.ifindex == (__u32)ifindex;
}

static bool is_attached(const struct pin_dir *d, const char *link, int ifindex,
			enum bpf_attach_type type)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, link, path));
	bool ret;

	if (fd < 0)
		return false;
	ret = type == BPF_XDP || feature_has(FEATURE_TCX) ? is_link(fd, ifindex, type)
							  : is_filter(fd, ifindex, type);
	close(fd);
	return ret;
}

/* The program that a pinned link, or filter, should have; NULL where the pin is none of them. */
static const char *program_of(const char *pin, bool veth, int private)
{
	if (strcmp(pin, "link_uplink") == 0 || pin_ifindex(pin, "link_uplink_"))
		return "tc_from_uplink";
	if (pin_ifindex(pin, "link_egress_"))
		return "tc_to_uplink";
	if (pin_ifindex(pin, "link_"))
		return pin_ifindex(pin, "link_") == private ? "tc_from_private" : "tc_from_ns";
	if (pin_ifindex(pin, "netkit_"))
		return "tc_from_ns";
	if (strcmp(pin, "xdp_uplink") == 0)
		return veth ? "xdp_from_uplink_veth" : "xdp_from_uplink";
	if (pin_ifindex(pin, "xdp_"))
		return feature_has(FEATURE_XDP_SKB) ? "xdp_from_ns_veth" : "xdp_from_ns";
	return NULL;
}

/* The pin, which says what program the filter has, is replaced and never missing. */
static int update_filter(const struct pin_dir *d, const char *pin, int uplink, int prog,
			 struct fail *f)
{
	struct hook h = { pin, pin, uplink, ATTACH_TCX_INGRESS, 0 };
	char path[PIN_PATH_MAX], next[PIN_PATH_MAX], name[300];
	int err;

	if (pin_ifindex(pin, "link_egress_")) {
		h.ifindex = pin_ifindex(pin, "link_egress_");
		h.type = ATTACH_TCX_EGRESS;
	} else if (pin_ifindex(pin, "link_uplink_")) {
		h.ifindex = pin_ifindex(pin, "link_uplink_");
	} else if (pin_ifindex(pin, "link_")) {
		h.ifindex = pin_ifindex(pin, "link_");
	}
	err = set_filter(&h, prog, f);
	/* Its device or qdisc is gone: what mends that attaches the new one. */
	if (err)
		return err == -ENODEV || err == -EINVAL || err == -ENOENT ? 0 : err;
	snprintf(name, sizeof(name), "new_%s", pin);
	unlink(pin_path(d, name, next));
	pin_path(d, pin, path);
	return bpf_obj_pin(prog, next) || rename(next, path)
		       ? fail_errno(f, -errno, "cannot pin %s", path)
		       : 0;
}

static int open_program(const struct pin_dir *from, const char *name, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(from, name, path));

	return prog < 0 ? fail_errno(f, -errno, "cannot open %s", path) : prog;
}

static int set_guard(int prog, const char *name, int ifindex, enum bpf_tc_attach_point point,
		     struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = GUARD_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog);
	int err = bpf_tc_attach(&hook, &opts);

	return err ? fail_errno(f, err, "cannot attach %s", name) : 0;
}

static int guard(const struct pin_dir *d, const char *name, int ifindex,
		 enum bpf_tc_attach_point point, struct fail *f)
{
	int prog = open_program(d, name, f), err;

	if (prog < 0)
		return prog;
	err = set_guard(prog, name, ifindex, point, f);
	close(prog);
	return err;
}

static int update_link(const struct pin_dir *d, const char *pin, int prog, int uplink,
		       struct fail *f)
{
	bool filter = strncmp(pin, "link_", 5) == 0 && !feature_has(FEATURE_TCX);
	char path[PIN_PATH_MAX];
	int link = bpf_obj_get(pin_path(d, pin, path)), err = 0;

	if (link < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	if (filter)
		err = update_filter(d, pin, uplink, prog, f);
	/* Of a device that is gone: what mends it attaches the new one. */
	else if (bpf_link_update(link, prog, NULL) && errno != ENOLINK && errno != ENODEV)
		err = fail_errno(f, -errno, "cannot replace the program of %s", path);
	close(link);
	return err;
}

/* Where no link is served by the block there is nothing to replace. */
static int update_block(const struct pin_dir *from, struct fail *f)
{
	static const struct {
		__u32 block;
		__u16 priority;
		const char *name;
	} filters[] = {
		{ BLOCK_INGRESS, PROG_PRIORITY, "tc_from_ns" },
		{ BLOCK_INGRESS, GUARD_PRIORITY, "tc_guard_from_ns" },
		{ BLOCK_EGRESS, GUARD_PRIORITY, "tc_guard_to_ns" },
	};
	struct nl nl = {};
	int err = nl_open(&nl);

	if (err)
		return fail_errno(f, err, "cannot look at the links' block");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]) && !err; i++) {
		int prog;

		if (!block_filter_prog(&nl, filters[i].block, filters[i].priority))
			continue;
		prog = open_program(from, filters[i].name, f);
		err = prog < 0 ? prog
			       : block_filter_set(&nl, filters[i].block, filters[i].priority, prog,
						  filters[i].name);
		if (prog >= 0 && err)
			fail_errno(f, err, "cannot replace %s of the links' block",
				   filters[i].name);
		if (prog >= 0)
			close(prog);
	}
	nl_close(&nl);
	return err;
}

/* Those of namespaces' links are set by whoever mends the links after that, with each "up". */
static int update_private_guard(const struct pin_dir *from, int private, struct fail *f)
{
	int prog = open_program(from, "tc_guard_from_ns", f);
	struct fail ignored;

	if (prog < 0)
		return prog;
	/* The link is gone: what mends it attaches the guard. */
	datapath_hush_libbpf();
	set_guard(prog, "tc_guard_from_ns", private, BPF_TC_INGRESS, &ignored);
	close(prog);
	return 0;
}

int datapath_update_links(const struct pin_dir *d, const struct pin_dir *from, int uplink,
			  bool veth, int private, struct fail *f)
{
	struct dirent **pin = NULL;
	int err = update_block(from, f), count = 0;

	if (!err && private)
		err = update_private_guard(from, private, f);
	/* All names first, for pins of filters are renamed on the way. */
	if (!err)
		count = scandir(d->path, &pin, NULL, NULL);
	if (count < 0)
		return fail_errno(f, -errno, "cannot read %s", d->path);
	for (int i = 0; i < count; i++) {
		const char *program = program_of(pin[i]->d_name, veth, private);
		int prog = !err && program ? open_program(from, program, f) : -1;

		if (!err && program)
			err = prog < 0 ? prog : update_link(d, pin[i]->d_name, prog, uplink, f);
		if (prog >= 0)
			close(prog);
		free(pin[i]);
	}
	free(pin);
	return err;
}

bool datapath_uplink_attached(const struct pin_dir *d, int ifindex, bool first)
{
	char name[32];

	return is_attached(d, uplink_name(ifindex, first, name), ifindex, ATTACH_TCX_INGRESS) &&
	       is_attached(d, link_name("link_egress", ifindex, name), ifindex, ATTACH_TCX_EGRESS);
}

bool datapath_uplink_xdp_attached(const struct pin_dir *d, int ifindex)
{
	return is_attached(d, "xdp_uplink", ifindex, BPF_XDP);
}

/* Unless it is attached. Its pin is named by the device. */
static int attach_once(const struct pin_dir *d, struct hook h, const char *hook_name,
		       struct fail *f)
{
	char name[32], path[PIN_PATH_MAX];

	h.link = link_name(hook_name, h.ifindex, name);
	if (is_attached(d, h.link, h.ifindex, h.type))
		return 0;
	unlink(pin_path(d, h.link, path));
	return attach(d, &h, f);
}

int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_ns", NULL, ifindex, ATTACH_TCX_INGRESS, ATTACH_FIRST };

	return attach_once(d, h, "link", f);
}

int datapath_attach_ns_netkit(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_ns", NULL, ifindex, ATTACH_NETKIT_PEER, ATTACH_FIRST };

	return attach_once(d, h, "netkit", f);
}

bool datapath_ns_attached(const struct pin_dir *d, int ifindex, __u32 flags, bool bound)
{
	char name[32];

	return (bound ||
		is_attached(d, link_name("link", ifindex, name), ifindex, ATTACH_TCX_INGRESS)) &&
	       (!(flags & NSX_NS_XDP) ||
		is_attached(d, link_name("xdp", ifindex, name), ifindex, BPF_XDP)) &&
	       (!(flags & NSX_NS_NETKIT) ||
		is_attached(d, link_name("netkit", ifindex, name), ifindex, ATTACH_NETKIT_PEER));
}

int datapath_attach_private(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_private", NULL, ifindex, ATTACH_TCX_INGRESS,
				ATTACH_FIRST };

	LIBBPF_OPTS(bpf_tc_hook, qdisc, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&qdisc);
	if (err && err != -EEXIST)
		return fail_errno(f, err, "cannot guard the link to the private network namespace");
	err = guard(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS, f);
	return err ? err : attach_once(d, h, "link", f);
}

int datapath_guard_ns(const struct pin_dir *d, int ifindex, bool *made, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	*made = err == 0;
	if (err && err != -EEXIST)
		return fail_errno(f, err, "cannot make a clsact qdisc for the guards");
	err = guard(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS, f);
	return err ? err : guard(d, "tc_guard_to_ns", ifindex, BPF_TC_EGRESS, f);
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

void datapath_remove_qdisc(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	datapath_hush_libbpf();
	bpf_tc_hook_destroy(&hook);
}

void datapath_unguard_ns(int ifindex, bool made)
{
	if (datapath_ns_bound(ifindex)) {
		datapath_remove_qdisc(ifindex);
		return;
	}
	detach_filter(ifindex, BPF_TC_INGRESS, GUARD_PRIORITY);
	detach_filter(ifindex, BPF_TC_EGRESS, GUARD_PRIORITY);
	if (made && !filters_are_left(ifindex)) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

		bpf_tc_hook_destroy(&hook);
	}
}

int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f)
{
	/* See offload.h */
	const char *prog = feature_has(FEATURE_XDP_SKB) ? "xdp_from_ns_veth" : "xdp_from_ns";

	return attach_once(d, (struct hook){ prog, NULL, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE },
			   "xdp", f);
}

/* A link goes with its last reference, but some time after that: it is detached before. */
static void detach_link(const char *path)
{
	int link = bpf_obj_get(path);

	if (link >= 0) {
		bpf_link_detach(link);
		close(link);
	}
}

static void end_link(const char *path)
{
	detach_link(path);
	unlink(path);
}

/* The qdisc that was made for an uplink's filters, unless others use it now. */
static void qdisc_remove(const struct pin_dir *d, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char name[32], path[PIN_PATH_MAX];

	if (unlink(pin_path(d, link_name("qdisc", ifindex, name), path)) == 0 &&
	    !filters_are_left(ifindex))
		bpf_tc_hook_destroy(&hook);
}

void datapath_leave_uplink(const struct pin_dir *d, int ifindex, bool first)
{
	char name[32], path[PIN_PATH_MAX];

	if (first)
		detach_link(pin_path(d, "link_uplink", path));
	end_link(pin_path(d, link_name("link_uplink", ifindex, name), path));
	end_link(pin_path(d, link_name("link_egress", ifindex, name), path));
	if (feature_has(FEATURE_TCX))
		return;
	detach_filter(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
	detach_filter(ifindex, BPF_TC_EGRESS, PROG_PRIORITY);
	qdisc_remove(d, ifindex);
}

/*
 * The pin of the first uplink's ingress is replaced and never missing: it tells that all is there.
 */
static int mend_first(const struct pin_dir *d, struct hook in, struct fail *f)
{
	char name[32], path[PIN_PATH_MAX], made[PIN_PATH_MAX];
	int err;

	if (is_attached(d, "link_uplink", in.ifindex, in.type))
		return 0;
	in.link = link_name("link_uplink", in.ifindex, name);
	end_link(pin_path(d, in.link, made));	/* of a command that died here */
	err = attach(d, &in, f);
	if (err)
		return err;
	pin_path(d, "link_uplink", path);
	return rename(made, path) ? fail_errno(f, -errno, "cannot pin %s", path) : 0;
}

int datapath_mend_uplink(const struct pin_dir *d, int ifindex, bool first, struct fail *f)
{
	const struct hook in = { "tc_from_uplink", NULL, ifindex, ATTACH_TCX_INGRESS, 0 };
	const struct hook out = { "tc_to_uplink", NULL, ifindex, ATTACH_TCX_EGRESS, 0 };
	int err = feature_has(FEATURE_TCX) ? 0 : qdisc_make(d, ifindex, f);

	if (!err)
		err = attach_once(d, out, "link_egress", f);
	if (!err)
		err = first ? mend_first(d, in, f) : attach_once(d, in, "link_uplink", f);
	return err;
}

void datapath_detach_uplink_xdp(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	end_link(pin_path(d, "xdp_uplink", path));
}

void datapath_detach_ns_xdp(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	end_link(pin_path(d, link_name("xdp", ifindex, name), path));
}

void datapath_detach_ns_tc(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	end_link(pin_path(d, link_name("link", ifindex, name), path));
	if (!feature_has(FEATURE_TCX))
		detach_filter(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
}

void datapath_detach_ns(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	datapath_detach_ns_xdp(d, ifindex);
	end_link(pin_path(d, link_name("netkit", ifindex, name), path));
	datapath_detach_ns_tc(d, ifindex);
}
