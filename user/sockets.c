// SPDX-License-Identifier: GPL-2.0-only
/* Who holds a port of the host. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsxdp.h"
#include "sockets.h"

struct search {
	bool found;
	__u16 port;
	unsigned int inode;	/* 0: no process has it open any more */
};

/* An IPv6 socket takes IPv4 too unless it says otherwise or has an address of its own. */
static bool takes_ipv4(const struct nlmsghdr *nlh, const struct inet_diag_msg *msg)
{
	const struct in6_addr *addr = (const void *)msg->id.idiag_src;
	const struct nlattr *attr;

	if (msg->idiag_family == AF_INET)
		return true;
	mnl_attr_for_each(attr, nlh, sizeof(*msg))
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY && mnl_attr_get_u8(attr))
			return false;
	return IN6_IS_ADDR_UNSPECIFIED(addr) || IN6_IS_ADDR_V4MAPPED(addr);
}

static int search_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct search *s = arg;

	if (!takes_ipv4(nlh, msg) || (s->found && s->inode))
		return MNL_CB_OK;
	s->found = true;
	s->port = ntohs(msg->id.idiag_sport);
	s->inode = msg->idiag_inode;
	return MNL_CB_OK;
}

/* Let the kernel send only the sockets with these local ports: two comparisons; "no" leads beyond the end. */
static void put_filter(struct nlmsghdr *nlh, __u16 first, __u16 last)
{
	enum { ONE = 2 * sizeof(struct inet_diag_bc_op) };
	const struct inet_diag_bc_op ops[4] = {
		{ .code = INET_DIAG_BC_S_GE, .yes = ONE, .no = 2 * ONE + sizeof(ops[0]) },
		{ .no = first },
		{ .code = INET_DIAG_BC_S_LE, .yes = ONE, .no = ONE + sizeof(ops[0]) },
		{ .no = last },
	};

	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, sizeof(ops), ops);
}

static int search_family(struct mnl_socket *nl, struct search *s, int family, __u8 protocol, __u16 first,
			 __u16 last)
{
	char buf[32768] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	ssize_t n;
	int ret;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = family;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = protocol;
	/* A connection that only waits for its last segments holds nothing that matters. */
	req->idiag_states = ~(1U << TCP_TIME_WAIT);
	put_filter(nlh, first, last);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, family, mnl_socket_get_portid(nl), search_cb, s);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static bool process_has(const char *pid, const char *target)
{
	char path[300], link[64];
	struct dirent *entry;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n > 0) {
			link[n] = '\0';
			found = strcmp(link, target) == 0;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static void name_process(const char *pid, char *holder, size_t size)
{
	char path[300], name[64] = "?";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
	}
	snprintf(holder, size, "%s, process %s", name, pid);
}

static void name_holder(unsigned int inode, char *holder, size_t size)
{
	DIR *proc = inode ? opendir("/proc") : NULL;
	struct dirent *entry;
	char target[64];

	snprintf(holder, size, "a socket");
	snprintf(target, sizeof(target), "socket:[%u]", inode);
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) && process_has(entry->d_name, target)) {
			name_process(entry->d_name, holder, size);
			break;
		}
	if (proc)
		closedir(proc);
}

int sockets_holder(__u8 proto, __u16 first, __u16 last, char *holder, size_t size)
{
	__u8 protocol = proto == NSX_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct search s = {};
	int err = 0;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	if (!err)
		err = search_family(nl, &s, AF_INET, protocol, first, last);
	if (!err && !s.found) {
		err = search_family(nl, &s, AF_INET6, protocol, first, last);
		/* A kernel without IPv6 has no such sockets. */
		if (err == -ENOENT)
			err = 0;
	}
	mnl_socket_close(nl);
	if (err)
		return err;
	if (s.found)
		name_holder(s.inode, holder, size);
	return s.found ? s.port : 0;
}
