/* SPDX-License-Identifier: GPL-2.0-only */
/* /etc/netns/NAME/gai.conf: which of a name's addresses programs inside try first. */
#ifndef NSXDP_APPLY_GAI_H
#define NSXDP_APPLY_GAI_H

#include <stdbool.h>

bool gai_exists(const char *name);

/*
 * Write the file, by which IPv6 comes first. made_dir is set where /etc/netns was missing. Returns 0
 * or a negative errno.
 */
int gai_write(const char *name, bool *made_dir);

/* Remove the file, and its directory where that is empty. */
int gai_remove(const char *name);

#endif
