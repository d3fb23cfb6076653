/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running state as JSON, for the commands that show it. Each returns a new value, NULL without
 * memory.
 */
#ifndef NSXDP_STATE_H
#define NSXDP_STATE_H

#include <jansson.h>

#include "config/config.h"
#include "kernel/tables.h"
#include "state/health.h"

/*
 * Published ports by protocol and port; where ns_id is not 0, of that namespace; where which is not
 * NULL, those at its ports.
 */
json_t *state_maps(struct instance *in, __u32 ns_id, const struct map_conf *which);

/* Live flows with state. */
json_t *state_flows(struct instance *in);

/*
 * Every TCP and UDP port that is published, masqueraded or held by a socket of the host; NULL where
 * those cannot be read.
 */
json_t *state_ports(struct instance *in);

/* Namespaces by name. */
json_t *state_ns_list(struct instance *in);
json_t *state_ns(const struct health *h, const char name[NSX_NAME_LEN], const struct nsx_ns *ns);

/*
 * What is broken or may surprise: an array of severity ("broken", "warning", "note"), object,
 * finding and advice. err: what opening the instance gave, with the reason; in is used where it
 * is 0.
 */
json_t *state_findings(struct instance *in, int err, const struct fail *f);

/* The instance with its verdicts; those never counted are left out. */
json_t *state_status(struct instance *in);

/* Of use to all of them. */
json_t *addr_json(const struct nsx_addr *addr);

/* "20000-29999", or "6000" where it is one. */
const char *range_text(__u16 first, __u16 last, char buf[16]);

/* A counter, which is unsigned. */
json_t *counter_json(unsigned long long value);

#endif
