/* SPDX-License-Identifier: GPL-2.0-only */
/* /etc/netns/NAME/resolv.conf: resolvers that can be reached from inside a namespace. */
#ifndef NSXDP_RESOLV_H
#define NSXDP_RESOLV_H

#include "config/config.h"

/* The file exists already: the administrator's, not ours. */
bool resolv_exists(const char *name);

/*
 * Write the file: the given servers, else those of the host that are not on its loopback, else
 * public ones; ipv6: IPv6 servers of the host can be reached. made_dir is set where /etc/netns was missing. Returns 0 or a negative errno.
 */
int resolv_write(const char *name, const struct nsx_addr *dns, int count, bool ipv6, bool *made_dir);

/* Remove the file, and its directory where that is empty. */
int resolv_remove(const char *name);

#endif
