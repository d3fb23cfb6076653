// SPDX-License-Identifier: GPL-2.0-only
/* Directory, pins and lock of an instance. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"
#include "nsxdp.h"
#include "pin.h"

#define BPFFS "/sys/fs/bpf"

static bool bpffs_mounted(void)
{
	struct statfs fs;

	return statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

int pin_mount(bool *mounted, struct fail *f)
{
	*mounted = false;
	if (bpffs_mounted())
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return fail_errno(f, -errno, "cannot mount the BPF file system at " BPFFS);
	*mounted = true;
	return 0;
}

bool pin_mount_is_private(void)
{
	struct stat ours, first;

	return stat("/proc/self/ns/mnt", &ours) == 0 && stat("/proc/1/ns/mnt", &first) == 0 && ours.st_ino != first.st_ino;
}

static int pin_dir_path(struct pin_dir *d, struct fail *f)
{
	unsigned long long cookie;
	int err = netns_cookie(&cookie);

	d->fd = -1;
	if (err)
		return fail_errno(f, err, "cannot identify this network namespace");
	snprintf(d->path, sizeof(d->path), NSX_PIN_ROOT "/%llu", cookie);
	return 0;
}

/* Lock the directory, and be sure that it was not removed while we waited. */
static int pin_dir_lock(struct pin_dir *d, int operation)
{
	struct stat locked, named;

	for (;;) {
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->fd < 0)
			return -errno;
		if (flock(d->fd, operation)) {
			int err = -errno;

			pin_dir_close(d);
			return err;
		}
		if (fstat(d->fd, &locked) == 0 && stat(d->path, &named) == 0 && locked.st_ino == named.st_ino)
			return 0;
		pin_dir_close(d);
	}
}

int pin_dir_create(struct pin_dir *d, struct fail *f)
{
	int err = pin_dir_path(d, f);

	if (err)
		return err;
	do {
		if ((mkdir(NSX_PIN_ROOT, 0700) && errno != EEXIST) || (mkdir(d->path, 0700) && errno != EEXIST))
			return fail_errno(f, -errno, "cannot make %s", d->path);
		err = pin_dir_lock(d, LOCK_EX);
	} while (err == -ENOENT);
	return err ? fail_errno(f, err, "cannot lock %s", d->path) : 0;
}

int pin_dir_open(struct pin_dir *d, bool exclusive, struct fail *f)
{
	int err = pin_dir_path(d, f);

	if (err)
		return err;
	err = pin_dir_lock(d, exclusive ? LOCK_EX : LOCK_SH);
	if (err == -ENOENT || !err)
		return err;
	return fail_errno(f, err, "cannot open %s", d->path);
}

void pin_dir_close(struct pin_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static int mount_netns(const char *path)
{
	return mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) ? -errno : 0;
}

/* The same in the mount namespace of process 1, by a child, for whoever enters one does not come back as it was. */
static int mount_netns_first(const char *path)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (!child) {
		int first = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC), root = open("/proc/1/root", O_PATH | O_CLOEXEC);

		_exit(first < 0 || root < 0 || setns(first, CLONE_NEWNS) || fchdir(root) || chroot(".") || mount_netns(path));
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return status ? -ENOENT : 0;
}

/*
 * The BPF file system has no files but objects: the mount is on the pin of a map that nobody uses. A mount namespace of the
 * caller's own ends with it, and the mount too; where process 1 does not see the pin, all pins end with it.
 */
int pin_hold_netns(const struct pin_dir *d, const char *name)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_holder", sizeof(__u32), sizeof(__u32), 1, NULL), err = 0;
	char path[PIN_PATH_MAX];

	if (map < 0)
		return -errno;
	if (bpf_obj_pin(map, pin_path(d, name, path)))
		err = -errno;
	close(map);
	if (err)
		return err;
	if (!pin_mount_is_private() || mount_netns_first(path))
		err = mount_netns(path);
	if (err)
		unlink(path);
	return err;
}

static void release(const char *path)
{
	umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	unlink(path);
}

void pin_release_netns(const struct pin_dir *d, const char *name)
{
	char path[PIN_PATH_MAX];

	release(pin_path(d, name, path));
}

int pin_dir_remove(struct pin_dir *d, bool unmount, struct fail *f)
{
	DIR *dir = opendir(d->path);
	struct dirent *entry;
	char path[sizeof(d->path) + sizeof(entry->d_name)];

	if (!dir)
		return fail_errno(f, -errno, "cannot read %s", d->path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) && errno == EBUSY) {
			snprintf(path, sizeof(path), "%s/%s", d->path, entry->d_name);
			release(path);
		}
	closedir(dir);
	if (rmdir(d->path))
		return fail_errno(f, -errno, "cannot remove %s", d->path);
	if (rmdir(NSX_PIN_ROOT) == 0 && unmount) {
		pin_dir_close(d);	/* it would keep the mount busy */
		umount2(BPFFS, 0);
	}
	return 0;
}

const char *pin_path(const struct pin_dir *d, const char *name, char buf[PIN_PATH_MAX])
{
	snprintf(buf, PIN_PATH_MAX, "%s/%s", d->path, name);
	return buf;
}
