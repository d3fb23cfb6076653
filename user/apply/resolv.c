// SPDX-License-Identifier: GPL-2.0-only
/* resolv.conf of a namespace. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "apply/resolv.h"

#define HOST_RESOLV "/etc/resolv.conf"
#define SYSTEMD_RESOLV "/run/systemd/resolve/resolv.conf"	/* behind the stub at 127.0.0.53 */
#define PUBLIC_RESOLV "nameserver 9.9.9.9\nnameserver 8.8.8.8\n"

static void resolv_path(const char *name, bool file, char path[4096])
{
	snprintf(path, 4096, NETNS_ETC_DIR "/%s%s", name, file ? "/resolv.conf" : "");
}

bool resolv_exists(const char *name)
{
	struct stat st;
	char path[4096];

	resolv_path(name, true, path);
	return lstat(path, &st) == 0;	/* a link that leads nowhere is somebody's too */
}

/* Copy what is useful inside; returns the number of servers. */
static int resolv_copy(const char *from, bool ipv6, FILE *to)
{
	FILE *file = fopen(from, "re");
	char line[1024], server[256];
	int servers = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		bool is_server = sscanf(line, " nameserver %255s", server) == 1;
		struct nsx_addr addr;

		if (is_server && (parse_addr(server, &addr) || addr_is_loopback(&addr) ||
				  (!nsx_is_v4(&addr) && (!ipv6 || addr_is_link_local(&addr)))))
			continue;
		if (is_server)
			servers++;
		if (is_server || strncmp(line, "search", 6) == 0 ||
		    strncmp(line, "options", 7) == 0)
			fputs(line, to);
	}
	fclose(file);
	return servers;
}

int resolv_write(const char *name, const struct nsx_addr *dns, int count, bool ipv6, bool *made_dir)
{
	char path[4096], addr[ADDR_STRLEN];
	FILE *file;
	int err;

	*made_dir = mkdir(NETNS_ETC_DIR, 0755) == 0;
	if (!*made_dir && errno != EEXIST)
		return -errno;
	resolv_path(name, false, path);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	resolv_path(name, true, path);
	file = fopen(path, "wxe");
	if (!file)
		return -errno;
	for (int i = 0; i < count; i++)
		fprintf(file, "nameserver %s\n", format_addr(&dns[i], addr));
	if (!count && !resolv_copy(HOST_RESOLV, ipv6, file) &&
	    !resolv_copy(SYSTEMD_RESOLV, ipv6, file)) {
		fputs(PUBLIC_RESOLV, file);
		note("ns add %s: the host has no resolver that can be reached from inside: using public ones "
		     "(--dns chooses)",
		     name);
	}
	err = ferror(file) ? -EIO : 0;
	return fclose(file) ? -errno : err;
}

int resolv_remove(const char *name)
{
	char path[4096];

	resolv_path(name, true, path);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	resolv_path(name, false, path);
	return rmdir(path) && errno != ENOENT && errno != ENOTEMPTY ? -errno : 0;
}
