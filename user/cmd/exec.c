// SPDX-License-Identifier: GPL-2.0-only
/*
 * nsxdp ns exec: run a command in a namespace as ip-netns(8) does. The command replaces this
 * process, so its exit status and its signals are its own.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "config/config.h"
#include "fail.h"
#include "kernel/netns.h"
#include "parse.h"

#define GROUPS_MAX 1024
#define UID_MAX 0xfffffffeUL	/* the highest means "leave it" */

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
			note("ns exec %s: cannot put %s over %s: %s", name, from, to,
			     strerror(errno));
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
	if (umount2("/sys", MNT_DETACH) && errno == EINVAL && statvfs("/sys", &sys) == 0 &&
	    (sys.f_flag & ST_RDONLY))
		flags = MS_RDONLY;
	if (mount(name, "/sys", "sysfs", flags, NULL))
		return fail_errno(f, -errno, "cannot mount its /sys");
	bind_etc(name);
	return 0;
}

/** struct identity - who a command runs as, found out before the namespace's own /etc is seen */
struct identity {
	uid_t uid;
	gid_t gid;
	gid_t group[GROUPS_MAX];
	int groups;
	char name[64];		/* "" where the number has none */
	char home[1024];
};

/* UID or UID:GID */
static bool read_numbers(const char *word, struct identity *who)
{
	const char *colon = strchr(word, ':');
	unsigned long uid, gid;
	char head[16];

	if (colon && (size_t)(colon - word) < sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(colon - word), word);
		if (parse_number(head, 0, UID_MAX, &uid) ||
		    parse_number(colon + 1, 0, UID_MAX, &gid))
			return false;
	} else if (parse_number(word, 0, UID_MAX, &uid)) {
		return false;
	} else {
		gid = uid;
	}
	who->uid = uid;
	who->gid = gid;
	return true;
}

static int identify(const char *word, struct identity *who, struct fail *f)
{
	bool numbers = read_numbers(word, who);
	struct passwd *pw;

	errno = 0;
	pw = numbers ? getpwuid(who->uid) : getpwnam(word);
	if (!pw && !numbers)
		return fail(f, -ENOENT, "there is no user '%s'", word);
	snprintf(who->home, sizeof(who->home), "%s", pw ? pw->pw_dir : "/");
	snprintf(who->name, sizeof(who->name), "%s", pw ? pw->pw_name : "");
	if (pw && !strchr(word, ':'))
		who->gid = pw->pw_gid;
	if (!numbers)
		who->uid = pw->pw_uid;
	who->group[0] = who->gid;
	who->groups = pw && !strchr(word, ':') ? GROUPS_MAX : 1;
	if (who->groups > 1 && getgrouplist(pw->pw_name, who->gid, who->group, &who->groups) < 0)
		return fail(f, -E2BIG, "user '%s' is in too many groups", word);
	return 0;
}

/* For good: neither a set-user-ID program nor an open descriptor leads back. */
static int become(const struct identity *who, struct fail *f)
{
	int err = 0;

	for (int cap = 0; !err && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		err = prctl(PR_CAPBSET_DROP, cap);
	if (err || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setgroups(who->groups, who->group) ||
	    setresgid(who->gid, who->gid, who->gid) || setresuid(who->uid, who->uid, who->uid))
		return fail_errno(f, -errno, "cannot become user %u", who->uid);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	setenv("HOME", who->home, 1);
	if (who->name[0]) {
		setenv("USER", who->name, 1);
		setenv("LOGNAME", who->name, 1);
	} else {
		unsetenv("USER");
		unsetenv("LOGNAME");
	}
	return 0;
}

/*
 * For the help: the words behind the first belong to another program, so they are not read by this.
 */
static const struct option_desc options[] = {
	{ "user", "USER",
	  "drop to a user for good, by name or as UID[:GID]: no capability, and set-user-ID programs give none",
	  1, NS_EXEC, 0, false, NULL, NULL },
	{},
};

const struct grammar ns_exec_grammar = { options, NS_EXEC, NULL };

int cmd_ns_exec(const struct cmd *cmd, int argc, char **argv)
{
	char name[NSX_NAME_LEN];
	static struct identity who;
	const char *user = NULL;
	struct fail f;
	int i = 1;

	if (argc < 1 || parse_name(argv[0], name)) {
		fail(&f, -EINVAL,
		     argc < 1 ? "the namespace's name is missing"
			      : "'%s': not a name for a namespace",
		     argc < 1 ? "" : argv[0]);
		return cmd_usage(cmd, &f);
	}
	if (i < argc && strncmp(argv[i], "--user=", 7) == 0) {
		user = argv[i++] + 7;
	} else if (i < argc && strcmp(argv[i], "--user") == 0) {
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
	if ((user && identify(user, &who, &f)) || enter(name, &f) || (user && become(&who, &f)))
		return cmd_failed(cmd, name, &f);
	execvp(argv[i], argv + i);
	fail_errno(&f, -errno, "cannot run '%s'", argv[i]);
	cmd_failed(cmd, name, &f);
	return errno == ENOENT ? 127 : 126;
}
