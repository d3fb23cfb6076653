// SPDX-License-Identifier: GPL-2.0-only
/* See clsact.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/clsact.h"
#include "kernel/datapath.h"
#include "kernel/netlink.h"

struct qdisc_search {
	int ifindex;
	char *kind;
};

static int qdisc_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	const struct qdisc_search *search = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWQDISC || tc->tcm_ifindex != search->ifindex ||
	    tc->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*tc))
		if (mnl_attr_get_type(attr) == TCA_KIND)
			snprintf(search->kind, IFNAMSIZ, "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* The device's name, for errors. */
static const char *name_of(int ifindex, char name[IF_NAMESIZE])
{
	return if_indextoname(ifindex, name) ? name : "the device";
}

/*
 * The kind of the qdisc in a clsact's place; "" where there is none. With ask_all in a list of all
 * qdiscs, where an answer is never lost.
 */
static int qdisc_kind(struct nl *nl, int ifindex, bool ask_all, char kind[IFNAMSIZ])
{
	struct qdisc_search search = { .ifindex = ifindex, .kind = kind };
	char buf[NL_BUF_SIZE];
	/* A single answer is a notification; the asker gets a copy only with NLM_F_ECHO. */
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETQDISC, ask_all ? NLM_F_DUMP : NLM_F_ECHO);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	int err;

	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_CLSACT;
	kind[0] = '\0';
	err = nl_do(nl, nlh, qdisc_cb, &search);
	return err == -ENOENT ? 0 : err;
}

int clsact_look(int ifindex, struct fail *f)
{
	char kind[IFNAMSIZ] = "", name[IF_NAMESIZE];
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		err = qdisc_kind(&nl, ifindex, false, kind);
	if (!err && !*kind)
		err = qdisc_kind(&nl, ifindex, true, kind);
	nl_close(&nl);
	if (err)
		return fail_errno(f, err, "cannot look at the qdiscs of %s", name_of(ifindex, name));
	if (strcmp(kind, "clsact") == 0)
		return 1;
	return *kind ? fail(f, -EBUSY,
			    "%s has an %s qdisc that is not nsxdp's and has no egress hook: "
			    "replace it with a clsact qdisc",
			    name_of(ifindex, name), kind)
		     : 0;
}

int clsact_make(int ifindex, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char name[IF_NAMESIZE];
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST) {
		int there = clsact_look(ifindex, f);

		if (there)
			return there < 0 ? there : 0;
	}
	return err ? fail_errno(f, err, "cannot make a clsact qdisc for %s", name_of(ifindex, name))
		   : 0;
}

void clsact_remove(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	datapath_hush_libbpf();
	bpf_tc_hook_destroy(&hook);
}

int clsact_set(int ifindex, enum bpf_tc_attach_point point, __u32 priority, int prog,
	       const char *name, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = prog);
	char dev[IF_NAMESIZE];
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_attach(&hook, &opts);
	if (err == -EINVAL)
		return fail(f, err, "%s has a filter of another kind or protocol at priority %u, or no clsact qdisc",
			    name_of(ifindex, dev), priority);
	if (err == -EOPNOTSUPP)
		return fail(f, err, "the clsact qdisc of %s is bound to a shared block",
			    name_of(ifindex, dev));
	return err ? fail_errno(f, err, "cannot attach %s to %s", name, name_of(ifindex, dev)) : 0;
}

int clsact_set_pinned(const struct pin_dir *d, const char *name, int ifindex,
		      enum bpf_tc_attach_point point, __u32 priority, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(d, name, path)), err;

	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	err = clsact_set(ifindex, point, priority, prog, name, f);
	close(prog);
	return err;
}

void clsact_unset(int ifindex, enum bpf_tc_attach_point point, __u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);

	datapath_hush_libbpf();
	bpf_tc_detach(&hook, &opts);
}

int clsact_has_filter(int ifindex, enum bpf_tc_attach_point point, __u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_query(&hook, &opts);
	/* Without the qdisc, or the device, there is no filter. */
	return err == -ENOENT || err == -EINVAL || err == -ENODEV ? 0 : err ? err : 1;
}

bool clsact_has(int ifindex, enum bpf_tc_attach_point point, __u32 priority, int prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	datapath_hush_libbpf();
	return bpf_obj_get_info_by_fd(prog, &info, &size) == 0 && bpf_tc_query(&hook, &opts) == 0 &&
	       opts.prog_id == info.id;
}

/* A priority as a whole is reported too; it counts. */
static int filter_cb(const struct nlmsghdr *nlh, void *arg)
{
	bool *any = arg;

	*any |= nlh->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

bool clsact_is_used(int ifindex)
{
	static const __u32 hooks[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	struct nl nl = {};
	bool any = false;
	int err = nl_open(&nl);

	for (size_t i = 0; !err && i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		char buf[NL_BUF_SIZE];
		struct nlmsghdr *nlh = nl_begin(&nl, buf, RTM_GETTFILTER, NLM_F_DUMP);
		struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

		tc->tcm_ifindex = ifindex;
		tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, hooks[i]);
		err = nl_do(&nl, nlh, filter_cb, &any);
	}
	nl_close(&nl);
	return err || any;
}
