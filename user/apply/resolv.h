/* SPDX-License-Identifier: GPL-2.0-only */
/* /etc/netns/NAME: how programs inside a namespace resolve names. */
#ifndef NSXDP_RESOLV_H
#define NSXDP_RESOLV_H

#include "config/config.h"

/**
 * struct resolv - what resolv.conf is made from
 * @dns: servers; without any, those of the host that can be reached from inside, else public ones
 * @count: of them
 * @ipv6: the namespace reaches IPv6 servers of the host
 */
struct resolv {
	const struct nsx_addr *dns;
	int count;
	bool ipv6;
};

/*
 * The file is not there, or is just what would be written: a run has left it that ended with the
 * machine. Any other is the administrator's.
 */
bool resolv_is_free(const char *name, const struct resolv *r);
bool gai_is_free(const char *name);

/*
 * Write resolv.conf, or gai.conf(5) by which IPv6 comes first. *made_dir is set where /etc/netns was
 * missing. Return 0 or a negative errno; -EEXIST: the file is the administrator's.
 */
int resolv_write(const char *name, const struct resolv *r, bool *made_dir);
int gai_write(const char *name, bool *made_dir);

/* Remove the file, and its directory where that is empty. Return 0 or a negative errno. */
int resolv_remove(const char *name);
int gai_remove(const char *name);

#endif
