// SPDX-License-Identifier: GPL-2.0-only
/* resolv.conf and gai.conf of a namespace. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "apply/resolv.h"

#define RESOLV_CONF "resolv.conf"
#define GAI_CONF "gai.conf"
#define HOST_RESOLV "/etc/resolv.conf"
#define SYSTEMD_RESOLV "/run/systemd/resolve/resolv.conf"	/* behind the stub at 127.0.0.53 */
#define PUBLIC_RESOLV "nameserver 9.9.9.9\nnameserver 8.8.8.8\n"

/*
 * The C library's own table (RFC 6724, 2.1) without the line for fc00::/7: with it a private source
 * goes with private destinations only, and IPv4 comes before IPv6 for all others.
 */
#define GAI_TEXT                                                                   \
	"# Made by nsxdp (ns add --prefer-ipv6): see gai.conf(5).\n"               \
	"label ::1/128 0\nlabel ::/0 1\nlabel 2002::/16 2\nlabel ::/96 3\n"        \
	"label ::ffff:0:0/96 4\nlabel fec0::/10 5\nlabel 2001:0::/32 7\n"

#define ETC_PATH_MAX 4096

/* The path of a namespace's file, or of its directory where file is NULL. */
static const char *etc_path(const char *name, const char *file, char path[ETC_PATH_MAX])
{
	snprintf(path, ETC_PATH_MAX, NETNS_ETC_DIR "/%s%s%s", name, file ? "/" : "",
		 file ? file : "");
	return path;
}

static bool etc_is_text(const char *name, const char *file, const char *text)
{
	char path[ETC_PATH_MAX], *found = malloc(strlen(text) + 2);
	FILE *f = found ? fopen(etc_path(name, file, path), "re") : NULL;
	bool ret = false;
	size_t len;

	if (f) {
		len = fread(found, 1, strlen(text) + 1, f);
		ret = len == strlen(text) && memcmp(found, text, len) == 0;
		fclose(f);
	}
	free(found);
	return ret;
}

static bool etc_is_free(const char *name, const char *file, const char *text)
{
	char path[ETC_PATH_MAX];
	struct stat st;

	/* A link is somebody's, wherever it leads. */
	if (lstat(etc_path(name, file, path), &st))
		return errno == ENOENT;
	return S_ISREG(st.st_mode) && etc_is_text(name, file, text);
}

static int etc_write(const char *name, const char *file, const char *text, bool *made_dir)
{
	char path[ETC_PATH_MAX];
	FILE *f;
	int err;

	*made_dir = mkdir(NETNS_ETC_DIR, 0755) == 0;
	if (!*made_dir && errno != EEXIST)
		return -errno;
	if (mkdir(etc_path(name, NULL, path), 0755) && errno != EEXIST)
		return -errno;
	f = fopen(etc_path(name, file, path), "wxe");
	if (!f)
		return errno == EEXIST && etc_is_free(name, file, text) ? 0 : -errno;
	err = fputs(text, f) < 0 ? -EIO : 0;
	return fclose(f) ? -errno : err;
}

static int etc_remove(const char *name, const char *file)
{
	char path[ETC_PATH_MAX];

	if (unlink(etc_path(name, file, path)) && errno != ENOENT)
		return -errno;
	return rmdir(etc_path(name, NULL, path)) && errno != ENOENT && errno != ENOTEMPTY ? -errno
											  : 0;
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

/* What resolv.conf says, for the caller to free; NULL without memory. *is_public: of public servers. */
static char *resolv_text(const struct resolv *r, bool *is_public)
{
	char *text = NULL, addr[ADDR_STRLEN];
	size_t size;
	FILE *to = open_memstream(&text, &size);

	*is_public = false;
	if (!to)
		return NULL;
	for (int i = 0; i < r->count; i++)
		fprintf(to, "nameserver %s\n", format_addr(&r->dns[i], addr));
	if (!r->count && !resolv_copy(HOST_RESOLV, r->ipv6, to) &&
	    !resolv_copy(SYSTEMD_RESOLV, r->ipv6, to)) {
		fputs(PUBLIC_RESOLV, to);
		*is_public = true;
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

bool resolv_is_free(const char *name, const struct resolv *r)
{
	bool is_public, ret;
	char *text = resolv_text(r, &is_public);

	ret = etc_is_free(name, RESOLV_CONF, text ? text : "");
	free(text);
	return ret;
}

int resolv_write(const char *name, const struct resolv *r, bool *made_dir)
{
	bool is_public;
	char *text = resolv_text(r, &is_public);
	int err = text ? etc_write(name, RESOLV_CONF, text, made_dir) : -ENOMEM;

	if (!err && is_public)
		note("ns add %s: the host has no resolver that can be reached from inside: using public ones "
		     "(--dns chooses)",
		     name);
	free(text);
	return err;
}

int resolv_remove(const char *name)
{
	return etc_remove(name, RESOLV_CONF);
}

bool gai_is_free(const char *name)
{
	return etc_is_free(name, GAI_CONF, GAI_TEXT);
}

int gai_write(const char *name, bool *made_dir)
{
	return etc_write(name, GAI_CONF, GAI_TEXT, made_dir);
}

int gai_remove(const char *name)
{
	return etc_remove(name, GAI_CONF);
}
