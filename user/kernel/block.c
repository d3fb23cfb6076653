// SPDX-License-Identifier: GPL-2.0-only
/* Shared tc blocks, through rtnetlink: libbpf knows filters of devices only. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include "kernel/block.h"
#include "kernel/clsact.h"

int block_bind(struct nl *nl, int ifindex)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_CLSACT;
	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(nlh, TCA_KIND, "clsact");
	mnl_attr_put_u32(nlh, TCA_INGRESS_BLOCK, BLOCK_INGRESS);
	mnl_attr_put_u32(nlh, TCA_EGRESS_BLOCK, BLOCK_EGRESS);
	return nl_do(nl, nlh, NULL, NULL);
}

struct find_block {
	int ifindex;
	bool found;
};

static int qdisc_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct find_block *find = arg;
	const struct nlattr *attr;

	if (tc->tcm_ifindex != find->ifindex || tc->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*tc))
		if (mnl_attr_get_type(attr) == TCA_INGRESS_BLOCK &&
		    mnl_attr_get_u32(attr) == BLOCK_INGRESS)
			find->found = true;
	return MNL_CB_OK;
}

bool block_is_bound(struct nl *nl, int ifindex)
{
	char buf[NL_BUF_SIZE];
	/* The kernel answers as it notifies, which the asker only sees with this flag. */
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETQDISC, NLM_F_ECHO);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	struct find_block find = { ifindex, false };

	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_CLSACT;
	return nl_do(nl, nlh, qdisc_cb, &find) == 0 && find.found;
}

struct each_block {
	block_cb cb;
	void *arg;
};

static int each_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	struct find_block find = { tc->tcm_ifindex, false };
	const struct each_block *each = arg;

	qdisc_cb(nlh, &find);
	if (find.found)
		each->cb(tc->tcm_ifindex, each->arg);
	return MNL_CB_OK;
}

int block_each(struct nl *nl, block_cb cb, void *arg)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETQDISC, NLM_F_DUMP);
	struct each_block each = { cb, arg };

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct tcmsg));
	return nl_do(nl, nlh, each_cb, &each);
}

static struct nlmsghdr *filter_begin(struct nl *nl, char *buf, __u16 type, __u16 flags, __u32 block,
				     __u16 priority)
{
	struct nlmsghdr *nlh = nl_begin(nl, buf, type, flags);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

	tc->tcm_ifindex = (int)TCM_IFINDEX_MAGIC_BLOCK;
	tc->tcm_block_index = block;
	tc->tcm_handle = FILTER_HANDLE;
	tc->tcm_info = TC_H_MAKE((__u32)priority << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	return nlh;
}

int block_filter_set(struct nl *nl, __u32 block, __u16 priority, int prog, const char *name)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = filter_begin(nl, buf, RTM_NEWTFILTER, NLM_F_CREATE, block, priority);
	struct nlattr *options = mnl_attr_nest_start(nlh, TCA_OPTIONS);

	mnl_attr_put_u32(nlh, TCA_BPF_FD, prog);
	mnl_attr_put_strz(nlh, TCA_BPF_NAME, name);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return nl_do(nl, nlh, NULL, NULL);
}

static int filter_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *option;
	__u32 *id = arg;

	mnl_attr_for_each(attr, nlh, sizeof(struct tcmsg)) {
		if (mnl_attr_get_type(attr) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(option, attr)
			if (mnl_attr_get_type(option) == TCA_BPF_ID)
				*id = mnl_attr_get_u32(option);
	}
	return MNL_CB_OK;
}

__u32 block_filter_prog(struct nl *nl, __u32 block, __u16 priority)
{
	char buf[NL_BUF_SIZE];
	__u32 id = 0;

	if (nl_do(nl, filter_begin(nl, buf, RTM_GETTFILTER, 0, block, priority), filter_cb, &id))
		return 0;
	return id;
}
