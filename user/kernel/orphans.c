// SPDX-License-Identifier: GPL-2.0-only
/* Instances that nobody can reach any more. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel/orphans.h"
#include "kernel/feature.h"
#include "kernel/netns.h"
#include "kernel/pin.h"
#include "nsxdp.h"

/** struct seen - the network namespaces that were found */
struct seen {
	struct {
		ino_t inode;
		unsigned long long cookie;
	} *item;
	size_t count;
	dev_t nsfs;	/* the file system that namespaces are files of */
	bool failed;
	int self;
};

static bool has_inode(const struct seen *seen, ino_t inode)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->item[i].inode == inode)
			return true;
	return false;
}

static bool has_cookie(const struct seen *seen, unsigned long long cookie)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->item[i].cookie == cookie)
			return true;
	return false;
}

/* A file that may be a network namespace. What cannot be looked at may be one: then nothing is known. */
static void look_at(struct seen *seen, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned long long cookie = 0;
	struct stat st;
	void *more;

	if (fd < 0) {
		seen->failed |= errno != ENOENT && errno != ESRCH && errno != EACCES;
		return;
	}
	if (fstat(fd, &st) || has_inode(seen, st.st_ino)) {
		close(fd);
		return;
	}
	if (netns_enter(fd) == 0) {
		seen->failed |= netns_cookie(&cookie) != 0;
		netns_return(seen->self);
	} else {
		seen->failed |= errno != EINVAL;
	}
	close(fd);
	more = realloc(seen->item, (seen->count + 1) * sizeof(*seen->item));
	if (!more) {
		seen->failed = true;
		return;
	}
	seen->item = more;
	seen->item[seen->count].inode = st.st_ino;
	seen->item[seen->count++].cookie = cookie;
}

/* The network namespaces among the files that a process has open. */
static void look_at_files(struct seen *seen, const char *process)
{
	char path[300], file[600];
	struct dirent *entry;
	struct statx st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	dir = opendir(path);
	seen->failed |= !dir && errno != ENOENT && errno != ESRCH && errno != EACCES;
	while (dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		/* By the file system, for the name goes with the mount. Files of others may hang. */
		if (statx(AT_FDCWD, file, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
		    makedev(st.stx_dev_major, st.stx_dev_minor) == seen->nsfs)
			look_at(seen, file);
	}
	if (dir)
		closedir(dir);
}

/*
 * Files only where nothing else tells whether an uplink is gone, for they are many: see
 * uplink_is_gone().
 */
static void look_at_processes(struct seen *seen)
{
	bool files = !feature_has(FEATURE_TCX);
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[300];

	seen->failed = seen->failed || !dir;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		look_at(seen, path);
		if (files)
			look_at_files(seen, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* A path as mountinfo has it: some characters are octal numbers behind a backslash. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		unsigned int code;

		if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
			*to = code;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * Mounts of this mount namespace and of process 1's, where there are namespaces that have no
 * process. Those of process 1 may be out of reach.
 */
static void look_at_mounts(struct seen *seen, const char *mounts, const char *root)
{
	FILE *file = fopen(mounts, "re");
	char line[4096], where[2048], path[4096];

	seen->failed |= !file && errno != EACCES && errno != ENOENT;
	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, " - nsfs ") || sscanf(line, "%*s %*s %*s %*s %2047s", where) != 1)
			continue;
		unescape(where);
		snprintf(path, sizeof(path), "%s%s", root, where);
		look_at(seen, path);
	}
	if (file)
		fclose(file);
}

static int find_namespaces(struct seen *seen)
{
	struct stat st = {};

	memset(seen, 0, sizeof(*seen));
	seen->self = netns_open_self();
	if (seen->self < 0)
		return seen->self;
	seen->failed = fstat(seen->self, &st) != 0;
	seen->nsfs = st.st_dev;
	look_at_processes(seen);
	look_at_mounts(seen, "/proc/self/mountinfo", "");
	look_at_mounts(seen, "/proc/1/mountinfo", "/proc/1/root");
	close(seen->self);
	return seen->failed ? -EIO : 0;
}

/*
 * The first uplink is gone with its namespace: the pinned link is attached to nothing. A filter of a
 * kernel without tcx does not say where it is: there a namespace that neither a process, a mount nor
 * an open file shows (a socket may keep one) is taken for gone.
 */
static bool uplink_is_gone(const struct pin_dir *d)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, "link_uplink", path)), err;

	if (fd < 0)
		return errno == ENOENT;
	err = feature_has(FEATURE_TCX) ? bpf_obj_get_info_by_fd(fd, &info, &size) : 0;
	close(fd);
	return !err && info.xdp.ifindex == 0;
}

/* Whether it is one; -EBUSY where somebody is working at it. */
static int look_into(const char *name, bool remove)
{
	struct pin_dir d = { .fd = -1 };
	struct fail f;
	int err = pin_dir_open_named(&d, name, &f);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (uplink_is_gone(&d))
		err = remove ? pin_dir_remove(&d, false, &f) : 0;
	else
		err = -EEXIST;
	pin_dir_close(&d);
	return err == -EEXIST ? 0 : err ? err : 1;
}

static int compare_all(const struct seen *seen, struct dirent **entry, int count, bool remove)
{
	int orphans = 0, failed = 0;

	for (int i = 0; i < count; i++) {
		unsigned long long cookie;
		char rest;
		int err;

		if (sscanf(entry[i]->d_name, "%llu%c", &cookie, &rest) != 1 || has_cookie(seen, cookie))
			continue;
		err = look_into(entry[i]->d_name, remove);
		if (err < 0 && err != -EBUSY)
			failed = err;
		orphans += err > 0;
	}
	return failed ? failed : orphans;
}

int orphans_find(bool remove, struct fail *f)
{
	struct dirent **entry = NULL;
	struct seen seen = {};
	/* First the instances, then the namespaces: one that is made meanwhile is not among the first. */
	int count = scandir(NSX_PIN_ROOT, &entry, NULL, NULL), err;

	if (count < 0)
		return errno == ENOENT ? 0 : fail_errno(f, -errno, "cannot read " NSX_PIN_ROOT);
	err = find_namespaces(&seen);
	if (err)
		fail_errno(f, err, "cannot find all network namespaces of this machine");
	else if ((err = compare_all(&seen, entry, count, remove)) < 0)
		fail_errno(f, err, "cannot remove all that is left");
	while (count--)
		free(entry[count]);
	free(entry);
	free(seen.item);
	return err;
}
