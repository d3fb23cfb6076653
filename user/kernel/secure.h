/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the host's end of a namespace's link. */
#ifndef NSXDP_SECURE_H
#define NSXDP_SECURE_H

#include "fail.h"
#include "kernel/netlink.h"
#include "nsxdp.h"

/*
 * Make the host's stack distrust a namespace's link: it forwards nothing that comes in there, takes
 * no source address but one that is routed there, and believes no redirects or router
 * advertisements. Returns 0 or a negative errno, with the reason in words.
 */
int secure_link(struct nl *nl, const struct nsx_ns *ns, struct fail *f);

/* 1 where somebody has changed that, 0 where it stands, or a negative errno. */
int secure_link_check(struct nl *nl, const struct nsx_ns *ns);

/* Note in ns what is set before that, for secure_link_undo(), which a link needs that stays. */
int secure_link_note(struct nl *nl, struct nsx_ns *ns, struct fail *f);
int secure_link_undo(struct nl *nl, const struct nsx_ns *ns);

#endif
