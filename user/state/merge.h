/* SPDX-License-Identifier: GPL-2.0-only */
/* What both families have alike, shown once. */
#ifndef NSXDP_STATE_MERGE_H
#define NSXDP_STATE_MERGE_H

#include <jansson.h>

/*
 * Rows of published ports, those of IPv4 first, with "family": a row that there is for both families
 * becomes one, of family "both", whose counts are sums, and whose targets have "address6" too. Takes
 * rows over; returns them.
 */
json_t *merge_families(json_t *rows);

#endif
