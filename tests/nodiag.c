// SPDX-License-Identifier: GPL-2.0-only
/* LD_PRELOAD: the kernel does not answer questions for sockets; NODIAG says which call fails. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int diag = -1;

static int fails(const char *call)
{
	const char *which = getenv("NODIAG");

	return which && strcmp(which, call) == 0;
}

int socket(int family, int type, int protocol)
{
	int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	int fd;

	if (family == AF_NETLINK && protocol == NETLINK_SOCK_DIAG && fails("socket")) {
		errno = EMFILE;
		return -1;
	}
	fd = real(family, type, protocol);
	if (family == AF_NETLINK && protocol == NETLINK_SOCK_DIAG)
		diag = fd;
	return fd;
}

#define REAL(ret, name, ...) ret (*real)(__VA_ARGS__) = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
	       socklen_t n)
{
	REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);

	if (fd == diag && fails("sendto")) {
		errno = ENOBUFS;
		return -1;
	}
	return real(fd, buf, len, flags, to, n);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	REAL(ssize_t, "recvmsg", int, struct msghdr *, int);

	if (fd == diag && fails("recvmsg")) {
		errno = ENOBUFS;
		return -1;
	}
	return real(fd, msg, flags);
}
