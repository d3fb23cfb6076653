// SPDX-License-Identifier: GPL-2.0-only
/* The nftables rule for reassembly, in one transaction. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <time.h>

#include "kernel/defrag_rule.h"

#define TABLE "nsxdp"
#define CHAIN "defrag"
#define BATCH_MAX 4096

/* The messages of one transaction; each is answered under its number. */
struct batch {
	struct mnl_nlmsg_batch *messages;
	__u32 seq;
	__u32 last;	/* the number that the last answer has */
	int pf;		/* NFPROTO_* */
};

static struct nlmsghdr *batch_add(struct batch *b, int type)
{
	b->last = b->seq;
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->messages), type, b->pf,
				     NLM_F_CREATE | NLM_F_ACK, b->seq++);
}

static int add_table(struct batch *b)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table)
		return -ENOMEM;
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	nftnl_table_nlmsg_build_payload(batch_add(b, NFT_MSG_NEWTABLE), table);
	mnl_nlmsg_batch_next(b->messages);
	nftnl_table_free(table);
	return 0;
}

static int add_chain(struct batch *b)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain)
		return -ENOMEM;
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN);
	nftnl_chain_nlmsg_build_payload(batch_add(b, NFT_MSG_NEWCHAIN), chain);
	mnl_nlmsg_batch_next(b->messages);
	nftnl_chain_free(chain);
	return 0;
}

/* tproxy to :1 */
static int add_rule(struct batch *b)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nftnl_expr *port = nftnl_expr_alloc("immediate"),
			  *tproxy = nftnl_expr_alloc("tproxy");
	__be16 number = htons(1);

	if (!rule || !port || !tproxy) {
		if (port)
			nftnl_expr_free(port);
		if (tproxy)
			nftnl_expr_free(tproxy);
		if (rule)
			nftnl_rule_free(rule);
		return -ENOMEM;
	}
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, CHAIN);
	nftnl_expr_set_u32(port, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(port, NFTNL_EXPR_IMM_DATA, &number, sizeof(number));
	nftnl_rule_add_expr(rule, port);
	nftnl_expr_set_u32(tproxy, NFTNL_EXPR_TPROXY_FAMILY, b->pf);
	nftnl_expr_set_u32(tproxy, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_1);
	nftnl_rule_add_expr(rule, tproxy);
	nftnl_rule_nlmsg_build_payload(batch_add(b, NFT_MSG_NEWRULE), rule);
	mnl_nlmsg_batch_next(b->messages);
	nftnl_rule_free(rule);
	return 0;
}

/* A transaction that fails is answered with an error for one of its messages, and does nothing. */
static int batch_send(struct batch *b, struct mnl_socket *nl)
{
	char answer[BATCH_MAX];
	bool done = false;

	if (mnl_socket_sendto(nl, mnl_nlmsg_batch_head(b->messages),
			      mnl_nlmsg_batch_size(b->messages)) < 0)
		return -errno;
	while (!done) {
		ssize_t len = mnl_socket_recvfrom(nl, answer, sizeof(answer));
		const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
		int left = (int)len;

		if (len < 0)
			return -errno;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type == NLMSG_ERROR && e->error)
				return e->error;
			done = h->nlmsg_type == NLMSG_ERROR && h->nlmsg_seq == b->last;
		}
	}
	return 0;
}

int defrag_rule_add(enum nsx_family family)
{
	char buf[2 * BATCH_MAX];
	struct batch b = {
		.messages = mnl_nlmsg_batch_start(buf, BATCH_MAX),
		.seq = time(NULL),
		.pf = family == NSX_V6 ? NFPROTO_IPV6 : NFPROTO_IPV4,
	};
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	int err = 0;

	if (!b.messages || !nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		err = errno ? -errno : -ENOMEM;
	if (!err) {
		nftnl_batch_begin(mnl_nlmsg_batch_current(b.messages), b.seq++);
		mnl_nlmsg_batch_next(b.messages);
		err = add_table(&b);
	}
	if (!err)
		err = add_chain(&b);
	if (!err)
		err = add_rule(&b);
	if (!err) {
		nftnl_batch_end(mnl_nlmsg_batch_current(b.messages), b.seq++);
		mnl_nlmsg_batch_next(b.messages);
		err = batch_send(&b, nl);
	}
	if (nl)
		mnl_socket_close(nl);
	if (b.messages)
		mnl_nlmsg_batch_stop(b.messages);
	return err;
}
