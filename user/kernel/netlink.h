/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to rtnetlink through libmnl. Functions return 0 or a negative errno. */
#ifndef NSXDP_NETLINK_H
#define NSXDP_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

/** struct nl - a socket that stays in the network namespace it was opened in */
struct nl {
	struct mnl_socket *socket;
	unsigned int seq;
};

#define NL_BUF_SIZE 8192

int nl_open(struct nl *nl);
/* Accepts one that was never opened (zeroed). */
void nl_close(struct nl *nl);

/* Begin a request in buf (NL_BUF_SIZE bytes). */
struct nlmsghdr *nl_begin(struct nl *nl, char *buf, __u16 type, __u16 flags);

/* Send and wait for the kernel's answer; cb, where given, sees every message of it. */
int nl_do(struct nl *nl, struct nlmsghdr *request, mnl_cb_t cb, void *arg);

#endif
