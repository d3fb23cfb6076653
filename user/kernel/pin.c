// SPDX-License-Identifier: GPL-2.0-only
/* Directory, pins and lock of an instance. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "nsxdp.h"
#include "kernel/pin.h"

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

	return stat("/proc/self/ns/mnt", &ours) == 0 && stat("/proc/1/ns/mnt", &first) == 0 &&
	       ours.st_ino != first.st_ino;
}

static int pin_dir_path(struct pin_dir *d, struct fail *f)
{
	unsigned long long cookie;
	int err = netns_cookie(&cookie);

	d->fd = -1;
	d->exclusive = false;
	if (err)
		return fail_errno(f, err, "cannot identify this network namespace");
	snprintf(d->path, sizeof(d->path), NSX_PIN_ROOT "/%llu", cookie);
	return 0;
}

/*
 * Whoever changes something is not to end in the middle of it by a signal that means "end", or by a
 * closed pipe: those wait until the lock is given back.
 */
static void hold_signals(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGTERM);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

int pin_wait_seconds = -1;

/* The lock of this network namespace's instance is held for several uses: see pin_hold(). */
static bool held;

static bool process_is_stopped(int pid)
{
	char path[32], line[256], *behind = NULL;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	/* Behind the name, which may have parentheses itself. */
	if (stat && fgets(line, sizeof(line), stat))
		behind = strrchr(line, ')');
	if (stat)
		fclose(stat);
	return behind && behind[1] && (behind[2] == 'T' || behind[2] == 't');
}

/* "process 77 (stopped)": who has the lock on an open directory. */
static void name_holder(int fd, char *buf, size_t size)
{
	FILE *locks = fopen("/proc/locks", "re");
	unsigned int major, minor;
	unsigned long inode;
	struct stat st;
	char line[256];
	int pid;

	snprintf(buf, size, "another command");
	while (locks && fstat(fd, &st) == 0 && fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*s FLOCK %*s WRITE %d %x:%x:%lu", &pid, &major, &minor, &inode) == 4 &&
		    inode == st.st_ino && makedev(major, minor) == st.st_dev) {
			snprintf(buf, size, "process %d%s", pid, process_is_stopped(pid) ? " (stopped)" : "");
			break;
		}
	}
	if (locks)
		fclose(locks);
}

bool pin_is_busy(const struct pin_dir *d)
{
	if (flock(d->fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK;
	flock(d->fd, LOCK_UN);
	return false;
}

/* Wait for the lock, and after a second say for whom. */
static int lock_exclusively(int fd, bool wait, struct fail *f)
{
	char holder[64];

	for (int tenths = 0;; tenths++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_errno(f, -errno, "cannot lock the instance");
		name_holder(fd, holder, sizeof(holder));
		if (!wait || (pin_wait_seconds >= 0 && tenths >= 10 * pin_wait_seconds))
			return fail(f, -EBUSY, "the instance is being changed by %s", holder);
		if (tenths == 10)
			note("waiting: the instance is being changed by %s", holder);
		usleep(tenths ? 100000 : 2000);
	}
}

/* Open the directory, and be sure that it was not removed while we waited for its lock. */
static int pin_dir_lock(struct pin_dir *d, enum pin_access access, struct fail *f)
{
	struct stat locked, named;
	int err;

	for (;;) {
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->fd < 0)
			return errno == ENOENT ? -ENOENT
					       : fail_errno(f, -errno, "cannot open %s", d->path);
		err = 0;
		if (access != PIN_NO_LOCK && !held)
			err = lock_exclusively(d->fd, access == PIN_LOCK, f);
		if (err) {
			pin_dir_close(d);
			return err;
		}
		if (fstat(d->fd, &locked) == 0 && stat(d->path, &named) == 0 &&
		    locked.st_ino == named.st_ino) {
			d->exclusive = access != PIN_NO_LOCK;
			if (d->exclusive)
				hold_signals(true);
			return 0;
		}
		pin_dir_close(d);
	}
}

static int create(struct pin_dir *d, enum pin_access access, struct fail *f)
{
	int err = pin_dir_path(d, f);

	if (err)
		return err;
	do {
		if ((mkdir(NSX_PIN_ROOT, 0700) && errno != EEXIST) ||
		    (mkdir(d->path, 0700) && errno != EEXIST))
			return fail_errno(f, -errno, "cannot make %s", d->path);
		err = pin_dir_lock(d, access, f);
	} while (err == -ENOENT);
	return err;
}

int pin_dir_create(struct pin_dir *d, struct fail *f)
{
	return create(d, PIN_LOCK, f);
}

int pin_dir_open_named(struct pin_dir *d, const char *name, struct fail *f)
{
	d->fd = -1;
	d->exclusive = false;
	snprintf(d->path, sizeof(d->path), NSX_PIN_ROOT "/%.20s", name);
	return pin_dir_lock(d, PIN_TRY_LOCK, f);
}

int pin_dir_open(struct pin_dir *d, enum pin_access access, struct fail *f)
{
	int err = pin_dir_path(d, f);

	return err ? err : pin_dir_lock(d, access, f);
}

void pin_dir_close(struct pin_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->fd >= 0 && d->exclusive && !held)
		hold_signals(false);
	d->fd = -1;
}

