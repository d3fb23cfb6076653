// SPDX-License-Identifier: GPL-2.0-only
/* See clsact.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "kernel/clsact.h"
#include "kernel/datapath.h"
#include "kernel/netlink.h"

/** struct qdisc_search - whether a device's qdisc for ingress is a clsact */
struct qdisc_search {
	int ifindex;
	bool clsact;
};

static int qdisc_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct qdisc_search *search = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWQDISC || tc->tcm_ifindex != search->ifindex ||
	    tc->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*tc))
		if (mnl_attr_get_type(attr) == TCA_KIND)
			search->clsact = strcmp(mnl_attr_get_str(attr), "clsact") == 0;
	return MNL_CB_OK;
}

/* An ingress qdisc is in the place of a clsact, and has no egress. */
static int clsact_is_there(int ifindex)
{
	struct qdisc_search search = { .ifindex = ifindex };
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh;
	struct tcmsg *tc;
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err) {
		nlh = nl_begin(&nl, buf, RTM_GETQDISC, NLM_F_DUMP);
		tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
		tc->tcm_ifindex = ifindex;
		err = nl_do(&nl, nlh, qdisc_cb, &search);
	}
	nl_close(&nl);
	return err ? err : search.clsact;
}

int clsact_make(int ifindex, struct fail *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		err = clsact_is_there(ifindex);
	else if (!err)
		return 0;
	if (!err)
		return fail(f, -EBUSY,
			    "it has an ingress qdisc of others, which has no egress: replace that by a clsact qdisc");
	return err < 0 ? fail_errno(f, err, "cannot make a clsact qdisc") : 1;
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
	int err;

	datapath_hush_libbpf();
	err = bpf_tc_attach(&hook, &opts);
	return err ? fail_errno(f, err, "cannot attach %s", name) : 0;
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

struct filters {
	bool any;
	bool others;	/* without our handle */
};

/* The kernel also tells of a priority as a whole, with handle 0. */
static int filter_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct filters *filters = arg;

	if (nlh->nlmsg_type != RTM_NEWTFILTER)
		return MNL_CB_OK;
	filters->any = true;
	filters->others |= tc->tcm_handle && tc->tcm_handle != FILTER_HANDLE;
	return MNL_CB_OK;
}

static int filters_find(int ifindex, struct filters *ret)
{
	static const __u32 hooks[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	struct nl nl = {};
	int err = nl_open(&nl);

	for (size_t i = 0; !err && i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		char buf[NL_BUF_SIZE];
		struct nlmsghdr *nlh = nl_begin(&nl, buf, RTM_GETTFILTER, NLM_F_DUMP);
		struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

		tc->tcm_ifindex = ifindex;
		tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, hooks[i]);
		err = nl_do(&nl, nlh, filter_cb, ret);
	}
	nl_close(&nl);
	return err;
}

bool clsact_is_used(int ifindex)
{
	struct filters filters = {};

	return filters_find(ifindex, &filters) || filters.any;
}

bool clsact_has_others(int ifindex)
{
	struct filters filters = {};

	return filters_find(ifindex, &filters) || filters.others;
}
