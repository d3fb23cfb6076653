// SPDX-License-Identifier: GPL-2.0-only
/* Requests to rtnetlink through libmnl. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "netlink.h"

int nl_open(struct nl *nl)
{
	nl->seq = time(NULL);
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->socket)
		return -errno;
	if (mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		nl_close(nl);
		return err;
	}
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

struct nlmsghdr *nl_begin(struct nl *nl, char *buf, __u16 type, __u16 flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, NL_BUF_SIZE);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++nl->seq;
	return nlh;
}

int nl_do(struct nl *nl, struct nlmsghdr *request, mnl_cb_t cb, void *arg)
{
	char buf[32768];
	ssize_t n;
	int ret;

	if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, request->nlmsg_seq, mnl_socket_get_portid(nl->socket), cb, arg);
		if (ret < 0)
			return -errno;
	} while (ret > MNL_CB_STOP);
	return 0;
}
