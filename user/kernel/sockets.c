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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/sockets.h"
#include "parse.h"

/** struct listing - the ports that any socket has, by protocol; see sockets_listing() */
static struct {
	bool on;
	bool taken;
	__u64 held[NSX_ICMP][NSX_PORTS / 64];
} listing;

/* Sockets that were found; those without a process (inode 0) too. */
struct search {
	struct socket_item *item;
	size_t count, room;
	__u8 proto;
	bool wanted[NSX_FAMILIES];	/* those that take what comes by it */
	mnl_cb_t each;	/* called with this search */
	const struct nsx_addr *at;	/* only those that take what comes to this address; NULL: all */
	int err;
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

static bool takes_ipv6(const struct inet_diag_msg *msg)
{
	const struct in6_addr *addr = (const void *)msg->id.idiag_src;

	return msg->idiag_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(addr);
}

/* A socket takes what comes to an address: it is bound to that one, or to all. */
static bool takes_at(const struct inet_diag_msg *msg, const struct nsx_addr *at)
{
	struct nsx_addr bound;

	if (msg->idiag_family == AF_INET)
		addr_set_v4(&bound, ntohl(msg->id.idiag_src[0]));
	else
		memcpy(&bound, msg->id.idiag_src, sizeof(bound));
	return !at || !addr_is_set(&bound) || memcmp(&bound, at, sizeof(bound)) == 0;
}

/* One item for each port: one that a process shows is worth more than one that none does. */
static struct socket_item *search_item(struct search *s, __u8 row, __u16 port)
{
	struct socket_item *item;

	for (item = s->item; item < s->item + s->count; item++)
		if (item->port == port && item->row == row)
			return item;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct socket_item *more = realloc(s->item, room * sizeof(*more));

		if (!more) {
			s->err = -ENOMEM;
			return NULL;
		}
		s->item = more;
		s->room = room;
	}
	item = &s->item[s->count++];
	*item = (struct socket_item){ .row = row, .port = port, .holder = "a socket" };
	return item;
}

static void note_socket(struct search *s, enum nsx_family family, const struct inet_diag_msg *msg)
{
	struct socket_item *item =
		search_item(s, NSX_ROW(s->proto, family), ntohs(msg->id.idiag_sport));

	if (item && !item->inode)
		item->inode = msg->idiag_inode;
}

static int search_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct search *s = arg;

	if (!takes_at(msg, s->at))
		return MNL_CB_OK;
	if (s->wanted[NSX_V4] && takes_ipv4(nlh, msg))
		note_socket(s, NSX_V4, msg);
	if (s->wanted[NSX_V6] && takes_ipv6(msg))
		note_socket(s, NSX_V6, msg);
	return MNL_CB_OK;
}

/*
 * Let the kernel send only the sockets with these local ports: two comparisons; "no" leads beyond
 * the end.
 */
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

/* Send a request that is complete but for the ports, and take the answers. */
static int search_run(struct mnl_socket *nl, struct search *s, struct nlmsghdr *nlh, __u16 first,
		      __u16 last)
{
	char buf[32768];
	ssize_t n;
	int ret;

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	put_filter(nlh, first, last);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, n, 0, mnl_socket_get_portid(nl), s->each, s);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

/* A connection that only waits for its last segments holds nothing that matters. */
#define STATES (~(1U << TCP_TIME_WAIT))
#define REQUEST_SIZE 256

/*
 * Both families by the older kind of request: the kernel walks its large table of connections once.
 */
static int search_tcp(struct mnl_socket *nl, struct search *s, __u16 first, __u16 last)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = TCPDIAG_GETSOCK;
	req->idiag_family = AF_UNSPEC;
	req->idiag_states = STATES;
	return search_run(nl, s, nlh, first, last);
}

static int search_udp(struct mnl_socket *nl, struct search *s, int family, __u16 first, __u16 last)
{
	char buf[REQUEST_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_UDP;
	req->idiag_states = STATES;
	return search_run(nl, s, nlh, first, last);
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
		/*
		 * A process chooses its name: no terminal is to obey it, and JSON takes no broken
		 * UTF-8.
		 */
		for (char *c = name; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		fclose(file);
	}
	snprintf(holder, size, "%s, process %s", name, pid);
}

/* Name the holders of those sockets that a process has open. */
static void name_from(const char *pid, struct search *s)
{
	char path[300], link[64];
	struct dirent *entry;
	unsigned int inode;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%u]", &inode) != 1)
			continue;
		for (struct socket_item *item = s->item; item < s->item + s->count; item++)
			if (item->inode == inode)
				name_process(pid, item->holder, sizeof(item->holder));
	}
	if (dir)
		closedir(dir);
}

