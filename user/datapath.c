// SPDX-License-Identifier: GPL-2.0-only
/* Loading, attaching and pinning the BPF programs. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath.h"
#include "tables.h"
/* They use the types of tables.h. */
#include "nsxdp_cmd.skel.h"
#include "nsxdp_sock.skel.h"
#include "nsxdp_tc.skel.h"
#include "nsxdp_xdp.skel.h"

/* enum bpf_attach_type of kernel 6.6; libbpf 1.1 does not name it. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

/* Before all other programs of the hook: BPF_F_BEFORE of kernel 6.6, without a relative. */
#define ATTACH_FIRST (1U << 3)

/* The guards among the filters of a clsact qdisc. */
#define GUARD_PRIORITY 1
#define GUARD_HANDLE 0x6e73

/* libbpf's own words only help those who debug the loading. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_DEBUG || !getenv("NSXDP_DEBUG"))
		return 0;
	return vfprintf(stderr, format, ap);
}

/* Tests have whoever wins a slot wait for so many turns. */
static __u32 test_pause(void)
{
	const char *turns = getenv("NSXDP_TEST_PAUSE");

	return turns ? atoi(turns) : 0;
}

#define SHARED_DATA ".data."	/* begins the name of a section that the objects share */

/* The name that a map is pinned by; NULL where it is an object's own. */
static const char *pin_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	if (!bpf_map__is_internal(map))
		return name;
	return strncmp(name, SHARED_DATA, strlen(SHARED_DATA)) ? NULL : name + strlen(SHARED_DATA);
}

int datapath_load(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_tc_bpf *skel;
	struct bpf_program *prog;
	char path[PIN_PATH_MAX];
	struct bpf_map *map;
	int err;

	libbpf_set_print(print_libbpf);
	skel = nsxdp_tc_bpf__open();
	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object");
	skel->rodata->force_csum_helpers = getenv("NSXDP_TEST_CSUM_HELPERS") != NULL;
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	bpf_map__set_max_entries(skel->maps.nsx_lent, bpf_map__max_entries(skel->maps.nsx_lent) * libbpf_num_possible_cpus());
	err = nsxdp_tc_bpf__load(skel);
	if (err) {
		fail_errno(f, err, "the kernel does not take the BPF programs (NSXDP_DEBUG=1 shows its log)");
		goto out;
	}
	bpf_object__for_each_map(map, skel->obj) {
		if (!pin_name(map))
			continue;
		if (bpf_obj_pin(bpf_map__fd(map), pin_path(d, pin_name(map), path))) {
			err = fail_errno(f, -errno, "cannot pin %s", path);
			goto out;
		}
	}
	bpf_object__for_each_program(prog, skel->obj)
		if (!err && bpf_obj_pin(bpf_program__fd(prog), pin_path(d, bpf_program__name(prog), path)))
			err = fail_errno(f, -errno, "cannot pin %s", path);
out:
	nsxdp_tc_bpf__destroy(skel);
	return err;
}

/* Let an object use the maps that are pinned. Those of its own are new. */
static int reuse_maps(const struct pin_dir *d, struct bpf_object *obj)
{
	char path[PIN_PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		int fd = pin_name(map) ? bpf_obj_get(pin_path(d, pin_name(map), path)) : -1, err;

		if (fd < 0)
			continue;
		err = bpf_map__reuse_fd(map, fd);
		close(fd);
		if (err)
			return err;
	}
	return 0;
}

int datapath_load_cmd(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_cmd_bpf *skel = nsxdp_cmd_bpf__open();
	struct bpf_program *prog;
	char path[PIN_PATH_MAX];
	int err;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for the command");
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_cmd_bpf__load(skel);
	if (err)
		fail_errno(f, err, "the kernel does not take the programs for the command (NSXDP_DEBUG=1 shows its log)");
	/* A timer runs for as long as its map is pinned. */
	if (!err && bpf_obj_pin(bpf_map__fd(skel->maps.nsx_sweeper), pin_path(d, "nsx_sweeper", path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	bpf_object__for_each_program(prog, skel->obj)
		if (!err && bpf_obj_pin(bpf_program__fd(prog), pin_path(d, bpf_program__name(prog), path)))
			err = fail_errno(f, -errno, "cannot pin %s", path);
	nsxdp_cmd_bpf__destroy(skel);
	return err;
}

int datapath_load_xdp(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_xdp_bpf *skel = nsxdp_xdp_bpf__open();
	struct bpf_program *prog;
	char path[PIN_PATH_MAX];
	int err;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for XDP");
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_xdp_bpf__load(skel);
	if (err)
		fail_errno(f, err, "the kernel does not take the XDP programs (NSXDP_DEBUG=1 shows its log)");
	bpf_object__for_each_program(prog, skel->obj)
		if (!err && bpf_obj_pin(bpf_program__fd(prog), pin_path(d, bpf_program__name(prog), path)))
			err = fail_errno(f, -errno, "cannot pin %s", path);
	nsxdp_xdp_bpf__destroy(skel);
	return err;
}

int datapath_attach_sock(const struct pin_dir *d, int cgroup, bool guard, struct fail *f)
{
	struct nsxdp_sock_bpf *skel = nsxdp_sock_bpf__open();
	struct bpf_program *prog;
	char path[PIN_PATH_MAX];
	int err, link;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for sockets");
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_sock_bpf__load(skel);
	if (err)
		fail_errno(f, err, "the kernel does not take the programs for sockets");
	bpf_object__for_each_program(prog, skel->obj) {
		const char *name = bpf_program__name(prog);

		if (err)
			break;
		if (!guard && strstr(name, "post_bind"))
			continue;
		link = bpf_link_create(bpf_program__fd(prog), cgroup, bpf_program__expected_attach_type(prog), NULL);
		if (link < 0) {
			err = fail_errno(f, -errno, "cannot attach %s to the control groups", name);
			break;
		}
		if (bpf_obj_pin(link, pin_path(d, name, path)))
			err = fail_errno(f, -errno, "cannot pin %s", path);
		close(link);
	}
	if (err)
		datapath_detach_sock(d);
	nsxdp_sock_bpf__destroy(skel);
	return err;
}

void datapath_detach_guard(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	unlink(pin_path(d, "sock_post_bind4", path));
	unlink(pin_path(d, "sock_post_bind6", path));
}

void datapath_detach_sock(const struct pin_dir *d)
{
	static const char *const names[] = {
		"sock_connect4", "sock_sendmsg4", "sock_recvmsg4", "sock_getpeername4",
		"sock_connect6", "sock_sendmsg6", "sock_recvmsg6", "sock_getpeername6",
	};
	char path[PIN_PATH_MAX];

	datapath_detach_guard(d);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(pin_path(d, names[i], path));
}

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

	libbpf_set_print(print_libbpf);
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

	libbpf_set_print(print_libbpf);
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

	libbpf_set_print(print_libbpf);
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
