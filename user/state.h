/* SPDX-License-Identifier: GPL-2.0-only */
/* The running state as JSON, for the commands that show it. Each returns a new value, NULL without memory. */
#ifndef NSXDP_STATE_H
#define NSXDP_STATE_H

#include <jansson.h>

#include "tables.h"

/* Published ports by protocol and port; of one namespace where ns_id is not 0. */
json_t *state_maps(struct instance *in, __u32 ns_id);

/* Live flows with state. */
json_t *state_flows(struct instance *in);

/* Every TCP and UDP port that is published, masqueraded or held by a socket of the host; NULL where those cannot be read. */
json_t *state_ports(struct instance *in);

/* Namespaces by name. */
json_t *state_ns_list(struct instance *in);
json_t *state_ns(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns);

/* The instance with its verdicts; those never counted are left out. */
json_t *state_status(struct instance *in);

/* Of use to all of them. */
json_t *addr_json(const struct nsx_addr *addr);

/* null where no namespace has the id. */
json_t *ns_name_json(const struct ns_list *list, __u32 id);

/* "20000-29999", or "6000" where it is one. */
const char *range_text(__u16 first, __u16 last, char buf[16]);

#endif