int pin_hold(struct pin_dir *d, bool wait, struct fail *f)
{
	int err;

	d->fd = -1;
	if (!bpffs_mounted())
		return 0;
	err = create(d, wait ? PIN_LOCK : PIN_TRY_LOCK, f);
	held = !err;
	return err;
}

void pin_unhold(struct pin_dir *d)
{
	held = false;
	if (d->fd >= 0)
		rmdir(d->path);	/* where nothing came of it */
	pin_dir_close(d);
}

static int mount_netns(const char *path)
{
	return mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) ? -errno : 0;
}

/*
 * The same in the mount namespace of process 1, by a child, for whoever enters one does not come
 * back as it was.
 */
static int mount_netns_first(const char *path)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (!child) {
		int first = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC),
		    root = open("/proc/1/root", O_PATH | O_CLOEXEC);

		_exit(first < 0 || root < 0 || setns(first, CLONE_NEWNS) || fchdir(root) ||
		      chroot(".") || mount_netns(path));
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return status ? -ENOENT : 0;
}

/*
 * The BPF file system has no files but objects: the mount is on the pin of a map that nobody uses.
 * A mount namespace of the caller's own ends with it, and the mount too; where process 1 does not
 * see the pin, all pins end with it.
 */
int pin_hold_netns(const struct pin_dir *d, const char *name)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_holder", sizeof(__u32), sizeof(__u32), 1,
				 NULL),
	    err = 0;
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

int pin_is_up(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	if (access(pin_path(d, "link_uplink", path), F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int pin_remove_all(const struct pin_dir *d, struct fail *f)
{
	DIR *dir = opendir(d->path);
	struct dirent *entry;
	char path[sizeof(d->path) + sizeof(entry->d_name)];

	if (!dir)
		return fail_errno(f, -errno, "cannot read %s", d->path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0)) {
			if (errno == EISDIR) {
				unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
			} else if (errno == EBUSY) {
				snprintf(path, sizeof(path), "%s/%s", d->path, entry->d_name);
				release(path);
			}
		}
	closedir(dir);
	return 0;
}

int pin_dir_clear(const struct pin_dir *d, struct fail *f)
{
	int err = pin_next_remove(d, f);

	return err ? err : pin_remove_all(d, f);
}

/* Nobody has pinned anything; what the kernel shows by itself does not count. */
static bool bpffs_empty(void)
{
	DIR *dir = opendir(BPFFS);
	struct dirent *entry;
	bool empty = dir != NULL;

	while (dir && (entry = readdir(dir)))
		empty = empty &&
			(entry->d_name[0] == '.' || strcmp(entry->d_name, "maps.debug") == 0 ||
			 strcmp(entry->d_name, "progs.debug") == 0);
	if (dir)
		closedir(dir);
	return empty;
}

int pin_dir_remove(struct pin_dir *d, bool unmount, struct fail *f)
{
	int err = pin_dir_clear(d, f);

	if (err)
		return err;
	if (rmdir(d->path))
		return fail_errno(f, -errno, "cannot remove %s", d->path);
	if (rmdir(NSX_PIN_ROOT) == 0 && unmount && bpffs_empty()) {
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
