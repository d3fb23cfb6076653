// SPDX-License-Identifier: GPL-2.0-only
/*
 * nsxdp ns exec: run a command in a namespace as ip-netns(8) does. The command replaces this process,
 * so its exit status and its signals are its own.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd.h"
#include "fail.h"
#include "netns.h"
#include "parse.h"

/* /etc/netns/NAME/FILE stands in for /etc/FILE. */
static void bind_etc(const char *name)
{
	char from[4096], to[4096];
	struct dirent *entry;
	DIR *dir;

	snprintf(from, sizeof(from), NETNS_ETC_DIR "/%s", name);
	dir = opendir(from);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(from, sizeof(from), NETNS_ETC_DIR "/%s/%s", name, entry->d_name);
		snprintf(to, sizeof(to), "/etc/%s", entry->d_name);
		if (mount(from, to, "none", MS_BIND, NULL))
			note("ns exec %s: cannot put %s over %s: %s", name, from, to, strerror(errno));
	}
	closedir(dir);
}

/* Enter the namespace, with mounts of our own in which /sys shows its devices. */
static int enter(const char *name, struct fail *f)
{
	struct statvfs sys;
	unsigned long flags = 0;
	int fd = netns_open(name), err;

	if (fd < 0)
		return fd == -ENOENT ? fail(f, fd, "there is no such namespace") :
				       fail_errno(f, fd, "cannot open the namespace");
	err = netns_enter(fd);
	close(fd);
	if (err)
		return fail_errno(f, err, "cannot enter the namespace");
	if (unshare(CLONE_NEWNS) || mount("", "/", "none", MS_SLAVE | MS_REC, NULL))
		return fail_errno(f, -errno, "cannot have mounts of its own");
	if (umount2("/sys", MNT_DETACH) && errno == EINVAL && statvfs("/sys", &sys) == 0 && (sys.f_flag & ST_RDONLY))
		flags = MS_RDONLY;
	if (mount(name, "/sys", "sysfs", flags, NULL))
		return fail_errno(f, -errno, "cannot mount its /sys");
	bind_etc(name);
	return 0;
}

static int become(const char *user, struct fail *f)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return fail(f, -ENOENT, "there is no user '%s'", user);
	if (initgroups(pw->pw_name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		return fail_errno(f, -errno, "cannot become user '%s'", user);
	return 0;
}

int cmd_ns_exec(const struct cmd *cmd, int argc, char **argv)
{
	char name[NSX_NAME_LEN];
	const char *user = NULL;
	struct fail f;
	int i = 1;

	if (argc < 1 || parse_name(argv[0], name)) {
		fail(&f, -EINVAL, argc < 1 ? "the namespace's name is missing" : "'%s': not a name for a namespace",
		     argc < 1 ? "" : argv[0]);
		return cmd_usage(cmd, &f);
	}
	if (i < argc && strcmp(argv[i], "--user") == 0) {
		user = i + 1 < argc ? argv[i + 1] : NULL;
		i += 2;
		if (!user) {
			fail(&f, -EINVAL, "--user needs a value");
			return cmd_usage(cmd, &f);
		}
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc) {
		fail(&f, -EINVAL, "the command is missing");
		return cmd_usage(cmd, &f);
	}
	if (user && !getpwnam(user)) {
		fail(&f, -ENOENT, "there is no user '%s'", user);
		return cmd_failed(cmd, name, &f);
	}
	if (enter(name, &f) || (user && become(user, &f)))
		return cmd_failed(cmd, name, &f);
	execvp(argv[i], argv + i);
	fail_errno(&f, -errno, "cannot run '%s'", argv[i]);
	cmd_failed(cmd, name, &f);
	return errno == ENOENT ? 127 : 126;
}
