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
	ino_t *mounts;	/* mount namespaces that were looked at */
	size_t mounts_count;
	dev_t nsfs;	/* the file system that namespaces are files of */
	bool files;	/* open files were looked at */
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

/* Each thread of a process may be in a network namespace of its own. */
static void look_at_threads(struct seen *seen, const char *process)
{
	char path[300], file[600];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", process);
	dir = opendir(path);
	seen->failed |= !dir && errno != ENOENT && errno != ESRCH && errno != EACCES;
	while (dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s/ns/net", path, entry->d_name);
		if (entry->d_name[0] != '.')
			look_at(seen, file);
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

/* Mounts of a process's mount namespace, where there are namespaces that have no process. */
static void look_at_mounts(struct seen *seen, const char *process)
{
	char mounts[300], *line = NULL, *where, *path = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(mounts, sizeof(mounts), "/proc/%s/mountinfo", process);
	file = fopen(mounts, "re");
	/* EINVAL: it is about to end, and has no mounts any more. */
	seen->failed |= !file && errno != EACCES && errno != ENOENT && errno != ESRCH &&
			errno != EINVAL;
	while (file && getline(&line, &room, file) > 0) {
		where = NULL;
		if (!strstr(line, " - nsfs ") || sscanf(line, "%*s %*s %*s %*s %ms", &where) != 1)
			continue;
		unescape(where);
		if (asprintf(&path, "/proc/%s/root%s", process, where) < 0)
			seen->failed = true;
		else
			look_at(seen, path);
		free(where);
		free(path);
		path = NULL;
	}
	free(line);
	if (file)
		fclose(file);
}

/* The process is in a mount namespace that was not looked at yet. */
static bool has_other_mounts(struct seen *seen, const char *process)
{
	char path[300];
	struct stat st;
	void *more;

	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", process);
	if (stat(path, &st))
		return false;
	for (size_t i = 0; i < seen->mounts_count; i++)
		if (seen->mounts[i] == st.st_ino)
			return false;
	more = realloc(seen->mounts, (seen->mounts_count + 1) * sizeof(*seen->mounts));
	seen->failed |= !more;
	if (!more)
		return false;
	seen->mounts = more;
	seen->mounts[seen->mounts_count++] = st.st_ino;
	return true;
}

static void look_at_process(struct seen *seen, const char *process)
{
	look_at_threads(seen, process);
	if (has_other_mounts(seen, process))
		look_at_mounts(seen, process);
}

static void each_process(struct seen *seen, void (*look)(struct seen *seen, const char *process))
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	seen->failed = seen->failed || !dir;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			look(seen, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Something has the network namespace. Open files are many: they are looked at last, and once. */
static bool is_kept(struct seen *seen, unsigned long long cookie)
{
	if (!seen->files && !has_cookie(seen, cookie)) {
		seen->files = true;
		each_process(seen, look_at_files);
	}
	return seen->failed || has_cookie(seen, cookie);
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
	each_process(seen, look_at_process);
	return seen->failed ? -EIO : 0;
}

/*
 * The first uplink is gone with its namespace: the pinned link is attached to nothing. A filter of a
 * kernel without tcx does not say where it is: there a namespace that neither a thread, a mount nor an
 * open file shows (a socket may keep one) is taken for gone.
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
static int look_into(struct seen *seen, const char *name, unsigned long long cookie, bool remove)
{
	struct pin_dir d = { .fd = -1 };
	struct fail f;
	int err = pin_dir_open_named(&d, name, &f);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (uplink_is_gone(&d) && !is_kept(seen, cookie))
		err = remove ? pin_dir_remove(&d, false, &f) : 0;
	else
		err = -EEXIST;
	pin_dir_close(&d);
	if (seen->failed)
		return -EIO;
	return err == -EEXIST ? 0 : err ? err : 1;
}

static int compare_all(struct seen *seen, struct dirent **entry, int count, bool remove)
{
	int orphans = 0, failed = 0;

	for (int i = 0; i < count; i++) {
		unsigned long long cookie;
		char rest;
		int err;

		if (sscanf(entry[i]->d_name, "%llu%c", &cookie, &rest) != 1 || has_cookie(seen, cookie))
			continue;
		err = look_into(seen, entry[i]->d_name, cookie, remove);
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
	if (seen.self >= 0)
		close(seen.self);
	free(seen.item);
	free(seen.mounts);
	return err;
}
