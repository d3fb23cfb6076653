/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the host's end of a namespace's link, and of the device that the kernel is asked for routes from. */
#ifndef NSXDP_SECURE_H
#define NSXDP_SECURE_H

#include <stdbool.h>

#include "fail.h"
#include "nsxdp.h"

/*
 * Make the host's stack distrust a namespace's link: it forwards nothing that comes in there, takes no source address
 * but one that is routed there, and believes no redirects or router advertisements. Returns 0 or a negative errno, with
 * the reason in words.
 */
int secure_link(const struct nsx_ns *ns, struct fail *f);

/* Note in ns what is set before that, for secure_link_undo(), which a link needs that stays. */
int secure_link_note(struct nsx_ns *ns, struct fail *f);
void secure_link_undo(const struct nsx_ns *ns);

/*
 * The device that bpf_fib_lookup() takes for the one where packets come in. The kernel answers only where that
 * device forwards, so that no other device has to. It is half of a veth pair, both ends down: nothing is ever sent by it.
 */
int secure_fib_dev_make(__u32 *ifindex, struct fail *f);
void secure_fib_dev_remove(void);

/* Somebody's "ip_forward=0" sets it for every device; without it the datapath gets no answers. */
int secure_fib_dev_forward(void);

/* The device is there and forwards. */
bool secure_fib_dev_works(__u32 ifindex);

#endif
