// SPDX-License-Identifier: GPL-2.0-only
/* Attaching the BPF programs to devices. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/clsact.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "nsxdp.h"

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

/*
 * A filter holds its program by itself. The pin says which program it should have, and is how the
 * filter is found by whoever removes it: so one is made before the filter is set, and takes its
 * name once that is done.
 */
static int attach_filter(const struct pin_dir *d, const struct hook *h, int prog, struct fail *f)
{
	char path[PIN_PATH_MAX], next[PIN_PATH_MAX], name[64];
	int err;

	snprintf(name, sizeof(name), PIN_COMING "%s", h->link);
	unlink(pin_path(d, name, next));	/* of a command that died here */
	if (bpf_obj_pin(prog, next))
		return fail_errno(f, -errno, "cannot pin %s", next);
	err = clsact_set(h->ifindex, filter_point(h->type), PROG_PRIORITY, prog, h->prog, f);
	if (!err && rename(next, pin_path(d, h->link, path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	/* One that is there, and could not be replaced, has its pin. */
	if (err && clsact_has_filter(h->ifindex, filter_point(h->type), PROG_PRIORITY) == 0)
		unlink(next);
	return err;
}

static int attach_link(const struct pin_dir *d, const struct hook *h, int prog, struct fail *f)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = h->flags);
	char path[PIN_PATH_MAX];
	int link, err = 0;

	link = bpf_link_create(prog, h->ifindex, h->type, &opts);
	if (link < 0)
		return fail_errno(f, -errno, "cannot attach %s", h->prog);
	unlink(pin_path(d, h->link, path));	/* of one that others have detached */
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
	err = h->type == BPF_XDP || feature_has(FEATURE_TCX) ? attach_link(d, h, prog, f)
							     : attach_filter(d, h, prog, f);
	close(prog);
	return err;
}

static const char *link_name(const char *hook, int ifindex, char buf[32])
{
	snprintf(buf, 32, "%s_%d", hook, ifindex);
	return buf;
}

/* A clsact qdisc for an uplink's filters. A pin, made first, says that the qdisc is nsxdp's. */
static int qdisc_make(const struct pin_dir *d, int ifindex, struct fail *f)
{
	int err = clsact_look(ifindex, f), prog;
	char path[PIN_PATH_MAX], name[32];

	if (err)
		return err < 0 ? err : 0;
	prog = bpf_obj_get(pin_path(d, "tc_to_uplink", path));
	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	/* EEXIST: others have deleted the qdisc that the pin stood for. */
	if (bpf_obj_pin(prog, pin_path(d, link_name("qdisc", ifindex, name), path)) &&
	    errno != EEXIST)
		err = fail_errno(f, -errno, "cannot pin %s", path);
	close(prog);
	if (err)
		return err;
	err = clsact_make(ifindex, f);
	if (err)
		unlink(path);
	return err;
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
							  : clsact_has(ifindex, filter_point(type),
									PROG_PRIORITY, fd);
	close(fd);
	return ret;
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
	char name[32];

	h.link = link_name(hook_name, h.ifindex, name);
	return is_attached(d, h.link, h.ifindex, h.type) ? 0 : attach(d, &h, f);
}

int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_ns", NULL, ifindex, ATTACH_TCX_INGRESS, ATTACH_FIRST };

	return attach_once(d, h, "link", f);
}

bool datapath_ns_has_program(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	return access(pin_path(d, link_name("link", ifindex, name), path), F_OK) == 0;
}

int datapath_attach_ns_netkit(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_ns", NULL, ifindex, ATTACH_NETKIT_PEER, ATTACH_FIRST };

	return attach_once(d, h, "netkit", f);
}

bool datapath_ns_attached(const struct pin_dir *d, int ifindex, __u32 flags, bool bound)
{
	char name[32];

	return (bound || (datapath_ns_guarded(d, ifindex) &&
			  is_attached(d, link_name("link", ifindex, name), ifindex,
				      ATTACH_TCX_INGRESS))) &&
	       (!(flags & NSX_NS_XDP) ||
		is_attached(d, link_name("xdp", ifindex, name), ifindex, BPF_XDP)) &&
	       (!(flags & NSX_NS_NETKIT) ||
		is_attached(d, link_name("netkit", ifindex, name), ifindex, ATTACH_NETKIT_PEER));
}

int datapath_attach_private(const struct pin_dir *d, int ifindex, struct fail *f)
{
	const struct hook h = { "tc_from_private", NULL, ifindex, ATTACH_TCX_INGRESS,
				ATTACH_FIRST };
	int err = clsact_make(ifindex, f);

	if (!err)
		err = clsact_set_pinned(d, "tc_guard_from_ns", ifindex, BPF_TC_INGRESS,
					GUARD_PRIORITY, f);
	return err ? err : attach_once(d, h, "link", f);
}

int datapath_attach_ns_xdp(const struct pin_dir *d, int ifindex, struct fail *f)
{
	/* See offload.h */
	const char *prog = feature_has(FEATURE_XDP_SKB) ? "xdp_from_ns_veth" : "xdp_from_ns";

	return attach_once(d, (struct hook){ prog, NULL, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE },
			   "xdp", f);
}

bool datapath_private_attached(const struct pin_dir *d, int ifindex)
{
	char name[32];

	return clsact_has_filter(ifindex, BPF_TC_INGRESS, GUARD_PRIORITY) > 0 &&
	       is_attached(d, link_name("link", ifindex, name), ifindex, ATTACH_TCX_INGRESS);
}

void datapath_forget_private(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	link_name("link", ifindex, name);
	if (ifindex && !is_attached(d, name, ifindex, ATTACH_TCX_INGRESS))
		unlink(pin_path(d, name, path));
}

/* What a command left that died as it set a filter. */
static void unlink_next(const struct pin_dir *d, const char *link)
{
	char path[PIN_PATH_MAX], name[64];

	snprintf(name, sizeof(name), PIN_COMING "%s", link);
	unlink(pin_path(d, name, path));
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
	char name[32], path[PIN_PATH_MAX];

	if (unlink(pin_path(d, link_name("qdisc", ifindex, name), path)) == 0 &&
	    !clsact_is_used(ifindex))
		clsact_remove(ifindex);
}

void datapath_leave_uplink(const struct pin_dir *d, int ifindex, bool first)
{
	char name[32], path[PIN_PATH_MAX];

	/* Before their pins, by which "down" finds them. */
	if (!feature_has(FEATURE_TCX)) {
		clsact_unset(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
		clsact_unset(ifindex, BPF_TC_EGRESS, PROG_PRIORITY);
	}
	if (first)
		detach_link(pin_path(d, "link_uplink", path));
	end_link(pin_path(d, link_name("link_uplink", ifindex, name), path));
	unlink_next(d, name);
	end_link(pin_path(d, link_name("link_egress", ifindex, name), path));
	unlink_next(d, name);
	unlink_next(d, "link_uplink");
	if (!feature_has(FEATURE_TCX))
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

	if (!feature_has(FEATURE_TCX))
		clsact_unset(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
	end_link(pin_path(d, link_name("link", ifindex, name), path));
	unlink_next(d, name);
}

void datapath_detach_ns(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	datapath_detach_ns_xdp(d, ifindex);
	end_link(pin_path(d, link_name("netkit", ifindex, name), path));
	datapath_detach_ns_tc(d, ifindex);
}
