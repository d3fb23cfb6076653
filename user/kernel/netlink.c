// SPDX-License-Identifier: GPL-2.0-only
/* Requests to rtnetlink through libmnl. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/netlink.h"

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

/* A whole dump, in messages one behind the other. */
struct dump {
	char *buf;
	size_t len, room;
	/*
	 * what was dumped has changed meanwhile: the parts may not fit each other (NLM_F_DUMP_INTR)
	 */
	bool changed;
};

static int dump_append(struct dump *d, const char *buf, size_t len)
{
	if (d->len + len > d->room) {
		size_t room = 2 * (d->len + len);
		char *more = realloc(d->buf, room);

		if (!more)
			return -ENOMEM;
		d->buf = more;
		d->room = room;
	}
	memcpy(d->buf + d->len, buf, len);
	d->len += len;
	return 0;
}

/* Returns 1 at the end of the dump, 0 before it, or a negative errno. */
static int dump_receive(struct nl *nl, __u32 seq, struct dump *d)
{
	char buf[32768];
	ssize_t n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
	int left = n;

	if (n < 0)
		return -errno;
	for (struct nlmsghdr *nlh = (void *)buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != seq)
			return 0;	/* of a request before */
		d->changed |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		nlh->nlmsg_flags &= ~NLM_F_DUMP_INTR;
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			int err = dump_append(d, buf, n);

			return err ? err : 1;
		}
	}
	return dump_append(d, buf, n);
}

#define DUMP_TRIES 100	/* on a host whose addresses change all the time */

/* Ask again while what is dumped changes; the caller is told of a whole one only. */
static int dump(struct nl *nl, struct nlmsghdr *request, mnl_cb_t cb, void *arg)
{
	struct dump d = {};
	int err = 0;

	for (int tries = 0; tries < DUMP_TRIES && !err; tries++) {
		d.len = 0;
		d.changed = false;
		request->nlmsg_seq = ++nl->seq;
		if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
			err = -errno;
		while (!err)
			err = dump_receive(nl, request->nlmsg_seq, &d);
		if (err < 0 || !d.changed)
			break;
		err = tries + 1 < DUMP_TRIES ? 0 : -EINTR;
	}
	if (err > 0)
		err = mnl_cb_run(d.buf, d.len, request->nlmsg_seq,
				 mnl_socket_get_portid(nl->socket), cb, arg) < 0
			      ? -errno
			      : 0;
	free(d.buf);
	return err;
}

int nl_do(struct nl *nl, struct nlmsghdr *request, mnl_cb_t cb, void *arg)
{
	char buf[32768];
	ssize_t n;
	int ret;

	if ((request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return dump(nl, request, cb, arg);
	if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, request->nlmsg_seq, mnl_socket_get_portid(nl->socket), cb,
				 arg);
		if (ret < 0)
			return -errno;
	} while (ret > MNL_CB_STOP);
	return 0;
}