static void name_holders(struct search *s)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			name_from(entry->d_name, s);
	if (proc)
		closedir(proc);
}

static int search_proto(struct mnl_socket *nl, struct search *s, __u8 proto, __u16 first,
			__u16 last)
{
	int err;

	s->proto = proto;
	if (proto == NSX_TCP)
		return search_tcp(nl, s, first, last);
	err = search_udp(nl, s, AF_INET, first, last);
	if (err)
		return err;
	err = search_udp(nl, s, AF_INET6, first, last);
	/* A kernel without IPv6 has no such sockets. */
	return err == -ENOENT ? 0 : err;
}

static int search_open(struct mnl_socket **nl)
{
	*nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!*nl)
		return -errno;
	if (mnl_socket_bind(*nl, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	mnl_socket_close(*nl);
	return -errno;
}

static int found_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct search *s = arg;

	(void)nlh;
	s->count++;
	return MNL_CB_OK;
}

/* Tried with a socket that is bound to a port which the kernel chooses. */
bool sockets_tell_of_bound(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct search s = { .each = found_cb };
	socklen_t size = sizeof(at);
	struct mnl_socket *nl;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &size) == 0 && search_open(&nl) == 0) {
		__u16 port = ntohs(at.sin_port);

		search_proto(nl, &s, NSX_TCP, port, port);
		mnl_socket_close(nl);
	}
	if (fd >= 0)
		close(fd);
	return s.count;
}

void sockets_listing(bool on)
{
	listing.on = on;
	listing.taken = false;
}

static int listing_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	__u16 port = ntohs(msg->id.idiag_sport);
	const struct search *s = arg;

	listing.held[s->proto][port / 64] |= 1ULL << port % 64;
	return MNL_CB_OK;
}

static int listing_take(struct mnl_socket *nl)
{
	struct search s = { .each = listing_cb };
	int err = 0;

	if (listing.taken)
		return 0;
	memset(listing.held, 0, sizeof(listing.held));
	for (__u8 proto = NSX_TCP; !err && proto <= NSX_UDP; proto++)
		err = search_proto(nl, &s, proto, 1, 65535);
	listing.taken = !err;
	return err;
}

/* 1 where the listing has one of the ports, 0 where it has none, or a negative errno. */
static int listing_has(struct mnl_socket *nl, __u8 proto, __u16 first, __u16 last)
{
	int err = listing_take(nl);

	if (err)
		return err;
	for (__u32 port = first; port <= last; port++)
		if (listing.held[proto][port / 64] >> port % 64 & 1)
			return 1;
	return 0;
}

int sockets_holder(__u8 row, __u16 first, __u16 last, const struct nsx_addr *at, char *holder,
		   size_t size)
{
	struct search s = { .each = search_cb, .at = at };
	__u8 proto = NSX_ROW_PROTO(row);
	struct mnl_socket *nl;
	int ret = search_open(&nl);

	if (ret)
		return ret;
	s.wanted[NSX_ROW_FAMILY(row)] = true;
	ret = listing.on ? listing_has(nl, proto, first, last) : 1;
	if (ret > 0)
		ret = search_proto(nl, &s, proto, first, last);
	mnl_socket_close(nl);
	if (!ret)
		ret = s.err;
	if (!ret && s.count) {
		name_holders(&s);
		snprintf(holder, size, "%s", s.item[0].holder);
		ret = s.item[0].port;
	}
	free(s.item);
	return ret;
}

int sockets_list(struct socket_item **items, size_t *count)
{
	struct search s = { .each = search_cb, .wanted = { true, true } };
	struct mnl_socket *nl;
	int err = search_open(&nl);

	if (err)
		return err;
	for (__u8 proto = NSX_TCP; !err && proto <= NSX_UDP; proto++)
		err = search_proto(nl, &s, proto, 1, 65535);
	mnl_socket_close(nl);
	if (!err)
		err = s.err;
	if (err) {
		free(s.item);
		return err;
	}
	name_holders(&s);
	*items = s.item;
	*count = s.count;
	return 0;
}
