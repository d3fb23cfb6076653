/* SPDX-License-Identifier: GPL-2.0-only */
/* The firewall of the caller's network namespace, which published traffic does not pass. */
#ifndef NSXDP_FIREWALL_H
#define NSXDP_FIREWALL_H

#include <stddef.h>

/*
 * A base chain of nf_tables at the hook "input" or "forward" that drops what no rule accepts. Writes
 * its name ("table filter, chain INPUT") and returns 1; 0 where there is none, or a negative errno.
 */
int firewall_drops(char *name, size_t size);

#endif
