// SPDX-License-Identifier: GPL-2.0-only
/* The firewall of the caller's network namespace. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <time.h>

#include "kernel/firewall.h"

struct search {
	char *name;
	size_t size;
	int found;
};

static int chain_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct search *s = arg;

	if (chain && !s->found && nftnl_chain_nlmsg_parse(nlh, chain) == 0 &&
	    nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
	    nftnl_chain_is_set(chain, NFTNL_CHAIN_POLICY) &&
	    (nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY) == NFPROTO_IPV4 ||
	     nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY) == NFPROTO_INET) &&
	    nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP &&
	    (nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_LOCAL_IN ||
	     nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD)) {
		snprintf(s->name, s->size, "table %s, chain %s",
			 nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE),
			 nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
		for (char *c = s->name; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		s->found = 1;
	}
	if (chain)
		nftnl_chain_free(chain);
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *nl, struct search *s)
{
	char buf[8192];
	unsigned int seq = time(NULL);
	struct nlmsghdr *nlh = nftnl_chain_nlmsg_build_hdr(buf, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC,
							   NLM_F_DUMP, seq);
	ssize_t n;
	int ret;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, seq, mnl_socket_get_portid(nl), chain_cb, s);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

int firewall_drops(char *name, size_t size)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct search s = { name, size, 0 };
	int err;

	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump(nl, &s);
	mnl_socket_close(nl);
	return err ? err : s.found;
}
