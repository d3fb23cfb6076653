// SPDX-License-Identifier: GPL-2.0-only
/* gai.conf of a namespace. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/gai.h"
#include "kernel/netns.h"

/*
 * The C library's own table (RFC 6724, 2.1) without the line for fc00::/7: with it a private source
 * goes with private destinations only, and IPv4 comes before IPv6 for all others.
 */
#define LABELS                                                                     \
	"# Made by nsxdp (ns add --prefer-ipv6): see gai.conf(5).\n"               \
	"label ::1/128 0\nlabel ::/0 1\nlabel 2002::/16 2\nlabel ::/96 3\n"        \
	"label ::ffff:0:0/96 4\nlabel fec0::/10 5\nlabel 2001:0::/32 7\n"

static void gai_path(const char *name, bool file, char path[4096])
{
	snprintf(path, 4096, NETNS_ETC_DIR "/%s%s", name, file ? "/gai.conf" : "");
}

int gai_write(const char *name, bool *made_dir)
{
	char path[4096];
	FILE *file;
	int err;

	*made_dir = mkdir(NETNS_ETC_DIR, 0755) == 0;
	gai_path(name, false, path);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	gai_path(name, true, path);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	err = fputs(LABELS, file) < 0 ? -EIO : 0;
	return fclose(file) ? -errno : err;
}

bool gai_exists(const char *name)
{
	char path[4096];

	gai_path(name, true, path);
	return access(path, F_OK) == 0;
}

int gai_remove(const char *name)
{
	char path[4096];

	gai_path(name, true, path);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	gai_path(name, false, path);
	return rmdir(path) && errno != ENOENT && errno != ENOTEMPTY ? -errno : 0;
}
