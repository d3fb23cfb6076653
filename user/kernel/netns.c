// SPDX-License-Identifier: GPL-2.0-only
/* Named network namespaces as iproute2 keeps them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fail.h"
#include "kernel/netns.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static void netns_path(const char *name, char path[4096])
{
	snprintf(path, 4096, NETNS_RUN_DIR "/%s", name);
}

int netns_prepare(bool *made)
{
	*made = mkdir(NETNS_RUN_DIR, 0755) == 0;
	if (!*made && errno != EEXIST)
		return -errno;
	/* Shared propagation lets every mount namespace see names that come and go. */
	if (mount("", NETNS_RUN_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (mount(NETNS_RUN_DIR, NETNS_RUN_DIR, "none", MS_BIND | MS_REC, NULL) ||
	    mount("", NETNS_RUN_DIR, "none", MS_SHARED | MS_REC, NULL))
		return -errno;
	return 0;
}

void netns_unprepare(void)
{
	if (rmdir(NETNS_RUN_DIR) == 0 || errno != EBUSY)
		return;
	if (umount2(NETNS_RUN_DIR, 0) == 0)
		rmdir(NETNS_RUN_DIR);
}

int netns_create(const char *name)
{
	int self, fd, err = 0;
	char path[4096];

	netns_path(name, path);
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	close(fd);
	self = netns_open_self();
	if (self < 0) {
		unlink(path);
		return self;
	}
	if (unshare(CLONE_NEWNET) || mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL))
		err = -errno;
	netns_return(self);
	close(self);
	if (err)
		netns_delete(name);
	return err;
}

int netns_delete(const char *name)
{
	char path[4096];

	netns_path(name, path);
	while (umount2(path, MNT_DETACH) == 0)
		;
	if (errno != EINVAL && errno != ENOENT)
		return -errno;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return 0;
}

int netns_open(const char *name)
{
	struct statfs fs;
	char path[4096];
	int fd;

	netns_path(name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) || fs.f_type != NSFS_MAGIC) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

bool netns_exists(const char *name)
{
	char path[4096];

	netns_path(name, path);
	return access(path, F_OK) == 0;
}

/*
 * Inode numbers are used again soon, so the time at which the inode was made counts too (its change
 * time: nothing changes it afterwards).
 */
static unsigned int identity(const struct stat *st)
{
	unsigned long long time = st->st_ctim.tv_sec * 1000000000ULL + st->st_ctim.tv_nsec;
	unsigned long long id = (time ^ (unsigned long long)st->st_ino << 32) * 0x9e3779b97f4a7c15ULL;

	return id >> 32 ? id >> 32 : 1;
}

unsigned int netns_id(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : identity(&st);
}

bool netns_is(const char *name, unsigned int id)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), NETNS_RUN_DIR "/%s", name);
	if (stat(path, &st))
		return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
	return identity(&st) == id;
}

int netns_open_self(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_enter(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

void netns_return(int self)
{
	for (int tries = 0; tries < 100; tries++) {
		if (setns(self, CLONE_NEWNET) == 0)
			return;
		usleep(1000);
	}
	/* Whatever came next would be done to the wrong machine. */
	note("cannot return to the host's network namespace");
	abort();
}

int netns_cookie(unsigned long long *cookie)
{
	socklen_t len = sizeof(*cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		err = -errno;
	close(fd);
	return err;
}

static int sysctl_open(const char *path, int flags)
{
	char full[256];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int netns_sysctl_write(const char *path, const char *value)
{
	int fd = sysctl_open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int netns_sysctl_read(const char *path, char *value, size_t size)
{
	int fd = sysctl_open(path, O_RDONLY), err = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, size - 1);
	if (n < 0)
		err = -errno;
	else
		value[n] = '\0';
	close(fd);
	return err;
}

int netns_remove_ours(const char *name, unsigned int id)
{
	unsigned int found = id;
	int fd = netns_open(name);

	if (fd == -ELOOP) {
		note("%s: somebody has put a link that leads nowhere in its place: it stays", name);
		return 0;
	}
	/* A file that is no namespace is what a command left that died. */
	if (fd < 0 && fd != -ENOENT && fd != -EINVAL)
		return fd;
	if (fd >= 0 && id)
		found = netns_id(fd);
	if (fd >= 0)
		close(fd);
	if (id && !found)
		return -EIO;
	if (found == id)
		return netns_delete(name);
	note("%s: somebody has made another namespace of this name: it stays", name);
	return 0;
}
